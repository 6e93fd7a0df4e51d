from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.clip_folder import FRAMES, write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.host import Host
from benchmarks.interleaving import Turns
from benchmarks.jobs import Job, Workload
from benchmarks.protocol import Protocol


@pytest.mark.slow
def test_of_a_process_that_ends_early_the_steps_are_kept(random_checkpoint: Path, tmp_path: Path) -> None:
    clip = synthetic_clip(8, (64, 96), objects=1)
    doomed = write_clip(tmp_path / "clip", clip.frames, {0: clip.first_mask})
    job = Job("eager", "fp32", Workload((64, 96)), random_checkpoint, None, 1)

    def cut(parts: Sequence[tuple[Job, Turns]]) -> None:
        if len(parts[0][1].steps) == 4:
            with (doomed.folder / FRAMES).open("r+b") as file:
                file.truncate(10)

    protocol = Protocol("test", steps=10, seconds=0, warm_up=2)
    ((measured,), _) = Host().measure([job], doomed, protocol, 1, tmp_path / "out", components=False, progress=cut)
    assert measured.record is None
    assert "was cut" in measured.failure
    assert [(step.frame, step.timed) for step in measured.partial] == [(0, False), (1, False), (2, True), (3, True)]
