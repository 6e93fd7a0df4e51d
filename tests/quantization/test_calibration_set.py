"""Frames to calibrate on: which are taken from a folder, and which folders are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.masks import write_mask
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.errors import InputError
from mobilevos.quantization.calibration_set import ENOUGH_FRAMES, open_calibration_set


def write_frames(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index:05d}.png")
    return folder


def test_a_folder_of_images_is_one_clip_with_an_object_in_the_middle(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", list(SyntheticClip(0, 20, (32, 48))))
    opened = open_calibration_set(folder, frames=18)
    assert opened.frames == 18
    assert opened.warnings == ()
    assert opened.description == "18 frames of clip"
    (clip,) = opened.clips
    assert clip.mask.shape == (32, 48)
    assert clip.mask[16, 24] == 1
    assert clip.mask[0, 0] == 0


def test_frames_of_a_long_clip_are_spread(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", list(SyntheticClip(0, 20, (32, 48))))
    (clip,) = open_calibration_set(folder, frames=6).clips
    assert clip.indices == (0, 3, 6, 9, 12, 15)
    assert len(list(clip)) == 6


def test_few_frames_are_taken_with_a_warning_that_has_their_number(tmp_path: Path) -> None:
    opened = open_calibration_set(write_frames(tmp_path / "clip", list(SyntheticClip(0, 5, (32, 48)))))
    (warning,) = opened.warnings
    assert "only 5 frames" in warning
    assert str(ENOUGH_FRAMES) in warning


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames in"):
        open_calibration_set(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot list folder"):
        open_calibration_set(tmp_path / "nowhere")


def test_frames_of_one_colour_are_refused(tmp_path: Path) -> None:
    grey = [np.full((32, 48, 3), level, np.uint8) for level in (10, 200)]
    with pytest.raises(InputError, match="constant colour"):
        open_calibration_set(write_frames(tmp_path / "grey", grey))


@pytest.mark.parametrize(("splits", "used"), [(("val", "train"), "train"), (("val",), "val")])
def test_the_split_of_davis_is_said_and_warned_of_where_it_is_for_validation(
    splits: tuple[str, ...], used: str, tmp_path: Path
) -> None:
    lists = tmp_path / "davis" / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    for seed, split in enumerate(splits):
        (lists / f"{split}.txt").write_text(f"{split}-clip\n")
        clip = SyntheticClip(seed, length=ENOUGH_FRAMES, size=(32, 48))
        write_frames(tmp_path / "davis" / "JPEGImages" / "480p" / f"{split}-clip", list(clip))
        masks = tmp_path / "davis" / "Annotations" / "480p" / f"{split}-clip"
        masks.mkdir(parents=True)
        for index in range(len(clip)):
            write_mask(masks / f"{index:05d}.png", clip.mask(index))
    opened = open_calibration_set(tmp_path / "davis")
    assert opened.split == used
    assert opened.description == f"{ENOUGH_FRAMES} frames of davis, split {used}"
    assert ["calibrating on split val" in text for text in opened.warnings] == [True] * (used == "val")


@pytest.mark.data
def test_of_davis_the_training_sequences_are_taken_with_their_masks(data_root: Path) -> None:
    opened = open_calibration_set(data_root / "davis2016", frames=8)
    assert opened.split == "train"
    assert len(opened.clips) > 1
    for clip in opened.clips:
        assert len(clip.indices) == 4
        assert clip.mask.any()
        assert clip.mask.shape == clip.frames[0].shape[:2]
