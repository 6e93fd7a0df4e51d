from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.data.clips import ClipDataset, PasteConfig, SkipRamp, TrainingClip, VideoClips, VideoConfig, video
from mobilevos.data.davis import Davis
from mobilevos.data.masks import read_mask, write_mask
from mobilevos.data.youtube_vos import YouTubeVOS
from mobilevos.errors import InputError

CONFIG = VideoConfig(crop=64, min_pixels=30)
UP_TO_3 = SkipRamp(first=3, last=3, samples=1)


def clips_of(davis: Path, config: VideoConfig, max_skip: SkipRamp = UP_TO_3) -> ClipDataset:
    return ClipDataset(VideoClips(Davis(davis, 2017, "train"), config, max_skip), seed=0)


def frame_numbers(clip: TrainingClip) -> list[int]:
    return [int(name) for name in clip.name.split("/")[1].split(",")]


def test_every_clip_shows_its_objects_in_the_first_frame(davis: Path) -> None:
    dataset = clips_of(davis, CONFIG)
    for n in range(20):
        clip = dataset[n]
        np.testing.assert_array_equal(np.bincount(clip.labels[0].ravel(), minlength=3)[1:] >= 30, clip.valid)
        assert clip.valid.any()


def test_steps_stay_within_the_largest_and_run_one_way(davis: Path) -> None:
    dataset = clips_of(davis, CONFIG)
    steps = np.array([np.diff(frame_numbers(dataset[n])) for n in range(30)])
    assert (np.sign(steps[:, 0]) == np.sign(steps[:, 1])).all()
    assert set(np.abs(steps).ravel()) == {1, 2, 3}
    assert set(np.sign(steps[:, 0])) == {-1, 1}


def test_clips_need_not_run_backwards(davis: Path) -> None:
    dataset = clips_of(davis, replace(CONFIG, reverse_probability=0.0))
    assert all(frame_numbers(dataset[n]) == sorted(frame_numbers(dataset[n])) for n in range(8))


def test_a_long_clip_of_a_short_sequence_takes_shorter_steps(davis: Path) -> None:
    clip = clips_of(davis, replace(CONFIG, frames=12))[0]
    assert sorted(frame_numbers(clip)) == list(range(12))


def test_a_clip_of_one_frame_is_possible(davis: Path) -> None:
    assert clips_of(davis, replace(CONFIG, frames=1))[0].frames.shape[0] == 1


def test_the_curriculum_is_read_at_the_sample_number(davis: Path) -> None:
    dataset = clips_of(davis, CONFIG, SkipRamp(first=1, last=5, samples=1000))
    assert all(np.abs(np.diff(frame_numbers(dataset[n]))).max() == 1 for n in range(8))
    assert max(np.abs(np.diff(frame_numbers(dataset[n]))).max() for n in range(1000, 1020)) == 5


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 500))
def test_the_ramp_starts_and_ends_where_it_says(first: int, last: int, samples: int) -> None:
    ramp = SkipRamp(first, last, samples)
    assert (ramp(0), ramp(samples), ramp(10 * samples)) == (first, last, last)
    between = [ramp(n) for n in range(samples)]
    assert between == sorted(between, reverse=last < first)


def test_sequences_shorter_than_a_clip_are_passed_over(davis: Path) -> None:
    for kind in ("JPEGImages", "Annotations"):
        for path in (davis / kind / "480p/run").glob("0000[3-9].*"):
            path.unlink()
    dataset = clips_of(davis, replace(CONFIG, frames=10, paste=PasteConfig(donor_probability=0.0)))
    assert {dataset[n].name.split("/")[0] for n in range(8)} == {"walk"}


def test_video_without_a_long_enough_sequence_ends_in_an_error_and_not_in_a_loop(davis: Path) -> None:
    with pytest.raises(InputError, match="expected 13 annotated frames"):
        clips_of(davis, replace(CONFIG, frames=13))[0]


def test_an_object_that_appears_later_is_not_tracked_in_a_clip_that_starts_before_it(davis: Path) -> None:
    for path in sorted(davis.glob("Annotations/480p/*/*.png")):
        labels = read_mask(path)
        labels[(labels == 2) & (int(path.stem) < 10)] = 0
        write_mask(path, labels)
    alone = PasteConfig(donor_probability=0.0, lookalike_probability=0.0)
    dataset = clips_of(davis, replace(CONFIG, reverse_probability=0.0, paste=alone))
    for n in range(12):
        clip = dataset[n]
        assert not clip.valid[1] or frame_numbers(clip)[0] >= 10
        assert clip.labels.max() <= clip.valid.sum()


def test_no_more_sequences_are_kept_open_than_allowed(davis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "KEPT_OPEN", 1)
    davis_clips = VideoClips(Davis(davis, 2017, "train"), CONFIG, UP_TO_3)
    few, many = ClipDataset(davis_clips, seed=0), clips_of(davis, CONFIG)
    for n in range(6):
        np.testing.assert_array_equal(few[n].frames, many[n].frames)
        assert len(davis_clips._opened) == 1


def test_a_truncated_mask_is_named(davis: Path) -> None:
    for mask in davis.glob("Annotations/480p/*/*.png"):
        mask.write_bytes(mask.read_bytes()[:80])
    with pytest.raises(InputError, match=r"Annotations/480p/\w+/\d+\.png"):
        clips_of(davis, CONFIG)[0]


@pytest.mark.data
def test_real_sequences_give_clips(data_root: Path) -> None:
    davis = Davis(data_root / "davis2016", 2016, "train")
    youtube = YouTubeVOS(data_root / "youtube_vos_sample", "train")
    config = VideoConfig(max_objects=3)
    assert len(davis.names) == 30
    for videos in (davis, youtube):
        clip = ClipDataset(VideoClips(videos, config, SkipRamp()), seed=0)[0]
        assert clip.frames.shape == (3, 3, 256, 256)
        assert clip.valid.any()
