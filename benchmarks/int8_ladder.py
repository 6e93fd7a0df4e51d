"""`python -m benchmarks.int8_ladder`: J&F from float over post-training int8 and training to every runtime."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.accuracy_rungs import Gate, Kind, Rung, gates
from benchmarks.tables import markdown_table, rich_table
from mobilevos.bundle import Bundle
from mobilevos.commands.console import frame_progress, print_line
from mobilevos.commands.engine_options import TrackingSetup
from mobilevos.commands.entry import run
from mobilevos.commands.tracked_evaluation import track_and_score
from mobilevos.data.davis import Davis
from mobilevos.data.masks import read_mask
from mobilevos.data.sequence import Sequence
from mobilevos.engines import INT8_REFERENCE
from mobilevos.errors import InputError
from mobilevos.evaluation.agreement import Agreement, frame_iou, summarise
from mobilevos.files import atomic_file, atomic_write_text
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["Entrant", "agreement_with", "climb", "main", "table_rows"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_IDS = (1,)  # the sequences of DAVIS 2016 have one object

HEADERS = ("rung", "J&F", "against float", "mean IoU", "worst frame", "SQNR dB", "MB")


@dataclass(frozen=True)
class Entrant:
    """What is put on a rung.

    Attributes:
        name: Of the rung, for people and for its folder.
        kind: See `Rung`.
        setup: Engine, weights and memory.
    """

    name: str
    kind: Kind
    setup: TrackingSetup

    @property
    def bundle(self) -> Bundle | None:
        """Of a runtime."""
        return None if self.setup.bundle is None else Bundle.open(self.setup.bundle, verify=False)


def climb(entrants: list[Entrant], sequences: list[Sequence], folder: Path) -> list[Rung]:
    """Tracks and scores what is not yet scored, and compares masks with the reference's.

    A rung whose weights and versions are those of its last run is read from there, so that a stopped ladder goes on
    where it was.

    Args:
        entrants: One of kind `float` and one of kind `reference` among them.
        sequences: Each of one object.
        folder: Takes masks and scores of every rung.

    Raises:
        InputError: An engine, a bundle or a sequence cannot be used.
    """
    reports = {one.name: _report(one, sequences, folder / one.name) for one in entrants}
    reference = next(one.name for one in entrants if one.kind == "reference")
    rungs = []
    for one in entrants:
        report, bundle = reports[one.name], one.bundle
        compared = one.kind == "runtime"
        agreement = agreement_with(folder / reference / "masks", folder / one.name / "masks", sequences)
        rungs.append(
            Rung(
                name=one.name,
                kind=one.kind,
                target="" if bundle is None else bundle.target,
                sequences={name: score["j_and_f"] for name, score in report["scores"]["sequences"].items()},
                j_and_f=report["scores"]["j_and_f"],
                agreement=agreement if compared else None,
                sqnr_db={} if bundle is None else dict(bundle.manifest["quantization"]["sqnr_db"]),
                size_bytes=None if bundle is None else bundle.artefact_bytes,
                provenance=report["provenance"],
            )
        )
    return rungs


def _report(entrant: Entrant, sequences: list[Sequence], folder: Path) -> dict[str, Any]:
    """Scores and provenance, from the last run if it was the same."""
    path = folder / "scores.json"
    engine = entrant.setup.open_engine()
    provenance = _without_paths(entrant.setup.provenance(engine))
    del engine
    if path.is_file():
        last: dict[str, Any] = json.loads(path.read_text())
        if last["provenance"] == provenance and list(last["scores"]["sequences"]) == [one.name for one in sequences]:
            return last
    frames = sum(len(one.frames) for one in sequences)
    with frame_progress(entrant.name, frames) as advance:
        tracked = track_and_score(sequences, entrant.setup, masks=folder / "masks", overwrite=True, advance=advance)
    report = {"provenance": provenance, "scores": tracked.scores.to_json()}
    atomic_write_text(path, json.dumps(report, indent=2) + "\n")
    return report


def _without_paths(provenance: dict[str, Any]) -> dict[str, Any]:
    """Without folders of the machine: hashes tell what was run."""
    weights = {key: value for key, value in provenance["weights"].items() if key not in ("checkpoint", "bundle")}
    kept = {key: value for key, value in provenance.items() if not isinstance(value, Path)}
    without: dict[str, Any] = json.loads(json.dumps(kept | {"weights": weights}))
    return without


def agreement_with(reference: Path, masks: Path, sequences: list[Sequence]) -> Agreement:
    """IoU of two folders of masks, over all frames of all sequences but their given first.

    Args:
        reference: Holds `SEQUENCE/FRAME.png`.
        masks: Likewise.
        sequences: Whose frames are compared; the worst is named `SEQUENCE:FRAME`.
    """
    ious, frames = [], []
    for one in sequences:
        for name in one.frames.names[1:]:
            found, expected = (read_mask(folder / one.name / f"{name}.png") for folder in (masks, reference))
            ious.append(frame_iou(found, expected, _IDS))
            frames.append(f"{one.name}:{name}")
    return summarise(ious, frames)


def table_rows(rungs: list[Rung]) -> list[tuple[str, ...]]:
    """One line for each rung: J&F in percent, IoU against the reference, SQNR of the fused step."""
    parent = next(one for one in rungs if one.kind == "float").j_and_f
    return [
        (
            one.name,
            f"{100 * one.j_and_f:.2f}",
            f"{100 * (one.j_and_f - parent):+.2f}",
            "-" if one.agreement is None else f"{one.agreement.mean:.4f}",
            "-" if one.agreement is None else f"{one.agreement.worst:.3f} ({one.agreement.worst_frame})",
            _decibels(one.sqnr_db.get("segment")),
            "-" if one.size_bytes is None else f"{one.size_bytes / 1e6:.1f}",
        )
        for one in rungs
    ]


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


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

    Rungs that are done are read, not repeated. Exits with 1 if a runtime loses more J&F than it may, or agrees less
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
    caption = "IoU: of a runtime's masks with the fake-quantized network's; SQNR: of the fused step against float"
    Console().print(rich_table(title, HEADERS, table_rows(rungs), caption=caption))
    for gate in held:
        print_line(str(gate))
    _write(rungs, held, f"{title}. {caption}.", output)
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
    for folder in bundles:
        bundle = Bundle.open(folder)
        if bundle.precision != "int8":
            raise InputError(f"{folder} is no bundle in int8", found=bundle.precision)
        entrants.append(Entrant(bundle.target, "runtime", TrackingSetup(bundle=folder, threads=threads)))
    if len({one.name for one in entrants}) < len(entrants):
        raise InputError("two bundles of one target", remedy="give one of each")
    return entrants


def _write(rungs: list[Rung], held: list[Gate], title: str, output: Path) -> None:
    gate_rows = [
        {"rung": one.rung, "what": one.what, "limit": one.limit, "found": one.found, "passed": one.passed}
        for one in held
    ]
    report = {"rungs": [one.to_json() for one in rungs], "gates": gate_rows}
    atomic_write_text(output / "ladder.json", json.dumps(report, indent=2) + "\n")
    atomic_write_text(output / "ladder.md", f"{markdown_table(HEADERS, table_rows(rungs))}\n{title}\n")
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
