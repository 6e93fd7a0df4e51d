"""Where a component's operators landed: on the accelerator or beside it, whatever the target."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["LeftOperator", "OperatorReport"]


@dataclass(frozen=True)
class LeftOperator:
    """An operator that the accelerator did not take.

    Attributes:
        operator: Its name in the target's own words, e.g. `aten_topk_default` or `TOPK_V2`.
        count: How often.
        reason: The toolchain's own words, where it gave any.
    """

    operator: str
    count: int
    reason: str


@dataclass(frozen=True)
class OperatorReport:
    """One component's operators.

    Attributes:
        delegated: Operators on the accelerator.
        subgraphs: Calls to the accelerator; each further one costs a round trip through memory.
        plumbing: Nodes that move references and compute nothing.
        left: Operators beside the accelerator.
        placed: Whether that is known. Core ML decides on the device: all count as delegated, and none can be said to be
            left.
    """

    delegated: int
    subgraphs: int
    plumbing: int
    left: tuple[LeftOperator, ...]
    placed: bool = True

    def to_json(self) -> dict[str, Any]:
        """The report as the manifest holds it."""
        return asdict(self)
