"""What tests may ask of the machine, and what happens where it is missing.

A test marked `data` or `executorch` is skipped, with the reason, on a machine that lacks them. With
`MOBILEVOS_STRICT` such a skip is a failure: `all` for every need, `toolchains` for all but the data sets.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from mobilevos.model.network import MemoryNetwork

_REPOSITORY = Path(__file__).resolve().parents[1]

# Marker of a toolchain -> the module that is there when it is installed.
_TOOLCHAINS = {"executorch": "executorch"}

# No deadline: a first call of torch or OpenCV outlasts it, which says nothing about the code.
hypothesis.settings.register_profile("mobilevos", deadline=None)
hypothesis.settings.load_profile("mobilevos")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the data sets, for tests marked `data`."""
    return _data_root()


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MobileNetV2 student that never learnt anything: its masks are poor, lively, and always the same."""
    from mobilevos.model.checkpoint import save_network
    from mobilevos.model.variants import build_network

    network = build_network("mobilenet_v2", seed=0)
    _settle_batch_norm(network)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_network(network, path, provenance={"made": "for tests"})
    return path


@pytest.fixture(scope="session")
def small_bundle(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`random_checkpoint`, exported to ExecuTorch for 64x96 frames. To be read only: tests copy it to damage it."""
    from export.executorch import export_executorch
    from mobilevos.files import sha256_of
    from mobilevos.model.checkpoint import load_network

    network = load_network(random_checkpoint)
    output = tmp_path_factory.mktemp("bundles") / "small"
    export_executorch(network, network.dimensions(64, 96, 2, 1), output, checkpoint_sha256=sha256_of(random_checkpoint))
    return output


def _settle_batch_norm(network: MemoryNetwork) -> None:
    """Gives a random network the statistics of a clip: without them its logits are the same everywhere."""
    import torch

    from mobilevos.data.synthetic import SyntheticClip

    clip = SyntheticClip(seed=0, length=8, size=(64, 96))
    images = torch.stack([torch.from_numpy(frame).permute(2, 0, 1) / 255 for frame in clip])
    masks = torch.stack([torch.from_numpy(clip.mask(t) == 1).float()[None] for t in range(len(clip))])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean of what it sees
            module.reset_running_stats()
    network.train()
    with torch.no_grad():
        query = network.encode_query(images)
        values = network.encode_memory(query, masks, torch.zeros_like(masks))
        network.decode(network.read_memory(query.key, query.key[:, :, None], values[:, None, :, None]), query)
    network.eval()


def pytest_configure() -> None:
    if _strictness() not in ("", "all", "toolchains"):
        raise pytest.UsageError(f"MOBILEVOS_STRICT is {_strictness()!r}: expected 'all' or 'toolchains'")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, module in _TOOLCHAINS.items():
        if item.get_closest_marker(marker) and find_spec(module) is None:
            _skip(
                f"{marker} is not installed: pip install 'mobilevos[{marker}]'",
                strict_in=("all", "toolchains"),
            )
    if item.get_closest_marker("data") and not _data_root().is_dir():
        _skip(f"no data sets at {_data_root()}: set MOBILEVOS_DATA to their folder", strict_in=("all",))


def _skip(reason: str, *, strict_in: tuple[str, ...]) -> None:
    if _strictness() in strict_in:
        pytest.fail(f"{reason} (MOBILEVOS_STRICT={_strictness()})", pytrace=False)
    pytest.skip(reason)


def _strictness() -> str:
    return os.environ.get("MOBILEVOS_STRICT", "")


def _data_root() -> Path:
    return Path(os.environ.get("MOBILEVOS_DATA") or _REPOSITORY.parent / "shared" / "data").resolve()
