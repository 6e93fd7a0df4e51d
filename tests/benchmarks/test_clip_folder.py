import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.clip_folder import CLIP, FRAMES, ClipFolder, write_clip
from benchmarks.clips import synthetic_clip
from mobilevos.errors import InputError


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, frames: int, height: int, width: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (frames, height, width, 3), np.uint8)
    mask = random.integers(0, 3, (height, width), np.uint8)
    clip = write_clip(tmp_path_factory.mktemp("clip") / "clip", pixels, {frames - 1: mask}, memory_every=3)
    assert (clip.frames, clip.height, clip.width, clip.memory_every) == (frames, height, width, 3)
    out = np.empty((height, width, 3), np.uint8)
    for index in range(frames):
        clip.read(index, out)
        assert np.array_equal(out, pixels[index])
    assert np.array_equal(clip.given[frames - 1], mask)
    assert clip.objects == len(set(mask.flat) - {0})


def test_frames_of_any_strides_are_written_in_c_order(tmp_path: Path) -> None:
    frame = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)[:, ::-1]
    clip = write_clip(tmp_path / "clip", [frame], {})
    out = np.empty((2, 3, 3), np.uint8)
    clip.read(0, out)
    assert np.array_equal(out, frame)


def test_a_clip_takes_the_place_of_another(tmp_path: Path) -> None:
    for length in (3, 2):
        clip = synthetic_clip(length, (16, 16), objects=1)
        write_clip(tmp_path / "clip", clip.frames, {0: clip.first_mask})
    assert ClipFolder.open(tmp_path / "clip").frames == 2


def test_a_clip_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame"):
        write_clip(tmp_path / "clip", [], {})
    assert not (tmp_path / "clip").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"format": 2}, "another format"),
        ({"frames": 7}, "another size"),
        ({"height": 0}, "describes no clip"),
        ({"width": "96"}, "describes no clip"),
        ({"given": [{"frame": 0, "file": "../clip.json"}]}, "leaves its folder"),
        ({"given": [{"frame": 0, "file": "nothing.u8"}]}, "cannot read"),
        ({"given": [{"frame": 0}]}, "describes no clip"),
        ({"given": [{"frame": 0, "file": FRAMES}]}, "another size"),
    ],
)
def test_a_damaged_clip_is_one_line(
    raw_clip: ClipFolder, tmp_path: Path, damage: dict[str, object], message: str
) -> None:
    folder = shutil.copytree(raw_clip.folder, tmp_path / "clip")
    facts = json.loads((folder / CLIP).read_text())
    (folder / CLIP).write_text(json.dumps(facts | damage))
    with pytest.raises(InputError, match=message):
        ClipFolder.open(folder)


def test_a_clip_that_is_no_json_or_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        ClipFolder.open(tmp_path)
    (tmp_path / CLIP).write_text("[")
    with pytest.raises(InputError, match="describes no clip"):
        ClipFolder.open(tmp_path)
