"""The ladder as data: each rung between the reference and a phone, and whether it passes the gate of its precision.

| rung             | what runs                                               | gate         |
|------------------|---------------------------------------------------------|--------------|
| eager            | the network in PyTorch, float32: the reference          | none         |
| exported program | batch norm folded, `torch.export`, core ATen operators  | fp32         |
| converted graph  | the bundle in its engine on this host                   | the bundle's |
| device           | the bundle on a phone, which is not executed here       | the bundle's |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from export.ladder.bisection import Verdict
from export.parity import Difference, Gate, gate_of

__all__ = ["Ladder", "Rung", "State"]

State = Literal["reference", "passed", "failed", "not executed"]
"""What came of a rung."""


@dataclass(frozen=True)
class Rung:
    """One rung.

    Attributes:
        name: As in the table above.
        runs: What runs, and by what it is evaluated.
        precision: Whose gate it must pass.
        differences: Each component's worst output against the reference; empty where nothing was compared.
        executed: Whether it ran here.
        least_sqnr_db: In the place of that gate's, where the bundle was exported with one.
    """

    name: str
    runs: str
    precision: str
    differences: Mapping[str, Difference] = field(default_factory=dict)
    executed: bool = True
    least_sqnr_db: float | None = None

    @property
    def gate(self) -> Gate:
        """What its components must keep."""
        return gate_of(self.precision, self.least_sqnr_db)

    @property
    def failed(self) -> tuple[str, ...]:
        """Components that lose more than the gate, in the contract's order."""
        gate = self.gate
        return tuple(name for name, difference in self.differences.items() if not gate.passes(difference))

    @property
    def state(self) -> State:
        """What came of it."""
        if not self.executed:
            return "not executed"
        if not self.differences:
            return "reference"
        return "failed" if self.failed else "passed"

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        differences = {name: one.to_json() for name, one in self.differences.items()}
        facts = {"name": self.name, "runs": self.runs, "precision": self.precision, "state": self.state}
        return facts | {"gate": self.gate.wanted, "failed": list(self.failed), "differences": differences}


@dataclass(frozen=True)
class Ladder:
    """A bundle's ladder.

    Attributes:
        bundle: The folder.
        target: Of the bundle.
        rungs: From the reference up.
        verdicts: Of each component that the first failing rung fails, where it goes wrong.
    """

    bundle: str
    target: str
    rungs: tuple[Rung, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> Rung | None:
        """The first rung that loses more than its gate."""
        return next((rung for rung in self.rungs if rung.state == "failed"), None)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "bundle": self.bundle,
            "target": self.target,
            "failed": None if self.failed is None else self.failed.name,
            "rungs": [rung.to_json() for rung in self.rungs],
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }
