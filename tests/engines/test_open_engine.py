"""Engines are opened by name, from a checkpoint or from a bundle."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mobilevos.engines import BUNDLE_ENGINES, ENGINES, engine_class, engine_for_target, open_engine
from mobilevos.errors import InputError


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"'tensorrt'.*{', '.join(ENGINES)}"):
        open_engine("tensorrt")


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


@pytest.mark.parametrize("name", BUNDLE_ENGINES)
def test_an_engine_without_a_bundle_says_how_to_make_one(name: str) -> None:
    target = engine_class(name).runtime.target
    with pytest.raises(InputError, match=rf"python -m export\.{target}` .*--bundle"):
        open_engine(name)


@pytest.mark.parametrize("name", BUNDLE_ENGINES)
def test_an_engine_of_bundles_runs_no_checkpoint(name: str, random_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave out --checkpoint"):
        open_engine(name, checkpoint=random_checkpoint, bundle=tmp_path)


@pytest.mark.parametrize("name", BUNDLE_ENGINES)
def test_an_engine_refuses_a_folder_that_is_no_bundle(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a bundle"):
        open_engine(name, bundle=tmp_path)


@pytest.mark.parametrize("name", BUNDLE_ENGINES)
def test_an_engine_is_known_by_its_own_name(name: str) -> None:
    assert engine_class(name).runtime.name == name


@pytest.mark.executorch
def test_executorch_opens_a_bundle(small_bundle: Path) -> None:
    info = open_engine("executorch", bundle=small_bundle).info
    assert (info.name, info.key_channels, info.value_channels) == ("executorch-fp32", 64, 96)
    assert (info.input_size, info.memory_frames, info.objects) == ((64, 96), 2, 1)


def test_every_target_has_its_engine_and_others_have_none() -> None:
    assert {engine_for_target(engine_class(name).runtime.target) for name in BUNDLE_ENGINES} == set(BUNDLE_ENGINES)
    with pytest.raises(InputError, match="tensorrt"):
        engine_for_target("tensorrt")


def test_without_a_name_it_is_the_bundle_s_engine_or_eager(bundle_of: Callable[[str], Path]) -> None:
    assert open_engine(None).info.name == "eager-fp32"
    assert open_engine(None, bundle=bundle_of("torchscript")).info.name == "torchscript-fp32"
