"""BL30K: six archives unpacked in one place or apart, every frame annotated, what is missing named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.bl30k import Bl30k
from mobilevos.data.masks import write_mask
from mobilevos.errors import InputError

H, W = 12, 20


def add(tree: Path, name: str) -> None:
    """A sequence of three frames, with object 7 and, from the second frame on, object 9."""
    (tree / "JPEGImages" / name).mkdir(parents=True)
    for t in range(3):
        Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(tree / f"JPEGImages/{name}/{t:05d}.jpg")
        labels = np.zeros((H, W), np.uint8)
        labels[2:4], labels[6:8] = 7, 9 if t else 0
        write_mask(tree / f"Annotations/{name}/{t:05d}.png", labels)


@pytest.mark.parametrize(
    ("first", "second"), [(".", "."), ("BL30K", "BL30K"), ("a", "b"), ("BL30K_a.tar/BL30K", "BL30K_b.tar/BL30K")]
)
def test_archives_unpacked_together_or_apart_are_read(tmp_path: Path, first: str, second: str) -> None:
    add(tmp_path / second, "kea00002")
    add(tmp_path / first, "kea00001")
    dataset = Bl30k(tmp_path)
    assert dataset.names == ("kea00001", "kea00002")
    for name in dataset.names:
        sequence = dataset.sequence(name)
        assert list(sequence.annotations) == [0, 1, 2]
        assert sequence.frames.size == (H, W)
        assert dict(sequence.first_masks) == {7: 0, 9: 1}


def test_a_frame_without_a_mask_is_named(tmp_path: Path) -> None:
    add(tmp_path, "kea00001")
    (tmp_path / "Annotations/kea00001/00001.png").unlink()
    with pytest.raises(
        InputError, match=r"Annotations/kea00001/00001\.png is missing; expected a mask for every frame"
    ):
        Bl30k(tmp_path).sequence("kea00001")


def test_a_mask_without_a_frame_is_named(tmp_path: Path) -> None:
    add(tmp_path, "kea00001")
    (tmp_path / "JPEGImages/kea00001/00001.jpg").unlink()
    with pytest.raises(InputError, match=r"JPEGImages/kea00001/00001\.jpg is missing"):
        Bl30k(tmp_path).sequence("kea00001")


@pytest.mark.parametrize("kind", ["JPEGImages", "Annotations"])
def test_half_a_sequence_is_an_error_and_not_a_missing_one(tmp_path: Path, kind: str) -> None:
    add(tmp_path, "kea00001")
    add(tmp_path, "kea00002")
    (tmp_path / kind / "kea00002").rename(tmp_path / "elsewhere")
    dataset = Bl30k(tmp_path)
    assert dataset.names == ("kea00001", "kea00002")
    with pytest.raises(InputError, match=rf"half of sequence kea00002 .*expected the folder {kind}/kea00002"):
        dataset.sequence("kea00002")


def test_a_name_that_is_not_there_is_refused(tmp_path: Path) -> None:
    add(tmp_path, "kea00001")
    with pytest.raises(InputError, match="sequence 'kea00002'"):
        Bl30k(tmp_path).sequence("kea00002")


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_root_without_data_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(InputError, match="no BL30K data set in"):
        Bl30k(tmp_path / folder)


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot list folder .*file; found Not a directory"):
        Bl30k(tmp_path / "file")
