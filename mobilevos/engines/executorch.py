"""ExecuTorch, through the runtime that its wheel brings (XNNPACK on a CPU)."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec

import numpy as np

from mobilevos.bundle import Bundle
from mobilevos.contract import Signature, signatures
from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.engines.executorch_program import BundlePrograms, check_identifier, set_threads
from mobilevos.errors import InputError

__all__ = ["ExecutorchEngine", "check_identifier"]


class ExecutorchEngine(Engine):
    """Runs a bundle's `.pte`.

    The runtime takes what it is given: other strides give wrong numbers, without an error. So every input is checked
    against the contract and laid out in C order; one that lies so already is handed over without a copy of its own.

    Args:
        bundle: Of target `executorch`.
        fused: Run `segment` as one program; otherwise as its three components.
        threads: CPU threads of ExecuTorch's pool, for this engine and every other of the process; None leaves the
            pool as it is.

    Raises:
        InputError: ExecuTorch is not installed, or the bundle is of another target, is no program, or has methods
            that do not follow the contract.
    """

    def __init__(self, bundle: Bundle, *, fused: bool = True, threads: int | None = None) -> None:
        if bundle.target != "executorch":
            raise InputError(f"{bundle.folder} is for another runtime", expected="executorch", found=bundle.target)
        if find_spec("executorch") is None:
            raise InputError("ExecuTorch is not installed", remedy="pip install 'mobilevos[executorch]'")
        self._bundle, self._fused = bundle, fused
        self._signatures = signatures(bundle.dimensions)
        if threads is not None:
            set_threads(threads)
        self._programs = BundlePrograms(bundle)
        d = bundle.dimensions
        self._info = EngineInfo(
            name=f"executorch-{bundle.precision}",
            key_channels=d.key_channels,
            value_channels=d.value_channels,
            input_size=(d.height, d.width),
            memory_frames=d.memory_frames,
            objects=d.objects,
            versions={"executorch": version("executorch")},
        )

    @property
    def info(self) -> EngineInfo:
        """Facts of this engine."""
        return self._info

    def encode_query(self, image: Array) -> Query:
        """See `Engine.encode_query`."""
        return Query(*self._run("encode_query", image))

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """See `Engine.encode_memory`. More objects than the program takes are run in turns."""
        features = (query.key, query.feature16, query.feature8)
        parts = [self._run("encode_memory", *features, *turn) for turn in self._turns(masks, others)]
        return parts[0][0], self._join([part[1] for part in parts], len(masks))

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """See `Engine.read_memory`."""
        parts = [self._run("read_memory", query.key, memory_keys, *turn)[0] for turn in self._turns(memory_values)]
        return self._join(parts, len(memory_values))

    def decode(self, readout: Array, query: Query) -> Array:
        """See `Engine.decode`."""
        assert query.feature4 is not None, "a fused step keeps feature4 inside, and decodes by itself"
        features = (query.feature16, query.feature8, query.feature4)
        parts = [self._run("decode", *turn, *features)[0] for turn in self._turns(readout)]
        return self._join(parts, len(readout))

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        """See `Engine.segment`."""
        objects = len(memory_values)
        if not self._fused or objects > self._bundle.dimensions.objects:
            return super().segment(image, memory_keys, memory_values)
        (values,) = next(iter(self._turns(memory_values)))
        logits, key, feature16, feature8 = self._run("segment", image, memory_keys, values)
        return logits[:objects], Query(key, feature16, feature8, None)

    def _turns(self, *arrays: Array) -> list[tuple[Array, ...]]:
        """Arrays `[O, ...]` in pieces of the program's number of objects, the last filled up with zeros."""
        size = self._bundle.dimensions.objects
        turns = []
        for start in range(0, len(arrays[0]), size):
            pieces = [array[start : start + size] for array in arrays]
            missing = size - len(pieces[0])
            if missing:
                pieces = [np.concatenate([p, np.zeros((missing, *p.shape[1:]), p.dtype)]) for p in pieces]
            turns.append(tuple(pieces))
        return turns

    def _join(self, parts: list[Array], objects: int) -> Array:
        return parts[0][:objects] if len(parts) == 1 else np.concatenate(parts)[:objects]

    def _run(self, component: str, *inputs: Array) -> list[Array]:
        import torch

        signature = self._signatures[component]
        _check_inputs(signature, inputs)
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in inputs]
        try:
            outputs = self._programs.method(component)(tensors)
        except RuntimeError as error:
            raise InputError(
                f"{self._bundle.folder} cannot run {component}", found=str(error), remedy="export the bundle again"
            ) from error
        return [output.numpy() for output in outputs]  # the runtime's copies: its own buffers serve the next call


def _check_inputs(signature: Signature, inputs: tuple[Array, ...]) -> None:
    for spec, array in zip(signature.inputs, inputs, strict=True):
        if array.shape != spec.shape or array.dtype != np.float32:
            raise InputError(
                f"{signature.component}: input {spec.name}",
                expected=f"float32 {list(spec.shape)}",
                found=f"{array.dtype} {list(array.shape)}",
            )
