"""An engine in a process of its own that makes a step when it is told to: a Python worker or the C++ runner."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from tempfile import TemporaryFile
from threading import Timer
from typing import IO
from weakref import finalize

import benchmarks
from benchmarks.run_record import RunRecord, Step, read_run
from mobilevos.errors import InputError

__all__ = ["TurnProcess", "worker_command"]

_ANSWER_SECONDS = 600.0  # torch.compile takes minutes before its first step
_ENDING_SECONDS = 60.0  # a busy machine takes its time over the end of a process with large libraries
_PACKAGES = Path(benchmarks.__file__).resolve().parents[1]


def worker_command() -> list[str]:
    """The start of the command that runs a Python worker."""
    return [sys.executable, "-m", "benchmarks.worker"]


class TurnProcess:
    """Another process that steps in turn. It ends with this object.

    Args:
        name: For messages.
        command: A worker's or the runner's, with `--in-turn` and `--output`.
        output: The folder that the command writes its record and masks into.
        seconds: Longest wait for a step; a process that takes longer is ended.
    """

    def __init__(self, name: str, command: Sequence[str], output: Path, *, seconds: float = _ANSWER_SECONDS) -> None:
        self.name, self.output, self._seconds = name, output, seconds
        self._log = TemporaryFile()  # noqa: SIM115  # closed by `close`
        path = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))
        try:
            self._process = Popen(
                list(command), stdin=PIPE, stdout=PIPE, stderr=self._log, env=os.environ | {"PYTHONPATH": path}
            )
        except OSError as error:
            raise InputError(f"{name}: cannot start {command[0]}", found=error.strerror or str(error)) from error
        self.close = finalize(self, _close, self._process, self._log)
        """Ends the process; called without arguments, any number of times."""

    def step(self) -> Step:
        """Lets it make one step.

        Raises:
            InputError: It ended instead, answered nonsense or took too long.
        """
        deadline = Timer(self._seconds, self._process.kill)
        deadline.start()
        try:
            self._tell("step")
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        finally:
            deadline.cancel()
        if not line.endswith(b"\n"):
            raise InputError(f"{self.name} ended", found=self._ending())
        try:
            return Step.from_json(json.loads(line))
        except ValueError as error:
            self.close()
            raise InputError(f"{self.name} answered nonsense", found=repr(line[:80])) from error

    def stop(self) -> RunRecord:
        """Lets it write its record and end; gives the record.

        Raises:
            InputError: It failed to, or the record is not as its format says.
        """
        with suppress(OSError):  # it has ended already, and its ending says why
            self._tell("stop")
        try:
            code = self._process.wait(timeout=self._seconds)
        except TimeoutExpired:
            self.close()
            raise InputError(f"{self.name} did not stop") from None
        if code:
            raise InputError(f"{self.name} ended", found=self._ending())
        return read_run(self.output)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def _ending(self) -> str:
        try:
            code = self._process.wait(timeout=_ENDING_SECONDS)
        except TimeoutExpired:
            self.close()
            return "no answer"
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        last = "".join(one if one.isprintable() else " " for one in lines[-1])[:300] if lines else ""
        return f"exit status {code}: {last}" if code >= 0 else f"signal {-code} {last}"


def _close(process: Popen[bytes], log: IO[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not yet flushed has no reader any more
                pipe.close()
    process.wait()
    log.close()
