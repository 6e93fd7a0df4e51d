import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.device.record import check_record
from benchmarks.run_record import MASKS, RUN, RunRecord, Step, read_masks, read_run, write_run
from mobilevos.errors import InputError

MakeRecord = Callable[..., RunRecord]


def test_what_was_written_is_read(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record([10.0, 20.5] * 10, warm_up=3)
    write_run(tmp_path, record)
    assert read_run(tmp_path) == record


def test_the_file_has_the_names_that_every_runner_writes(make_record: MakeRecord, tmp_path: Path) -> None:
    write_run(tmp_path, make_record([10.0] * 12, warm_up=1))
    facts = json.loads((tmp_path / RUN).read_text())
    check_record(facts, tmp_path / RUN)
    assert facts["format"] == 1
    assert set(facts["steps"][11]) == {
        "frame",
        "pass",
        "warm_up",
        "step_ms",
        "components",
        "rss_bytes",
        "pss_bytes",
    }
    assert (facts["steps"][11]["frame"], facts["steps"][11]["pass"]) == (1, 1)


def test_a_runner_need_not_say_whether_torch_was_loaded(make_record: MakeRecord, tmp_path: Path) -> None:
    write_run(tmp_path, make_record([10.0] * 12))
    facts = json.loads((tmp_path / RUN).read_text())
    del facts["torch_loaded"]
    (tmp_path / RUN).write_text(json.dumps(facts))
    assert read_run(tmp_path).torch_loaded is None


def test_given_frames_and_the_warm_up_do_not_count(make_record: MakeRecord) -> None:
    record = make_record([10.0] * 25, warm_up=3)
    assert [(step.lap, step.frame) for step in record.timed][:2] == [(0, 3), (0, 4)]
    assert len(record.timed) == 25 - 3 - 2


def test_memory_is_pss_where_the_kernel_gives_it() -> None:
    step = Step(1, 0, False, 1.0, {}, 100, None)
    assert step.memory_bytes == 100
    assert Step(1, 0, False, 1.0, {}, 100, 60).memory_bytes == 60


@pytest.mark.parametrize(
    "damage", [{"format": 2}, {"steps": [{"frame": 0}]}, {"steps": 3}, {"no_such_field": 1}, {"steps": [None]}]
)
def test_a_damaged_record_is_one_line(make_record: MakeRecord, tmp_path: Path, damage: dict[str, object]) -> None:
    write_run(tmp_path, make_record([10.0] * 3))
    (tmp_path / RUN).write_text(json.dumps(json.loads((tmp_path / RUN).read_text()) | damage))
    with pytest.raises(InputError, match="no run record"):
        read_run(tmp_path)


def test_masks_must_be_as_many_as_the_record_says(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record([10.0] * 3, frames=3)
    masks = np.random.default_rng(0).integers(0, 3, (3, 64, 96), np.uint8)
    masks.tofile(tmp_path / MASKS)
    assert np.array_equal(read_masks(tmp_path, record), masks)
    masks[1:].tofile(tmp_path / MASKS)
    with pytest.raises(InputError, match="another size"):
        read_masks(tmp_path, record)
    with pytest.raises(InputError, match="cannot read"):
        read_masks(tmp_path / "nothing", record)
