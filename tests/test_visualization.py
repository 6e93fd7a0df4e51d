"""Pictures for people: objects in their colours, titles above frames, tables of frames."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from mobilevos.errors import InputError
from mobilevos.visualization import contact_sheet, object_colours, overlay, side_by_side, write_image

RED, GREEN, BLUE = (np.full((48, 64, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200)))


def disk(object_id: int = 1) -> NDArray[np.uint8]:
    rows, columns = np.ogrid[:96, :128]
    return np.where((rows - 48) ** 2 + (columns - 64) ** 2 < 900, object_id, 0).astype(np.uint8)


# Colours


def test_every_object_has_its_own_colour_and_background_is_black() -> None:
    colours = object_colours()
    assert colours.shape == (256, 3)
    assert len({tuple(colour) for colour in colours.tolist()}) == 256
    assert not colours[0].any()


def test_colours_have_the_hues_of_davis() -> None:
    # Ids 1 to 7 of the DAVIS palette: red, green, yellow, blue, magenta, cyan, grey.
    lit = object_colours()[1:8] > 0
    expected = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
    np.testing.assert_array_equal(lit, np.array(expected, bool))


# Overlay


def test_background_is_untouched_and_objects_are_tinted_inside_a_full_line() -> None:
    frame = np.full((96, 128, 3), 100, np.uint8)
    labels, colour = disk(2), object_colours()[2]
    result = overlay(frame, labels, alpha=0.5)
    assert (result[labels == 0] == 100).all()
    np.testing.assert_array_equal(result[48, 64], np.rint(0.5 * colour + 50))
    np.testing.assert_array_equal(result[48, 64 - 29], colour)
    assert (frame == 100).all()


def test_objects_that_touch_are_divided_by_a_line() -> None:
    labels = np.ones((96, 128), np.uint8)
    labels[:, 64:] = 7
    result = overlay(np.zeros((96, 128, 3), np.uint8), labels, alpha=0)
    colours = object_colours()
    np.testing.assert_array_equal(result[40, 63:65], colours[[1, 7]])
    assert not result[40, :60].any()


def test_other_colours_can_be_given() -> None:
    colours = np.full((256, 3), (1, 2, 3), np.uint8)
    result = overlay(np.zeros((96, 128, 3), np.uint8), disk(), alpha=1, colours=colours)
    assert {tuple(pixel) for pixel in result.reshape(-1, 3).tolist()} == {(0, 0, 0), (1, 2, 3)}


@given(
    labels=arrays(np.uint8, (9, 13), elements=st.sampled_from([0, 0, 1, 3, 255])),
    alpha=st.floats(0, 1),
)
def test_every_pixel_is_its_frame_its_tint_or_its_colour(labels: NDArray[np.uint8], alpha: float) -> None:
    frame = np.arange(9 * 13 * 3, dtype=np.uint8).reshape(9, 13, 3)
    result, colours = overlay(frame, labels, alpha), object_colours()
    for place in np.ndindex(labels.shape):
        object_id = labels[place]
        tint = np.rint((1 - alpha) * frame[place] + alpha * colours[object_id])
        allowed = [frame[place]] if object_id == 0 else [tint, colours[object_id]]
        assert any((result[place] == pixel).all() for pixel in allowed)


@pytest.mark.parametrize(("shape", "alpha"), [((96, 127), 0.5), ((128, 96), 0.5), ((96, 128), 1.5)])
def test_overlay_refuses_what_does_not_fit(shape: tuple[int, int], alpha: float) -> None:
    with pytest.raises(ValueError, match=r"fit the frame|alpha"):
        overlay(np.zeros((96, 128, 3), np.uint8), np.zeros(shape, np.uint8), alpha)


# Frames side by side


def test_side_by_side_holds_the_frames_whole_below_their_titles() -> None:
    picture = side_by_side([RED, BLUE], ["PyTorch", "ExecuTorch"])
    height, width = picture.shape[:2]
    bar = height - 48
    assert bar > 0
    np.testing.assert_array_equal(picture[bar:, :64], RED)
    np.testing.assert_array_equal(picture[bar:, width - 64 :], BLUE)
    assert picture[:bar, :64].std() > 5  # letters


def test_titles_are_what_is_drawn() -> None:
    same, other = (side_by_side([RED], [title]) for title in ("eager", "int8"))
    assert (same != other).any()
    np.testing.assert_array_equal(same[-48:], other[-48:])


def test_every_frame_of_a_comparison_has_one_size() -> None:
    sizes = {side_by_side([RED, BLUE], [title, ""]).shape for title in ("", "a", "a much longer title" * 5)}
    assert len(sizes) == 1


# Contact sheet


def test_contact_sheet_puts_rows_below_each_other_and_columns_in_order() -> None:
    white = np.full_like(RED, 255)
    sheet = contact_sheet({"Frames": [RED, GREEN], "Truth": [BLUE, white]}, ["frame 0", "frame 9"], 80)

    def centre(picture: NDArray[np.uint8]) -> tuple[float, float]:
        rows, columns = np.nonzero((sheet == picture[0, 0]).all(axis=-1))
        assert len(rows) == 80 * 60
        return float(rows.mean()), float(columns.mean())

    (top, left), (bottom, right) = centre(RED), centre(white)
    assert top < bottom - 60
    assert left < right - 80
    assert centre(GREEN) == (top, right)
    assert centre(BLUE) == (bottom, left)


def test_contact_sheet_has_one_picture_per_column() -> None:
    with pytest.raises(ValueError, match=r"2 pictures in every row, not so in \['short'\]"):
        contact_sheet({"long": [RED, RED], "short": [RED]}, ["0", "1"])


def test_pictures_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        contact_sheet({"row": [RED, RED[:40]]}, ["0", "1"])
    with pytest.raises(ValueError, match="one size"):
        side_by_side([RED, RED[:40]], ["a", "b"])
    with pytest.raises(ValueError, match="none"):
        side_by_side([], [])


# Files


def test_png_holds_the_same_pixels_and_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "sheet.png"
    write_image(path, GREEN)
    with pytest.raises(InputError, match="exists already"):
        write_image(path, RED, overwrite=False)
    np.testing.assert_array_equal(np.array(Image.open(path)), GREEN)
    assert list(path.parent.iterdir()) == [path]
