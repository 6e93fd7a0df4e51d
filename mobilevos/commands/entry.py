"""How every program of the project starts and ends: exit codes, and an error as one line."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType

import typer
from typer.exceptions import Exit, TyperException

from mobilevos.errors import InputError

__all__ = ["run"]

INPUT_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count
CLOSED_PIPE = 141  # 128 + SIGPIPE


def run(app: typer.Typer, argv: Sequence[str] | None = None, *, program: str = "mobilevos") -> int:
    """Runs a program and turns what went wrong into one line on stderr and an exit code.

    Only what the user can mend is caught: any other exception is a bug, and its traceback is wanted.

    Args:
        app: The program's commands.
        argv: Arguments without the program's name; those of the process when not given.
        program: How the user called it, for the usage line of `--help`.

    Returns:
        0 if all went well, 2 for bad input or bad usage, 130 for an end by Ctrl-C or `kill`, after which nothing half
        written is left, 141 where the reader of the output went away.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be text, a table must not fail over it
    command = typer.main.get_command(app)
    try:
        arguments = list(sys.argv[1:] if argv is None else argv)
        with _terminated_as_interrupted(), command.make_context(program, arguments) as context:
            command.invoke(context)
    except Exit as end:  # --help and --version
        return end.exit_code
    except InputError as error:
        return _fail(str(error), INPUT_ERROR)
    except TyperException as error:
        return _fail(f"{error.format_message()} (--help shows the usage)", INPUT_ERROR)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # who read the output has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # which Python still flushes at its end
        return CLOSED_PIPE
    return 0


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Lets a `kill` end the block as Ctrl-C does, so that temporary files and phones are cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str, code: int) -> int:
    print(f"mobilevos: error: {' '.join(message.split())}", file=sys.stderr)
    return code
