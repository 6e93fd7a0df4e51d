"""ONNX Runtime on the CPU. PyTorch is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Dimensions, TensorSpec, signature
from mobilevos.engines.bundle_engine import BundleEngine, Runtime
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError

__all__ = ["OnnxEngine", "session_options"]

_REMEDY = "export the bundle again"


class OnnxEngine(BundleEngine):
    """Runs a bundle's `.onnx` files. See `BundleEngine`.

    `threads` sizes the pool of each component's session.
    """

    runtime = Runtime("onnx", "ONNX Runtime", "onnx", {"onnxruntime": "onnxruntime"}, "onnx")

    def _load(self, bundle: Bundle, threads: int | None) -> None:
        self._sessions = {name: _open(bundle, name, threads) for name in COMPONENTS}

    def _call(self, component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        session = self._sessions[component]
        names = [tensor.name for tensor in session.get_inputs()]
        try:
            outputs: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
        except Exception as error:  # the runtime's exceptions have no class of their own in common
            raise RuntimeError(str(error)) from error
        return outputs


def session_options(threads: int | None = None) -> Any:
    """`onnxruntime.SessionOptions` that every file of this project is run with.

    Activations stay int8, as they always do on a phone's ARM. On x86 ONNX Runtime would turn some of them into uint8,
    for the sake of an instruction that saturates sums, and leave operators between the two kinds in float: with the
    shipped student at 64x96 a quarter of the decoder's convolutions, and 7 dB of what is memorised.

    Args:
        threads: Size of the session's pool; None leaves it to the runtime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong comes as an exception
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    return options


def _open(bundle: Bundle, component: str, threads: int | None) -> Any:
    """An `InferenceSession` that takes and gives what the contract says."""
    import onnxruntime

    path, _ = bundle.artefact(component)
    try:
        session = onnxruntime.InferenceSession(path, session_options(threads), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{path} is not a readable model", found=str(error)[:200], remedy=_REMEDY) from error
    _check_tensors(path, session, bundle, component)
    return session


def _check_tensors(path: Path, session: Any, bundle: Bundle, component: str) -> None:
    expected = _expected(bundle, component)
    found = [_text(one.name, one.type, one.shape) for one in (*session.get_inputs(), *session.get_outputs())]
    if found != expected:
        raise InputError(
            f"{path} does not follow the contract of {component}",
            expected=" ".join(expected),
            found=" ".join(found)[:400],
            remedy=_REMEDY,
        )


def _expected(bundle: Bundle, component: str) -> list[str]:
    """The contract's tensors; a dimension that follows a free number of objects has no size."""
    d = bundle.dimensions
    more = replace(d, objects=d.objects + bundle.dynamic_objects)
    pairs = zip(_tensors(component, d), _tensors(component, more), strict=True)
    return [
        _text(one.name, "tensor(float)", [a if a == b else None for a, b in zip(one.shape, other.shape, strict=True)])
        for one, other in pairs
    ]


def _tensors(component: str, dimensions: Dimensions) -> tuple[TensorSpec, ...]:
    contract = signature(component, dimensions)
    return (*contract.inputs, *contract.outputs)


def _text(name: str, kind: str, shape: list[int | str | None]) -> str:
    sides = [str(side) if isinstance(side, int) else "objects" for side in shape]
    return f"{name} {kind} {'x'.join(sides)}"
