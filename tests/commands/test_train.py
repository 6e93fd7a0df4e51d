"""`mobilevos train`: Hydra's overrides go through, a mistake ends in one line before any work."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from mobilevos.commands.train import HELP
from mobilevos.data.masks import write_mask

Command = Callable[..., Any]
Refused = Callable[..., str]


def test_cfg_job_prints_the_whole_configuration_and_does_not_train(
    mobilevos: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = mobilevos("train", "stage=static", "training.steps=7", "data.static=[a,b]", "--cfg", "job")
    assert (outcome.code, outcome.err) == (0, "")
    config = OmegaConf.create(outcome.out)
    assert (config.stage, config.training.steps, config.data.static) == ("static", 7, ["a", "b"])
    assert config.output == "runs/static"
    assert config.model.name == "mobilenet_v2"
    assert list(tmp_path.iterdir()) == []


def test_every_stage_and_key_of_the_help_exists(mobilevos: Command) -> None:
    config = OmegaConf.create(mobilevos("train", "--cfg", "job").out)
    keys = re.findall(r"^  ([a-z_.]+) ", HELP.partition("Main keys")[2].partition("Examples")[0], re.MULTILINE)
    assert len(keys) > 10
    assert [key for key in keys if OmegaConf.select(config, key) is None] == []
    stages = set(re.findall(r"^  stage=(\w+)", HELP, re.MULTILINE))
    assert stages == {path.stem for path in Path(sys.modules["mobilevos.config"].__path__[0], "stage").iterdir()}
    for stage in stages:
        assert mobilevos("train", f"stage={stage}", "--cfg", "job").code == 0


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("training.step=5", "training.steps"),
        ("training.steps=many", "training.steps"),
        ("stage=dreaming", "dreaming"),
        ("model=student_vgg", "student_vgg"),
        ("training.steps", "training.steps"),
        ("model.depth=3", "depth"),
    ],
)
def test_a_wrong_key_or_value_is_named(refused: Refused, override: str, word: str) -> None:
    assert word in refused("train", override)


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        (["stage=static"], "data.static"),
        (["stage=static", "data.static=[nowhere]"], "nowhere"),
        (["stage=student", "data.static_share=0", "data.davis.root=nowhere"], "nowhere"),
    ],
)
def test_missing_data_are_named(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert word in refused("train", *overrides)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """A folder of four still images with masks."""
    folder = tmp_path / "stills"
    (folder / "images").mkdir(parents=True)
    noise = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(noise.integers(0, 255, (64, 80, 3), np.uint8)).save(folder / "images" / f"{number}.jpg")
        labels = np.zeros((64, 80), np.uint8)
        labels[16:48, 20:60] = 1
        write_mask(folder / "masks" / f"{number}.png", labels)
    return folder


@pytest.mark.slow
def test_a_run_ends_in_a_network_that_segments(mobilevos: Command, stills: Path, clip: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    size = ("data.crop=64", "training.batch_size=1", "data.workers=0", "training.steps=2", "training.log_every=1")
    outcome = mobilevos("train", "stage=static", f"data.static=[{stills}]", f"output={run}", *size)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == f"network: {run / 'network.safetensors'}"
    assert [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()] == [1, 2]
    weights = ("--checkpoint", run / "network.safetensors")
    assert mobilevos("segment", clip.folder, "--mask", clip.mask, *weights, "--masks", tmp_path / "masks").code == 0


@pytest.mark.slow
def test_the_training_package_runs_as_the_command_does(mobilevos: Command) -> None:
    arguments = ["stage=static", "training.steps=9", "--cfg", "job"]
    module = [sys.executable, "-m", "mobilevos.training", *arguments]
    done = subprocess.run(module, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == mobilevos("train", *arguments).out
