"""`python -m benchmarks figures`: everything that the README shows of speed and memory, measured anew."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.clips import synthetic_clip
from benchmarks.figures import RECORD, Figures, LongClip, column_of, place_figures
from benchmarks.growth import growth
from benchmarks.jobs import REFERENCE, Job, Workload, prepare
from benchmarks.long_command import track_long_clip
from benchmarks.protocol import FULL, QUICK
from benchmarks.results import SKIPPED, Result
from benchmarks.run_command import FOLDER, measure_and_report
from benchmarks.session import Plan
from mobilevos.commands.console import print_line
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text, sha256_of
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["README", "make_figures"]

README = Path(__file__).resolve().parents[1] / "README.md"

_TARGETS = (REFERENCE, "executorch", "litert", "onnx", "torchscript")
_FRAMES, _LONG = 60, 1000
_SIZE, _LONG_SIZE = (480, 864), (96, 160)


def make_figures(
    full: Annotated[bool, typer.Option("--full/--quick", help="The protocol of the table of speed.")] = True,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of every engine.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder of bundles and reports.")] = FOLDER,
    readme: Annotated[Path, typer.Option(help="The file whose markers are filled.")] = README,
    record: Annotated[Path, typer.Option(help="The record that is kept beside the code.")] = RECORD,
) -> None:
    """Measure the shipped student, and write tables into the README between their markers, and the record of them.

    On an idle machine: whatever else runs on it is in the numbers.
    """
    console = Console()
    text = readme.read_text(encoding="utf-8")
    int8 = default_int8_checkpoint() is not None
    plan = Plan(
        targets=_TARGETS,
        precisions=("fp32", "int8") if int8 else ("fp32",),
        clips=(synthetic_clip(_FRAMES, _SIZE, objects=1),),
        threads=(threads,),
        protocol=FULL if full else QUICK,
        output=output,
        bundles=output / "bundles",
    )
    results = [one for one in measure_and_report(plan, console) if one.status != SKIPPED]
    job = prepare(REFERENCE, "fp32", Workload(_LONG_SIZE, objects=2), plan.bundles)
    assert isinstance(job, Job), "the reference needs no toolkit"
    with TemporaryDirectory(dir=output, prefix=".long-") as folder:
        found = growth(track_long_clip(job, Path(folder), _LONG, 1, console))
    figures = figures_of(results, LongClip.of(_LONG, found))
    filled = place_figures(text, figures.markdown())
    atomic_write_text(record, figures.to_json())
    atomic_write_text(readme, filled)
    print_line(f"{record}\n{readme}")


def figures_of(results: list[Result], long: LongClip) -> Figures:
    """The record of one run, whose reference comes first.

    Raises:
        InputError: A result does not count, or the machine's limit was not measured.
    """
    reference = results[0]
    columns = tuple(column_of(one, reference) for one in results)
    work = reference.work
    if work is None or work.limit_gflops is None:
        raise InputError("the machine's limit was not measured", remedy="run on the host")
    notes = "".join(f" {one.name}: {one.note}." for one in results if one.note)
    origin = reference.provenance
    return Figures(
        weights_sha256=sha256_of(default_checkpoint()),
        commit=origin["commit"],
        time=origin["time"],
        processor=str(origin["machine"]["processor"]),
        threads=reference.threads,
        steps=int(reference.protocol["steps"]),
        frame_gmacs=work.frame_gmacs,
        segment_gmacs=work.gmacs["segment"],
        limit_gflops=work.limit_gflops,
        note=f"Each engine ran in a process of its own.{notes}",
        engines=columns,
        long=long,
    )
