from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.clip_folder import FRAMES, write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.host import Host
from benchmarks.interleaving import Turns
from benchmarks.jobs import Job, Workload
from benchmarks.protocol import Protocol
from benchmarks.run_record import RunRecord


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


@pytest.mark.parametrize(("targets", "has_ratios"), [(("eager", "onnx"), True), (("litert", "onnx"), False)])
def test_ratios_are_to_eager_or_there_are_none(
    targets: tuple[str, ...],
    has_ratios: bool,
    make_record: Callable[..., RunRecord],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    clip = synthetic_clip(8, (64, 96), objects=1)
    raw = write_clip(tmp_path / "clip", clip.frames, {0: clip.first_mask})
    jobs = [Job(target, "fp32", Workload((64, 96)), tmp_path, None, 1) for target in targets]
    turns = [
        Turns(None, 99, make_record([milliseconds] * 20).steps)  # type: ignore[arg-type]
        for milliseconds in (50.0, 10.0)
    ]
    monkeypatch.setattr("benchmarks.host._run", lambda *arguments: turns)
    monkeypatch.setattr("benchmarks.host.MatrixProduct", lambda: SimpleNamespace(gflops=100.0))
    protocol = Protocol("test", steps=10, seconds=0)
    (_, onnx), _ = Host().measure(jobs, raw, protocol, 1, tmp_path, components=False)
    assert set(onnx.ratios) == ({0.2} if has_ratios else set())
