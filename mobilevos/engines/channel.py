"""What two processes say to each other about an engine: small JSON messages, and arrays as the bytes they are.

Nothing here is pickled: the process at the other end runs programs of strangers, and whatever it sends must not be
able to do more than be wrong. So messages have a largest size, and arrays the one that the contract says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from mobilevos.contract import TensorSpec
from mobilevos.engines.engine import Array

__all__ = ["receive_arrays", "receive_message", "send_arrays", "send_message"]

_LARGEST_MESSAGE = 1 << 16  # bytes


def send_message(connection: Connection, message: dict[str, Any]) -> None:
    """Sends what `json` takes.

    Raises:
        OSError: Nobody listens any more.
    """
    connection.send_bytes(json.dumps(message).encode())


def receive_message(connection: Connection) -> dict[str, Any]:
    """Waits for a message.

    Raises:
        EOFError: The other side has gone.
        OSError: The message is too long, or the connection broke.
        ValueError: It is no JSON object.
    """
    try:
        message = json.loads(connection.recv_bytes(_LARGEST_MESSAGE))
    except RecursionError as error:
        raise ValueError("too deep a nesting") from error
    if not isinstance(message, dict):
        raise ValueError("no JSON object")
    return message


def send_arrays(connection: Connection, arrays: Sequence[Array]) -> None:
    """Sends arrays in C order, without a copy.

    Raises:
        OSError: Nobody listens any more.
    """
    for array in arrays:
        connection.send_bytes(array.data.cast("B"))


def receive_arrays(connection: Connection, specs: Sequence[TensorSpec]) -> list[Array]:
    """Waits for arrays of known shapes.

    Raises:
        EOFError: The other side has gone.
        OSError: The connection broke.
        multiprocessing.ProcessError: An array is too long.
        ValueError: An array is too short.
    """
    arrays = [np.empty(spec.shape, np.float32) for spec in specs]
    for array in arrays:
        if connection.recv_bytes_into(array.data.cast("B")) != array.nbytes:
            raise ValueError("an array is too short")
    return arrays
