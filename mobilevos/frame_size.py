"""Frame sizes on the command line."""

from __future__ import annotations

import re

from mobilevos.contract import STRIDE
from mobilevos.errors import InputError

__all__ = ["parse_size"]


def parse_size(text: str) -> tuple[int, int]:
    """`480x864` to `(480, 864)`: rows and columns of the frame, each raised to the next multiple of 16.

    Raises:
        InputError: Not two positive whole numbers of at most five digits.
    """
    match = re.fullmatch(r"0*([1-9]\d{0,4})x0*([1-9]\d{0,4})", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise InputError(f"--size {text[:40]!r}", expected="HEIGHTxWIDTH in pixels, as 480x864")
    height, width = (-(-int(side) // STRIDE) * STRIDE for side in match.groups())
    return height, width
