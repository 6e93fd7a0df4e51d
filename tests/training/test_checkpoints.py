"""A run's checkpoints: whole or absent, the newest two, and none that is damaged or of another run."""

import copy
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mobilevos.errors import InputError
from mobilevos.model.variants import build_network
from mobilevos.training.checkpoints import Checkpoint, load_checkpoint, newest_checkpoint, save_checkpoint
from mobilevos.training.optimisation import build_optimizer
from mobilevos.training.schema import TrainingConfig

pytestmark = pytest.mark.slow  # real files, full disks and kills


def new_state(seed: int = 0, config_hash: str = "abc") -> Checkpoint:
    network = build_network("mobilenet_v2", seed=seed)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return Checkpoint(0, network, average, build_optimizer(network, TrainingConfig()), scaler, config_hash)


def take_a_step(state: Checkpoint) -> None:
    generator = torch.Generator().manual_seed(state.step)
    for parameter in state.network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    state.optimizer.step()
    state.step += 1


@pytest.fixture(scope="module")
def state() -> Checkpoint:
    state = new_state()
    take_a_step(state)
    return state


@pytest.fixture
def saved(state: Checkpoint, tmp_path: Path) -> Path:
    return save_checkpoint(state, tmp_path / "checkpoints", {})


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert one.step == other.step
    for a, b in ((one.network, other.network), (one.average, other.average)):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    mine, others = one.optimizer.state_dict(), other.optimizer.state_dict()
    assert mine["param_groups"] == others["param_groups"]
    assert mine["state"].keys() == others["state"].keys()
    for number, values in mine["state"].items():
        assert all(torch.equal(value, others["state"][number][name]) for name, value in values.items())


def test_what_was_saved_comes_back_and_goes_on_as_before(state, saved):
    other = new_state(seed=1)
    load_checkpoint(other, saved)
    assert_same(other, state)
    unbroken = copy.deepcopy(state)
    unbroken.optimizer = build_optimizer(unbroken.network, TrainingConfig())
    unbroken.optimizer.load_state_dict(copy.deepcopy(state.optimizer.state_dict()))
    for run in (unbroken, other):
        take_a_step(run)
    assert_same(other, unbroken)


def test_the_newest_two_are_kept(state, tmp_path):
    state = copy.copy(state)
    for step in (1, 2, 9, 10):
        state.step = step
        save_checkpoint(state, tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000009", "step-000010"]
    assert newest_checkpoint(tmp_path) == tmp_path / "step-000010"


def test_steps_are_compared_as_numbers(tmp_path):
    for name in ("step-999999", "step-1000000", "step-notes", "step-2000000.tar"):
        (tmp_path / name).mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "step-1000000"


def test_a_folder_without_checkpoints_has_no_newest(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "not-there") is None


def test_another_configuration_is_refused(saved):
    with pytest.raises(InputError, match=r"run with another configuration; give another output=FOLDER"):
        load_checkpoint(new_state(config_hash="abd"), saved)


@pytest.mark.parametrize("file", ["state.pt", "network.safetensors", "average.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "noise"])
def test_a_damaged_file_is_refused_with_a_way_to_go_on(file, damage, saved):
    path = saved / file
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"truncated": content[:-5000], "empty": b"", "noise": b"\x80\x02noise" * 500}[damage])
    with pytest.raises(InputError, match=rf"{file} is damaged; .*; delete the folder .*step-000001 to go on"):
        load_checkpoint(new_state(), saved)


def test_the_weights_of_another_network_are_refused(saved, tmp_path):
    from mobilevos.model.checkpoint import save_network

    save_network(build_network("resnet18"), saved / "average.safetensors", provenance={})
    with pytest.raises(InputError, match=r"average.safetensors is damaged; found .*does not fit the network"):
        load_checkpoint(new_state(), saved)


@pytest.mark.parametrize("content", [[1, 2], {"step": 3}, {"step": 1, "config_hash": "abc", "optimizer": {}}])
def test_a_state_that_is_not_one_is_refused(content, saved):
    torch.save(content, saved / "state.pt")
    with pytest.raises(InputError, match=r"state\.pt is damaged"):
        load_checkpoint(new_state(), saved)


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def test_a_state_that_would_run_code_is_refused_and_does_not_run(saved, tmp_path):
    torch.save({"step": 1, "config_hash": "abc", "optimizer": Evil(tmp_path / "it-ran")}, saved / "state.pt")
    with pytest.raises(InputError, match=r"state\.pt is damaged"):
        load_checkpoint(new_state(), saved)
    assert not (tmp_path / "it-ran").exists()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Files of this process end at 10 MB, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_line_and_leaves_the_previous_checkpoint(state, saved, small_disk):
    later = copy.copy(state)
    later.step = 2
    with pytest.raises(InputError, match=r"cannot write .*step-000002"):  # the weights fit, the optimizer does not
        save_checkpoint(later, saved.parent, {})
    assert [path.name for path in saved.parent.iterdir()] == ["step-000001"]
    load_checkpoint(new_state(), saved)


KILLED_IN_A_SAVE = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    import torch
    from test_checkpoints import new_state
    from mobilevos.training.checkpoints import save_checkpoint

    state, folder = new_state(), Path(sys.argv[1])
    state.step = 1
    save_checkpoint(state, folder, {})
    torch.save = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # the weights are written, the optimizer is not
    state.step = 2
    save_checkpoint(state, folder, {})
""")


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_save_leaves_the_previous_checkpoint(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", KILLED_IN_A_SAVE, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(tmp_path.iterdir())) == 2, "nothing was left half-written: the kill came at the wrong moment"
    newest = newest_checkpoint(tmp_path)
    assert newest == tmp_path / "step-000001"
    state = new_state(seed=1)
    load_checkpoint(state, newest)
    state.step = 2
    save_checkpoint(state, tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001", "step-000002"]
