"""Engines are opened by name, from a checkpoint or from a bundle."""

from pathlib import Path

import pytest

from mobilevos.engines import ENGINES, open_engine
from mobilevos.errors import InputError


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"'torchscript'.*{', '.join(ENGINES)}"):
        open_engine("torchscript")


def test_eager_opens_a_checkpoint(random_checkpoint: Path) -> None:
    info = open_engine("eager", checkpoint=random_checkpoint).info
    assert (info.name, info.key_channels, info.value_channels) == ("eager-fp32", 64, 96)
    assert (info.input_size, info.memory_frames, info.objects) == (None, None, None)


def test_eager_runs_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"runs no bundle.*--engine executorch"):
        open_engine("eager", bundle=tmp_path)


def test_eager_refuses_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.safetensors"):
        open_engine("eager", checkpoint=tmp_path / "none.safetensors")


def test_executorch_without_a_bundle_says_how_to_make_one() -> None:
    with pytest.raises(InputError, match=r"python -m export\.executorch.*--bundle"):
        open_engine("executorch")


def test_executorch_runs_no_checkpoint(random_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave out --checkpoint"):
        open_engine("executorch", checkpoint=random_checkpoint, bundle=tmp_path)


def test_executorch_refuses_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a bundle"):
        open_engine("executorch", bundle=tmp_path)


@pytest.mark.executorch
def test_executorch_opens_a_bundle(small_bundle: Path) -> None:
    info = open_engine("executorch", bundle=small_bundle).info
    assert (info.name, info.key_channels, info.value_channels) == ("executorch-fp32", 64, 96)
    assert (info.input_size, info.memory_frames, info.objects) == ((64, 96), 2, 1)
