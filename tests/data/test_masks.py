"""Masks: whatever way one was saved, its object ids come back; what is no mask is refused in one line."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from mobilevos.data.masks import davis_palette, read_mask, write_mask
from mobilevos.errors import InputError

LABELS = np.array([[0, 0, 1, 2], [0, 7, 7, 2], [3, 3, 3, 200]], np.uint8)
BINARY = np.array([[0, 255, 0], [255, 255, 0]], np.uint8)


def save(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path


@settings(max_examples=50, deadline=None)
@given(npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, 255)))
def test_a_written_mask_reads_back_with_every_id(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("masks") / "00000.png"
    write_mask(path, labels)
    np.testing.assert_array_equal(read_mask(path), labels)
    assert Image.open(path).mode == "P"


def test_the_palette_is_that_of_davis() -> None:
    palette = np.array(davis_palette()).reshape(256, 3)
    # From the palette of the data set's own files.
    expected = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128], [0, 128, 128]]
    np.testing.assert_array_equal(palette[:7], expected)
    assert palette[8].tolist() == [64, 0, 0]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


@pytest.mark.data
def test_the_palette_equals_that_of_published_davis_predictions(data_root: Path) -> None:
    with Image.open(data_root / "metric_reference/osvos/dog/00000.png") as image:
        palette = image.getpalette()
    assert palette is not None
    assert davis_palette()[: len(palette)] == palette


def test_palette_indices_count_and_not_their_colours(tmp_path: Path) -> None:
    image = Image.fromarray(LABELS)
    image.putpalette([255 - value // 3 for value in range(768)])
    image.save(tmp_path / "other-colours.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "other-colours.png"), LABELS)


def test_a_palette_mask_keeps_id_255(tmp_path: Path) -> None:
    write_mask(tmp_path / "void.png", BINARY)
    np.testing.assert_array_equal(read_mask(tmp_path / "void.png"), BINARY)


@pytest.mark.parametrize(("values", "expected"), [(LABELS, LABELS), (BINARY, BINARY // 255), (BINARY * 0, BINARY * 0)])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_grey_masks_hold_ids_and_binary_ones_255(
    tmp_path: Path, mode: str, values: np.ndarray, expected: np.ndarray
) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(values).convert(mode).save(path)
    assert Image.open(path).mode == mode
    labels = read_mask(path)
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.uint8
    assert labels.flags.c_contiguous
    assert labels.flags.writeable


def test_a_one_bit_mask_reads_as_0_and_1(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(save(tmp_path / "bits.png", BINARY > 0)), BINARY // 255)


def test_colours_are_no_object_ids(tmp_path: Path) -> None:
    coloured = np.zeros((4, 4, 3), np.uint8)
    coloured[1, 1] = (128, 0, 0)
    with pytest.raises(InputError, match=r"mask .*red\.png; expected a palette or 8-bit grey PNG.*found colours"):
        read_mask(save(tmp_path / "red.png", coloured))


def test_sixteen_bits_are_no_object_ids(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a palette or 8-bit grey PNG; found mode I"):
        read_mask(save(tmp_path / "deep.png", np.full((4, 4), 300, np.uint16)))


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read image .*none\.png; found No such file"):
        read_mask(tmp_path / "none.png")


def test_a_truncated_mask_is_refused_unless_its_pixels_are_all_there(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 5, (16, 16), np.uint8)
    path = tmp_path / "mask.png"
    write_mask(path, labels)
    content = path.read_bytes()
    refused = 0
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            np.testing.assert_array_equal(read_mask(path), labels)
        except InputError:
            refused += 1
    # What can be spared are the checksums and the empty closing chunk, 24 bytes at the most.
    assert refused >= len(content) - 24


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 200))
def test_corrupt_bytes_give_a_mask_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, place: int
) -> None:
    path = tmp_path_factory.mktemp("masks") / "mask.png"
    write_mask(path, LABELS)
    content = path.read_bytes()
    path.write_bytes(content[:place] + garbage + content[place + len(garbage) :])
    with contextlib.suppress(InputError):
        assert read_mask(path).ndim == 2


def test_writing_keeps_an_existing_file_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "00000.png"
    write_mask(path, LABELS)
    with pytest.raises(InputError, match="exists already"):
        write_mask(path, LABELS * 0, overwrite=False)
    np.testing.assert_array_equal(read_mask(path), LABELS)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("labels", [LABELS.astype(np.int64), LABELS[None], LABELS > 0])
def test_only_two_dimensional_bytes_are_written(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[H, W\], uint8"):
        write_mask(tmp_path / "00000.png", labels)
    assert not list(tmp_path.iterdir())
