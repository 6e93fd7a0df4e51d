"""`mobilevos segment`: tracks the objects of one clip and shows what it took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mobilevos.commands.console import counted, frame_progress, print_line, write_report
from mobilevos.commands.engine_options import (
    BundleOption,
    CheckpointOption,
    EngineOption,
    IsolatedOption,
    MemoryEveryOption,
    ResizeOption,
    ThreadsOption,
    TrackingSetup,
    VerifyOption,
)
from mobilevos.commands.outputs import check_outputs
from mobilevos.data.frames import ImageFolder
from mobilevos.data.masks import read_mask, write_mask
from mobilevos.data.video import VideoReader, VideoWriter, open_frames
from mobilevos.engines import TimedEngine
from mobilevos.errors import InputError
from mobilevos.tracking import Tracker
from mobilevos.visualization import overlay

__all__ = ["FOLDER_FPS", "length_of", "read_first_mask", "segment", "timed_frames"]

FOLDER_FPS = Fraction(24)
"""Frames per second of the overlay of a folder of images, which holds no times: that of DAVIS."""

EXAMPLES = """Examples:

\b
  mobilevos segment clip.mp4 --mask first.png --output overlay.mp4
  mobilevos segment frames/ --mask first.png --masks masks/ --json report.json
  mobilevos segment clip.mp4 --mask first.png --resize \\
      --engine executorch --bundle bundles/phone"""


def segment(
    source: Annotated[Path, typer.Argument(metavar="VIDEO_OR_FOLDER", help="A video file, or a folder of images.")],
    mask: Annotated[
        Path,
        typer.Option(
            metavar="PNG", help="The objects on the first frame: a PNG of object ids (0 is background) or 0/255."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="MP4",
            help="Video to write, with the objects laid over the frames; NAME-overlay.mp4 here if neither this nor "
            "--masks is given.",
        ),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to write a PNG of object ids into for every frame.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="The report, for machines.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    engine: EngineOption = None,
    bundle: BundleOption = None,
    checkpoint: CheckpointOption = None,
    threads: ThreadsOption = None,
    memory_every: MemoryEveryOption = 5,
    resize: ResizeOption = False,
    verify: VerifyOption = True,
    isolated: IsolatedOption = None,
) -> None:
    """Track the objects of a clip, from a mask of its first frame.

    Memory use does not grow with the length of the clip. If the clip breaks off, the masks of the frames before
    stay; a video is written as a whole or not at all.
    """
    if output is None and masks is None:
        output = Path(f"{source.resolve().stem}-overlay.mp4")
    files = [path for path in (output, json) if path is not None]
    folders = [] if masks is None else [masks]
    check_outputs(files=files, folders=folders, inputs=(source, mask, mask.parent), overwrite=overwrite)

    setup = TrackingSetup(engine, checkpoint, bundle, threads, memory_every, resize, verify=verify, isolated=isolated)
    setup.warn_if_unverified()
    clip = open_frames(source)
    first_mask = read_first_mask(mask, clip.size)
    opened = TimedEngine(setup.open_engine())
    run = _Run(clip, first_mask, setup.tracker(opened), output, masks, overwrite)
    run.to_the_end()

    report = {"command": "segment", "source": str(source), "mask": str(mask), **_results(run, opened)}
    report |= setup.provenance(opened)
    _print(report)
    if json is not None:
        write_report(json, report, overwrite=overwrite)
        print_line(f"report: {json}")


def read_first_mask(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The mask `[H, W]` of a clip's first frame, checked here because an error should name its file.

    Args:
        path: Of the PNG.
        size: Height and width of the frames, in pixels.

    Raises:
        InputError: It cannot be read, is of another size or holds no objects.
    """
    labels = read_mask(path)
    if labels.shape != size:
        expected, found = (f"{width}x{height}" for height, width in (size, labels.shape))
        raise InputError(f"mask {path} is of another size", expected=f"{expected} like its clip", found=found)
    if not labels.any():
        raise InputError(f"mask {path} holds no objects", expected="at least one pixel that is not 0")
    return labels


@dataclass
class _Run:
    """One clip on its way through the tracker; counts what the report wants to know."""

    clip: ImageFolder | VideoReader
    first_mask: NDArray[np.uint8]
    tracker: Tracker
    output: Path | None
    masks: Path | None
    overwrite: bool
    frames: int = 0
    tracking_seconds: float = 0.0
    loop_seconds: float = 0.0

    def to_the_end(self) -> None:
        """Reads, tracks and writes frame by frame.

        Raises:
            InputError: The clip breaks off, or an output cannot be written.
        """
        start = perf_counter()
        try:
            with ExitStack() as stack:
                writer = stack.enter_context(self._writer()) if self.output else None
                advance = stack.enter_context(frame_progress("segmenting", length_of(self.clip)))
                for name, time, frame in _named_frames(self.clip):
                    labels = self._labels(frame)
                    if self.masks is not None:
                        write_mask(self.masks / f"{name}.png", labels, overwrite=self.overwrite)
                    if writer is not None:
                        writer.write(overlay(frame, labels), time)
                    self.frames += 1
                    advance(1)
        except InputError as error:
            raise self._with_what_is_left(error) from error
        self.loop_seconds = perf_counter() - start

    def _labels(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        start = perf_counter()
        segmentation = self.tracker.step(frame, self.first_mask if self.frames == 0 else None)
        labels = segmentation.labels.astype(np.uint8, copy=False)  # no id of an 8-bit mask is above 255
        self.tracking_seconds += perf_counter() - start
        return labels

    def _writer(self) -> VideoWriter:
        assert self.output is not None
        fps = self.clip.fps if isinstance(self.clip, VideoReader) else FOLDER_FPS
        return VideoWriter(self.output, self.clip.size, fps, overwrite=self.overwrite)

    def _with_what_is_left(self, error: InputError) -> InputError:
        if self.masks is None or not self.frames:
            return error
        left = f"masks of the {counted(self.frames, 'frame')} before are in {self.masks}"
        remedy = f"{error.remedy}; {left}" if error.remedy else left
        return InputError(error.what, expected=error.expected, found=error.found, remedy=remedy)


def length_of(clip: ImageFolder | VideoReader) -> int | None:
    """Its frames, or None if it does not say."""
    return clip.length if isinstance(clip, VideoReader) else len(clip)


def _named_frames(
    clip: ImageFolder | VideoReader,
) -> Iterator[tuple[str, float | None, NDArray[np.uint8]]]:
    """Each frame with the name of its mask and the time at which to show it, in seconds."""
    if isinstance(clip, VideoReader):
        for index, (time, frame) in enumerate(clip.frames_with_time()):
            yield f"{index:05d}", time, frame
    else:
        for name, frame in zip(clip.names, clip, strict=True):
            yield name, None, frame


def timed_frames(clip: ImageFolder | VideoReader) -> Iterator[tuple[float | None, NDArray[np.uint8]]]:
    """Each frame with the time at which to show it, in seconds; None where the clip has no times."""
    return ((time, frame) for _, time, frame in _named_frames(clip))


def _results(run: _Run, engine: TimedEngine) -> dict[str, Any]:
    height, width = run.clip.size
    outputs = {"overlay": run.output, "masks": run.masks}
    return {
        "frames": run.frames,
        "size": {"height": height, "width": width},
        "objects": list(run.tracker.ids),
        # A component's first call pays for allocation and set-up: it would hide what a frame costs.
        "milliseconds": {name: asdict(timing) for name, timing in engine.summary(warm_up=1).items()},
        "tracking_seconds": run.tracking_seconds,
        "tracking_fps": run.frames / run.tracking_seconds,
        "loop_seconds": run.loop_seconds,
        "loop_fps": run.frames / run.loop_seconds,
        "outputs": {name: str(path) for name, path in outputs.items() if path is not None},
    }


def _print(report: dict[str, Any]) -> None:
    size, ids = report["size"], report["objects"]
    objects = f"{counted(len(ids), 'object')} ({', '.join(map(str, ids))})"
    print_line(f"{counted(report['frames'], 'frame')} of {size['width']}x{size['height']}, {objects}")
    table = Table()
    table.add_column(report["engine"])
    for header in ("calls", "p50 ms", "p90 ms"):
        table.add_column(header, justify="right")
    for component, timing in report["milliseconds"].items():
        table.add_row(component, str(timing["calls"]), f"{timing['p50']:.1f}", f"{timing['p90']:.1f}")
    Console().print(table)
    print_line(f"{report['tracking_fps']:.1f} frames/s tracking, {report['loop_fps']:.1f} with reading and writing")
    for name, path in report["outputs"].items():
        print_line(f"{name}: {path}")
