"""Each bundle's components beside the plain conversion by the same toolkit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from benchmarks.figures.figure import SIZE, Content, Figure, Measurement, Setting, wrapped
from benchmarks.plain import PLAIN, compare_targets
from benchmarks.tables import markdown_table
from mobilevos.contract import COMPONENTS
from mobilevos.weights import default_checkpoint

__all__ = ["PLAIN_CONVERSIONS"]

_TURNS = 60


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`."""
    found = compare_targets(
        default_checkpoint(), tuple(PLAIN), COMPONENTS, SIZE, _TURNS, setting.threads, setting.bundles, setting.console
    )
    targets = {name: {part: asdict(one) for part, one in parts.items()} for name, parts in found.items()}
    return Measurement({"threads": setting.threads, "turns": _TURNS, "targets": targets})


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    rows = [
        [name, *(f"{parts[part]['plain_ms']:.1f} ({_ratio(parts[part]['ratio'])})" for part in COMPONENTS)]
        for name, parts in content["targets"].items()
    ]
    table = markdown_table(("plain, ms (bundle / plain)", *COMPONENTS), rows)
    text = (
        f"{content['turns']} calls of each in turn, {content['threads']} threads, in one process with PyTorch, all "
        "loaded anew three times; the ratio is the median of the turns', and ± half of its 95 % interval. A bundle's "
        "time has its engine's copies and checks in it. `python -m benchmarks.plain` fails where one is slower by more "
        "than two copies of the plain conversion differ from each other."
    )
    return f"{table}\n{wrapped(text)}"


def _ratio(interval: Mapping[str, float]) -> str:
    return f"{interval['value']:.2f} ± {(interval['high'] - interval['low']) / 2:.2f}"


PLAIN_CONVERSIONS = Figure("plain", measure, markdown)
