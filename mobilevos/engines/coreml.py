"""Core ML: Apple's runtime on a Mac, elsewhere the MIL interpreter, which evaluates the same saved program.

Where a bundle has a stateful step, that runs the fused steps: the bank stays in the program's state, and of the bank
that the loop hands over only what is new is written into it.
"""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mobilevos.bundle import Bundle
from mobilevos.contract import STATEFUL_STEP, Signature
from mobilevos.engines.bundle_engine import BundleEngine, Runtime
from mobilevos.engines.coreml_state import KeptBank
from mobilevos.engines.engine import Array, EngineInfo
from mobilevos.engines.mil import EVALUATED_BY, Interpreter, MilFunction, MilState, MilTensor, read_functions
from mobilevos.engines.mil.toolkit import compute_unit, import_coremltools
from mobilevos.errors import InputError

__all__ = ["CoreMLEngine"]

_ON_MAC = platform.system() == "Darwin"

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "uint8": torch.float32}
"""What MIL declares for a tensor of the contract; images are float32 inside."""


class CoreMLEngine(BundleEngine):
    """Runs a bundle's `.mlpackage` files.

    Args:
        bundle: Of target `coreml`.
        fused: Run `segment` as one program; otherwise as its three components.
        threads: CPU threads of PyTorch, which the interpreter computes with, for the whole process; None leaves them
            as they are. Core ML chooses its own.

    Raises:
        InputError: Core ML Tools is not installed, or the bundle is of another target, is damaged, or does not follow
            the contract.
    """

    runtime = Runtime("coreml", "Core ML Tools", "coreml", {"coremltools": "coremltools"}, "coreml")

    def _load(self, bundle: Bundle, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        functions = cache(read_functions)  # the components of a multifunction package share it
        self._programs: dict[str, _Program] = {}
        for component in bundle.manifest["components"]:
            path, name = bundle.artefact(component)
            function = functions(path).get(name)
            if function is None:
                raise InputError(
                    f"{path} has no function {name[:60]!r} for {component}", remedy="export the bundle again"
                )
            _check(path, function, bundle.artefact_signature(component))
            self._programs[component] = self._program(bundle, component, path, function)
        self._kept = KeptBank(bundle.dimensions)
        self._state: Any = None

    @property
    def fused_step(self) -> str:
        """The stateful one if the bundle has it."""
        return STATEFUL_STEP if STATEFUL_STEP in self._bundle.manifest["components"] else super().fused_step

    def _program(self, bundle: Bundle, component: str, path: Path, function: MilFunction) -> _Program:
        if _ON_MAC:
            details = bundle.manifest["components"][component].get("details", {})
            return _AppleProgram(path, function, str(details.get("compute_units", "all")))
        return _InterpretedProgram(path, function)

    def _call(self, component: str, inputs: tuple[Array, ...]) -> list[Array]:
        signature = self._bundle.artefact_signature(component)
        outputs = self._step(*inputs) if component == STATEFUL_STEP else self._run(component, *inputs)
        return [outputs[spec.name] for spec in signature.outputs]

    def _run(self, component: str, *inputs: Array, state: Any = None) -> Mapping[str, Array]:
        """Runs a program on the inputs of its signature; gives its outputs by name."""
        specs = self._bundle.artefact_signature(component).inputs
        given = {spec.name: array for spec, array in zip(specs, inputs, strict=True)}
        return self._programs[component].run(given, state)

    def _step(self, image: Array, memory_keys: Array, memory_values: Array) -> Mapping[str, Array]:
        """A step of the stateful program, after which its state holds this bank.

        In the loop it is one call. A bank of which more than one slot is new takes one for each.
        """
        kept = self._kept
        update = kept.update(memory_keys, memory_values)
        try:
            if update.fresh:
                self._state = self._programs[STATEFUL_STEP].make_state()
            for slot in update.slots or (None,):
                key, value = kept.rows(memory_keys, memory_values, slot or 0)
                write = np.zeros(self._bundle.dimensions.memory_frames, np.float32)
                if slot is not None:
                    write[slot] = 1
                new = (key, np.ascontiguousarray(value), write)
                outputs = self._run(STATEFUL_STEP, image, *new, state=self._state)
        except BaseException:  # whatever stopped it may have stopped it half-way
            kept.forget()
            raise
        return outputs

    @property
    def info(self) -> EngineInfo:
        """Facts of this engine; its name says what evaluates the programs."""
        info = super().info
        return info if _ON_MAC else replace(info, name=f"{info.name} (MIL interpreter)")

    def describe(self) -> dict[str, Any]:
        """Facts for reports: also what evaluates the programs, and whether a state holds the bank."""
        facts = super().describe() | ({} if _ON_MAC else {"evaluated": EVALUATED_BY})
        return facts | ({"fused_step": STATEFUL_STEP} if self.fused_step == STATEFUL_STEP and self._fused else {})


class _Program(ABC):
    """A component that can be run."""

    @abstractmethod
    def run(self, inputs: Mapping[str, Array], state: Any = None) -> Mapping[str, Array]:
        """Outputs by name; a stateful program reads and changes `state`."""

    @abstractmethod
    def make_state(self) -> Any:
        """A fresh state for `run`, all zeros."""


class _InterpretedProgram(_Program):
    def __init__(self, path: Path, function: MilFunction) -> None:
        self._interpreter = Interpreter(function, str(path))

    def make_state(self) -> MilState:
        return self._interpreter.make_state()

    def run(self, inputs: Mapping[str, Array], state: MilState | None = None) -> Mapping[str, Array]:
        tensors = {
            tensor.name: torch.from_numpy(_levels(inputs[tensor.name]) if tensor.image else inputs[tensor.name])
            for tensor in self._interpreter.function.inputs
        }
        outputs = self._interpreter(tensors, state=state)
        # Copied: what a program only reshapes lies in its caller's array.
        return {name: np.array(output.numpy(), np.float32, order="C") for name, output in outputs.items()}


class _AppleProgram(_Program):  # never run where this project is tested
    def __init__(self, path: Path, function: MilFunction, units: str) -> None:
        ct = import_coremltools()
        name = None if function.name == "main" else function.name
        self._images = {tensor.name for tensor in function.inputs if tensor.image}
        try:
            self._model = ct.models.MLModel(str(path), compute_units=compute_unit(units), function_name=name)
        except Exception as error:  # the toolkit's, around Core ML's
            raise InputError(f"{path} cannot be loaded by Core ML", found=str(error)[:200]) from error

    def make_state(self) -> Any:
        return self._model.make_state()

    def run(self, inputs: Mapping[str, Array], state: Any = None) -> Mapping[str, Array]:
        given = {name: _image(array) if name in self._images else array for name, array in inputs.items()}
        outputs = self._model.predict(given, state=state)
        return {name: np.array(output, np.float32, order="C") for name, output in outputs.items()}


def _levels(frame: Array) -> Array:
    """A frame in 0..1 as an 8-bit image holds it: whole levels of 0..255."""
    levels: Array = np.rint(np.clip(frame, 0, 1) * np.float32(255))
    return levels


def _image(frame: Array) -> Any:
    from PIL import Image

    return Image.fromarray(_levels(frame)[0].transpose(1, 2, 0).astype(np.uint8), "RGB")


def _check(path: Path, function: MilFunction, signature: Signature) -> None:
    """Compares a function with what the manifest says of it."""
    expected = [
        [MilTensor(spec.name, spec.shape, _DTYPES[spec.dtype], spec.dtype == "uint8") for spec in side]
        for side in (signature.inputs, signature.outputs, signature.states)
    ]
    for wanted, found in zip(expected, (function.inputs, function.outputs, function.states), strict=True):
        if {one.name: one for one in wanted} != {one.name: one for one in found}:
            raise InputError(
                f"{path}: function {function.name!r} does not follow the contract of {signature.component}",
                expected=_text(wanted),
                found=_text(found)[:300],
                remedy="export the bundle again",
            )


def _text(tensors: Iterable[MilTensor]) -> str:
    return " ".join(
        f"{one.name} {str(one.dtype).removeprefix('torch.')}{list(one.shape)}{' image' if one.image else ''}"
        for one in tensors
    )
