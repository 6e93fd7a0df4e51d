"""Two processes exchange messages and arrays; whatever the other sends, it is what was expected or an error."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from multiprocessing import Pipe, ProcessError
from multiprocessing.connection import Connection

import numpy as np
import pytest

from mobilevos.contract import TensorSpec
from mobilevos.engines.channel import receive_arrays, receive_message, send_arrays, send_message

SPECS = (TensorSpec("logits", (1, 1, 2, 3), "NCHW", "float32"), TensorSpec("key", (4,), "N", "float32"))


@pytest.fixture
def pipe() -> Iterator[tuple[Connection, Connection]]:
    ours, theirs = Pipe()
    with ours, theirs:
        yield ours, theirs


def test_a_message_arrives_as_it_was(pipe: tuple[Connection, Connection]) -> None:
    send_message(pipe[0], {"component": "decode", "objects": 2, "path": "\udcff\n"})
    assert receive_message(pipe[1]) == {"component": "decode", "objects": 2, "path": "\udcff\n"}


def test_arrays_arrive_as_they_were(pipe: tuple[Connection, Connection]) -> None:
    arrays = [np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3), np.full(4, np.nan, np.float32)]
    send_arrays(pipe[0], arrays)
    for sent, received in zip(arrays, receive_arrays(pipe[1], SPECS), strict=True):
        np.testing.assert_array_equal(received, sent)
        assert received.flags.writeable


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"null", b"[" * 50_000, b'"' + b"x" * 70_000 + b'"', pickle.dumps({"component": "decode"})],
)
def test_what_is_no_message_is_an_error(pipe: tuple[Connection, Connection], content: bytes) -> None:
    pipe[0].send_bytes(content)
    with pytest.raises((OSError, ValueError)):
        receive_message(pipe[1])


@pytest.mark.parametrize("size", [0, 4, 20, 28])
def test_an_array_of_another_size_is_an_error(pipe: tuple[Connection, Connection], size: int) -> None:
    pipe[0].send_bytes(bytes(size))
    with pytest.raises((ValueError, ProcessError)):
        receive_arrays(pipe[1], SPECS[:1])


def test_when_the_other_side_has_gone_it_is_an_end_of_file(pipe: tuple[Connection, Connection]) -> None:
    pipe[0].close()
    with pytest.raises(EOFError):
        receive_message(pipe[1])
