from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilevos.data.clips import ClipDataset, StaticConfig, StaticImages
from mobilevos.data.masks import write_mask
from mobilevos.errors import InputError

CONFIG = StaticConfig(crop=64, min_pixels=30)


def test_every_clip_shows_its_objects_in_the_first_frame(stills: Path) -> None:
    dataset = ClipDataset(StaticImages([stills], CONFIG), seed=0)
    for n in range(20):
        clip = dataset[n]
        shown = np.bincount(clip.labels[0].ravel(), minlength=3)[1:]
        assert clip.valid.any()
        np.testing.assert_array_equal(shown >= 30, clip.valid)


def test_clips_are_named_by_folder_and_image(stills: Path) -> None:
    assert ClipDataset(StaticImages([stills], CONFIG), seed=0)[0].name in {f"stills/{i}" for i in range(4)}


def test_several_folders_are_drawn_from(stills: Path, tmp_path: Path) -> None:
    other = stills.rename(tmp_path / "first")
    stills.symlink_to(other)
    dataset = ClipDataset(StaticImages([other, stills], CONFIG), seed=0)
    assert {dataset[n].name.split("/")[0] for n in range(12)} == {"first", "stills"}


def test_an_image_without_a_mask_is_named(stills: Path) -> None:
    (stills / "masks/2.png").unlink()
    with pytest.raises(InputError, match=r"masks/2\.png is missing"):
        StaticImages([stills], CONFIG)


def test_a_mask_without_an_image_is_named(stills: Path) -> None:
    (stills / "images/2.jpg").unlink()
    with pytest.raises(InputError, match=r"images/2\.jpg is missing; expected an image for .*masks/2\.png"):
        StaticImages([stills], CONFIG)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere/images"):
        StaticImages([tmp_path / "nowhere"], CONFIG)


def test_masks_without_objects_end_in_an_error_and_not_in_a_loop(stills: Path) -> None:
    for path in (stills / "masks").iterdir():
        write_mask(path, np.zeros((120, 160), np.uint8))
    with pytest.raises(InputError, match="expected an object of 30 pixels in a crop of 64; found none in 50 draws"):
        ClipDataset(StaticImages([stills], CONFIG), seed=0)[0]


def test_an_empty_mask_is_passed_over(stills: Path) -> None:
    for i in range(3):
        write_mask(stills / f"masks/{i}.png", np.zeros((120, 160), np.uint8))
    dataset = ClipDataset(StaticImages([stills], CONFIG), seed=0)
    assert {dataset[n].name for n in range(5)} == {"stills/3"}


@pytest.mark.data
def test_the_real_stills_give_clips(data_root: Path) -> None:
    folders = [data_root / "static" / name for name in ("ecssd", "humanseg", "pennfudan")]
    source = StaticImages(folders, StaticConfig())
    assert len(source.pairs) == 1460
    clip = ClipDataset(source, seed=0)[0]
    assert clip.frames.shape == (3, 3, 256, 256)
    assert clip.valid.any()
