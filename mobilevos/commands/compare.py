"""`mobilevos compare`: bundles side by side on the same clips, as a table and as a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mobilevos.bundle import Bundle
from mobilevos.commands.console import frame_progress, print_line, write_report
from mobilevos.commands.engine_options import (
    IsolatedOption,
    MemoryEveryOption,
    ResizeOption,
    ThreadsOption,
    TrackingSetup,
)
from mobilevos.commands.outputs import check_outputs
from mobilevos.commands.segment import FOLDER_FPS, length_of, read_first_mask, timed_frames
from mobilevos.comparison import Clip, ComparedFrame, Comparison, Contender, Standing, annotated_clip
from mobilevos.data.davis import Davis
from mobilevos.data.video import VideoReader, VideoWriter, open_frames
from mobilevos.errors import InputError
from mobilevos.visualization import overlay, side_by_side

__all__ = ["EXAMPLES", "compare"]

EXAMPLES = """\b
Examples:
  mobilevos compare build/int8/executorch build/int8/tflite --davis DAVIS --eager
  mobilevos compare build/bundles/onnx build/int8/onnx --video clip.mp4 --mask first.png \\
      --output comparison/"""

REPORT = "comparison.json"
"""In the output folder."""

_WIDEST = 3840
"""Pixels of a video: what players' hardware decoders take."""


def compare(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Folders of exported networks.")],
    davis: Annotated[
        Path | None, typer.Option(metavar="ROOT", help="Track the sequences of a DAVIS data set, and score J&F.")
    ] = None,
    year: Annotated[int, typer.Option(help="Of DAVIS. 2016: all objects are one. 2017: each for itself.")] = 2016,
    split: Annotated[str, typer.Option(help="Of DAVIS: a list in ImageSets.")] = "val",
    sequences: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these sequences of DAVIS; all when not given.")
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(metavar="VIDEO_OR_FOLDER", help="Track this clip, a video or images."),
    ] = None,
    mask: Annotated[Path | None, typer.Option(metavar="PNG", help="The objects on the first frame of --video.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=f"Folder for a side-by-side video of every clip, and {REPORT}."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    eager: Annotated[
        bool, typer.Option("--eager", help="PyTorch first, with the shipped weights: the others are compared with it.")
    ] = False,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="As --eager, with these weights.")] = None,
    threads: ThreadsOption = None,
    memory_every: MemoryEveryOption = 5,
    resize: ResizeOption = False,
    isolated: IsolatedOption = None,
) -> None:
    """Track the same clips with several bundles, and show how far their masks agree.

    Each bundle's masks are compared with those of the first, or with --eager of PyTorch: mean IoU over all frames, and
    the worst frame. On DAVIS each is also scored against the ground truth. Every engine tracks on its own masks.
    """
    clips, fps = _clips(davis, year, split, sequences, video, mask)
    videos = {} if output is None else {one.name: output / f"{one.name}.mp4" for one, _ in clips}
    files = [] if output is None else [output / REPORT, *videos.values()]
    check_outputs(files=files, inputs=[one for one in (*bundles, video, mask) if one is not None], overwrite=overwrite)
    setup = {"threads": threads, "memory_every": memory_every, "resize": resize}
    contenders = [_eager(checkpoint, setup)] if eager or checkpoint is not None else []
    opened = [Bundle.open(folder) for folder in bundles]
    contenders += [_contender(one, name, setup, isolated) for one, name in zip(opened, _names(opened), strict=True)]
    comparison = Comparison(contenders)
    for clip, frames in clips:
        _track(comparison, clip, frames, contenders, videos.get(clip.name), fps, overwrite=overwrite)
    standings = comparison.standings()
    Console().print(_table(standings))
    if output is not None:
        write_report(output / REPORT, _report(standings, videos), overwrite=overwrite)
        print_line(f"videos and {REPORT}: {output}")


def _clips(
    davis: Path | None, year: int, split: str, sequences: str | None, video: Path | None, mask: Path | None
) -> tuple[list[tuple[Clip, int | None]], Fraction]:
    """The clips, each with its number of frames if it is known, and the frames per second of a video of them."""
    if (davis is None) == (video is None):
        raise InputError("nothing to track" if davis is None else "too much to track", expected="--davis or --video")
    if davis is not None:
        if mask is not None:
            raise InputError("--mask with --davis", expected="the first masks of the data set", remedy="leave it out")
        dataset = Davis(davis, year, split)
        names = dataset.names if sequences is None else [part.strip() for part in sequences.split(",") if part.strip()]
        chosen = [dataset.sequence(name) for name in names]
        return [(annotated_clip(one), len(one.frames)) for one in chosen], FOLDER_FPS
    assert video is not None
    if sequences is not None:
        raise InputError("--sequences with --video", remedy="leave it out")
    if mask is None:
        raise InputError("--video without --mask", remedy="pass --mask PNG with the objects of the first frame")
    frames = open_frames(video)
    first = read_first_mask(mask, frames.size)
    clip = Clip(video.resolve().stem, timed_frames(frames), lambda index: first if index == 0 else None)
    return [(clip, length_of(frames))], frames.fps if isinstance(frames, VideoReader) else FOLDER_FPS


def _names(bundles: Sequence[Bundle]) -> list[str]:
    """Target and precision; the folder where that does not tell two bundles apart."""
    kinds = [f"{one.target} {one.precision}" for one in bundles]
    count = Counter(kinds)
    names = [kind if count[kind] == 1 else str(one.folder) for kind, one in zip(kinds, bundles, strict=True)]
    if len(set(names)) < len(names):
        raise InputError("a bundle is compared with itself", remedy="give each bundle once")
    return names


def _eager(checkpoint: Path | None, setup: dict[str, Any]) -> Contender:
    tracking = TrackingSetup("eager", checkpoint, **setup)
    engine = tracking.open_engine()
    facts = {"target": "PyTorch", "precision": "fp32", "bytes": None}
    return Contender("eager fp32", tracking.tracker(engine), facts | tracking.provenance(engine))


def _contender(bundle: Bundle, name: str, setup: dict[str, Any], isolated: bool | None) -> Contender:
    tracking = TrackingSetup(bundle=bundle.folder, isolated=isolated, **setup)
    engine = tracking.open_engine()
    facts = {"target": bundle.target, "precision": bundle.precision, "bytes": bundle.artefact_bytes}
    return Contender(name, tracking.tracker(engine), facts | tracking.provenance(engine))


def _track(
    comparison: Comparison,
    clip: Clip,
    frames: int | None,
    contenders: Sequence[Contender],
    path: Path | None,
    fps: Fraction,
    *,
    overwrite: bool,
) -> None:
    """Tracks a clip, and writes its video if there is a path."""
    names = [one.name for one in contenders]
    with ExitStack() as stack:
        advance = stack.enter_context(frame_progress(f"comparing on {clip.name}", frames))
        writer: VideoWriter | None = None
        for compared in comparison.track(clip):
            if path is not None:
                sheet = _sheet(compared, names)
                if writer is None:
                    size = (sheet.shape[0], sheet.shape[1])
                    writer = stack.enter_context(VideoWriter(path, size, fps, overwrite=overwrite))
                writer.write(sheet, compared.time)
            advance(1)


def _sheet(compared: ComparedFrame, names: Sequence[str]) -> NDArray[np.uint8]:
    """A panel for each contender, small enough to be played."""
    height, width = compared.frame.shape[:2]
    scale = min(1.0, _WIDEST / (len(names) * (width + width // 100)))
    panels = [overlay(compared.frame, labels) for labels in compared.labels]
    if scale < 1:
        size = (int(width * scale), int(height * scale))
        panels = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8) for one in panels]
    return side_by_side(panels, names)


def _table(standings: Sequence[Standing]) -> Table:
    caption = f"IoU: with the masks of {standings[0].name}; frames are counted from 0"
    table = Table(caption=escape(caption), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("engine", "precision"):
        table.add_column(column)
    for column in ("MB", "J&F", "J", "F", "mean IoU", "worst IoU", "at"):
        table.add_column(column, justify="right")
    for one in standings:
        size = one.facts["bytes"]
        scores = one.scores
        measures = (scores.j_and_f, scores.j.mean, scores.f.mean) if scores is not None else (None, None, None)
        table.add_row(
            escape(one.name),
            str(one.facts["precision"]),
            "" if size is None else f"{size / 1e6:.2f}",
            *("-" if value is None else f"{100 * value:.1f}" for value in measures),
            f"{one.mean_iou:.4f}",
            f"{one.worst_iou:.4f}",
            "" if one is standings[0] else escape(one.worst_frame),
        )
    return table


def _report(standings: Sequence[Standing], videos: dict[str, Path]) -> dict[str, Any]:
    return {
        "command": "compare",
        "reference": standings[0].name,
        "engines": [one.to_json() for one in standings],
        "videos": {name: str(path) for name, path in videos.items()},
    }
