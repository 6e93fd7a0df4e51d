from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.clip_folder import write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.growth import WARM_UP, LongRun, growth, run_long
from benchmarks.run_record import RunRecord
from benchmarks.turn_process import worker_command
from mobilevos.errors import InputError

MB = 1_000_000


@pytest.fixture
def long_run(make_record: Callable[..., RunRecord]) -> Callable[[int, float], LongRun]:
    """A run whose memory and time grow by known amounts."""

    def make(late_bytes: int, late_time: float) -> LongRun:
        early = make_record([10.0] * (WARM_UP + 100), rss=100 * MB).steps
        late = make_record([10.0], rss=late_bytes).steps
        return LongRun([*early, *late], [2.0] * 100, [2.0 * late_time] * 90 + [50.0] * 10)

    return make


def test_the_end_is_compared_with_the_first_window(long_run: Callable[[int, float], LongRun]) -> None:
    found = growth(long_run(101 * MB, 1.5))
    assert found.memory_ratio == pytest.approx(1.01, abs=1e-4)
    assert found.time_ratio == 1.5


@pytest.mark.parametrize(
    ("late_mb", "late_time", "flat"), [(102, 1.05, True), (103, 1.0, False), (100, 1.1, False), (90, 0.5, True)]
)
def test_growth_beyond_the_limits_is_not_flat(
    long_run: Callable[[int, float], LongRun], late_mb: int, late_time: float, flat: bool
) -> None:
    assert growth(long_run(late_mb * MB, late_time)).flat is flat


@pytest.mark.slow
def test_a_long_clip_takes_no_more_memory_at_its_end(random_checkpoint: Path, tmp_path: Path) -> None:
    clip = synthetic_clip(70, (32, 48), objects=2)
    raw = write_clip(tmp_path / "clip", clip.frames, {0: clip.first_mask})

    def command(output: Path) -> list[str]:
        own = ["--engine", "eager", "--checkpoint", str(random_checkpoint), "--in-turn", "--warm-up", "0"]
        return [*worker_command(), *own, "--clip", str(raw.folder), "--output", str(output)]

    seen = []
    run = run_long("eager", command, tmp_path, 70, 5, window=20, advance=lambda: seen.append(1))
    assert [step.frame for step in run.steps] == list(range(70))
    assert len(seen) == 70
    assert (len(run.early), len(run.late)) == (20, 20)
    assert growth(run).memory_ratio < 1.02


def test_a_clip_without_room_for_two_windows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 225 or more"):
        run_long("eager", lambda output: [], tmp_path, 224, 5)
