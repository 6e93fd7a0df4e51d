"""`mobilevos evaluate`: J and F on DAVIS and YouTube-VOS, of an engine or of masks that exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console

from mobilevos.commands.console import counted, frame_progress, print_line, write_report
from mobilevos.commands.engine_options import (
    BundleOption,
    CheckpointOption,
    EngineOption,
    IsolatedOption,
    MemoryEveryOption,
    MemoryOption,
    ResizeOption,
    ThreadsOption,
    TrackingSetup,
    VerifyOption,
)
from mobilevos.commands.outputs import check_outputs
from mobilevos.commands.tracked_evaluation import check_sequences, track_and_score
from mobilevos.data.davis import Davis
from mobilevos.data.sequence import Sequence
from mobilevos.data.youtube_vos import YouTubeVOS
from mobilevos.errors import InputError
from mobilevos.evaluation import DatasetScore, score_folder, score_table

__all__ = ["davis", "ytvos"]

DAVIS_EXAMPLES = """Examples:

\b
  mobilevos evaluate davis DAVIS --json scores.json
  mobilevos evaluate davis DAVIS --year 2017 --workers 2 --masks masks/
  mobilevos evaluate davis DAVIS --bundle bundles/phone
  mobilevos evaluate davis DAVIS --predictions masks/ --sequences dog,libby"""

YTVOS_EXAMPLES = """Examples:

\b
  mobilevos evaluate ytvos YouTubeVOS --masks submission/
  mobilevos evaluate ytvos YouTubeVOS --split train --sequences 003234408d"""

MasksOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder to write the masks into, as DIR/SEQUENCE/FRAME.png, ids as given."),
]
PredictionsOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Score the masks DIR/SEQUENCE/FRAME.png instead of running an engine."),
]
SequencesOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Only these sequences; all of the split when not given.")
]
WorkersOption = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Processes, each with a network of its own and, if more than 1, 1 thread."),
]
JsonOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Scores, speed and provenance, for machines.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]


def davis(
    root: Annotated[Path, typer.Argument(help="Holds JPEGImages, Annotations and ImageSets.", metavar="ROOT")],
    year: Annotated[int, typer.Option(help="2016: all objects are one. 2017: each for itself.")] = 2016,
    split: Annotated[str, typer.Option(help="A list in ImageSets.")] = "val",
    resolution: Annotated[
        str | None, typer.Option(help="A folder of JPEGImages; 480p where there is one, when not given.")
    ] = None,
    sequences: SequencesOption = None,
    predictions: PredictionsOption = None,
    masks: MasksOption = None,
    json: JsonOption = None,
    overwrite: OverwriteOption = False,
    workers: WorkersOption = 1,
    engine: EngineOption = None,
    bundle: BundleOption = None,
    checkpoint: CheckpointOption = None,
    threads: ThreadsOption = None,
    memory_every: MemoryEveryOption = 5,
    resize: ResizeOption = False,
    memory: MemoryOption = "bounded",
    verify: VerifyOption = True,
    isolated: IsolatedOption = None,
) -> None:
    """Score on DAVIS 2016 or 2017.

    By the official protocol: the first mask is given, and neither the first nor the last frame is scored.
    """
    dataset = Davis(root, year, split, resolution)
    facts = {"name": f"DAVIS {year}", "root": str(root), "split": split, "resolution": dataset.resolution}
    setup = TrackingSetup(engine, checkpoint, bundle, threads, memory_every, resize, memory, verify, isolated)
    _evaluate(dataset, facts, sequences, setup, _Places(predictions, masks, json, overwrite), workers)


def ytvos(
    root: Annotated[
        Path, typer.Argument(help="Holds the split's folder, or JPEGImages and Annotations.", metavar="ROOT")
    ],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    sequences: SequencesOption = None,
    predictions: PredictionsOption = None,
    masks: MasksOption = None,
    json: JsonOption = None,
    overwrite: OverwriteOption = False,
    workers: WorkersOption = 1,
    engine: EngineOption = None,
    bundle: BundleOption = None,
    checkpoint: CheckpointOption = None,
    threads: ThreadsOption = None,
    memory_every: MemoryEveryOption = 5,
    resize: ResizeOption = False,
    memory: MemoryOption = "bounded",
    verify: VerifyOption = True,
    isolated: IsolatedOption = None,
) -> None:
    """Score on YouTube-VOS.

    Each object is given with its first mask and scored on the annotated frames after it.
    """
    dataset = YouTubeVOS(root, split)
    facts = {"name": "YouTube-VOS", "root": str(root), "split": split}
    setup = TrackingSetup(engine, checkpoint, bundle, threads, memory_every, resize, memory, verify, isolated)
    _evaluate(dataset, facts, sequences, setup, _Places(predictions, masks, json, overwrite), workers)


@dataclass(frozen=True)
class _Places:
    """Where masks and results come from and go."""

    predictions: Path | None
    masks: Path | None
    json: Path | None
    overwrite: bool


class _Dataset(Protocol):
    """What `Davis` and `YouTubeVOS` have in common."""

    names: tuple[str, ...]
    missing: tuple[str, ...]

    def sequence(self, name: str) -> Sequence: ...


@dataclass(frozen=True)
class _Selection:
    """The sequences of a data set that are wanted, as `score_folder` takes them."""

    chosen: list[Sequence]

    def sequences(self) -> list[Sequence]:
        """The wanted sequences."""
        return self.chosen


def _evaluate(
    dataset: _Dataset,
    facts: dict[str, Any],
    wanted: str | None,
    setup: TrackingSetup,
    places: _Places,
    workers: int,
) -> None:
    sequences = _select(dataset, wanted)
    check_sequences(sequences)
    _check_places(places, sequences, setup)
    setup.warn_if_unverified()
    if places.predictions is None:
        scores, speed = _track(sequences, setup, places, workers)
    else:
        scores = score_folder(places.predictions, _Selection(sequences), workers)
        speed = {"predictions": str(places.predictions)}
    _print(scores, facts, dataset.missing if wanted is None else (), speed)
    if places.json is not None:
        facts = facts | {"missing": list(dataset.missing)}
        report = {"command": "evaluate", "dataset": facts, **speed, "scores": scores.to_json()}
        write_report(places.json, report, overwrite=places.overwrite)
        print_line(f"report: {places.json}")


def _select(dataset: _Dataset, wanted: str | None) -> list[Sequence]:
    """The named sequences in the given order, or all, their files listed: half-copied ones are refused here."""
    if wanted is None:
        return [dataset.sequence(name) for name in dataset.names]
    names = dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip())
    if not names:
        raise InputError("--sequences names none", expected=f"names such as {dataset.names[0]}")
    return [dataset.sequence(name) for name in names]


def _check_places(places: _Places, sequences: list[Sequence], setup: TrackingSetup) -> None:
    tracking = {
        "--engine": setup.engine,
        "--masks": places.masks,
        "--bundle": setup.bundle,
        "--checkpoint": setup.checkpoint,
    }
    unused = [name for name, value in tracking.items() if value is not None]
    if places.predictions is not None and unused:
        raise InputError("--predictions runs no engine", remedy=f"leave out {unused[0]}")
    folders = [] if places.masks is None else [places.masks]
    files = [] if places.json is None else [places.json]
    check_outputs(files=files, folders=folders, overwrite=places.overwrite)
    # With --overwrite, too, nothing may be written over the data set.
    inputs = [folder for one in sequences for folder in (one.frames.folder, *_annotation_folders(one))]
    targets = [folder / one.name for folder in folders for one in sequences]
    check_outputs(folders=targets, inputs=inputs, overwrite=True)


def _annotation_folders(sequence: Sequence) -> set[Path]:
    return {path.parent for path in sequence.annotations.values()}


def _track(
    sequences: list[Sequence], setup: TrackingSetup, places: _Places, workers: int
) -> tuple[DatasetScore, dict[str, Any]]:
    with frame_progress("evaluating", sum(len(sequence.frames) for sequence in sequences)) as advance:
        tracked = track_and_score(
            sequences, setup, masks=places.masks, overwrite=places.overwrite, workers=workers, advance=advance
        )
    speed = {
        **tracked.provenance,
        "workers": workers,
        "frames": tracked.frames,
        "tracking_seconds": tracked.seconds,
        "tracking_fps": tracked.frames / tracked.seconds,
        "masks": None if places.masks is None else str(places.masks),
    }
    return tracked.scores, speed


def _print(scores: DatasetScore, facts: dict[str, Any], missing: tuple[str, ...], speed: dict[str, Any]) -> None:
    Console().print(score_table(scores))
    what = " ".join(facts[key] for key in ("name", "split", "resolution") if key in facts)
    measures = f"J&F {100 * scores.j_and_f:.1f} (J {100 * scores.j.mean:.1f}, F {100 * scores.f.mean:.1f})"
    print_line(f"{measures} on {counted(len(scores.sequences), 'sequence')} of {what}")
    if missing:
        print_line(f"not on disk, and left out: {counted(len(missing), 'sequence')} ({', '.join(missing)})")
    if "engine" in speed:
        each = " in each process" if speed["workers"] > 1 else ""
        print_line(f"{speed['engine']}: {speed['tracking_fps']:.1f} frames/s of tracking{each}")
    if speed.get("masks"):
        print_line(f"masks: {speed['masks']}")
