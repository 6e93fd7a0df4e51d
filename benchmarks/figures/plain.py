"""Each bundle's fused step beside the plain conversion by the same toolkit."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.figures.figure import SIZE, Content, Figure, Measurement, Setting, wrapped
from benchmarks.plain import PLAIN, compare_targets
from benchmarks.tables import markdown_table
from mobilevos.weights import default_checkpoint

__all__ = ["PLAIN_CONVERSIONS"]

_TURNS = 60


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`."""
    found = compare_targets(
        default_checkpoint(), tuple(PLAIN), SIZE, _TURNS, setting.threads, setting.bundles, setting.console
    )
    targets = {name: asdict(one) for name, one in found.items()}
    return Measurement({"threads": setting.threads, "turns": _TURNS, "targets": targets})


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    rows = [
        [name, f"{one['bundle_ms']:.1f}", f"{one['plain_ms']:.1f}", f"{one['ratio']:.2f}"]
        for name, one in content["targets"].items()
    ]
    table = markdown_table(("fused step", "bundle, ms", "plain, ms", "ratio"), rows)
    text = (
        f"{content['turns']} calls of each in turn, {content['threads']} threads, in one process with PyTorch; the "
        "ratio is the median of the turns'."
    )
    return f"{table}\n{wrapped(text)}"


PLAIN_CONVERSIONS = Figure("plain", measure, markdown)
