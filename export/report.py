"""What an export prints: one line per component."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from export.delegation import DelegationReport
from export.parity import FP32_GATE, Difference

__all__ = ["ComponentReport", "ExportReport", "report_table"]


@dataclass(frozen=True)
class ComponentReport:
    """One exported component.

    Attributes:
        operators: Where its operators landed.
        difference: Its worst output against the reference, on real activations.
        latency_ms: Median time of a call on this host, in milliseconds.
        eager_ms: The same for the reference, measured in turn with it.
        method_bytes: Size of this component alone as a program, in bytes.
    """

    operators: DelegationReport
    difference: Difference
    latency_ms: float
    eager_ms: float
    method_bytes: int

    def to_json(self) -> dict[str, Any]:
        """For the manifest and `--json`."""
        return asdict(self) | {"operators": self.operators.to_json(), "difference": self.difference.to_json()}


@dataclass(frozen=True)
class ExportReport:
    """A finished export.

    Attributes:
        output: The bundle's folder.
        artefact_bytes: Size of the artefact with all components, in bytes.
        seconds: Time of the whole export.
        components: By name, in the contract's order.
    """

    output: str
    artefact_bytes: int
    seconds: float
    components: dict[str, ComponentReport]

    @property
    def all_delegated(self) -> bool:
        """Nothing but plumbing is left outside the delegate."""
        return not any(component.operators.left for component in self.components.values())

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        components = {name: component.to_json() for name, component in self.components.items()}
        return asdict(self) | {"all_delegated": self.all_delegated, "components": components}


def report_table(report: ExportReport) -> Table:
    """The report for people: what fits a terminal of 80 columns. `to_json` holds the rest."""
    title = f"{escape(report.output)}: {report.artefact_bytes / 1e6:.1f} MB in {report.seconds:.0f} s"
    caption = "nodes: operators in the delegate, outside: those that are not; eager: PyTorch"
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("component", "nodes", "outside", "calls", "max abs", "SQNR dB", "MB", "ms", "eager"):
        table.add_column(column, justify="left" if column in ("component", "outside") else "right")
    for name, component in report.components.items():
        operators, difference = component.operators, component.difference
        left = "\n".join(f"{one.count} x {one.operator}: {one.reason}" for one in operators.left)
        good = difference.relative <= FP32_GATE
        table.add_row(
            name,
            str(operators.delegated),
            f"[red]{escape(left)}[/]" if left else "[green]none[/]",
            str(operators.subgraphs),
            f"[{'green' if good else 'red'}]{difference.max_abs:.1e}[/]",
            f"{difference.sqnr_db:.0f}",
            f"{component.method_bytes / 1e6:.2f}",
            f"{component.latency_ms:.1f}",
            f"{component.eager_ms:.1f}",
        )
    return table
