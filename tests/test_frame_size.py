"""Frame sizes on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.errors import InputError
from mobilevos.frame_size import parse_size


@given(st.integers(1, 99_999), st.integers(1, 99_999), st.sampled_from("xX"))
def test_a_size_is_raised_to_multiples_of_16_and_no_further(height: int, width: int, x: str) -> None:
    for given_side, side in zip((height, width), parse_size(f"{height}{x}{width}"), strict=True):
        assert side % 16 == 0
        assert given_side <= side < given_side + 16


@pytest.mark.parametrize(
    "text", ["", "x", "480", "480x", "x864", "480x864x3", "0x64", "-1x64", "4.5x64", "480 x 864", "٣x٣", "9" * 6 + "x9"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected HEIGHTxWIDTH in pixels, as 480x864"):
        parse_size(text)


@given(st.text() | st.from_regex(r"\d*x\d*", fullmatch=True))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        height, width = parse_size(text)
    except InputError:
        return
    assert height % 16 == width % 16 == 0
    assert min(height, width) > 0
