"""What is said of a run that came to its end on a phone: whether it counts, and was fair. No phone is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.device.phone import PhoneFacts
from benchmarks.device.prepared import Prepared
from benchmarks.device.record import read_device_record
from benchmarks.device.run_command import _report
from benchmarks.device.session import DEVICE, DeviceRun, RunOptions, run_on_device
from benchmarks.device.thermal import Rest, ThermalState
from benchmarks.run_record import MASKS, RunRecord, write_run

RESTED = ThermalState(0, 30.0, 80, False)
FACTS = PhoneFacts("S1", "Google", "Pixel 8", "arm64-v8a", "14", 34, "Tensor G3", (), None, 10**9, RESTED)

MakeRun = Callable[..., DeviceRun]


@pytest.fixture(params=[RESTED])
def make_run(
    make_record: Callable[..., RunRecord],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> MakeRun:
    """`run_on_device` on a phone in that state, which gives a record of 160 steps."""

    @contextmanager
    def prepared(*arguments: Any, **options: Any) -> Iterator[Prepared]:
        yield Prepared(FACTS, "/data/local/tmp/run", Rest(0.0, True, request.param))

    def pull(phone: object, names: Sequence[str], remote: str, local: Path) -> None:
        write_run(local, record)
        np.zeros((10, 64, 96), np.uint8).tofile(local / MASKS)

    record = make_record([100.0] * 160, warm_up=10)
    monkeypatch.setattr("benchmarks.device.session.prepared_phone", prepared)
    monkeypatch.setattr("benchmarks.device.session.pull_files", pull)
    monkeypatch.setattr("benchmarks.device.session._Watched.run", lambda watched, *rest: watched.states.append(RESTED))

    def make(**options: Any) -> DeviceRun:
        job: Any = SimpleNamespace(
            options=RunOptions(**options), files={}, written_bytes=lambda: 0, looks=None, cool_down=None
        )
        return run_on_device(SimpleNamespace(), job, tmp_path / "out")  # type: ignore[arg-type]

    return make


def said(run: DeviceRun, capsys: pytest.CaptureFixture[str]) -> str:
    """The table and the lines below it."""
    _report({"S1": run}, Console(width=160))
    return capsys.readouterr().out


def test_a_run_that_is_long_enough_has_no_mark(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run()
    assert run.invalid == ()
    assert json.loads((run.folder / DEVICE).read_text())["invalid"] == []
    text = said(run, capsys)
    assert "INVALID" not in text
    assert "unfair" not in text


def test_a_run_that_is_too_short_is_marked_invalid(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(steps=1000)
    assert json.loads((run.folder / DEVICE).read_text())["invalid"] == list(run.invalid)
    text = said(run, capsys)
    assert "Google Pixel 8, INVALID: 135 timed steps, and 1,000 are the least" in text
    assert "INVALID" in next(line for line in text.splitlines() if "│" in line and "Pixel" in line)


@pytest.mark.parametrize("make_run", [ThermalState(0, 30.0, 9, False)], indirect=True)
def test_a_run_on_a_low_battery_is_marked_and_recorded(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run()
    reason = "its battery is at 9 %, and below 15 % phones slow down"
    assert read_device_record(run.folder).thermal["unfair"] == [reason]
    text = said(run, capsys)
    assert f"warning: Google Pixel 8 was not measured fairly: {reason}" in text
    assert "unfair" in next(line for line in text.splitlines() if "│" in line and "Pixel" in line)
