"""The services of adbd that the harness uses: shell with and without exit codes, exec, and file sync."""

from __future__ import annotations

import struct
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import IO, Any

from adb_root import DeviceRoot

__all__ = ["serve"]

_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)
_CHUNK = 64 * 1024
_MOMENT_S = 0.3  # from the start of a command to the cut in it


def serve(root: DeviceRoot, stream: Any, service: str) -> None:
    """Serves one stream to its end; a service that is not known is closed at once."""
    kind, _, command = service.partition(":")
    if kind.startswith("shell,"):
        _shell_v2(root, stream, command)
    elif kind in ("shell", "exec"):
        _raw_shell(root, stream, command)
    elif kind == "sync":
        _sync(root, stream)


def _start(root: DeviceRoot, stream: Any, command: str) -> subprocess.Popen[bytes]:
    process, faults = root.run(command), stream.faults
    if faults.kill and faults.kill in command:
        process.kill()
    if faults.cut_in and faults.cut_in in command:
        faults.cut_in = ""
        sleep(_MOMENT_S)
        stream.cut()
    return process


def _shell_v2(root: DeviceRoot, stream: Any, command: str) -> None:
    process = _start(root, stream, command)
    sending = threading.Lock()

    def send(kind: int, data: bytes) -> None:
        with sending:
            stream.write(struct.pack("<BI", kind, len(data)) + data)

    # All three at once: a process that fills the pipe nobody reads would wait forever.
    pumps = [
        threading.Thread(target=_pump, args=(pipe, lambda data, kind=kind: send(kind, data)), daemon=True)
        for kind, pipe in ((_STDOUT, process.stdout), (_STDERR, process.stderr))
    ]
    feed = threading.Thread(target=_feed, args=(stream, process), daemon=True)
    for thread in (*pumps, feed):
        thread.start()
    for thread in pumps:
        thread.join()
    code = process.wait()
    send(_EXIT, bytes([code if code >= 0 else 128 - code]))


def _raw_shell(root: DeviceRoot, stream: Any, command: str) -> None:
    process = _start(root, stream, f"{{ {command}\n}} 2>&1")
    _pump(process.stdout, stream.write)
    process.wait()


def _pump(pipe: IO[bytes] | None, send: Callable[[bytes], None]) -> None:
    assert pipe is not None
    with suppress(ConnectionError):
        while data := pipe.read1(_CHUNK):  # type: ignore[attr-defined]
            send(data)


def _feed(stream: Any, process: subprocess.Popen[bytes]) -> None:
    """Standard input, until the client closes it or goes; then, as with adbd, a foreground command is hung up."""
    assert process.stdin is not None
    try:
        while True:
            kind, length = struct.unpack("<BI", stream.read(5))
            data = stream.read(length)
            if kind == _STDIN:
                process.stdin.write(data)
                process.stdin.flush()
            elif kind == _CLOSE_STDIN:
                process.stdin.close()
    except BrokenPipeError:
        pass
    except ConnectionError:
        process.terminate()


def _sync(root: DeviceRoot, stream: Any) -> None:
    while True:
        kind, length = struct.unpack("<4sI", stream.read(8))
        if kind == b"QUIT":
            return
        name = stream.read(length).decode()
        match kind:
            case b"STAT":
                stream.write(b"STAT" + _stat(root.path(name)))
            case b"LIST":
                for path in sorted(root.path(name).glob("*")):
                    encoded = path.name.encode()
                    stream.write(b"DENT" + _stat(path) + struct.pack("<I", len(encoded)) + encoded)
                stream.write(b"DONE" + bytes(16))
            case b"SEND":
                _receive(root, stream, name)
            case b"RECV":
                _send(root.path(name), stream)


def _stat(path: Path) -> bytes:
    if not path.exists():
        return bytes(12)
    stat = path.stat()
    return struct.pack("<3I", stat.st_mode, stat.st_size, int(stat.st_mtime))


def _receive(root: DeviceRoot, stream: Any, name: str) -> None:
    remote, _, mode = name.rpartition(",")
    path = root.path(remote)
    root.received.append(remote)
    error = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        file = path.open("wb")
    except OSError as failure:
        error, file = failure.strerror or "failed", Path("/dev/null").open("wb")  # noqa: SIM115
    free = root.free()
    with file:
        while True:
            kind, length = struct.unpack("<4sI", stream.read(8))
            if kind == b"DONE":
                break
            data = stream.read(length)
            free -= length
            if free < 0 and not error:
                error = "No space left on device"
                _fail(stream, f"couldn't write file: {error}")
            if not error:
                file.write(data)
    if error:
        path.unlink(missing_ok=True)
        return
    path.chmod(int(mode) & 0o777)
    stream.write(b"OKAY" + bytes(4))


def _send(path: Path, stream: Any) -> None:
    try:
        with path.open("rb") as file:
            while data := file.read(_CHUNK):
                stream.write(b"DATA" + struct.pack("<I", len(data)) + data)
    except OSError as error:
        _fail(stream, error.strerror or "failed")
        return
    stream.write(b"DONE" + bytes(4))


def _fail(stream: Any, message: str) -> None:
    stream.write(b"FAIL" + struct.pack("<I", len(message)) + message.encode())
