"""`python -m export.check`: which operators will not run where they should, before anything is converted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from export.checks.coreml_report import audit_table, audits_html, audits_of
from export.checks.findings import Finding, check_components
from export.checks.gpu_analyzer import analyzer_verdict, verdict_table, verdicts_html
from export.checks.page import clean_text, finding_table, html_page, placement_table
from export.checks.placements import placements_of
from export.checks.rules import ACCELERATORS, Severity
from export.command import write_json
from export.made_of import network_of
from export.reference import Reference
from mobilevos.bundle import Bundle
from mobilevos.commands.entry import run
from mobilevos.contract import Dimensions
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text
from mobilevos.frame_size import parse_size
from mobilevos.made_here import was_made_here
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.weights import default_checkpoint

__all__ = ["check_network", "main"]

ALL = "all"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def check_network(network: MemoryNetwork, targets: list[str], dimensions: Dimensions) -> list[Finding]:
    """The findings of some targets for a network.

    Args:
        network: Any; of a teacher, its top-k read is found.
        targets: Of `ACCELERATORS`.
        dimensions: Of the network.
    """
    components = build_components(fold_batch_norm(network))
    activations = Reference(network, dimensions).activations
    inputs = {name: tuple(map(torch.from_numpy, activations[name][0])) for name in components}
    return check_components(components, inputs, targets)


@app.command()
def check(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="[BUNDLE]...", help="Exported bundles, to be put side by side.")
    ] = None,
    target: Annotated[str, typer.Option(metavar="NAME", help=f"{ALL}, or one of {', '.join(ACCELERATORS)}.")] = ALL,
    checkpoint: Annotated[Path | None, typer.Option(help="The network; the shipped student by default.")] = None,
    size: Annotated[str, typer.Option(help="Frame size HEIGHTxWIDTH; raised to multiples of 16.")] = "480x864",
    memory_frames: Annotated[int, typer.Option(min=1, help="Frames that the memory bank holds.")] = 2,
    objects: Annotated[int, typer.Option(min=1, help="Objects per call.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the report as one HTML page to this file.")] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit with 1 if an operator is, or will be, off the accelerator, or beyond float16."
        ),
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Also read Core ML packages and TFLite models that were not exported here.")
    ] = False,
) -> None:
    """List the operators that will fall off an accelerator or behave badly on it, before conversion.

    Each finding names the line of the network that made the operator, the reason, and a rewrite that works. With
    BUNDLEs, what really happened to their operators is shown beside it: all targets in one table. Of Core ML's
    packages, the operators, their types and the values that float16 does not hold; on a Mac, where they run. Of
    TFLite's models, what TensorFlow's analyzer says of the GPU delegate.

    Example: python -m export.check build/bundles/* --target all --html build/operators.html
    """
    console, opened = Console(), [Bundle.open(folder) for folder in bundles or []]
    targets = _targets(target)
    source = checkpoint or default_checkpoint()
    network = load_network(source)
    dimensions = network.dimensions(*parse_size(size), memory_frames, objects)
    with console.status("exporting the components"):
        findings = check_network(network, targets, dimensions)
    accelerators = [name for one in targets for name in ACCELERATORS[one]]
    placements = placements_of(opened)
    checked = {"checkpoint": source.name, "size": f"{dimensions.height}x{dimensions.width}"}
    checked |= {"memory_frames": str(memory_frames), "objects": str(objects)}
    console.print(
        "before conversion: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in checked.items())
    )
    for name in accelerators:
        of_this = [one for one in findings if one.accelerator == name]
        if of_this:
            console.print(finding_table(of_this, name))
        else:
            console.print(f"{name}: {clean_text(name)}", style="green", highlight=False)
    if placements:
        console.print(placement_table(placements))
    readable = _readable(opened, console, trust=trust)
    with console.status("evaluating Core ML's packages"):
        audits = [audit for one in readable["coreml"] for audit in audits_of(one, network_of([one], checkpoint))]
    with console.status("asking TensorFlow's analyzer"):
        verdicts = [analyzer_verdict(one) for one in readable["tflite"]]
    if audits:
        console.print(audit_table(audits))
    if verdicts:
        console.print(verdict_table(verdicts))
    if json is not None:
        report = {"checked": checked, "accelerators": accelerators, "before": [one.to_json() for one in findings]}
        report |= {"after": [one.to_json() for one in placements], "coreml": [one.to_json() for one in audits]}
        report |= {"tflite_gpu": [one.to_json() for one in verdicts]}
        write_json(json, report)
    if html is not None:
        more = (audits_html(audits) if audits else "") + (verdicts_html(verdicts) if verdicts else "")
        atomic_write_text(html, html_page(accelerators, findings, placements, more))
    before = any(one.severity is Severity.OFF for one in findings)
    after = any(one.left for one in placements) or any(one.audit.overflows for one in audits)
    if strict and (before or after or any(one.objections for one in verdicts)):
        raise typer.Exit(1)


def _readable(bundles: list[Bundle], console: Console, *, trust: bool) -> dict[str, list[Bundle]]:
    """By target, the bundles whose files are read once more, and may be."""
    readable: dict[str, list[Bundle]] = {"coreml": [], "tflite": []}
    for bundle in bundles:
        if bundle.target not in readable:
            continue
        if trust or was_made_here(bundle):
            readable[bundle.target].append(bundle)
        else:
            line = f"{bundle.folder} comes from elsewhere: its files were not read; --trust reads them"
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    return readable


def _targets(name: str) -> list[str]:
    if name == ALL:
        return list(ACCELERATORS)
    if name not in ACCELERATORS:
        raise InputError(f"no operator rules for a target {name[:40]!r}", expected=f"{ALL}, {', '.join(ACCELERATORS)}")
    return [name]


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m export.check`; gives the exit code: 1 by `--strict`, 2 for bad input."""
    return run(app, argv, program="python -m export.check")


if __name__ == "__main__":
    sys.exit(main())
