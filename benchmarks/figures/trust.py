"""What became of damaged bundles."""

from __future__ import annotations

from benchmarks.figures.figure import Content, Figure, Measurement, Setting
from benchmarks.mutations import OUTCOMES, damage_target
from benchmarks.tables import markdown_table
from export.targets import TARGETS
from mobilevos.errors import InputError
from mobilevos.weights import default_checkpoint

__all__ = ["TRUST"]

_SEED = 0
_REGIMES = {"accident": "intact", "attack": "made to fit"}


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`.

    Raises:
        InputError: A damaged bundle did what none may do.
    """
    rows = []
    for target in TARGETS:
        folder, counts = setting.output / "mutations" / target, (setting.mutants, setting.mutants)
        for one in damage_target(target, default_checkpoint(), folder, counts, _SEED, setting.console):
            outcomes = {outcome: one.total(outcome) for outcome in OUTCOMES}
            if outcomes["escaped"] or (one.regime == "accident" and outcomes["ran"]):
                raise InputError(f"damaged bundles of {target} got through", found=str(outcomes))
            rows.append({"target": target, "regime": one.regime, "outcomes": outcomes})
    return Measurement({"seed": _SEED, "results": rows})


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    rows = [
        [one["target"], _REGIMES[one["regime"]], str(sum(one["outcomes"].values()))]
        + [str(one["outcomes"][outcome]) for outcome in OUTCOMES]
        for one in content["results"]
    ]
    return markdown_table(("target", "hashes", "mutants", *OUTCOMES), rows)


TRUST = Figure("trust", measure, markdown)
