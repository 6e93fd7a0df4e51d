"""One engine per runtime, behind one protocol. Runtimes are imported when their engine is opened."""

from __future__ import annotations

from pathlib import Path

from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.engines.timed import TimedEngine
from mobilevos.errors import InputError

__all__ = ["ENGINES", "Array", "Engine", "EngineInfo", "Query", "TimedEngine", "open_engine"]

ENGINES = ("eager", "executorch")
"""The names that `open_engine` knows."""


def open_engine(
    name: str, *, checkpoint: Path | None = None, bundle: Path | None = None, threads: int | None = None
) -> Engine:
    """Opens an engine by name.

    Args:
        name: One of `ENGINES`.
        checkpoint: For `eager`: the network; the shipped student by default.
        bundle: For every other engine: what it runs.
        threads: CPU threads for the whole process; None leaves the runtime's choice.

    Raises:
        InputError: The name is unknown, its runtime is not installed, or checkpoint or bundle cannot be used.
    """
    if name not in ENGINES:
        raise InputError(f"no engine named {name!r}", expected=f"one of {', '.join(ENGINES)}")
    if name == "eager":
        if bundle is not None:
            raise InputError("the eager engine runs no bundle", remedy="pass --engine executorch, or --checkpoint FILE")
        from mobilevos.engines.eager import EagerEngine
        from mobilevos.model.checkpoint import load_network
        from mobilevos.weights import default_checkpoint

        return EagerEngine(load_network(checkpoint or default_checkpoint()), threads=threads)
    if bundle is None:
        raise InputError(
            f"the {name} engine runs a bundle",
            remedy=f"make one with `python -m export.{name}` and pass --bundle FOLDER",
        )
    if checkpoint is not None:
        raise InputError(f"the {name} engine runs a bundle, not a checkpoint", remedy="leave out --checkpoint")
    from mobilevos.bundle import Bundle
    from mobilevos.engines.executorch import ExecutorchEngine

    return ExecutorchEngine(Bundle.open(bundle), threads=threads)
