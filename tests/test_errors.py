"""InputError: one clear line about something the user gave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.errors import InputError


def test_the_line_names_the_thing_what_was_expected_what_came_and_what_to_do() -> None:
    error = InputError("mask.png", expected="854x480", found="640x360", remedy="resize the mask")
    assert str(error) == "mask.png; expected 854x480; found 640x360; resize the mask"


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({}, "clip.mp4"),
        ({"expected": "a video"}, "clip.mp4; expected a video"),
        ({"found": "0 frames"}, "clip.mp4; found 0 frames"),
        ({"remedy": "record it again"}, "clip.mp4; record it again"),
    ],
)
def test_parts_that_are_not_given_leave_no_trace(parts: dict[str, str], line: str) -> None:
    assert str(InputError("clip.mp4", **parts)) == line


@given(what=st.text(), expected=st.text(), found=st.text(), remedy=st.text())
def test_the_message_is_one_line_whatever_the_parts_hold(what: str, expected: str, found: str, remedy: str) -> None:
    error = InputError(what, expected=expected, found=found, remedy=remedy)
    assert len(str(error).splitlines()) <= 1
    assert (error.what, error.expected, error.found, error.remedy) == (what, expected, found, remedy)


def test_it_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="empty mask"):
        raise InputError("empty mask")
