"""The loop that is timed: a clip over and over, a stopwatch on every step, and the masks on disk. No torch here."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import psutil

from benchmarks.clip_folder import ClipFolder
from benchmarks.in_turn import SingleComponents
from benchmarks.run_record import MASKS, Step
from mobilevos.engines import Engine, TimedEngine
from mobilevos.tracking import FIRST_AND_LATEST, MemoryPolicy, Tracker

__all__ = ["TimedLoop", "peak_resident"]


class TimedLoop:
    """Tracks a clip step by step. After its last frame it begins again, with an empty memory.

    Reading the frame, asking for the memory and writing the labels happen outside the measured time. Labels go to disk
    at once, so that a long clip costs no memory: to a file of another name, which becomes `masks.u8` when a pass has
    ended after the warm-up.

    Args:
        engine: What runs the network.
        clip: To track.
        output: An existing folder, for the masks.
        warm_up: First steps to mark as such.
        components: Call each component alone instead of the fused program.
        policy: Which memorised frames are kept.

    Attributes:
        steps: Done so far.
    """

    def __init__(
        self,
        engine: Engine,
        clip: ClipFolder,
        output: Path,
        *,
        warm_up: int,
        components: bool = False,
        policy: MemoryPolicy = FIRST_AND_LATEST,
    ) -> None:
        self._engine = SingleComponents(engine) if components else TimedEngine(engine)
        self._tracker = Tracker(self._engine, memory_every=clip.memory_every, policy=policy)
        self._clip, self._warm_up = clip, warm_up
        self._frame = np.empty((clip.height, clip.width, 3), np.uint8)
        self._process = psutil.Process()
        self._masks = output / MASKS
        self._pass = output / f".{MASKS}"
        self._file = self._pass.open("wb")
        self.steps: list[Step] = []

    @property
    def passes(self) -> int:
        """Passes over the clip that ended after the warm-up, and so left masks."""
        last = self._clip.frames - 1
        return sum(step.frame == last and not step.warm_up for step in self.steps)

    def step(self) -> Step:
        """Tracks the next frame.

        Raises:
            InputError: The clip cannot be read, or the engine failed.
        """
        lap, index = divmod(len(self.steps), self._clip.frames)
        if index == 0:
            self._tracker.reset()
            self._file.seek(0)
        self._clip.read(index, self._frame)
        given = self._clip.given.get(index)
        calls = {name: len(times) for name, times in self._engine.timings.items()}
        start = perf_counter_ns()
        labels = self._tracker.step(self._frame, given).labels
        step_ms = (perf_counter_ns() - start) / 1e6
        spent = {name: sum(times[calls[name] :]) for name, times in self._engine.timings.items()}
        warm_up = len(self.steps) < self._warm_up
        self._write(labels.astype(np.uint8, copy=False), complete=index == self._clip.frames - 1 and not warm_up)
        memory = self._process.memory_full_info()
        step = Step(
            index,
            lap,
            warm_up,
            step_ms,
            {name: time for name, time in spent.items() if time},
            memory.rss,
            getattr(memory, "pss", None),  # Linux alone has it
        )
        self.steps.append(step)
        return step

    def close(self) -> None:
        """Leaves the masks of the last complete pass, and nothing else."""
        self._file.close()
        self._pass.unlink(missing_ok=True)

    def _write(self, labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *, complete: bool) -> None:
        self._file.write(labels.tobytes())
        if complete:
            self._file.flush()
            os.replace(self._pass, self._masks)  # noqa: PTH105  # the open file goes along: the next pass needs its own
            self._file.close()
            self._file = self._pass.open("wb")


def peak_resident(steps: list[Step]) -> int:
    """Largest resident memory of this process so far, in bytes.

    From `VmHWM`, where the kernel has it: `getrusage` begins at what the parent held when it started this process.

    Args:
        steps: Whose largest it is elsewhere.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return max(step.rss_bytes for step in steps)
