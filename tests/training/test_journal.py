"""A run's log: one line every few steps, and none of steps that a resumed run takes again."""

import json
from pathlib import Path

import pytest

from mobilevos.errors import InputError
from mobilevos.training.journal import Journal


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def run(folder: Path, start: int, stop: int, every: int = 1) -> None:
    with Journal(folder, 100, start, every) as journal:
        for step in range(start + 1, stop + 1):
            journal.step(step, {"loss": step / 10, "dice": 0.5}, images=12)


def test_every_few_steps_a_line_with_all_values_and_the_speed(tmp_path):
    run(tmp_path, 0, 10, every=4)
    assert [line["step"] for line in lines(tmp_path)] == [4, 8]
    assert lines(tmp_path)[0].keys() == {"step", "loss", "dice", "images_per_second"}
    assert lines(tmp_path)[1]["loss"] == 0.8
    assert all(line["images_per_second"] > 0 for line in lines(tmp_path))


def test_lines_of_steps_past_the_checkpoint_are_dropped_on_resume(tmp_path):
    run(tmp_path, 0, 7)
    first = lines(tmp_path)[:4]
    run(tmp_path, 4, 9)
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 10))
    assert lines(tmp_path)[:4] == first


@pytest.mark.parametrize("cut", ['{"step": 3, "lo', "", "null", "[3]", '{"loss": 1}', '{"step": null}'])
def test_a_line_that_was_cut_off_by_a_kill_is_dropped(tmp_path, cut):
    run(tmp_path, 0, 3)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write(cut)
    run(tmp_path, 3, 5)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5]


def test_a_new_run_in_a_folder_without_checkpoint_starts_its_log_anew(tmp_path):
    run(tmp_path, 0, 5)
    run(tmp_path, 0, 2)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2]


def test_a_line_is_on_disk_as_soon_as_the_step_is_done(tmp_path):
    with Journal(tmp_path, 10, 0, 1) as journal:
        journal.step(1, {"loss": 1.0}, images=1)
        assert [line["step"] for line in lines(tmp_path)] == [1]


def test_tensorboard_gets_the_same_values(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, 0, 3)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, round(event.value, 6)) for event in events.Scalars("loss")] == [(1, 0.1), (2, 0.2), (3, 0.3)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line(tmp_path):
    with Journal(tmp_path, 10, 0, 1) as journal, Path("/dev/full").open("wb", buffering=0) as full:
        journal._log = full
        with pytest.raises(InputError, match=r"cannot write .*; found No space left"):
            journal.step(1, {"loss": 1.0}, images=1)
