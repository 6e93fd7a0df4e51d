"""A bundle's programs in a process of their own: whatever they do to it, this one goes on.

Runtimes trust the files that they are given. Of a damaged or hostile one some read beyond its end, and some end the
whole process over it, when it is loaded or at any later step. In a process of its own that is one `InputError` here.

It is a crash barrier and no sandbox: code that takes the other process over has all the user's rights.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing import Pipe, ProcessError
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from tempfile import TemporaryFile
from threading import Timer
from typing import IO, Any
from weakref import finalize

import mobilevos
from mobilevos.contract import Signature, TensorSpec
from mobilevos.engines.channel import receive_arrays, receive_message, send_arrays, send_message
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError

__all__ = ["EngineProcess"]

_ANSWER_SECONDS = 180.0
_MEMORY = 8 << 30  # bytes

_PACKAGES = Path(mobilevos.__file__).resolve().parents[1]


class EngineProcess:
    """Another Python process that opens bundles and runs their components. It ends with this object.

    Args:
        seconds: Longest wait for an answer; a process that takes longer is ended.
        memory: Largest size of its data, in bytes.
    """

    def __init__(self, *, seconds: float = _ANSWER_SECONDS, memory: int = _MEMORY) -> None:
        self._seconds = seconds
        self._connection, theirs = Pipe()
        self._log = TemporaryFile()  # noqa: SIM115  # closed by `close`
        with theirs:
            descriptor = theirs.fileno()
            self._process = Popen(
                [sys.executable, "-m", "mobilevos.engines.engine_server", str(descriptor), str(memory)],
                pass_fds=[descriptor],
                stdin=DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(_PACKAGES), *_python_path()])},
            )
        self.close = finalize(self, _close, self._process, self._connection, self._log)
        """Ends the process; called without arguments, any number of times."""

    @property
    def alive(self) -> bool:
        """Whether the process can answer."""
        return self._process.poll() is None

    def open(self, engine: str, folder: Path, threads: int | None = None) -> None:
        """Opens a bundle, in the place of the last one.

        Args:
            engine: A name from `BUNDLE_ENGINES`.
            folder: The bundle; its files are not compared with their SHA-256 again.
            threads: CPU threads; None leaves them to the runtime.

        Raises:
            InputError: The bundle cannot be loaded, or the process ended over it.
        """
        self._folder = folder
        request = {"engine": engine, "bundle": str(folder.absolute()), "threads": threads}
        self._exchange(f"{folder} cannot be opened", request, (), ())

    def call(self, signature: Signature, objects: int, inputs: Sequence[Array]) -> list[Array]:
        """Runs a component of the open bundle.

        Args:
            signature: The contract's, for this number of objects.
            objects: Objects of this call.
            inputs: As the signature says, float32 and in C order.

        Returns:
            Outputs of the signature's shapes.

        Raises:
            InputError: The component cannot be run, or the process ended over it.
        """
        request = {"component": signature.component, "objects": objects}
        return self._exchange(f"{self._folder} cannot run {signature.component}", request, inputs, signature.outputs)

    def _exchange(
        self, what: str, request: dict[str, Any], inputs: Sequence[Array], outputs: Sequence[TensorSpec]
    ) -> list[Array]:
        deadline = Timer(self._seconds, self._process.kill)  # wherever in the exchange the other side got stuck
        deadline.start()
        try:
            send_message(self._connection, request)
            send_arrays(self._connection, inputs)
            refusal = receive_message(self._connection)
            arrays = [] if refusal else receive_arrays(self._connection, outputs)
        except (EOFError, OSError, ValueError, ProcessError) as error:
            # The deadline still runs: it ends a process that lives on after nonsense.
            raise InputError(
                what, found=f"its process ended: {self._ending()}", remedy="do not use this bundle"
            ) from error
        finally:
            deadline.cancel()
        if refusal:
            raise _input_error(refusal)
        return arrays

    def _ending(self) -> str:
        """How the process ended, which was to be heard from no more."""
        try:
            code = self._process.wait(timeout=2)
        except TimeoutExpired:
            self.close()
            return "it answered nonsense"
        if code == -signal.SIGKILL:
            return f"SIGKILL, after {self._seconds:g} s without an answer or for want of memory"
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"{name} {_last_line(self._log)}".strip()


def _close(process: Popen[bytes], connection: Connection, log: IO[bytes]) -> None:
    connection.close()
    process.kill()
    process.wait()
    log.close()


def _python_path() -> list[str]:
    return [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []


def _last_line(log: IO[bytes]) -> str:
    """The last thing that the process said, as far as it is text."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - 1000))
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return _printable(lines[-1]) if lines else ""


def _input_error(refusal: dict[str, Any]) -> InputError:
    parts = {name: _printable(str(refusal.get(name, ""))) for name in ("what", "expected", "found", "remedy")}
    return InputError(parts.pop("what"), **parts)


def _printable(text: str) -> str:
    """What another process says reaches the terminal; control characters do not."""
    return "".join(character if character.isprintable() else " " for character in text)[:400]
