"""One engine per runtime, behind one protocol. Runtimes are imported when their engine is opened."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.engines.timed import TimedEngine
from mobilevos.errors import InputError

if TYPE_CHECKING:
    from mobilevos.engines.bundle_engine import BundleEngine

__all__ = [
    "BUNDLE_ENGINES",
    "ENGINES",
    "INT8_REFERENCE",
    "Array",
    "Engine",
    "EngineInfo",
    "Query",
    "TimedEngine",
    "engine_class",
    "engine_for_target",
    "open_engine",
]

BUNDLE_ENGINES = {
    "coreml": "CoreMLEngine",
    "executorch": "ExecutorchEngine",
    "litert": "LitertEngine",
    "onnx": "OnnxEngine",
    "torchscript": "TorchscriptEngine",
}
"""Engines that run bundles: the class in the module `mobilevos.engines.<name>`, a `BundleEngine`."""

INT8_REFERENCE = "int8-reference"
"""PyTorch's reference of what a checkpoint with ranges computes in int8."""

ENGINES = ("eager", INT8_REFERENCE, *BUNDLE_ENGINES)
"""The names that `open_engine` knows."""


def engine_class(name: str) -> type[BundleEngine]:
    """The class of an engine of `BUNDLE_ENGINES`. Its runtime need not be installed until it is opened."""
    return cast("type[BundleEngine]", getattr(import_module(f"mobilevos.engines.{name}"), BUNDLE_ENGINES[name]))


def engine_for_target(target: str) -> str:
    """The name of the engine that runs bundles of a target, e.g. `litert` for `tflite`.

    Raises:
        InputError: There is none.
    """
    for name in BUNDLE_ENGINES:
        if engine_class(name).runtime.target == target:
            return name
    raise InputError(f"no engine runs bundles of target {target[:40]!r}")


def open_engine(
    name: str | None,
    *,
    checkpoint: Path | None = None,
    bundle: Path | None = None,
    threads: int | None = None,
    verify: bool = True,
    isolated: bool | None = None,
) -> Engine:
    """Opens an engine by name.

    A bundle that this user did not export (see `mobilevos.made_here`) runs in a process of its own.

    Args:
        name: One of `ENGINES`; None for the one that the bundle's target takes, or without a bundle `eager`.
        checkpoint: For `eager` and `int8-reference`: the network; the shipped student by default.
        bundle: For every other engine: what it runs.
        threads: CPU threads; None leaves the runtime's choice.
        verify: Compare the bundle's files with their SHA-256. What is not verified counts as a stranger's.
        isolated: Whether the bundle runs in a process of its own; None decides by who made it.

    Raises:
        InputError: The name is unknown, its runtime is not installed, or checkpoint or bundle cannot be used.
    """
    if name is None:
        name = "eager" if bundle is None else _engine_of(bundle)
    if name not in ENGINES:
        raise InputError(f"no engine named {name!r}", expected=f"one of {', '.join(ENGINES)}")
    if name not in BUNDLE_ENGINES:
        return _open_in_pytorch(name, checkpoint, bundle, threads)
    engine = engine_class(name)
    if bundle is None:
        raise InputError(
            f"the {name} engine runs a bundle",
            remedy=f"make one with `python -m export.{engine.runtime.target}` and pass --bundle FOLDER",
        )
    if checkpoint is not None:
        raise InputError(f"the {name} engine runs a bundle, not a checkpoint", remedy="leave out --checkpoint")
    from mobilevos.bundle import Bundle
    from mobilevos.made_here import was_made_here

    opened = Bundle.open(bundle, verify=verify)
    return engine(opened, threads=threads, isolated=not was_made_here(opened) if isolated is None else isolated)


def _engine_of(bundle: Path) -> str:
    from mobilevos.bundle import Bundle

    return engine_for_target(Bundle.open(bundle, verify=False).target)  # verified when it is opened to be run


def _open_in_pytorch(name: str, checkpoint: Path | None, bundle: Path | None, threads: int | None) -> Engine:
    if bundle is not None:
        raise InputError(f"the {name} engine runs no bundle", remedy="pass --engine executorch, or --checkpoint FILE")
    from mobilevos.engines.eager import EagerEngine
    from mobilevos.engines.int8_reference import open_int8_reference
    from mobilevos.model.checkpoint import load_network
    from mobilevos.weights import default_checkpoint, default_int8_checkpoint

    if name == INT8_REFERENCE:
        return open_int8_reference(checkpoint or default_int8_checkpoint() or default_checkpoint(), threads)
    return EagerEngine(load_network(checkpoint or default_checkpoint()), threads=threads)
