import json
from pathlib import Path

import pytest

from benchmarks.memory import growth, main

MB = 1_000_000


def test_frame_100_is_compared_with_the_last() -> None:
    resident = [50 * MB] * 99 + [100 * MB] + [101 * MB] * 100
    result = growth(resident, [5.0] * 10 + [2.0] * 100 + [3.0] * 100, early=100)
    assert result.memory_ratio == pytest.approx(1.01)
    assert result.time_ratio == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("late_mb", "late_ms", "flat"), [(102, 2.1, True), (103, 2.0, False), (100, 2.2, False), (90, 1.0, True)]
)
def test_growth_beyond_the_limits_is_not_flat(late_mb: int, late_ms: float, flat: bool) -> None:
    resident = [100 * MB] * 200 + [late_mb * MB] * 10
    assert growth(resident, [2.0] * 110 + [late_ms] * 100, early=100).flat is flat


@pytest.mark.slow
def test_a_long_clip_takes_no_more_memory_at_its_end(checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["--frames", "140", "--size", "32x48", "--checkpoint", str(checkpoint), "--output", str(tmp_path)]
    assert main(arguments) in (0, 1)  # 1 is said of time, too, which a busy machine may stretch
    report = json.loads((tmp_path / "memory.json").read_text())
    assert report["late_bytes"] <= 1.02 * report["early_bytes"]
    assert len(report["resident_bytes"]) == len(report["step_ms"]) == 140
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")
