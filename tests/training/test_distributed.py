"""A run that several processes share is the run that one process makes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mobilevos.training import compose_config, train
from mobilevos.training.distributed import Ranks


def log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def torchrun(processes: int, overrides: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [*command, "-m", "mobilevos", "train", *overrides], capture_output=True, text=True, check=False, timeout=500
    )


@pytest.mark.slow
def test_two_processes_take_the_steps_that_one_takes(tiny_overrides, davis, tmp_path):
    """With statistics frozen, which would be those of a process's own clips, a step is the sum of its clips."""
    further = ("training.frozen_norm=all", f"validation.root={davis}", "validation.year=2017", "validation.split=train")
    train(compose_config(tiny_overrides(tmp_path / "one", *further)))
    done = torchrun(2, tiny_overrides(tmp_path / "two", *further))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("network:") == 1, "every process speaks, not the first alone"
    one, two = log(tmp_path / "one"), log(tmp_path / "two")
    assert [line["step"] for line in two] == [1, 2, 3, 4]
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "cross_entropy", "dice", "gradient_norm"):
            assert b[name] == pytest.approx(a[name], rel=1e-3), (a["step"], name)
    assert json.loads((tmp_path / "two/run.json").read_text())["processes"] == 2
    scores = [json.loads((tmp_path / run / "validation/step-000004.json").read_text()) for run in ("one", "two")]
    assert list(scores[0]["sequences"]) == list(scores[1]["sequences"])
    assert scores[1]["j_and_f"] == pytest.approx(scores[0]["j_and_f"], abs=0.02)


@pytest.mark.slow
def test_parts_of_a_step_add_up_to_it(tiny_overrides, tmp_path):
    whole, parts = (("training.accumulate=1",), ("training.accumulate=2",))
    for name, further in (("whole", whole), ("parts", parts)):
        train(compose_config(tiny_overrides(tmp_path / name, "training.frozen_norm=all", *further)))
    for a, b in zip(log(tmp_path / "whole"), log(tmp_path / "parts"), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-3)
        assert b["gradient_norm"] == pytest.approx(a["gradient_norm"], rel=1e-3)


def test_one_process_is_a_world_of_its_own():
    ranks = Ranks()
    assert ranks.first
    assert ranks.share([1, 2, 3]) == ranks.gather([1, 2, 3]) == [1, 2, 3]
    assert ranks.mean({"loss": torch.tensor(2.5)}) == {"loss": 2.5}


def test_shares_are_disjoint_and_complete():
    shares = [Ranks(rank, 3).share(range(8)) for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]
