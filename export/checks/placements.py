"""What really happened to each component's operators: exported bundles of several targets, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from export.operators import LeftOperator
from mobilevos.bundle import Bundle

__all__ = ["Placement", "placements_of"]


@dataclass(frozen=True)
class Placement:
    """One component of one bundle.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        accelerator: That took the operators.
        component: Of the contract.
        delegated: Operators on the accelerator.
        subgraphs: Calls of the accelerator.
        left: Operators beside it, with the toolchain's reasons.
        placed: Whether it is known where operators land.
        transposes: Operators that only change the layout; None where the format has no such count.
        sqnr_db: Signal to noise ratio of its worst output in decibels; None if equal or not executed.
        verdict: What the counts rest on.
    """

    target: str
    precision: str
    accelerator: str
    component: str
    delegated: int
    subgraphs: int
    left: tuple[LeftOperator, ...]
    placed: bool
    transposes: int | None
    sqnr_db: float | None
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """For reports of other programs."""
        return asdict(self)


_VERDICTS = {
    "executorch": "the partitioner's own account",
    "coreml": "read from the package; Core ML places operators itself, and only a Mac can tell where",
    "tflite": "counted in the runtime with its XNNPACK delegate applied; the GPU delegate was not executed",
    "onnx": "the CPU provider takes every operator of the opset",
    "torchscript": "PyTorch's own kernels",
}


def placements_of(bundles: Iterable[Bundle]) -> list[Placement]:
    """Every component of every bundle, in the contract's order."""
    return [_placement(bundle, name) for bundle in bundles for name in bundle.manifest["components"]]


def _placement(bundle: Bundle, component: str) -> Placement:
    from export.targets import TARGETS

    entry = bundle.manifest["components"][component]
    operators, details = entry["operators"], entry.get("details", {})
    return Placement(
        target=bundle.target,
        precision=bundle.precision,
        accelerator=details.get("backend", TARGETS[bundle.target].accelerator),
        component=component,
        delegated=operators["delegated"],
        subgraphs=operators["subgraphs"],
        left=tuple(LeftOperator(**one) for one in operators["left"]),
        placed=operators.get("placed", True),
        transposes=_transposes(details),
        sqnr_db=entry.get("parity", {}).get("sqnr_db"),
        verdict=bundle.not_executed or _VERDICTS[bundle.target],
    )


def _transposes(details: dict[str, Any]) -> int | None:
    operators = details.get("operators", {})
    counted = [count for name, count in operators.items() if name.lower() == "transpose"]
    return details.get("transposes", sum(counted) if operators else None)
