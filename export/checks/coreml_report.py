"""The audits of Core ML bundles as a report: a line for each component, and what float16 does not hold of it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from export.activations import record_activations
from export.checks.coreml_audit import ComponentAudit, ValueRange, audit_bundle, placements
from export.checks.page import html_table
from mobilevos.bundle import Bundle
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.mil import EVALUATED_BY
from mobilevos.model.network import MemoryNetwork

__all__ = ["AuditedComponent", "audit_table", "audits_html", "audits_of"]

_HEADERS = ("component", "operators", "types of results", "beyond float16", "below its normal numbers", "placed on")
_NOT_A_MAC = "not executed: Core ML's compute plan needs macOS 14.4 or later"


@dataclass(frozen=True)
class AuditedComponent:
    """One component of one Core ML bundle.

    Attributes:
        precision: Of the bundle.
        component: Of the contract.
        audit: Read from the package, and its values evaluated on real activations.
        devices: By compute device, how often it takes each operator; None where Apple's runtime cannot be asked.
    """

    precision: str
    component: str
    audit: ComponentAudit
    devices: dict[str, dict[str, int]] | None

    @property
    def placed_on(self) -> str:
        """Operators by compute device, in words."""
        if self.devices is None:
            return _NOT_A_MAC
        return ", ".join(f"{sum(taken.values())} {device}" for device, taken in self.devices.items())

    def to_json(self) -> dict[str, Any]:
        """For reports of other programs."""
        facts = {"precision": self.precision, "component": self.component, "devices": self.devices}
        return facts | {"placed_on": self.placed_on, "audit": self.audit.to_json()}


def audits_of(bundle: Bundle, network: MemoryNetwork) -> list[AuditedComponent]:
    """Audits a bundle of target `coreml`; on a Mac, asks the runtime besides where operators land.

    Args:
        bundle: One that may be parsed in this process.
        network: That it was made of; its activations are what ranges are judged by.

    Raises:
        InputError: A package is damaged.
    """
    audits = audit_bundle(bundle, record_activations(EagerEngine(network), bundle.dimensions))
    asked = platform.system() == "Darwin"
    return [
        AuditedComponent(
            bundle.precision,
            name,
            audit,
            {device: dict(taken) for device, taken in placements(bundle, name).items()} if asked else None,
        )
        for name, audit in audits.items()
    ]


def audit_table(audits: Sequence[AuditedComponent]) -> Table:
    """For a terminal of 80 columns."""
    table = Table(title="Core ML, as saved", caption=_caption(audits), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("component", "nodes", "types of results", "beyond\nfloat16", "below its\nnormals"):
        table.add_column(column, justify="left" if column.startswith(("component", "types")) else "right")
    for one in audits:
        beyond = len(one.audit.overflows)
        table.add_row(
            f"{one.component} {one.precision}",
            str(sum(one.audit.operators.values())),
            _types(one.audit),
            f"[red]{beyond}[/]" if beyond else "[green]0[/]",
            str(len(_below(one.audit))),
        )
    return table


def _caption(audits: Sequence[AuditedComponent]) -> str:
    lines = [EVALUATED_BY, "beyond, below: tensors that float16 does not hold well"]
    placed = dict.fromkeys(one.placed_on for one in audits)
    if list(placed) == [_NOT_A_MAC]:
        return "\n".join([*lines, "placement: " + _NOT_A_MAC])
    return "\n".join([*lines, *(f"{one.component}: {one.placed_on}" for one in audits)])


def audits_html(audits: Sequence[AuditedComponent]) -> str:
    """The same as a section of a page, each tensor by its name."""
    rows = [
        (
            escape(f"{one.component} {one.precision}"),
            escape(", ".join(f"{count} {name}" for name, count in sorted(one.audit.operators.items()))),
            escape(_types(one.audit)),
            _tensors(one.audit.overflows, "bad"),
            _tensors(_below(one.audit), ""),
            escape(one.placed_on),
        )
        for one in audits
    ]
    return f"<h2>Core ML, as saved</h2>\n<p>{escape(EVALUATED_BY)}</p>\n{html_table(_HEADERS, rows)}"


def _types(audit: ComponentAudit) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(audit.dtypes.items()))


def _below(audit: ComponentAudit) -> tuple[ValueRange, ...]:
    return tuple(one for one in audit.constants + audit.activations if not one.overflows)


def _tensors(ranges: Sequence[ValueRange], style: str) -> str:
    if not ranges:
        return '<span class="good">none</span>'
    lines = (
        f"<code>{escape(one.tensor)}</code> ({escape(one.operator or 'input')}): largest {one.largest:.3g}, "
        f"{100 * one.below_normal:.0f} % below 6.1e-5"
        for one in ranges
    )
    return f'<span class="{style}">{"<br>".join(lines)}</span>'
