"""ExecuTorch, through the runtime that its wheel brings (XNNPACK on a CPU)."""

from __future__ import annotations

from collections.abc import Sequence

from mobilevos.bundle import Bundle
from mobilevos.engines.bundle_engine import BundleEngine, Runtime
from mobilevos.engines.engine import Array
from mobilevos.engines.executorch_program import BundlePrograms, set_threads

__all__ = ["ExecutorchEngine"]


class ExecutorchEngine(BundleEngine):
    """Runs a bundle's `.pte`. See `BundleEngine`.

    `threads` sizes ExecuTorch's pool, for this engine and every other of the process.
    """

    runtime = Runtime("executorch", "ExecuTorch", "executorch", {"executorch": "executorch"}, "executorch")

    def _load(self, bundle: Bundle, threads: int | None) -> None:
        if threads is not None:
            set_threads(threads)
        self._programs = BundlePrograms(bundle)

    def _call(self, component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        import torch

        outputs = self._programs.method(component)([torch.from_numpy(array) for array in inputs])
        return [output.numpy() for output in outputs]  # the runtime's copies: its own buffers serve the next call
