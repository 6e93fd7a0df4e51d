"""Frames: images read upright in RGB, folders of them in order and of one size, broken files named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.frames import ImageFolder, image_size, read_image
from mobilevos.errors import InputError

PICTURE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)


def save(path: Path, array: np.ndarray = PICTURE, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def test_an_image_reads_as_rgb(tmp_path: Path) -> None:
    frame = read_image(save(tmp_path / "frame.png"))
    np.testing.assert_array_equal(frame, PICTURE)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    assert frame.flags.writeable


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_other_colour_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(PICTURE).convert(mode)
    image.save(tmp_path / "frame.png")
    np.testing.assert_array_equal(read_image(tmp_path / "frame.png"), np.array(image.convert("RGB")))


def test_a_frame_is_turned_as_its_exif_orientation_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    frame = read_image(save(tmp_path / "phone.png", exif=exif))
    np.testing.assert_array_equal(frame, np.rot90(PICTURE, -1))


@pytest.mark.parametrize("name", ["frame.jpg", "frame.png"])
@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_the_size_is_that_of_the_upright_image(tmp_path: Path, name: str, orientation: int | None) -> None:
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    path = save(tmp_path / name, exif=exif)
    assert image_size(path) == read_image(path).shape[:2]


def test_the_size_of_a_jpeg_is_known_without_decoding_it(tmp_path: Path) -> None:
    path = save(tmp_path / "frame.jpg")
    path.write_bytes(path.read_bytes()[:700])
    assert image_size(path) == (24, 32)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"cannot read image .*frame\.jpg"):
        image_size(path)


def test_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 8 bits a channel; found mode I"):
        read_image(save(tmp_path / "deep.png", np.full((4, 4), 300, np.uint16)))


@pytest.mark.parametrize("name", ["frame.jpg", "frame.png"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_truncated_image_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = save(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=rf"cannot read image .*{name}"):
        read_image(path)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "frame.jpg").write_bytes(b"not a picture at all" * 100)
    with pytest.raises(InputError, match="cannot identify image file"):
        read_image(tmp_path / "frame.jpg")


def test_a_folder_gives_its_images_in_counting_order(tmp_path: Path) -> None:
    for shade, name in enumerate(["frame_1.png", "frame_2.png", "frame_10.png"]):
        save(tmp_path / name, np.full((4, 6, 3), shade, np.uint8))
    (tmp_path / "notes.txt").write_text("no frame")
    (tmp_path / "._frame_1.png").write_bytes(b"left by a copy from a Mac")
    folder = ImageFolder(tmp_path)
    assert folder.names == ("frame_1", "frame_2", "frame_10")
    assert folder.size == (4, 6)
    assert len(folder) == 3
    assert [frame[0, 0, 0] for frame in folder] == [0, 1, 2]
    assert folder[-1][0, 0, 0] == 2
    with pytest.raises(IndexError):
        folder[3]


@pytest.mark.parametrize("names", [("²", "3"), ("a1", "1a"), ("01", "1"), ("", "7")])
def test_any_names_can_be_ordered(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        save(tmp_path / f"{name}x.png")
    assert len(ImageFolder(tmp_path)) == 2


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no frames in .*expected images"):
        ImageFolder(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot list folder .*gone; found No such file"):
        ImageFolder(tmp_path / "gone")


def test_two_frames_of_one_name_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "00000.png")
    save(tmp_path / "00000.jpg")
    with pytest.raises(InputError, match="two frames named 00000"):
        ImageFolder(tmp_path)


def test_a_frame_of_another_size_is_named(tmp_path: Path) -> None:
    save(tmp_path / "00000.png")
    save(tmp_path / "00001.png", PICTURE[:20])
    folder = ImageFolder(tmp_path)
    with pytest.raises(InputError, match=r"00001\.png is of another size; expected 32x24 like 00000; found 32x20"):
        list(folder)
