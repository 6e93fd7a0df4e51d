"""A run from end to end: the same every time, the same when it was cut off, and honest about what goes wrong."""

import json
import math
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from mobilevos.errors import InputError
from mobilevos.losses import poly1_cross_entropy
from mobilevos.model.checkpoint import load_network, read_metadata, save_network
from mobilevos.model.variants import build_network
from mobilevos.training import RunConfig, compose_config, to_yaml, train
from mobilevos.training.config import config_hash


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return load_network(path).state_dict()


def assert_equal_runs(one: Path, other: Path) -> None:
    """Bit for bit: networks, averages and optimizers, and every value of the log but the speed."""
    for name in ("network.safetensors", "checkpoints/step-000004/network.safetensors"):
        a, b = tensors(one / name), tensors(other / name)
        assert [key for key in a if not torch.equal(a[key], b[key])] == []
    first, second = (torch.load(run / "checkpoints/step-000004/state.pt", weights_only=True) for run in (one, other))
    for number, values in first["optimizer"]["state"].items():
        for name, value in values.items():
            assert torch.equal(value, second["optimizer"]["state"][number][name])
    assert log(one) == log(other)


def log(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


@pytest.fixture(scope="module")
def unbroken(tiny_overrides: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing went wrong with."""
    folder = tmp_path_factory.mktemp("unbroken")
    train(compose_config(tiny_overrides(folder)))
    return folder


def start_state(config: RunConfig) -> dict[str, torch.Tensor]:
    return build_network(config.model.network, seed=config.seed).state_dict()


@pytest.mark.slow
class TestRun:
    def test_a_run_leaves_a_network_its_checkpoints_its_log_and_its_configuration(self, configure, tmp_path):
        config = configure("run")
        result = train(config)
        run = tmp_path / "run"
        assert result == run / "network.safetensors"
        assert (run / "config.yaml").read_text() == to_yaml(config)
        assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-000002", "step-000004"]
        assert [line["step"] for line in log(run)] == [1, 2, 3, 4]
        assert all(math.isfinite(value) for line in log(run) for value in line.values())
        assert [line["learning_rate_factor"] for line in log(run)] == pytest.approx([0.5, 1, 1, 0.505])
        provenance = read_metadata(result)["provenance"]
        assert provenance["config_sha256"] == config_hash(config)
        assert (provenance["stage"], provenance["steps"]) == ("static", 4)

    def test_it_yields_the_average_of_a_network_that_learnt(self, configure, tmp_path):
        config = configure("run")
        result = tensors(train(config))
        last = tmp_path / "run/checkpoints/step-000004"
        average, network = (tensors(last / f"{name}.safetensors") for name in ("average", "network"))
        assert all(torch.equal(result[name], average[name]) for name in result)
        start = start_state(config)
        moved = {name for name in network if not torch.equal(network[name], start[name])}
        frozen = {name for name in network if ".trunk." in name and name.rpartition(".")[2].startswith(("run", "num"))}
        assert frozen
        assert moved == set(network) - frozen
        assert not torch.equal(result["decoder.head.weight"], network["decoder.head.weight"])

    def test_two_runs_of_one_configuration_are_equal_bit_for_bit(self, configure, unbroken, tmp_path):
        train(configure("again", "training.checkpoint_every=1"))
        assert_equal_runs(unbroken, tmp_path / "again")

    def test_another_seed_is_another_run(self, configure, unbroken):
        other = tensors(train(configure("other", "seed=1")))
        first = tensors(unbroken / "network.safetensors")
        assert not torch.equal(first["decoder.head.weight"], other["decoder.head.weight"])

    def test_a_finished_run_is_left_as_it_is(self, configure, tmp_path):
        before = train(configure("run")).read_bytes()
        lines = log(tmp_path / "run")
        assert train(configure("run")).read_bytes() == before
        assert log(tmp_path / "run") == lines

    def test_a_run_starts_from_a_trained_network(self, configure, tmp_path):
        first = tmp_path / "first.safetensors"
        save_network(build_network("mobilenet_v2", seed=8), first, provenance={})
        train(configure("run", f"init={first}", "training.learning_rate=0", "training.trunk_learning_rate=0"))
        trained, given = tensors(tmp_path / "run/checkpoints/step-000004/network.safetensors"), tensors(first)
        for name, parameter in given.items():
            if name.endswith(("weight", "bias")):
                assert torch.equal(trained[name], parameter), name
        assert len(read_metadata(tmp_path / "run/network.safetensors")["provenance"]["init_sha256"]) == 64


KILLED_AT_STEP = textwrap.dedent("""
    import os, signal, sys
    from mobilevos.training import compose_config, train
    from mobilevos.training.journal import Journal

    record = Journal.step

    def step(journal, number, values, images):
        record(journal, number, values, images)
        if number == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.step = step
    train(compose_config(sys.argv[2:]))
""")


def run_until_killed(overrides: list[str], step: int) -> None:
    """Starts the run in a process of its own, which is killed after `step` was logged and before it is saved."""
    command = [sys.executable, "-c", KILLED_AT_STEP, str(step), *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.slow
class TestResume:
    @pytest.mark.parametrize("killed_at", [3])
    def test_a_run_that_was_killed_goes_on_and_ends_as_an_unbroken_one(
        self, killed_at, configure, unbroken, tiny_overrides, tmp_path
    ):
        run_until_killed(tiny_overrides(tmp_path / "killed"), killed_at)
        killed = tmp_path / "killed"
        assert [line["step"] for line in log(killed)] == list(range(1, killed_at + 1))
        assert [path.name for path in (killed / "checkpoints").iterdir()] == ["step-000002"]
        assert not (killed / "network.safetensors").exists()
        train(configure("killed"))
        assert_equal_runs(unbroken, killed)

    def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(
        self, configure, unbroken, tiny_overrides, tmp_path
    ):
        run_until_killed(tiny_overrides(tmp_path / "killed"), 1)
        train(configure("killed"))
        assert_equal_runs(unbroken, tmp_path / "killed")

    def test_another_configuration_is_refused_and_loses_nothing(self, configure, tmp_path):
        train(configure("run"))
        before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
        with pytest.raises(InputError, match="another configuration; give another output=FOLDER"):
            train(configure("run", "training.learning_rate=1e-3"))
        with pytest.raises(InputError, match="holds a run already; give another output=FOLDER or resume=true"):
            train(configure("run", "resume=false"))
        assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


class TestRefusals:
    """Before any work is done, and before anything is written, where that can be known."""

    @pytest.mark.parametrize(
        ("overrides", "said"),
        [
            (["data.static=[]"], "no folders of still images; give data.static"),
            (["data.static=[nowhere]"], "nowhere"),
            (["stage=student"], "give data.davis.root"),
            (["stage=student", "data.davis.root=nowhere"], "nowhere"),
            (["trunk_weights=nowhere.safetensors"], r"no ImageNet weights at nowhere\.safetensors"),
            (["init=nowhere.safetensors"], r"no checkpoint at nowhere\.safetensors"),
            (["init=a.safetensors", "trunk_weights=b.safetensors"], "init and trunk_weights are given together"),
            (["encoder=nowhere.safetensors"], r"no checkpoint at nowhere\.safetensors"),
            (["data.static_share=0.5"], "stage=static with data.static_share=0.5; expected still images alone"),
            (["stage=teacher", "model=student_mobilenet_v2"], "expected a network with model.top_k"),
            (["stage=distill"], "stage=distill without a teacher; give model.teacher.checkpoint=FILE"),
            (["stage=qat"], "qat"),
            (["device=abacus"], "device=abacus; expected auto, cpu or cuda"),
            (["model.trunk=vgg"], "no trunk named 'vgg'"),
        ],
    )
    def test_what_is_missing_or_wrong_is_named(self, overrides, said, configure, tmp_path):
        with pytest.raises(InputError, match=said):
            train(configure("run", *overrides))
        assert not (tmp_path / "run").exists()

    def test_an_init_of_another_network_is_refused(self, configure, tmp_path):
        path = tmp_path / "init.safetensors"
        save_network(build_network("mobilenet_v2_aspp"), path, provenance={})
        with pytest.raises(InputError, match=r"expected mobilenet_v2; found mobilenet_v2_aspp$"):
            train(configure("run", f"init={path}"))
        config = configure("run", f"init={path}")
        save_network(build_network(replace(config.model.network, key_channels=32)), path, provenance={})
        with pytest.raises(InputError, match=r"expected mobilenet_v2; found mobilenet_v2 of other dimensions$"):
            train(config)

    def test_an_output_that_is_a_file_is_refused(self, configure, tmp_path):
        (tmp_path / "run").write_text("precious")
        with pytest.raises(InputError, match="run"):
            train(configure("run"))
        assert (tmp_path / "run").read_text() == "precious"

    @pytest.mark.slow
    def test_an_image_that_turns_out_corrupt_is_named(self, configure, tmp_path):
        root = tmp_path / "corrupt"
        (root / "images").mkdir(parents=True)
        (root / "masks").mkdir()
        (root / "images/only.jpg").write_bytes(b"\xff\xd8 not an image")
        Image.fromarray(np.ones((64, 64), np.uint8)).save(root / "masks/only.png")
        with pytest.raises(InputError, match=r"only\.jpg"):
            train(configure("run", f"data.static=[{root}]"))


@pytest.mark.slow
class TestNumbersThatAreNotFinite:
    def test_the_loss_names_its_step_and_clips_and_the_last_checkpoint_stays(
        self, configure, unbroken, tmp_path, monkeypatch
    ):
        def poisoned(*args, **kwargs):
            loss = poly1_cross_entropy(*args, **kwargs)
            poisoned.calls += 1
            return loss * math.nan if poisoned.calls == 4 else loss

        poisoned.calls = 0
        monkeypatch.setattr("mobilevos.training.objectives.poly1_cross_entropy", poisoned)
        with pytest.raises(
            InputError, match=r"the loss of step 4 is nan; found clips stills\d*/\d, stills\d*/\d, saved in .*; lower"
        ):
            train(configure("run"))
        assert [line["step"] for line in log(tmp_path / "run")] == [1, 2, 3]
        with safe_open(tmp_path / "run/failed/step-000004-rank-0.safetensors", "pt") as batch:
            assert batch.get_tensor("frames").shape == (2, 3, 3, 64, 64)
            assert len(batch.metadata()["clips"].splitlines()) == 2
        monkeypatch.undo()
        train(configure("run"))
        assert_equal_runs(unbroken, tmp_path / "run")

    def test_a_gradient_is_stopped_before_it_reaches_the_weights(self, configure, tmp_path, monkeypatch):
        """The square root of 0 is a finite loss with an infinite slope."""

        def sharp(*args, **kwargs):
            return poly1_cross_entropy(*args, **kwargs) + (args[0] * 0).sum().sqrt()

        monkeypatch.setattr("mobilevos.training.objectives.poly1_cross_entropy", sharp)
        with pytest.raises(InputError, match="the gradient's norm of step 1 is nan; found clips"):
            train(configure("run", "training.checkpoint_every=1"))
        assert not (tmp_path / "run/checkpoints").exists()
