"""`python -m mobilevos.engines.engine_server`: opens bundles and runs their components for the process that started it.

See `EngineProcess`, which does.
"""

from __future__ import annotations

import resource
import signal
import sys
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mobilevos.bundle import Bundle
from mobilevos.engines import engine_class
from mobilevos.engines.bundle_engine import BundleEngine, boundary
from mobilevos.engines.channel import receive_arrays, receive_message, send_arrays, send_message
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError

__all__ = ["main", "serve"]


def serve(connection: Connection) -> None:
    """Answers requests until the other side goes.

    A request opens a bundle, in the place of the last one, or calls a component of the open one. An answer is an empty
    message, followed by the outputs of a call; or the parts of the `InputError` that came instead. Any other exception
    ends the process.
    """
    engine: BundleEngine | None = None
    while True:
        try:
            request = receive_message(connection)
        except EOFError:
            return
        outputs: list[Array] = []
        try:
            if "bundle" in request:
                engine = None  # frees what it holds before the next one is loaded
                engine = _open(**request)
            else:
                assert engine is not None, "a component is called before a bundle is open"
                outputs = _call(engine, connection, **request)
        except InputError as error:
            send_message(connection, _parts(error))
        else:
            send_message(connection, {})
            send_arrays(connection, outputs)


def _open(engine: str, bundle: str, threads: int | None) -> BundleEngine:
    # What verification there was to be, the other side has done.
    return engine_class(engine)(Bundle.open(Path(bundle), verify=False), threads=threads)


def _call(engine: BundleEngine, connection: Connection, component: str, objects: int) -> list[Array]:
    expected = boundary(component, replace(engine.bundle.dimensions, objects=objects))
    return list(engine.run_component(component, objects, *receive_arrays(connection, expected.inputs)))


def _parts(error: InputError) -> dict[str, Any]:
    parts = {"what": error.what, "expected": error.expected, "found": error.found, "remedy": error.remedy}
    return {name: text[:1000] for name, text in parts.items()}


def main(descriptor: int, memory: int) -> None:
    """Serves at an inherited end of a pipe.

    Args:
        descriptor: Its file descriptor.
        memory: Largest size of the process's data, in bytes: what asks for more is refused or ends the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other side's business, which then closes the pipe
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with Connection(descriptor) as connection:
        serve(connection)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
