"""Opens an engine with a stopwatch. PyTorch is imported only by the engines that need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter_ns

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.engines import BUNDLE_ENGINES, Engine, engine_class
from mobilevos.errors import InputError
from mobilevos.files import sha256_of

__all__ = ["PYTORCH_ENGINES", "OpenedEngine", "open_checkpoint", "open_timed"]

PYTORCH_ENGINES = ("eager", "eager-compiled")
"""Engines that run a checkpoint instead of a bundle."""

_RUNTIME_MODULES = {
    "executorch": ("torch", "executorch.extension.pybindings._C"),  # whose libraries the first one finds
    "litert": ("ai_edge_litert.interpreter",),
    "onnx": ("onnxruntime",),
    "torchscript": ("torch",),
}
"""Imported before the load is timed: a phone's runtime is compiled into its app."""


@dataclass(frozen=True)
class OpenedEngine:
    """An engine, ready.

    Attributes:
        engine: As opened.
        name: Of the runtime.
        precision: Of its arithmetic.
        bundle_sha256: Of the bundle's manifest; None for a checkpoint.
        memory_frames: Capacity of its memory.
        load_ms: From opening to ready, without importing Python modules and comparing hashes.
    """

    engine: Engine
    name: str
    precision: str
    bundle_sha256: str | None
    memory_frames: int
    load_ms: float


def open_timed(name: str, bundle: Path | None, threads: int) -> OpenedEngine:
    """Opens an engine that runs a bundle.

    Args:
        name: Of `BUNDLE_ENGINES`.
        bundle: Its files are compared with their SHA-256.
        threads: CPU threads.

    Raises:
        InputError: No such engine, or it does not run this bundle.
    """
    if name not in BUNDLE_ENGINES:
        raise InputError(f"no engine named {name!r}", expected=", ".join((*PYTORCH_ENGINES, *BUNDLE_ENGINES)))
    if bundle is None:
        raise InputError(f"the {name} engine runs a bundle", remedy="pass --bundle DIR")
    kind, opened = engine_class(name), Bundle.open(bundle)
    if name in _RUNTIME_MODULES and not opened.not_executed:
        try:
            for module in _RUNTIME_MODULES[name]:
                import_module(module)
        except ImportError as error:
            extra = kind.runtime.extra
            raise InputError(
                f"{kind.runtime.title} is not installed", remedy=f"pip install 'mobilevos[{extra}]'"
            ) from error
    engine, load_ms = _timed(lambda: kind(opened, threads=threads))
    frames = opened.dimensions.memory_frames
    return OpenedEngine(engine, name, opened.precision, sha256_of(bundle / MANIFEST), frames, load_ms)


def open_checkpoint(name: str, checkpoint: Path | None, threads: int, memory_frames: int) -> OpenedEngine:
    """Opens an engine of PyTorch. `eager-compiled` compiles when it is first called, not here.

    Args:
        name: Of `PYTORCH_ENGINES`.
        checkpoint: The network; the shipped student by default.
        threads: CPU threads.
        memory_frames: Capacity of its memory.

    Raises:
        InputError: The checkpoint cannot be used, or there is no compiler for `eager-compiled`.
    """
    from benchmarks.compiled import CompiledEngine
    from mobilevos.engines.eager import EagerEngine
    from mobilevos.model.checkpoint import load_network
    from mobilevos.weights import default_checkpoint

    source = checkpoint or default_checkpoint()
    kind = CompiledEngine if name == "eager-compiled" else EagerEngine
    engine, load_ms = _timed(lambda: kind(load_network(source), threads=threads))
    return OpenedEngine(engine, name, "fp32", None, memory_frames, load_ms)


def _timed(make: Callable[[], Engine]) -> tuple[Engine, float]:
    start = perf_counter_ns()
    engine = make()
    return engine, (perf_counter_ns() - start) / 1e6
