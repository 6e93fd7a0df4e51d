"""`python -m benchmarks.worker`: one engine in a process of its own, timed in the loop. The C++ runner's Python twin.

PyTorch is loaded only by engines that need it; the run record says whether it was.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import cv2
import typer

from benchmarks.clip_folder import ClipFolder
from benchmarks.loop import TimedLoop, peak_resident
from benchmarks.opening import PYTORCH_ENGINES, OpenedEngine, open_checkpoint, open_timed
from benchmarks.run_record import RunRecord, write_run
from mobilevos.commands.entry import run
from mobilevos.engines import BUNDLE_ENGINES
from mobilevos.errors import InputError
from mobilevos.tracking import MemoryPolicy

__all__ = ["main"]

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    engine: Annotated[str, typer.Option(help=f"One of {', '.join((*PYTORCH_ENGINES, *BUNDLE_ENGINES))}.")],
    clip: Annotated[Path, typer.Option(help="The clip folder.")],
    output: Annotated[Path, typer.Option(help="Folder of run.json and masks.u8.")],
    bundle: Annotated[Path | None, typer.Option(help="What the engine runs.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="What an engine of PyTorch runs.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Timed steps, at least.")] = 128,
    seconds: Annotated[float, typer.Option(min=0, help="Sum of their times, at least.")] = 10.0,
    warm_up: Annotated[int, typer.Option(min=0, help="First steps that do not count.")] = 10,
    memory_frames: Annotated[int, typer.Option(min=2, help="Of an engine of PyTorch; a bundle has its own.")] = 2,
    components: Annotated[bool, typer.Option("--components", help="Call each component alone.")] = False,
    in_turn: Annotated[bool, typer.Option("--in-turn", help="Wait for a line before each step, answer one.")] = False,
) -> None:
    """Track a clip until steps and seconds are reached and one pass is complete; in turn, until `stop`."""
    with _answers() as answers:
        source = ClipFolder.open(clip)
        cv2.setNumThreads(threads)
        if engine in PYTORCH_ENGINES:
            opened = open_checkpoint(engine, checkpoint, threads, memory_frames)
        else:
            opened = open_timed(engine, bundle, threads)
        output.mkdir(parents=True, exist_ok=True)
        policy = MemoryPolicy(recent=opened.memory_frames - 1)
        loop = TimedLoop(opened.engine, source, output, warm_up=warm_up, components=components, policy=policy)
        try:
            if in_turn:
                _take_turns(loop, answers)
            else:
                _reach(loop, steps, seconds)
        finally:
            loop.close()
        write_run(output, _record(loop, source, opened, threads))


@contextmanager
def _answers() -> Iterator[TextIO]:
    """Standard output for the answers alone: what a runtime prints there goes to standard error instead."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        yield answers


def _take_turns(loop: TimedLoop, answers: TextIO) -> None:
    for line in sys.stdin:
        if line.strip() == "stop":
            return
        if line.strip() != "step":
            raise InputError(f"a line {line.strip()[:40]!r}", expected="`step` or `stop`")
        answers.write(json.dumps(loop.step().to_json()) + "\n")
        answers.flush()


def _reach(loop: TimedLoop, steps: int, seconds: float) -> None:
    done, spent = 0, 0.0
    while done < steps or spent < seconds or not loop.passes:
        step = loop.step()
        if step.timed:
            done, spent = done + 1, spent + step.step_ms / 1e3


def _record(loop: TimedLoop, clip: ClipFolder, opened: OpenedEngine, threads: int) -> RunRecord:
    if not loop.steps:
        raise InputError("no step was made", expected="at least one line `step` on standard input")
    shared = [step.pss_bytes for step in loop.steps if step.pss_bytes is not None]
    return RunRecord(
        engine=opened.name,
        precision=opened.precision,
        bundle_sha256=opened.bundle_sha256,
        versions=opened.engine.info.versions,
        threads=threads,
        affinity=sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
        height=clip.height,
        width=clip.width,
        frames=clip.frames,
        memory_every=clip.memory_every,
        objects=clip.objects,
        load_ms=opened.load_ms,
        steps=loop.steps,
        peak_rss_bytes=peak_resident(loop.steps),
        peak_pss_bytes=max(shared, default=None),
        torch_loaded="torch" in sys.modules,
    )


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.worker`; gives the exit code."""
    return run(app, argv, program="benchmarks.worker")


if __name__ == "__main__":
    sys.exit(main())
