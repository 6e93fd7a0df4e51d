"""The network behind `torch.compile`: what PyTorch itself gets out of a processor when it may generate code."""

from __future__ import annotations

import os
import shutil
from typing import Any

import torch

from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Array, EngineInfo, Query
from mobilevos.errors import InputError
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork

__all__ = ["CompiledEngine", "missing_compiler"]


def missing_compiler() -> str:
    """Why `torch.compile` cannot work here, in a line; empty if it can."""
    wanted = os.environ.get("CXX") or "g++"
    found = shutil.which(wanted) or shutil.which("clang++")
    return "" if found else f"torch.compile needs a C++ compiler: no {wanted} on the path"


class CompiledEngine(EagerEngine):
    """The contract's components, batch norm folded, weights frozen, each compiled for the first shapes it meets.

    Args:
        network: A student.
        threads: CPU threads, for the whole process; None leaves them as they are.

    Raises:
        InputError: There is no compiler.
    """

    def __init__(self, network: MemoryNetwork, *, threads: int | None = None) -> None:
        if reason := missing_compiler():
            raise InputError(reason, remedy="install one, or leave out eager-compiled")
        super().__init__(network, threads=threads)
        components = build_components(fold_batch_norm(network))
        self._compiled: dict[str, Any] = {
            name: torch.compile(module, dynamic=False, options={"freezing": True})
            for name, module in components.items()
        }
        self._compiled_info = EngineInfo(**vars(super().info) | {"name": "eager-compiled-fp32"})

    @property
    def info(self) -> EngineInfo:
        """Facts of this engine."""
        return self._compiled_info

    def encode_query(self, image: Array) -> Query:
        """See `Engine.encode_query`."""
        return Query(*self._run("encode_query", image))

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """See `Engine.encode_memory`."""
        key, value = self._run("encode_memory", query.key, query.feature16, query.feature8, masks, others)
        return key, value

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """See `Engine.read_memory`."""
        return self._run("read_memory", query.key, memory_keys, memory_values)[0]

    def decode(self, readout: Array, query: Query) -> Array:
        """See `Engine.decode`."""
        assert query.feature4 is not None, "a fused step keeps feature4 inside, and decodes by itself"
        return self._run("decode", readout, query.feature16, query.feature8, query.feature4)[0]

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        """See `Engine.segment`."""
        logits, key, feature16, feature8 = self._run("segment", image, memory_keys, memory_values)
        return logits, Query(key, feature16, feature8, None)

    @torch.inference_mode()
    def _run(self, component: str, *inputs: Array) -> list[Array]:
        tensors = []
        for array in inputs:
            tensor = self._tensor(array)
            tensors.append(tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor)
        outputs = self._compiled[component](*tensors)
        # Its code may hand out the same memory again: copies, as an engine's outputs are the caller's.
        return [one.contiguous().numpy() for one in ((outputs,) if isinstance(outputs, torch.Tensor) else outputs)]
