"""YouTube-VOS: objects that start late, masks on some frames only, with and without meta.json."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.masks import write_mask
from mobilevos.data.youtube_vos import SEEN_CATEGORIES, YouTubeVOS
from mobilevos.errors import InputError

H, W = 12, 20
STEMS = ("00000", "00005", "00010", "00015")


def labels_of(*ids: int) -> np.ndarray:
    labels = np.zeros((H, W), np.uint8)
    for object_id in ids:
        labels[2 * object_id] = object_id
    return labels


META = {
    "videos": {
        "0a": {
            "objects": {
                "1": {"category": "ape", "frames": list(STEMS)},
                "4": {"category": "spider", "frames": list(STEMS[2:])},
            }
        },
        "0b": {"objects": {"1": {"category": "cat", "frames": list(STEMS)}}},
    }
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Video 0a of four frames: object 1 from the first, object 4 from the third, the second not annotated."""
    folder = tmp_path / "valid"
    (folder / "JPEGImages/0a").mkdir(parents=True)
    for stem in STEMS:
        Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(folder / f"JPEGImages/0a/{stem}.jpg")
    for stem, ids in {"00000": (1,), "00010": (1, 4), "00015": (1, 4)}.items():
        write_mask(folder / f"Annotations/0a/{stem}.png", labels_of(*ids))
    (folder / "meta.json").write_text(json.dumps(META))
    return tmp_path


@pytest.mark.parametrize("with_meta", [True, False])
def test_a_late_object_is_given_alone_with_its_first_mask(root: Path, with_meta: bool) -> None:
    if not with_meta:
        (root / "valid/meta.json").unlink()
    video = YouTubeVOS(root).sequence("0a")
    assert dict(video.first_masks) == {1: 0, 4: 2}
    np.testing.assert_array_equal(video.prompt(0), labels_of(1))
    assert video.prompt(1) is None
    np.testing.assert_array_equal(video.prompt(2), labels_of(4))
    assert video.prompt(3) is None
    assert video.frames.names == STEMS


def test_objects_are_scored_after_their_first_mask_where_there_is_truth(root: Path) -> None:
    video = YouTubeVOS(root).sequence("0a")
    assert video.annotation(1) is None
    np.testing.assert_array_equal(video.annotation(2), labels_of(1, 4))
    assert [video.scored_objects(index) for index in range(4)] == [(), (), (1,), (1, 4)]
    assert video.scored_frames() == (2, 3)


def test_meta_gives_categories_and_what_is_missing(root: Path) -> None:
    dataset = YouTubeVOS(root)
    assert [video.name for video in dataset.sequences()] == ["0a"]
    assert dataset.missing == ("0b",)
    assert dataset.sequence("0a").categories == {1: "ape", 4: "spider"}
    assert "ape" in SEEN_CATEGORIES
    assert "spider" not in SEEN_CATEGORIES
    assert len(SEEN_CATEGORIES) == 65
    with pytest.raises(InputError, match="video '0b'"):
        dataset.sequence("0b")


def test_the_folder_of_the_split_may_be_the_root(root: Path) -> None:
    assert YouTubeVOS(root / "valid").names == ("0a",)


def test_the_first_mask_of_a_declared_object_is_named_when_missing(root: Path) -> None:
    (root / "valid/Annotations/0a/00010.png").unlink()
    with pytest.raises(InputError, match=r"0a/00010\.png is missing; expected the first mask of object 4 of 0a"):
        YouTubeVOS(root).sequence("0a")


def test_a_declared_object_must_occur(root: Path) -> None:
    for stem in STEMS[2:]:
        write_mask(root / f"valid/Annotations/0a/{stem}.png", labels_of(1))
    with pytest.raises(InputError, match="object 4 of 0a is declared, but in no mask"):
        YouTubeVOS(root).sequence("0a").prompt(0)


def test_a_mask_without_frame_is_named(root: Path) -> None:
    (root / "valid/JPEGImages/0a/00015.jpg").unlink()
    with pytest.raises(InputError, match=r"JPEGImages/0a/00015\.jpg is missing"):
        YouTubeVOS(root).sequences()


@pytest.mark.parametrize("kind", ["JPEGImages", "Annotations"])
def test_half_a_video_is_an_error_and_not_a_missing_one(root: Path, kind: str) -> None:
    (root / "valid" / kind / "0a").rename(root / "elsewhere")
    with pytest.raises(InputError, match=rf"cannot list folder .*{kind}/0a"):
        YouTubeVOS(root).sequences()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"videos": {"0a": {"objects": {"one": {}}}}}', '{"videos": {"0a": []}}', "\xff"]
)
def test_a_meta_file_of_another_format_is_refused(root: Path, content: str) -> None:
    (root / "valid/meta.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"cannot use .*meta\.json; expected the official format"):
        YouTubeVOS(root)


def test_a_root_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no YouTube-VOS data set in"):
        YouTubeVOS(tmp_path)


@pytest.mark.data
def test_the_real_sample_is_read_without_meta(data_root: Path) -> None:
    dataset = YouTubeVOS(data_root / "youtube_vos_sample")
    (video,) = dataset.sequences()
    assert video.name == "003234408d"
    assert video.frames.size == (180, 320)
    assert video.objects == (1, 2, 3, 4, 5)
    assert video.scored_frames() == tuple(range(1, 15))
    prompt = video.prompt(0)
    assert prompt is not None
    assert np.unique(prompt).tolist() == [0, 1, 2, 3, 4, 5]
