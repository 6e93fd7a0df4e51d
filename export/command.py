"""The command line of every target: the same options, and a target's own behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from export.options import CommonOptions, precision_option, take, with_options
from export.pipeline import export_bundle, stages
from export.quantization.section import INT8, arithmetic_of
from export.quantization.sources import check_quantization_options, find_quantization
from export.reference import Reference
from export.report import ExportReport, report_table
from export.targets import TARGETS, Target
from mobilevos.bundle import EXPORTS
from mobilevos.commands.entry import run
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text, sha256_of
from mobilevos.frame_size import parse_size
from mobilevos.model.checkpoint import load_network, read_metadata
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["Student", "add_command", "export_student", "main", "write_json"]


@dataclass(frozen=True)
class Student:
    """A network to export, and where it comes from.

    Attributes:
        reference: The network as the checkpoint holds it, at the sizes that the options say; its runs are shared by
            all targets.
        checkpoint: The file.
        checkpoint_sha256: Of the checkpoint.
        provenance: Of the checkpoint.
    """

    reference: Reference
    checkpoint: Path
    checkpoint_sha256: str
    provenance: dict[str, Any]

    @classmethod
    def load(cls, options: CommonOptions, console: Console, own: Any = None) -> Student:
        """Reads what the options name, and for int8 calibrates where that is asked for.

        Args:
            options: The common ones.
            console: Shows the progress.
            own: The target's own; None for their defaults.

        Raises:
            InputError: The size is none, the checkpoint cannot be used or holds another network, or int8 has no
                ranges to use.
        """
        height, width = parse_size(options.size)
        arithmetic = arithmetic_of(options.precision, {} if own is None else asdict(own))
        check_quantization_options(options, arithmetic)
        source = options.checkpoint or _shipped(options)
        network = load_network(source, expected_variant=options.model)
        dimensions = network.dimensions(height, width, options.memory_frames, options.objects)
        quantization = None
        if arithmetic == INT8:
            quantization = find_quantization(options, source, network, dimensions, console)
        reference = Reference(network, dimensions, quantization)
        return cls(reference, source, sha256_of(source), read_metadata(source)["provenance"])


def _shipped(options: CommonOptions) -> Path:
    """What is exported unless a checkpoint is given: in int8 the student that was trained for it, if it is shipped."""
    trained = default_int8_checkpoint() if options.precision == INT8 and options.calibration is None else None
    return trained or default_checkpoint()


def export_student(
    target: Target, student: Student, options: CommonOptions, own: Any, output: Path, console: Console
) -> ExportReport:
    """Exports behind a progress bar, and prints the report.

    Args:
        target: The format.
        student: What to export.
        options: The common ones.
        own: The target's own; None for their defaults.
        output: The bundle's folder.
        console: Where to.

    Raises:
        InputError: See `export_bundle`.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=stages(target, options.precision))

        def advance(stage: str) -> None:
            progress.update(task, description=f"{target.name}: {stage}", advance=1)

        report = export_bundle(
            target,
            student.reference.network,
            student.reference.dimensions,
            output,
            precision=options.precision,
            options=own,
            checkpoint_sha256=student.checkpoint_sha256,
            provenance=student.provenance,
            overwrite=options.overwrite,
            reference=student.reference,
            least_sqnr_db=options.least_sqnr,
            advance=advance,
        )
    console.print(report_table(report))
    return report


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Writes a report for other programs, as a whole."""
    atomic_write_text(path, json.dumps(report, indent=2) + "\n")


def add_command(app: typer.Typer, target: Target) -> None:
    """Adds the command of a target: the common options, and those of its `Options`."""
    own_options = target.load().Options

    def export(**values: Any) -> None:
        options, own = take(CommonOptions, values), take(own_options, values)
        output, console = options.output or EXPORTS / target.name, Console()
        if options.precision not in target.precisions:  # before a calibration that takes minutes
            raise InputError(
                f"{target.title} is not exported in {options.precision[:20]!r}",
                remedy=f"pass --precision {' or '.join(target.precisions)}",
            )
        report = export_student(target, Student.load(options, console, own), options, own, output, console)
        if options.json is not None:
            write_json(options.json, report.to_json())
        if options.strict and not report.all_delegated:
            raise typer.Exit(1)

    app.command(target.name, help=_help(target))(
        with_options(export, CommonOptions, own_options, precision=precision_option(target.precisions))
    )


def _help(target: Target) -> str:
    return (
        f"Export a student to {target.title} and write it as a bundle.\n\n"
        "Each component (encode_query, encode_memory, read_memory, decode, and segment, the fused step) is built, run "
        "here against PyTorch on real activations, timed, and reported: operators on "
        f"{target.accelerator} and beside it with the reason, largest difference, signal to noise ratio, size and "
        "latency on this host. Then the bundle tracks a golden clip on its own masks, which must stay those of "
        "PyTorch; clip and trace lie in the bundle, for other loops to reproduce.\n\n"
        f"Example: python -m export.{target.name} --size 480x864 --output {EXPORTS}/student"
    )


def main(name: str, argv: list[str] | None = None) -> int:
    """Entry point of `python -m export.<name>`.

    Args:
        name: Of the target.
        argv: The arguments; those of the process when not given.

    Returns:
        The exit code: 1 where `--strict` found an operator beside the accelerator, 2 for bad input.
    """
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    add_command(app, TARGETS[name])
    return run(app, argv, program=f"python -m export.{name}")
