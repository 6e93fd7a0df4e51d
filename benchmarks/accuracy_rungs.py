"""The accuracy ladder of int8 as data: what each step from float to a runtime costs, and whether it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from export.closed_loop import LEAST_INT8_IOU
from mobilevos.evaluation.agreement import Agreement

__all__ = ["LOSS_LIMITS", "Gate", "Rung", "gates"]

LOSS_LIMITS = {"executorch": 0.005}
"""J&F that a converted runtime may lose against its parent in float, 0..1, by target."""

_OTHER_LIMIT = 0.01

Kind = Literal["float", "post-training", "reference", "runtime"]


@dataclass(frozen=True)
class Rung:
    """One network in one arithmetic on all clips.

    Attributes:
        name: For people.
        kind: `float`: the parent. `post-training`: the parent with calibrated ranges. `reference`: what was trained
            for int8, in PyTorch's fake quantization. `runtime`: a bundle of that.
        target: Of a bundle's `target`; empty for PyTorch.
        sequences: J&F of each sequence, 0..1, by name.
        j_and_f: Over all of them.
        agreement: With the masks of the reference; None where they are not to be compared.
        sqnr_db: Of each component against the parent in float, of its worst output, by name; None where it is equal;
            empty for float itself. See `benchmarks.component_sqnr`.
        size_bytes: Of a bundle's artefacts; None for PyTorch.
        provenance: Engine, versions and hashes; `made`: commit, machine and time of the tracking.
    """

    name: str
    kind: Kind
    target: str
    sequences: Mapping[str, float]
    j_and_f: float
    agreement: Agreement | None
    sqnr_db: Mapping[str, float | None]
    size_bytes: int | None
    provenance: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return asdict(self)


@dataclass(frozen=True)
class Gate:
    """A limit, and what was found.

    Attributes:
        rung: Name of the rung that must pass.
        what: What is limited.
        limit: The limit, with its unit.
        found: The value, likewise.
        passed: Whether it is kept.
    """

    rung: str
    what: str
    limit: str
    found: str
    passed: bool

    def __str__(self) -> str:
        state = "passed" if self.passed else "FAILED"
        return f"{state}: {self.rung}: {self.what} {self.found}, limit {self.limit}"


def gates(rungs: list[Rung]) -> list[Gate]:
    """What the runtimes of a ladder are held to.

    Args:
        rungs: One of them of kind `float`.
    """
    parent = next(one for one in rungs if one.kind == "float")
    found = []
    for one in rungs:
        if one.kind != "runtime":
            continue
        loss, limit = parent.j_and_f - one.j_and_f, LOSS_LIMITS.get(one.target, _OTHER_LIMIT)
        found.append(Gate(one.name, "loses J&F", f"{100 * limit:.1f}", f"{100 * loss:+.2f}", loss <= limit))
        if one.agreement is not None:
            mean, worst = one.agreement.mean, f"worst frame {one.agreement.worst:.3f} in {one.agreement.worst_frame}"
            passed = mean >= LEAST_INT8_IOU
            found.append(Gate(one.name, "mean IoU", f"{LEAST_INT8_IOU}", f"{mean:.4f}, {worst}", passed))
    return found
