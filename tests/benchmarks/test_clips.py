from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.clips import head, named_clips, synthetic_clip
from mobilevos.data.masks import write_mask
from mobilevos.errors import InputError


def test_a_head_is_the_first_frames() -> None:
    clip = synthetic_clip(6, (32, 48), objects=1)
    short = head(clip, 4)
    assert short.length == 4
    for _ in range(2):  # it can be read again
        assert all(np.array_equal(one, other) for one, other in zip(short.frames, list(clip.frames)[:4], strict=True))
    assert head(clip, 10).length == 6


def test_the_synthetic_clip_has_the_size_objects_and_frames_that_are_asked_for() -> None:
    (clip,) = named_clips("synthetic", size=(32, 48), objects=2, frames=7)
    assert (clip.size, clip.ids, clip.length) == ((32, 48), [1, 2], 7)
    assert clip.truth is not None
    assert np.array_equal(clip.truth(0), clip.first_mask)


def test_a_folder_of_frames_needs_a_mask_and_the_synthetic_clip_none(tmp_path: Path) -> None:
    clip = synthetic_clip(3, (32, 48), objects=1)
    for index, frame in enumerate(clip.frames):
        Image.fromarray(frame).save(tmp_path / f"{index}.png")
    mask = tmp_path / "mask" / "first.png"
    write_mask(mask, clip.first_mask)
    (found,) = named_clips(str(tmp_path), mask=mask)
    assert (found.length, found.truth) == (3, None)
    with pytest.raises(InputError, match="--mask"):
        named_clips(str(tmp_path))
    with pytest.raises(InputError, match="leave out --mask"):
        named_clips("synthetic", mask=mask)


@pytest.mark.data
def test_davis_gives_every_sequence_on_disk_or_those_that_are_named(data_root: Path) -> None:
    root = data_root / "davis2016"
    assert len(named_clips(f"davis:{root}")) == 12
    dog, libby = named_clips(f"davis:{root}:dog,libby")
    assert (dog.name, libby.name) == ("davis:dog", "davis:libby")
    assert dog.ids == [1]
    assert dog.truth is not None
    assert np.array_equal(dog.truth(0), dog.first_mask)
    with pytest.raises(InputError, match="no-such"):
        named_clips(f"davis:{root}:no-such")
