"""`python -m benchmarks.demo`: one clip, tracked by PyTorch and by exported ExecuTorch programs."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
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
from benchmarks.clips import Clip, synthetic_clip, user_clip
from benchmarks.demo_report import CAPTION, ContactSheet, DemoReport, EngineResult, report_table, to_json
from benchmarks.in_turn import Contestant, SingleComponents, track_in_turn
from export.pipeline import stages
from export.quantization.section import INT8
from export.targets import TARGETS
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
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["DemoNetworks", "main", "run_demo"]

_SINGLE_STEPS = 21  # of the pass that times each component alone: the memory is written in five of them

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class DemoNetworks:
    """What the demo runs.

    Attributes:
        checkpoint: In float32, with PyTorch and with ExecuTorch.
        int8: The same student after training for int8, with its ranges; None leaves that row out.
    """

    checkpoint: Path
    int8: Path | None = None


def run_demo(clip: Clip, networks: DemoNetworks, output: Path, threads: int, progress: Progress) -> DemoReport:
    """Exports, tracks with every engine in turn, and writes what is to be seen.

    Args:
        clip: What to track.
        networks: What to track it with.
        output: Folder of `bundle/` and `bundle-int8/`, which are used again while they are current, `overlay.mp4` and
            `contact_sheet.png`, which are replaced.
        threads: Of every engine.
        progress: Gets one task for each stage.

    Raises:
        InputError: The clip, a checkpoint or the folder cannot be used.
    """
    started = perf_counter()
    exported = [_bundle(clip, networks.checkpoint, "fp32", output / "bundle", progress)]
    if networks.int8 is not None:
        exported.append(_bundle(clip, networks.int8, INT8, output / "bundle-int8", progress))
    engines: list[Engine] = [EagerEngine(load_network(networks.checkpoint), threads=threads)]
    engines += [ExecutorchEngine(bundle, threads=threads) for bundle, _ in exported]
    contestants = [Contestant(TimedEngine(engine)) for engine in engines]
    scores = [JandF(clip.ids, clip.length) if clip.truth and clip.length else None for _ in engines]
    ious = _track(clip, contestants, scores, output, progress)
    single = _time_components(clip, engines, progress)

    programs = (bundle.artefact("segment")[0] for bundle, _ in exported)
    sizes = [path.stat().st_size for path in (networks.checkpoint, *programs)]
    frames = [str(index) for index in range(len(ious[0]))]
    agreements = [None, *(summarise(one, frames) for one in ious)]
    results = tuple(
        EngineResult.of(contestant, alone, score.mean if score else None, agreement, size)
        for contestant, alone, score, agreement, size in zip(
            contestants, single, scores, agreements, sizes, strict=True
        )
    )
    reused, seconds = all(one for _, one in exported), perf_counter() - started
    return DemoReport(clip.name, clip.size, len(ious[0]), clip.ids, threads, results, reused, seconds, str(output))


def _bundle(clip: Clip, checkpoint: Path, precision: str, folder: Path, progress: Progress) -> tuple[Bundle, bool]:
    height, width = (-(-side // STRIDE) * STRIDE for side in clip.size)
    export_stages = stages(TARGETS["executorch"], precision)
    task = progress.add_task(f"export {precision}: checking the bundle", total=export_stages)

    def advance(stage: str) -> None:
        progress.update(task, description=f"export {precision}: {stage}", advance=1)

    size, objects = (height, width), len(clip.ids)
    bundle, reused = ensure_bundle(folder, checkpoint, size, objects, advance, precision=precision)
    description = f"export {precision}: {'current bundle used again' if reused else 'done'}"
    progress.update(task, description=description, completed=export_stages)
    return bundle, reused


def _track(
    clip: Clip, contestants: list[Contestant], scores: list[JandF | None], output: Path, progress: Progress
) -> list[list[float]]:
    """Tracks the clip, scores and draws it; gives each export's IoU with the first engine's masks, by frame."""
    ious: list[list[float]] = [[] for _ in contestants[1:]]
    sheet = ContactSheet(clip.length, [contestant.name for contestant in contestants])
    steps = track_in_turn(contestants, clip.frames, clip.first_mask)
    task = progress.add_task("tracking, an engine in turn", total=clip.length)
    with ExitStack() as stack:
        writer: VideoWriter | None = None
        for index, (frame, labels) in enumerate(steps):
            for found, one in zip(ious, labels[1:], strict=True):
                found.append(frame_iou(one, labels[0], clip.ids))
            for score, one in zip(scores, labels, strict=True):
                if score is not None and clip.truth is not None:
                    score.add(index, one, clip.truth(index))
            pictures = [overlay(frame, one) for one in labels]
            sheet.add(index, pictures)
            row = side_by_side(pictures, [_title(contestant) for contestant in contestants])
            if writer is None:
                size = (row.shape[0], row.shape[1])
                writer = stack.enter_context(VideoWriter(output / "overlay.mp4", size, clip.fps, overwrite=True))
            writer.write(row)
            progress.advance(task)
    progress.update(task, total=len(ious[0]), completed=len(ious[0]))
    sheet.write(output / "contact_sheet.png")
    return ious


def _title(contestant: Contestant) -> str:
    return f"{contestant.name}: {np.median(contestant.step_ms):.0f} ms a frame"


def _time_components(clip: Clip, engines: list[Engine], progress: Progress) -> list[Contestant]:
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
    int8: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The network with ranges, for int8; the shipped one beside the shipped student."
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of every engine; PyTorch's choice by default.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of all that is written.")] = Path("build/demo"),
) -> None:
    """Track one clip with PyTorch, with ExecuTorch and with ExecuTorch in int8; compare J&F, speed, size and masks.

    The networks are exported for the clip's frame size; a second run uses those bundles again.
    """
    if (video is None) != (mask is None):
        raise InputError("--video and --mask go together", remedy="give both, or neither for a synthetic clip")
    console = Console()
    networks = DemoNetworks(
        checkpoint or default_checkpoint(), int8 or (None if checkpoint else default_int8_checkpoint())
    )
    clip = user_clip(video, mask) if video and mask else synthetic_clip()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        report = run_demo(clip, networks, output, threads or torch.get_num_threads(), progress)
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
