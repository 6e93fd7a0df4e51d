"""A phone's side of adb on the loopback: the real adb client connects to it, and pushes, runs and pulls.

It speaks the transport of adbd (packets CNXN, OPEN, OKAY, WRTE, CLSE and AUTH over TCP), hands the services to
`adb_services`, and breaks where a test asks it to. The protocol: `protocol.txt` in the sources of Android's adb.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from time import sleep
from typing import Self

from adb_root import DeviceRoot
from adb_services import serve

__all__ = ["Faults", "LoopbackDevice"]

VERSION, MAX_PAYLOAD = 0x01000001, 256 * 1024
_AUTH_TOKEN, _AUTH_SIGNATURE = 1, 2
_BANNER = b"device::ro.product.name=loopback;ro.product.model=Loopback;ro.product.device=loopback;features=shell_v2,cmd"


@dataclass
class Faults:
    """What is to go wrong. A test may set it at any time.

    Attributes:
        unauthorised: The user has not allowed this host on the phone's screen.
        silent: The phone never answers.
        cut_after_bytes: The connection is cut once after so many bytes that the host sent; None for never.
        cut_in: The connection is cut once when a command that holds this text has run for a moment.
        stays_down: After a cut the phone cannot be reached any more.
        kill: The process of every command that holds this text is killed at once.
        delay_s: Seconds that each packet takes.
    """

    unauthorised: bool = False
    silent: bool = False
    cut_after_bytes: int | None = None
    cut_in: str = ""
    stays_down: bool = False
    kill: str = ""
    delay_s: float = 0


class Stream:
    """One OPEN of the client: bytes both ways. Each packet waits until the other side took the one before."""

    def __init__(self, connection: _Connection, own: int, peer: int) -> None:
        self._connection, self._own, self._peer = connection, own, peer
        self._incoming: SimpleQueue[bytes] = SimpleQueue()
        self._taken = threading.Semaphore(0)
        self._rest = b""
        self.faults = connection.device.faults
        self.cut = connection.cut

    def write(self, data: bytes) -> None:
        """Sends bytes to the client."""
        for start in range(0, len(data), MAX_PAYLOAD):
            self._connection.send(b"WRTE", self._own, self._peer, data[start : start + MAX_PAYLOAD])
            self._taken.acquire()
            if self._connection.gone:
                raise ConnectionError

    def read(self, size: int) -> bytes:
        """The next `size` bytes of the client; ConnectionError when it closed the stream."""
        while len(self._rest) < size:
            data = self._incoming.get()
            if not data:
                raise ConnectionError
            self._connection.send(b"OKAY", self._own, self._peer)
            self._rest += data
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def close(self) -> None:
        """Ends the stream for the client."""
        self._connection.send(b"CLSE", self._own, self._peer)

    def arrived(self, data: bytes) -> None:
        """Takes a packet in; empty for the end."""
        self._incoming.put(data)

    def took(self) -> None:
        """The client took a packet, or never will."""
        self._taken.release()


class _Connection:
    """One TCP connection of an adb server, read by a thread of its own; each stream has another."""

    def __init__(self, device: LoopbackDevice, peer: socket.socket) -> None:
        self.device, self._socket, self.gone = device, peer, False
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        """Sends one packet; in vain where the connection is gone."""
        sleep(self.device.faults.delay_s)
        magic = int.from_bytes(command, "little") ^ 0xFFFFFFFF
        header = command + struct.pack("<5I", first, second, len(data), sum(data), magic)
        try:
            with self._sending:
                self._socket.sendall(header + data)
        except OSError:
            self.gone = True

    def cut(self) -> None:
        """Breaks the connection as a pulled cable does."""
        if self.device.faults.stays_down:
            self.device.hang_up()
        self.end()

    def end(self) -> None:
        """Closes the socket and lets every stream know."""
        self.gone = True
        with self._sending, suppress(OSError):  # the other side was faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for stream in list(self._streams.values()):
            stream.arrived(b"")
            stream.took()

    def _read(self) -> None:
        with suppress(OSError, ValueError), self._socket.makefile("rb") as packets:  # until it is cut
            while len(header := packets.read(24)) == 24:
                first, second, length = struct.unpack("<3I", header[4:16])
                self._handle(header[:4], first, second, packets.read(length))
        self.end()

    def _handle(self, command: bytes, first: int, second: int, data: bytes) -> None:
        if command in (b"CNXN", b"AUTH"):
            self._greet(command, first)
        elif command == b"OPEN":
            stream = self._streams[first] = Stream(self, first, first)  # both sides may use the same number
            self.send(b"OKAY", first, first)
            threading.Thread(target=self._serve, args=(first, stream, data.rstrip(b"\0").decode()), daemon=True).start()
        elif stream := self._streams.get(second):
            if command == b"WRTE":
                self._count(len(data))
                stream.arrived(data)
            elif command == b"OKAY":
                stream.took()
            elif command == b"CLSE":
                stream.arrived(b"")

    def _greet(self, command: bytes, kind: int) -> None:
        if self.device.faults.silent:
            return
        if not self.device.faults.unauthorised:
            self.send(b"CNXN", VERSION, MAX_PAYLOAD, _BANNER)
        elif command == b"CNXN" or kind == _AUTH_SIGNATURE:
            self.send(b"AUTH", _AUTH_TOKEN, 0, os.urandom(20))  # a signature is never good, a public key never allowed

    def _count(self, length: int) -> None:
        faults = self.device.faults
        if faults.cut_after_bytes is not None:
            faults.cut_after_bytes -= length
            if faults.cut_after_bytes <= 0:
                faults.cut_after_bytes = None
                self.cut()

    def _serve(self, number: int, stream: Stream, service: str) -> None:
        with suppress(ConnectionError):
            serve(self.device.root, stream, service)
        stream.close()
        self._streams.pop(number, None)


class LoopbackDevice:
    """A phone that an adb client reaches with `adb connect` at `serial`. A context manager.

    Args:
        folder: Plays the phone's file system.
        abi: What the phone says it is.

    Attributes:
        faults: What goes wrong.
        root: The phone's files, commands and state.
    """

    def __init__(self, folder: Path, abi: str = "x86_64") -> None:
        self.faults = Faults()
        self.root = DeviceRoot(folder, abi)
        self._connections: list[_Connection] = []
        self._port = 0
        self.pick_up()

    @property
    def serial(self) -> str:
        """Its address, by which adb names it."""
        return f"127.0.0.1:{self._port}"

    def pick_up(self) -> None:
        """Takes connections, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hang_up(self) -> None:
        """Takes no connection any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self._connections.append(_Connection(self, peer))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.hang_up()
        for connection in self._connections:
            connection.end()
        self.root.end_processes()
