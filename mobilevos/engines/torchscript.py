"""TorchScript, run by PyTorch itself without any of this project's model code.

A TorchScript archive is a program: it can hold any operator that PyTorch has registered. Its constants and attributes
are pickled, for PyTorch's C++ reader, which imports nothing, but was not made for hostile files. So an archive is
loaded only from a bundle that was opened, and that of a stranger in a process of its own; which has the user's rights,
all the same. Prefer another engine for bundles of strangers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Signature, signatures
from mobilevos.engines.bundle_engine import BundleEngine, Runtime
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TorchscriptEngine"]


class TorchscriptEngine(BundleEngine):
    """Runs a bundle's `.pt` files. See `BundleEngine`.

    `threads` are PyTorch's, for the whole process.
    """

    runtime = Runtime("torchscript", "TorchScript", "torchscript", {"torch": "torch"}, "")

    def _load(self, bundle: Bundle, threads: int | None) -> None:
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        contract = signatures(bundle.dimensions)
        self._modules = {name: _open(bundle.artefact(name)[0], contract[name]) for name in COMPONENTS}

    def _call(self, component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        import torch

        with torch.inference_mode():
            outputs: Tensor | tuple[Tensor, ...] = self._modules[component](*map(torch.from_numpy, inputs))
        tensors = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        return [tensor.contiguous().numpy() for tensor in tensors]


def _open(path: Path, contract: Signature) -> Any:
    """A `ScriptModule` with as many inputs as the contract; what they hold shows when it is called."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated
            module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
            found = len(list(module.graph.inputs())) - 1  # the first is the module itself
    except (RuntimeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a readable program", found=str(error)[:200], remedy="export the bundle again"
        ) from error
    if found != len(contract.inputs):
        raise InputError(
            f"{path} does not follow the contract of {contract.component}",
            expected=f"{len(contract.inputs)} inputs",
            found=str(found),
            remedy="export the bundle again",
        )
    return module
