"""`mobilevos inspect`: what a bundle holds, and whether it does here what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mobilevos.bundle import Bundle
from mobilevos.commands.bundle_page import bundle_page
from mobilevos.commands.console import frame_progress, print_line, write_report
from mobilevos.commands.outputs import check_outputs
from mobilevos.engines import open_engine
from mobilevos.golden import ClosedLoop, closed_loop, read_golden

__all__ = ["EXAMPLES", "inspect"]

EXAMPLES = """\b
Examples:
  mobilevos inspect build/bundles/onnx
  mobilevos inspect build/bundles/onnx --verify --json report.json"""


def inspect(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of an exported network.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Also track the bundle's golden clip with its engine, here.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The manifest and what was verified, for machines.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the JSON file if it exists.")] = False,
) -> None:
    """Show what a bundle holds: the network, its programs, their tensors, operators and parity, and every file.

    Each file is compared with its checksum. With --verify the engine tracks the golden clip on its own masks; if these
    or the tensors of the trace are not those of the reference within the bundle's tolerances, the exit code is 1.
    """
    check_outputs(files=[] if json is None else [json], inputs=[bundle], overwrite=overwrite)
    opened = Bundle.open(bundle)
    loop = _verify(opened) if verify else None
    console = Console()
    for part in bundle_page(opened):
        console.print(part)
    if loop is not None:
        console.print(_verdicts(loop))
    if json is not None:
        verification = None if loop is None else loop.to_json() | {"passed": loop.passed}
        report = {"bundle": str(bundle), "manifest": opened.manifest, "verification": verification}
        write_report(json, report, overwrite=overwrite)
        print_line(f"report: {json}")
    if loop is not None and not loop.passed:
        raise typer.Exit(1)


def _verify(bundle: Bundle) -> ClosedLoop:
    """Tracks the golden clip with the engine of the bundle's target."""
    trace, tolerances = read_golden(bundle)
    engine = open_engine(None, bundle=bundle.folder)
    with frame_progress("tracking the golden clip", len(trace.steps)) as advance:
        return closed_loop(trace, engine, tolerances, advance)


def _verdicts(loop: ClosedLoop) -> Table:
    """One line for each check."""
    title = f"golden clip with {loop.engine['engine']}"
    if "evaluated" in loop.engine:
        title += f", {loop.engine['evaluated']}"
    table = Table(title=Text(title), box=SIMPLE_HEAD, title_justify="left")
    for column in ("check", "verdict", "found", "wanted"):
        table.add_column(column, overflow="fold")
    for check in loop.checks:
        verdict = Text("passed", "green") if check.passed else Text("FAILED", "red")
        table.add_row(check.name, verdict, check.found, check.wanted)
    return table
