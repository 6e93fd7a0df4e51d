"""What an export prints: one line per component."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from export.operators import OperatorReport
from export.parity import Difference
from mobilevos.golden import ClosedLoop

__all__ = ["ComponentReport", "ExportReport", "Measured", "report_table"]


@dataclass(frozen=True)
class Measured:
    """A component, run beside the reference.

    Attributes:
        difference: Its worst output against the reference, on real activations.
        latency_ms: Median time of a call on this host, in milliseconds.
        eager_ms: The same for the reference, measured in turn with it.
    """

    difference: Difference
    latency_ms: float
    eager_ms: float


@dataclass(frozen=True)
class ComponentReport:
    """One exported component.

    Attributes:
        operators: Where its operators landed.
        size_bytes: Size of this component alone, in bytes.
        measured: What a run of it showed; None if no runtime of this host can run it.
    """

    operators: OperatorReport
    size_bytes: int
    measured: Measured | None

    def to_json(self) -> dict[str, Any]:
        """For `--json`: what was measured stands beside the rest, null where nothing was."""
        one = self.measured
        return {
            "operators": self.operators.to_json(),
            "size_bytes": self.size_bytes,
            "difference": None if one is None else one.difference.to_json(),
            "latency_ms": None if one is None else one.latency_ms,
            "eager_ms": None if one is None else one.eager_ms,
        }


@dataclass(frozen=True)
class ExportReport:
    """A finished export.

    Attributes:
        target: The format, for people.
        accelerator: What takes the operators that are counted as delegated.
        precision: Of the artefacts.
        output: The bundle's folder.
        artefact_bytes: Size of all artefacts together, in bytes.
        seconds: Time of the whole export.
        components: By name, in the contract's order.
        closed_loop: The bundle on the golden clip, fed on its own masks; None if it was not executed.
        not_executed: Why no runtime of this host can run it; empty if one can.
        int8_sqnr_db: Of a bundle in int8: what quantization left of each component, beside PyTorch in float32.
    """

    target: str
    accelerator: str
    precision: str
    output: str
    artefact_bytes: int
    seconds: float
    components: dict[str, ComponentReport]
    closed_loop: ClosedLoop | None
    not_executed: str = ""
    int8_sqnr_db: dict[str, float] | None = None

    @property
    def all_delegated(self) -> bool:
        """Nothing but plumbing is left beside the accelerator, as far as that is known; see `placed`."""
        return not any(component.operators.left for component in self.components.values())

    @property
    def placed(self) -> bool:
        """Whether it is known where operators land."""
        return all(component.operators.placed for component in self.components.values())

    def to_json(self) -> dict[str, Any]:
        """For `--json`; `all_delegated` is null where nobody knows."""
        components = {name: component.to_json() for name, component in self.components.items()}
        loop = {"closed_loop": None if self.closed_loop is None else self.closed_loop.to_json()}
        delegated = self.all_delegated if self.placed else None
        facts = {"all_delegated": delegated, "placed": self.placed, "components": components}
        return asdict(self) | facts | loop


def report_table(report: ExportReport) -> Table:
    """The report for people: what fits a terminal of 80 columns. `to_json` holds the rest."""
    megabytes = report.artefact_bytes / 1e6
    title = f"{report.target} {report.precision}, {megabytes:.1f} MB in {report.seconds:.0f} s\n{report.output}"
    table = Table(title=escape(title), caption=escape(_caption(report)), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("component", "nodes", "outside", "calls", "max abs", "SQNR dB", "MB", "ms", "eager"):
        table.add_column(column, justify="left" if column in ("component", "outside") else "right")
    for name, component in report.components.items():
        operators = component.operators
        left = "\n".join(f"{one.count} x {one.operator}: {one.reason}" for one in operators.left)
        table.add_row(
            name,
            str(operators.delegated),
            f"[red]{escape(left)}[/]" if left else "[green]none[/]" if operators.placed else "unknown",
            str(operators.subgraphs),
            *_measured_cells(component),
        )
    return table


def _measured_cells(component: ComponentReport) -> tuple[str, ...]:
    megabytes, one = f"{component.size_bytes / 1e6:.2f}", component.measured
    if one is None:
        return "-", "-", megabytes, "-", "-"
    difference = f"[green]{one.difference.max_abs:.1e}[/]"  # one that fails its gate is never written
    return difference, f"{one.difference.sqnr_db:.0f}", megabytes, f"{one.latency_ms:.1f}", f"{one.eager_ms:.1f}"


def _caption(report: ExportReport) -> str:
    lines = [f"nodes: operators on {report.accelerator}; outside: all others; eager: PyTorch"]
    if not report.placed:
        lines.append("unknown: the runtime places operators itself, on the device")
    if report.not_executed:
        lines.append(f"not executed: {report.not_executed}")
    if report.int8_sqnr_db is not None:
        worst = min(report.int8_sqnr_db, key=report.int8_sqnr_db.__getitem__)
        lines.append("beside the int8 reference; that itself, beside PyTorch in float32:")
        lines.append(f"SQNR of {report.int8_sqnr_db[worst]:.0f} dB in {worst}")
    if report.closed_loop is not None:
        lines.append(f"closed loop: {report.closed_loop.verdict}")
        lines += [str(report.closed_loop.engine["evaluated"])] if "evaluated" in report.closed_loop.engine else []
    return "\n".join(lines)
