"""Whatever bytes lie in a mask's file, it gives object ids or is refused in one line."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobilevos.data.masks import davis_palette, read_mask
from mobilevos.errors import InputError


def png(mode: str) -> bytes:
    """A mask of 20 objects in one of the ways in which masks are saved."""
    labels = (np.arange(20 * 24).reshape(20, 24) // 24).astype(np.uint8)
    image = Image.fromarray(labels)
    if mode == "P":
        image.putpalette(davis_palette())
    else:
        image = image.convert(mode)
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


SAMPLES = {mode: png(mode) for mode in ("P", "L", "LA", "RGB", "RGBA", "1")}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("masks") / "00000.png"


def read(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        labels = read_mask(path)
    except InputError as error:
        line = str(error)
        assert "\n" not in line
    else:
        assert (labels.ndim, labels.dtype) == (2, np.uint8)


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """A PNG's chunks: name and data."""
    found, place = [], 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def joined(parts: list[tuple[bytes, bytes]]) -> bytes:
    """The PNG of these chunks, their checksums right: so what reads them is reached."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in parts
    )


def test_chunks_taken_apart_make_the_same_file() -> None:
    for content in SAMPLES.values():
        assert joined(chunks(content)) == content


@given(content=st.binary(max_size=300))
def test_any_bytes(path: Path, content: bytes) -> None:
    read(path, content)


@given(
    mode=st.sampled_from(sorted(SAMPLES)), edits=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6)
)
def test_any_bytes_exchanged(path: Path, mode: str, edits: list[tuple[int, int]]) -> None:
    content = bytearray(SAMPLES[mode])
    for place, value in edits:
        content[place % len(content)] = value
    read(path, bytes(content))


@given(mode=st.sampled_from(sorted(SAMPLES)), chunk=st.integers(0), place=st.integers(0), value=st.integers(0, 255))
def test_any_byte_of_a_chunk_under_a_good_checksum(path: Path, mode: str, chunk: int, place: int, value: int) -> None:
    parts = chunks(SAMPLES[mode])
    name, data = parts[chunk % len(parts)]
    changed = bytearray(data or b"\0")
    changed[place % len(changed)] = value
    parts[chunk % len(parts)] = name, bytes(changed)
    read(path, joined(parts))


@given(
    mode=st.sampled_from(sorted(SAMPLES)),
    width=st.sampled_from([0, 1, 23, 25, 10_000, 2**31 - 1, 2**32 - 1]),
    height=st.sampled_from([0, 1, 19, 21, 10_000, 2**31 - 1]),
    rest=st.binary(min_size=5, max_size=5),
)
def test_any_header(path: Path, mode: str, width: int, height: int, rest: bytes) -> None:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    parts = chunks(SAMPLES[mode])
    for tail in (parts[0][1][8:], rest):
        read(path, joined([(b"IHDR", header + tail), *parts[1:]]))


@given(
    mode=st.sampled_from(sorted(SAMPLES)),
    name=st.sampled_from([b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"acTL", b"fcTL", b"fdAT"]),
    data=st.binary(max_size=40),
    place=st.integers(1, 2),
)
def test_any_chunk_added(path: Path, mode: str, name: bytes, data: bytes, place: int) -> None:
    parts = chunks(SAMPLES[mode])
    parts.insert(place, (name, data))
    read(path, joined(parts))
