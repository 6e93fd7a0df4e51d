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
_FREE = "objects"
"""Name of the dimension that a file leaves open."""


class OnnxEngine(BundleEngine):
    """Runs a bundle's `.onnx` files. See `BundleEngine`.

    `threads` sizes the pool of each component's session. A session is opened for the number of objects of the call, and
    again when that changes: with a free dimension ONNX Runtime lays out less in advance, and the decoder takes a fifth
    longer.
    """

    runtime = Runtime("onnx", "ONNX Runtime", "onnx", {"onnxruntime": "onnxruntime"}, "onnx")

    def _load(self, bundle: Bundle, threads: int | None) -> None:
        self._threads = threads
        self._free = {name: _free_dimension(_checked(bundle, name, threads)) for name in COMPONENTS}
        own = {name: bundle.dimensions.objects if free else 0 for name, free in self._free.items()}
        self._sessions = {name: (objects, _open(bundle, name, threads, objects)) for name, objects in own.items()}

    def _call(self, component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        session = self._session(component, inputs)
        names = [tensor.name for tensor in session.get_inputs()]
        try:
            outputs: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
        except Exception as error:  # the runtime's exceptions have no class of their own in common
            raise RuntimeError(str(error)) from error
        return outputs

    def _session(self, component: str, inputs: tuple[Array, ...]) -> Any:
        """For the number of objects that the inputs have."""
        place = self._free[component]
        objects = inputs[place[0]].shape[place[1]] if place else 0
        opened, session = self._sessions[component]
        if opened != objects:
            session = _open(self._bundle, component, self._threads, objects)
            self._sessions[component] = objects, session
        return session


def session_options(threads: int | None = None) -> Any:
    """`onnxruntime.SessionOptions` that every file of this project is run with.

    Activations stay int8, as they always do on a phone's ARM. On x86 ONNX Runtime would turn some of them into uint8,
    for the sake of an instruction that saturates sums, and leave operators between the two kinds in float: with the
    shipped student at 64x96 a quarter of the decoder's convolutions, and 7 dB of what is memorised.

    Threads stop with their call. As ONNX Runtime leaves them, they wait in a loop for 50 ms more, on the cores that the
    next component's session needs: five steps and a memorised frame at 480x864 on 2 cores take a sixth less without.

    Args:
        threads: Size of the session's pool; None leaves it to the runtime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong comes as an exception
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _open(bundle: Bundle, component: str, threads: int | None, objects: int = 0) -> Any:
    """An `InferenceSession`, for one number of objects; for any with 0."""
    import onnxruntime

    path, _ = bundle.artefact(component)
    options = session_options(threads)
    if objects:
        options.add_free_dimension_override_by_name(_FREE, objects)
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{path} is not a readable model", found=str(error)[:200], remedy=_REMEDY) from error


def _checked(bundle: Bundle, component: str, threads: int | None) -> Any:
    """An `InferenceSession` that takes and gives what the contract says."""
    session = _open(bundle, component, threads)
    _check_tensors(bundle.artefact(component)[0], session, bundle, component)
    return session


def _free_dimension(session: Any) -> tuple[int, int] | None:
    """The input and its axis that tell the number of objects; None where it is not free."""
    inputs = enumerate(session.get_inputs())
    return next(((place, one.shape.index(_FREE)) for place, one in inputs if _FREE in one.shape), None)


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
    sides = [str(side) if isinstance(side, int) else _FREE for side in shape]
    return f"{name} {kind} {'x'.join(sides)}"
