from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.clips.reading import read_labelled
from mobilevos.errors import InputError

Y, X = np.mgrid[:201, :320]
LABELS = (((X - 160) ** 2 + (Y - 100) ** 2) < 60**2).astype(np.uint8)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.dstack([LABELS * 255] * 3)).save(path, quality=95)
    return path


def test_an_image_is_read_in_full_where_the_crop_needs_it(photo: Path) -> None:
    image, labels = read_labelled(photo, LABELS, least=101)
    assert image.shape == (201, 320, 3)
    assert labels is LABELS


@pytest.mark.parametrize(("least", "shape"), [(100, (101, 160)), (50, (51, 80)), (10, (26, 40))])
def test_a_large_jpeg_is_decoded_small_and_its_labels_follow(photo: Path, least: int, shape: tuple[int, int]) -> None:
    image, labels = read_labelled(photo, LABELS * 9, least)
    assert image.shape == (*shape, 3)
    assert labels.shape == shape
    assert set(np.unique(labels)) == {0, 9}
    assert ((image[..., 0] > 127) == (labels == 9)).mean() > 0.98


def test_a_large_png_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(np.dstack([LABELS] * 3)).save(path)
    assert read_labelled(path, LABELS, least=10)[0].shape == (201, 320, 3)


@pytest.mark.parametrize("least", [10, 200])
def test_another_size_than_the_mask_is_refused(photo: Path, least: int) -> None:
    with pytest.raises(
        InputError, match=r"photo\.jpg is of another size; expected 319x201 like its mask; found 320x201"
    ):
        read_labelled(photo, np.ascontiguousarray(LABELS[:, :-1]), least)


@pytest.mark.parametrize("least", [10, 200])
@pytest.mark.parametrize("kept", [0, 100, 2000])
def test_a_truncated_image_is_named(photo: Path, kept: int, least: int) -> None:
    photo.write_bytes(photo.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"photo\.jpg"):
        read_labelled(photo, LABELS, least)
