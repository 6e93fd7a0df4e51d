"""`python -m benchmarks.int8_ladder`: J&F from float over post-training int8 and training to every runtime."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.accuracy_rungs import Gate, Rung, gates
from benchmarks.int8_climbing import Entrant, climb
from benchmarks.machine import describe_machine
from benchmarks.provenance import provenance, sources_sha256
from benchmarks.tables import markdown_table, rich_table
from mobilevos.bundle import Bundle
from mobilevos.commands.console import print_line
from mobilevos.commands.engine_options import TrackingSetup
from mobilevos.commands.entry import run
from mobilevos.data.davis import Davis
from mobilevos.engines import INT8_REFERENCE
from mobilevos.errors import InputError
from mobilevos.files import atomic_file, atomic_write_text
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["main", "rung_names", "sqnr_table", "table_rows"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

HEADERS = ("rung", "J&F", "against float", "mean IoU", "worst frame", "SQNR dB", "MB")

_CAPTION = "IoU: of a runtime's masks with the fake-quantized network's; SQNR: of the fused step against the parent"

_SQNR_TITLE = "SQNR of each component, dB"
_SQNR_CAPTION = (
    "Each rung is given what the parent in float was given, and its worst output is compared with the parent's. "
    "Training for int8 moved the weights, which counts as noise here; what is equal has no ratio."
)


def table_rows(rungs: list[Rung]) -> list[tuple[str, ...]]:
    """One line for each rung: J&F in percent, IoU against the reference, SQNR of the fused step."""
    parent = next(one for one in rungs if one.kind == "float").j_and_f
    return [
        (
            one.name,
            f"{100 * one.j_and_f:.2f}",
            f"{100 * (one.j_and_f - parent):+.2f}",
            "-" if one.agreement is None else f"{one.agreement.mean:.4f}",
            "-" if one.agreement is None else f"{one.agreement.worst:.3f}",
            _decibels(one.sqnr_db["segment"]) if one.sqnr_db else "-",
            "-" if one.size_bytes is None else f"{one.size_bytes / 1e6:.1f}",
        )
        for one in rungs
    ]


def sqnr_table(rungs: list[Rung]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headers and one line for each rung but float: the ratio of every component, `equal` where it gives the same."""
    measured = [one for one in rungs if one.sqnr_db]
    components = list(dict.fromkeys(name for one in measured for name in one.sqnr_db))
    headers = ("rung", *(name.replace("_", " ") for name in components))  # which a narrow terminal can break
    return headers, [
        (one.name, *(_decibels(one.sqnr_db[name]) if name in one.sqnr_db else "-" for name in components))
        for one in measured
    ]


def _decibels(value: float | None) -> str:
    return "equal" if value is None else f"{value:.1f}"


@app.command()
def ladder(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Of the network trained for int8.")],
    davis: Annotated[Path, typer.Option(metavar="ROOT", help="DAVIS 2016.")],
    calibrated: Annotated[
        Path, typer.Option(metavar="FILE", help="The parent with ranges of `mobilevos calibrate`: post-training.")
    ],
    parent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The network in float; the shipped student by default.")
    ] = None,
    trained: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What stage=qat made of it; the shipped one by default.")
    ] = None,
    sequences: Annotated[str | None, typer.Option(metavar="A,B", help="Only these; all of `val` by default.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of every engine.")] = None,
    output: Annotated[Path, typer.Option(help="Takes masks, scores, ladder.json, ladder.md, ladder.png.")] = Path(
        "build/int8_ladder"
    ),
) -> None:
    """Score every step from float to a phone's runtime on DAVIS 2016, and hold the runtimes to their limits.

    Each rung is scored, and its components are compared with the parent's on the same activations. Rungs that are done
    are read, not repeated. Exits with 1 if a runtime loses more J&F than it may, or agrees less
    with PyTorch's fake quantization. A Core ML bundle is run by the MIL interpreter where there is no Mac.

    Example: python -m benchmarks.int8_ladder build/int8/* --davis DAVIS --calibrated calibrated.safetensors
    """
    dataset = Davis(davis, 2016, "val")
    names = dataset.names if sequences is None else [part.strip() for part in sequences.split(",") if part.strip()]
    chosen = [dataset.sequence(name) for name in names]
    entrants = _entrants(bundles, parent, calibrated, trained, threads)
    rungs = climb(entrants, chosen, output)
    held = gates(rungs)
    title = f"int8 on {len(chosen)} sequences of DAVIS 2016"
    console = Console()
    console.print(rich_table(title, HEADERS, table_rows(rungs), caption=_CAPTION))
    console.print(rich_table(_SQNR_TITLE, *sqnr_table(rungs), caption=_SQNR_CAPTION))
    for gate in held:
        print_line(str(gate))
    _write(rungs, held, title, output)
    if not all(gate.passed for gate in held):
        raise typer.Exit(1)


def _entrants(
    bundles: list[Path], parent: Path | None, calibrated: Path, trained: Path | None, threads: int | None
) -> list[Entrant]:
    trained = trained or default_int8_checkpoint()
    if trained is None:
        raise InputError("no network that was trained for int8 is installed", remedy="pass --trained FILE")
    parent = parent or default_checkpoint()
    entrants = [
        Entrant("float32", "float", TrackingSetup("eager", parent, threads=threads)),
        Entrant("post-training", "post-training", TrackingSetup(INT8_REFERENCE, calibrated, threads=threads)),
        Entrant("fake-quantized", "reference", TrackingSetup(INT8_REFERENCE, trained, threads=threads)),
    ]
    opened = [Bundle.open(folder) for folder in bundles]
    for bundle in opened:
        if bundle.precision != "int8":
            raise InputError(f"{bundle.folder} is no bundle in int8", found=bundle.precision)
    names = rung_names([(one.target, one.folder) for one in opened])
    for folder, name in zip(bundles, names, strict=True):
        entrants.append(Entrant(name, "runtime", TrackingSetup(bundle=folder, threads=threads)))
    return entrants


def rung_names(bundles: list[tuple[str, Path]]) -> list[str]:
    """A name for each bundle's rung and for its folder: the target, and of several of one target the bundle's folder.

    Args:
        bundles: Target and folder of each.

    Raises:
        InputError: A bundle is given twice.
    """
    paths = [(target, *folder.resolve().parts[::-1]) for target, folder in bundles]  # from the end
    if len(set(paths)) < len(paths):
        raise InputError("a bundle is given twice", remedy="give each bundle once")
    return [_rung_name(path, [other for other in paths if other is not path]) for path in paths]


def _rung_name(path: tuple[str, ...], others: list[tuple[str, ...]]) -> str:
    """As much of the path, from its end, as no other has."""
    depth = next(n for n in range(1, len(path) + 1) if all(other[:n] != path[:n] for other in others))
    target, *folders = path[:depth]
    return f"{target} {'-'.join(reversed(folders)).removeprefix('/-')}" if folders else target


def _write(rungs: list[Rung], held: list[Gate], title: str, output: Path) -> None:
    gate_rows = [
        {"rung": one.rung, "what": one.what, "limit": one.limit, "found": one.found, "passed": one.passed}
        for one in held
    ]
    sources = {package: sources_sha256(package) for package in ("mobilevos", "export", "benchmarks")}
    made = {**provenance(describe_machine()), "mobilevos": version("mobilevos"), "sources_sha256": sources}
    report = {"made": made, "rungs": [one.to_json() for one in rungs], "gates": gate_rows}
    atomic_write_text(output / "ladder.json", json.dumps(report, indent=2) + "\n")
    scores = f"{markdown_table(HEADERS, table_rows(rungs))}\n{title}. {_CAPTION}.\n"
    ratios = f"{markdown_table(*sqnr_table(rungs))}\n{_SQNR_TITLE}. {_SQNR_CAPTION}\n"
    atomic_write_text(output / "ladder.md", f"{scores}\n{ratios}")
    _plot(rungs, output / "ladder.png")
    print_line(f"reports: {output}/ladder.json, ladder.md, ladder.png")


def _plot(rungs: list[Rung], path: Path) -> None:
    """J&F of every sequence on every rung, and over all."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    places = range(len(rungs))
    for name in rungs[0].sequences:
        axes.plot(places, [100 * one.sequences[name] for one in rungs], ".-", linewidth=0.8, alpha=0.5)
        axes.annotate(
            name,
            (len(rungs) - 1, 100 * rungs[-1].sequences[name]),
            fontsize=6,
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.plot(places, [100 * one.j_and_f for one in rungs], "o-", color="black", linewidth=2, label="all")
    axes.set(xticks=places, xticklabels=[one.name for one in rungs], ylabel="J&F, %")
    axes.legend(loc="lower left")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.int8_ladder`; gives the exit code."""
    return run(app, argv, program="benchmarks.int8_ladder")


if __name__ == "__main__":
    sys.exit(main())
