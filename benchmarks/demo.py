"""`python -m benchmarks.demo`: one clip, tracked by PyTorch and by an exported ExecuTorch program."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.agreement import JandF, frame_iou, summarise
from benchmarks.bundles import ensure_bundle
from benchmarks.demo_clip import DemoClip, synthetic_clip, user_clip
from benchmarks.demo_report import CAPTION, ContactSheet, DemoReport, EngineResult, report_table, to_json
from benchmarks.in_turn import Contestant, SingleComponents, track_in_turn
from export.executorch import STAGES
from mobilevos.bundle import Bundle
from mobilevos.commands.console import print_line, write_report
from mobilevos.commands.entry import run
from mobilevos.contract import STRIDE
from mobilevos.data.video import VideoWriter
from mobilevos.engines import Engine, TimedEngine
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.visualization import overlay, side_by_side
from mobilevos.weights import default_checkpoint

__all__ = ["main", "run_demo"]

_SINGLE_STEPS = 21  # of the pass that times each component alone: the memory is written in five of them

app = typer.Typer(add_completion=False)


def run_demo(clip: DemoClip, checkpoint: Path, output: Path, threads: int, progress: Progress) -> DemoReport:
    """Exports, tracks with both engines in turn, and writes what is to be seen.

    Args:
        clip: What to track.
        checkpoint: The network.
        output: Folder of `bundle/`, which is used again while it is current, `overlay.mp4` and
            `contact_sheet.png`, which are replaced.
        threads: Of both engines.
        progress: Gets one task for each stage.

    Raises:
        InputError: The clip, the checkpoint or the folder cannot be used.
    """
    started = perf_counter()
    bundle, reused = _bundle(clip, checkpoint, output / "bundle", progress)
    engines = [EagerEngine(load_network(checkpoint), threads=threads), ExecutorchEngine(bundle, threads=threads)]
    contestants = [Contestant(TimedEngine(engine)) for engine in engines]
    scores = [JandF(clip.ids, clip.length) if clip.truth and clip.length else None for _ in engines]
    ious = _track(clip, contestants, scores, output, progress)
    single = _time_components(clip, engines, progress)

    sizes = (checkpoint.stat().st_size, bundle.artefact("segment")[0].stat().st_size)
    agreements = (None, summarise(ious))
    results = tuple(
        EngineResult.of(contestant, alone, score.mean if score else None, agreement, size)
        for contestant, alone, score, agreement, size in zip(
            contestants, single, scores, agreements, sizes, strict=True
        )
    )
    return DemoReport(
        clip.name, clip.size, len(ious), clip.ids, threads, results, reused, perf_counter() - started, str(output)
    )


def _bundle(clip: DemoClip, checkpoint: Path, folder: Path, progress: Progress) -> tuple[Bundle, bool]:
    height, width = (-(-side // STRIDE) * STRIDE for side in clip.size)
    task = progress.add_task("export: checking the bundle", total=STAGES)

    def advance(stage: str) -> None:
        progress.update(task, description=f"export: {stage}", advance=1)

    bundle, reused = ensure_bundle(folder, checkpoint, (height, width), len(clip.ids), advance)
    description = "export: current bundle used again" if reused else "export: done"
    progress.update(task, description=description, completed=STAGES)
    return bundle, reused


def _track(
    clip: DemoClip, contestants: list[Contestant], scores: list[JandF | None], output: Path, progress: Progress
) -> list[float]:
    """Tracks the clip, scores and draws it; gives each frame's IoU of the two engines' masks."""
    ious: list[float] = []
    sheet = ContactSheet(clip.length, [contestant.name for contestant in contestants])
    steps = track_in_turn(contestants, clip.frames, clip.first_mask)
    task = progress.add_task("tracking with both engines", total=clip.length)
    with ExitStack() as stack:
        writer: VideoWriter | None = None
        for index, (frame, labels) in enumerate(steps):
            ious.append(frame_iou(labels[1], labels[0], clip.ids))
            for score, one in zip(scores, labels, strict=True):
                if score is not None and clip.truth is not None:
                    score.add(index, one, clip.truth(index))
            pictures = [overlay(frame, one) for one in labels]
            sheet.add(index, pictures)
            both = side_by_side(pictures, [_title(contestant) for contestant in contestants])
            if writer is None:
                size = (both.shape[0], both.shape[1])
                writer = stack.enter_context(VideoWriter(output / "overlay.mp4", size, clip.fps, overwrite=True))
            writer.write(both)
            progress.advance(task)
    progress.update(task, total=len(ious), completed=len(ious))
    sheet.write(output / "contact_sheet.png")
    return ious


def _title(contestant: Contestant) -> str:
    return f"{contestant.name}: {np.median(contestant.step_ms):.0f} ms a frame"


def _time_components(clip: DemoClip, engines: list[Engine], progress: Progress) -> list[Contestant]:
    single = [Contestant(SingleComponents(engine)) for engine in engines]
    task = progress.add_task("timing single components", total=min(_SINGLE_STEPS, clip.length or _SINGLE_STEPS))
    frames: list[NDArray[np.uint8]] = list(islice(clip.frames, _SINGLE_STEPS))
    for _ in track_in_turn(single, frames, clip.first_mask):
        progress.advance(task)
    return single


@app.command()
def demo(
    video: Annotated[
        Path | None, typer.Option(help="Your clip: a video file or a folder of images; a synthetic one by default.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="The objects on its first frame: a PNG of object ids, or of 0 and 255.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="The network; the shipped student by default.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of both engines; PyTorch's choice by default.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of all that is written.")] = Path("build/demo"),
) -> None:
    """Track one clip with PyTorch and with ExecuTorch, and compare speed and masks.

    The network is exported for the clip's frame size; a second run uses that bundle again.
    """
    if (video is None) != (mask is None):
        raise InputError("--video and --mask go together", remedy="give both, or neither for a synthetic clip")
    console = Console()
    clip = user_clip(video, mask) if video and mask else synthetic_clip()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        report = run_demo(
            clip, checkpoint or default_checkpoint(), output, threads or torch.get_num_threads(), progress
        )
    write_report(output / "report.json", to_json(report), overwrite=True)
    console.print(report_table(report))
    console.print(CAPTION, highlight=False)
    for name in ("overlay.mp4", "contact_sheet.png", "report.json"):
        print_line(f"{output / name}")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.demo`; gives the exit code."""
    return run(app, argv, program="benchmarks.demo")


if __name__ == "__main__":
    sys.exit(main())
