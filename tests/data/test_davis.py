"""DAVIS: its official folders, all resolutions and years, and what is said when a copy is not whole."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.davis import Davis
from mobilevos.data.masks import write_mask
from mobilevos.errors import InputError

H, W = 12, 20


def write_sequence(root: Path, name: str, masks: list[np.ndarray], resolution: str = "480p") -> None:
    frames = root / "JPEGImages" / resolution / name
    frames.mkdir(parents=True)
    for index, labels in enumerate(masks):
        Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(frames / f"{index:05}.jpg")
        write_mask(root / "Annotations" / resolution / name / f"{index:05}.png", labels)


def write_list(root: Path, lines: list[str], folder: str = "2017", split: str = "val") -> None:
    path = root / "ImageSets" / folder / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def two_objects() -> np.ndarray:
    labels = np.zeros((H, W), np.uint8)
    labels[2:6, 2:8] = 1
    labels[6:10, 10:18] = 2
    return labels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree of two sequences, one of them listed and not there."""
    write_sequence(tmp_path, "goat", [two_objects()] * 4)
    for year in ("2016", "2017"):
        write_list(tmp_path, ["goat", "camel"], year)
    return tmp_path


def test_a_sequence_gives_frames_masks_and_what_is_scored(root: Path) -> None:
    goat = Davis(root, year=2017).sequence("goat")
    assert len(goat.frames) == 4
    assert goat.frames.size == (H, W)
    assert goat.objects == (1, 2)
    np.testing.assert_array_equal(goat.prompt(0), two_objects())
    assert goat.prompt(1) is None
    np.testing.assert_array_equal(goat.annotation(3), two_objects())
    assert goat.scored_frames() == (1, 2)
    assert goat.scored_objects(1) == (1, 2)


def test_davis_2016_has_one_object(root: Path) -> None:
    goat = Davis(root, year=2016).sequence("goat")
    assert goat.objects == (1,)
    np.testing.assert_array_equal(goat.prompt(0), two_objects() > 0)
    np.testing.assert_array_equal(goat.merge(two_objects()), two_objects() > 0)


def test_void_pixels_are_background(root: Path) -> None:
    labels = two_objects()
    labels[0] = 255
    write_mask(root / "Annotations/480p/goat/00000.png", labels)
    for year in (2016, 2017):
        first = Davis(root, year=year).sequence("goat").annotation(0)
        assert first is not None
        assert not first[0].any()


def test_sequences_on_disk_are_given_and_missing_ones_named(root: Path) -> None:
    davis = Davis(root)
    assert [sequence.name for sequence in davis.sequences()] == ["goat"]
    assert davis.missing == ("camel",)
    with pytest.raises(InputError, match=r"'camel'.*not on disk"):
        davis.sequence("camel")


def test_the_resolution_is_found(root: Path) -> None:
    write_sequence(root, "goat", [two_objects()] * 3, "1080p")
    write_sequence(root, "cows", [two_objects()] * 3, "360p")
    write_list(root, ["cows"], "2016", "train")
    assert Davis(root).resolution == "480p"
    assert Davis(root, resolution="1080p").sequence("goat").frames.folder == root / "JPEGImages/1080p/goat"
    assert Davis(root, split="train").resolution == "360p"


def test_the_lists_of_davis_2016s_own_release_are_read(tmp_path: Path) -> None:
    write_sequence(tmp_path, "cows", [two_objects()] * 2)
    lines = [f"/JPEGImages/480p/cows/{i:05}.jpg /Annotations/480p/cows/{i:05}.png" for i in range(2)]
    write_list(tmp_path, lines, "480p")
    assert Davis(tmp_path).names == ("cows",)


def test_a_frame_without_mask_is_named(root: Path) -> None:
    (root / "Annotations/480p/goat/00002.png").unlink()
    with pytest.raises(InputError, match=r"Annotations/480p/goat/00002\.png is missing"):
        Davis(root).sequences()


def test_a_mask_without_frame_is_named(root: Path) -> None:
    (root / "JPEGImages/480p/goat/00003.jpg").unlink()
    with pytest.raises(InputError, match=r"JPEGImages/480p/goat/00003\.jpg is missing"):
        Davis(root).sequences()


@pytest.mark.parametrize("kind", ["JPEGImages", "Annotations"])
def test_half_a_sequence_is_an_error_and_not_a_missing_one(root: Path, kind: str) -> None:
    (root / kind / "480p/goat").rename(root / "elsewhere")
    with pytest.raises(InputError, match=rf"cannot list folder .*{kind}/480p/goat"):
        Davis(root).sequences()


def test_a_mask_of_another_size_is_named(root: Path) -> None:
    write_mask(root / "Annotations/480p/goat/00001.png", np.ones((H, W + 1), np.uint8))
    with pytest.raises(InputError, match=r"00001\.png is of another size; expected 20x12.*found 21x12"):
        Davis(root).sequence("goat").annotation(1)


def test_a_truncated_mask_is_named(root: Path) -> None:
    path = root / "Annotations/480p/goat/00000.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"cannot read image .*goat/00000\.png"):
        Davis(root).sequence("goat").prompt(0)


def test_a_first_mask_without_objects_is_named(root: Path) -> None:
    write_mask(root / "Annotations/480p/goat/00000.png", np.zeros((H, W), np.uint8))
    with pytest.raises(InputError, match="no object in goat"):
        Davis(root).sequence("goat").prompt(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"year": 2015}, "no DAVIS of 2015"),
        ({"split": "test"}, r"ImageSets/2016/test\.txt is missing"),
        ({"resolution": "1080p"}, r"no sequence of DAVIS 2016 val in .*1080p; found the resolutions 480p"),
    ],
)
def test_what_is_not_there_is_said(root: Path, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Davis(root, **options)


def test_a_root_that_is_no_davis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no DAVIS data set in"):
        Davis(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(("split", "count", "resolution"), [("val", 12, "480p"), ("train", 30, "360p")])
def test_the_real_data_set_is_whole(data_root: Path, split: str, count: int, resolution: str) -> None:
    davis = Davis(data_root / "davis2016", split=split)
    sequences = davis.sequences()
    assert len(sequences) == count
    assert davis.resolution == resolution
    assert all(sequence.objects == (1,) for sequence in sequences)
