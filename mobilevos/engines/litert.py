"""LiteRT, the runtime of TFLite models, with XNNPACK on a processor. It needs neither TensorFlow nor PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Signature, TensorSpec
from mobilevos.engines.bundle_engine import BundleEngine, Runtime
from mobilevos.engines.engine import Array
from mobilevos.engines.native_stderr import capture_native_stderr
from mobilevos.errors import InputError

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter, SignatureRunner

__all__ = ["LitertEngine", "check_identifier"]

_IDENTIFIER = b"TFL3"


class LitertEngine(BundleEngine):
    """Runs a bundle's `.tflite`. See `BundleEngine`.

    A model with channels last at its boundary is given what it wants, at the price of a copy here.

    `threads` is this engine's own number; without it, LiteRT takes one.
    """

    runtime = Runtime("litert", "LiteRT", "tflite", {"ai_edge_litert": "ai-edge-litert"}, "tflite")

    def _load(self, bundle: Bundle, threads: int | None) -> None:
        self._models: dict[Path, Interpreter] = {}
        self._runners: dict[str, SignatureRunner] = {}
        self._own = {name: bundle.artefact_signature(name) for name in COMPONENTS}
        for component, own in self._own.items():
            path, name = bundle.artefact(component)
            self._runners[component] = self._runner(path, name, own, threads)

    def _runner(self, path: Path, name: str, own: Signature, threads: int | None) -> SignatureRunner:
        from ai_edge_litert.interpreter import Interpreter

        if path not in self._models:
            check_identifier(path)
            with _refusing(f"{path} is not a readable model"):
                self._models[path] = Interpreter(model_path=str(path), num_threads=threads)
        with _refusing(f"{path}: signature {name!r} cannot be loaded"):
            runner = self._models[path].get_signature_runner(name)
            found = (_tensors(runner.get_input_details()), _tensors(runner.get_output_details()))
            if found != (_expected(own.inputs), _expected(own.outputs)):
                raise ValueError(f"not the tensors that the manifest says, but {found}")
            # The delegate prepares a signature when it is first called: better now than at the first frame.
            runner(**{spec.name: np.zeros(spec.shape, np.float32) for spec in own.inputs})
        return runner

    def _call(self, component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        own = self._own[component]
        given = {spec.name: _laid_out(array, spec) for spec, array in zip(own.inputs, inputs, strict=True)}
        outputs = self._runners[component](**given)
        return [_channels_first(outputs[spec.name], spec) for spec in own.outputs]


def check_identifier(path: Path) -> None:
    """Refuses a file that is not a TFLite model before the runtime sees it.

    Raises:
        InputError: Bytes 4 to 7 are not `TFL3`, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    if head[4:] != _IDENTIFIER:
        raise InputError(f"{path} is not a TFLite model", expected="the identifier TFL3", found=repr(head[4:]))


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turns the runtime's errors into one line, and keeps its greeting off the terminal."""
    try:
        with capture_native_stderr():
            yield
    except (RuntimeError, ValueError, LookupError) as error:
        raise InputError(what, found=str(error)[:200], remedy="export the bundle again") from error


def _laid_out(array: Array, spec: TensorSpec) -> Array:
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if spec.layout == "NHWC" else array


def _channels_first(array: Array, spec: TensorSpec) -> Array:
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if spec.layout == "NHWC" else array


_Tensors = dict[str, tuple[tuple[int, ...], str]]


def _expected(specs: Sequence[TensorSpec]) -> _Tensors:
    return {spec.name: (spec.shape, spec.dtype) for spec in specs}


def _tensors(details: dict[str, dict[str, Any]]) -> _Tensors:
    return {name: (tuple(map(int, one["shape"])), np.dtype(one["dtype"]).name) for name, one in details.items()}
