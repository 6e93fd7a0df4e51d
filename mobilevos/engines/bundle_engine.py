"""What every engine that runs a bundle has in common: the contract at its boundary, and objects in turns.

A runtime takes what it is given, and with other strides or shapes some of them compute wrong numbers without an error.
So every input is checked against the contract and laid out in C order before a runtime sees it; one that lies so
already is handed over without a copy.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from mobilevos.bundle import Bundle
from mobilevos.contract import STATEFUL_STEP, Dimensions, Signature, signature
from mobilevos.engines.engine import Array, Engine, EngineInfo, Query
from mobilevos.engines.engine_process import EngineProcess
from mobilevos.errors import InputError

__all__ = ["BundleEngine", "Runtime", "boundary"]


@dataclass(frozen=True)
class Runtime:
    """What runs a bundle.

    Attributes:
        name: Of the engine, as `open_engine` knows it.
        title: For people.
        target: Of the bundles that it runs.
        packages: What it imports, each with the name under which pip knows it; their versions are the engine's.
        extra: Of `pip install 'mobilevos[extra]'`, which brings it; empty if it comes with the library.
    """

    name: str
    title: str
    target: str
    packages: dict[str, str]
    extra: str


def boundary(component: str, dimensions: Dimensions) -> Signature:
    """What the loop hands to a component's program, and gets from it.

    That is the contract's, but for the stateful step: it is handed the whole bank as `segment` is, and the engine finds
    out what is new in it.
    """
    if component == STATEFUL_STEP:
        return replace(signature("segment", dimensions), component=component)
    return signature(component, dimensions)


class BundleEngine(Engine):
    """An engine over a bundle. A runtime's subclass names its `runtime` and writes `_load` and `_call`.

    Args:
        bundle: Of the runtime's target.
        fused: Run `segment` as one program; otherwise as its three components.
        threads: CPU threads; None leaves them to the runtime.
        isolated: Load and run the programs in a process of their own, which may crash without harm to this one.

    Raises:
        InputError: The runtime is not installed, or the bundle is of another target or cannot be loaded.
    """

    runtime: ClassVar[Runtime]

    def __init__(
        self, bundle: Bundle, *, fused: bool = True, threads: int | None = None, isolated: bool = False
    ) -> None:
        runtime = self.runtime
        if bundle.target != runtime.target:
            raise InputError(f"{bundle.folder} is for another runtime", expected=runtime.target, found=bundle.target)
        if bundle.not_executed:
            raise InputError(f"{bundle.folder} does not run here", found=bundle.not_executed)
        if any(find_spec(package) is None for package in runtime.packages):
            raise InputError(f"{runtime.title} is not installed", remedy=f"pip install 'mobilevos[{runtime.extra}]'")
        self._bundle, self._fused = bundle, fused
        self._objects = None if bundle.dynamic_objects else bundle.dimensions.objects
        self._boundaries: dict[tuple[str, int], _Boundary] = {}
        self._process = EngineProcess() if isolated else None
        if self._process is None:
            self._load(bundle, threads)
        else:
            self._process.open(runtime.name, bundle.folder, threads)
        d = bundle.dimensions
        self._info = EngineInfo(
            name=f"{runtime.name}-{bundle.precision}",
            key_channels=d.key_channels,
            value_channels=d.value_channels,
            input_size=(d.height, d.width),
            memory_frames=d.memory_frames,
            objects=self._objects,
            versions={name: version(name) for name in runtime.packages.values()},
        )

    @abstractmethod
    def _load(self, bundle: Bundle, threads: int | None) -> None:
        """Loads every component.

        Raises:
            InputError: An artefact is damaged or does not follow the contract.
        """

    @abstractmethod
    def _call(self, component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        """Runs one component.

        Args:
            component: Of the contract.
            inputs: As `boundary` says, float32 and in C order.

        Returns:
            The contract's outputs, in arrays that no later call changes.

        Raises:
            RuntimeError: The runtime's, which becomes one line.
        """

    @property
    def info(self) -> EngineInfo:
        """Facts of this engine."""
        return self._info

    @property
    def bundle(self) -> Bundle:
        """What it runs."""
        return self._bundle

    @property
    def fused_step(self) -> str:
        """The component that runs a fused step."""
        return "segment"

    def describe(self) -> dict[str, Any]:
        """Facts for reports."""
        return super().describe() | ({} if self._process is None else {"isolated": True})

    def encode_query(self, image: Array) -> Query:
        """See `Engine.encode_query`."""
        return Query(*self.run_component("encode_query", self._bundle.dimensions.objects, image))

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        """See `Engine.encode_memory`. More objects than the program takes are run in turns."""
        features = (query.key, query.feature16, query.feature8)
        parts = [
            self.run_component("encode_memory", len(turn[0]), *features, *turn) for turn in self._turns(masks, others)
        ]
        return parts[0][0], _join([part[1] for part in parts], len(masks))

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        """See `Engine.read_memory`."""
        turns = self._turns(memory_values)
        parts = [
            self.run_component("read_memory", len(values), query.key, memory_keys, values)[0] for (values,) in turns
        ]
        return _join(parts, len(memory_values))

    def decode(self, readout: Array, query: Query) -> Array:
        """See `Engine.decode`."""
        assert query.feature4 is not None, "a fused step keeps feature4 inside, and decodes by itself"
        features = (query.feature16, query.feature8, query.feature4)
        parts = [self.run_component("decode", len(turn), turn, *features)[0] for (turn,) in self._turns(readout)]
        return _join(parts, len(readout))

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        """See `Engine.segment`. More objects than the program takes are run as its components, in turns."""
        objects = len(memory_values)
        if not self._fused or objects > (self._objects or objects):
            return super().segment(image, memory_keys, memory_values)
        ((values,),) = self._turns(memory_values)
        logits, key, feature16, feature8 = self.run_component(self.fused_step, len(values), image, memory_keys, values)
        return logits[:objects], Query(key, feature16, feature8, None)

    def _turns(self, *arrays: Array) -> list[tuple[Array, ...]]:
        """Arrays `[O, ...]` in pieces of the program's number of objects, the last filled up with zeros."""
        size = self._objects or len(arrays[0])
        turns = []
        for start in range(0, len(arrays[0]), size):
            pieces = [array[start : start + size] for array in arrays]
            missing = size - len(pieces[0])
            if missing:
                pieces = [np.concatenate([p, np.zeros((missing, *p.shape[1:]), p.dtype)]) for p in pieces]
            turns.append(tuple(pieces))
        return turns

    def run_component(self, component: str, objects: int, *inputs: Array) -> Sequence[Array]:
        """Runs one component, checked against the contract on both sides.

        Args:
            component: Of the contract.
            objects: Objects of this call.
            inputs: As `boundary` says, for that many objects.

        Raises:
            InputError: An input or output is not the contract's, or the runtime fails.
        """
        expected = self._boundary(component, objects)
        found = _kinds(inputs)
        if found != expected.inputs:
            raise _wrong_input(expected, found)
        in_order = tuple(np.ascontiguousarray(array) for array in inputs)
        if self._process is not None:
            return self._process.call(expected.signature, objects, in_order)
        try:
            outputs = self._call(component, in_order)
        except RuntimeError as error:
            raise InputError(
                f"{self._bundle.folder} cannot run {component}",
                found=str(error)[:200],
                remedy="export the bundle again",
            ) from error
        found = _kinds(outputs)
        if found != expected.outputs:
            raise InputError(
                f"{self._bundle.folder}: the program of {component} does not follow the contract",
                expected=_text(expected.outputs),
                found=_text(found),
                remedy="export the bundle again",
            )
        return outputs

    def _boundary(self, component: str, objects: int) -> _Boundary:
        """Made once: it is compared with at every call, and the shortest takes a few milliseconds."""
        if (component, objects) not in self._boundaries:
            made = _Boundary.of(boundary(component, replace(self._bundle.dimensions, objects=objects)))
            self._boundaries[component, objects] = made
        return self._boundaries[component, objects]


_Kind = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array."""


@dataclass(frozen=True)
class _Boundary:
    """A component's signature, with the kinds of its arrays, which are compared at every call."""

    signature: Signature
    inputs: list[_Kind]
    outputs: list[_Kind]

    @classmethod
    def of(cls, signature: Signature) -> _Boundary:
        """Of a signature of the contract."""
        inputs, outputs = (
            [(spec.shape, np.dtype(spec.dtype)) for spec in specs] for specs in (signature.inputs, signature.outputs)
        )
        return cls(signature, inputs, outputs)


def _kinds(arrays: Sequence[Array]) -> list[_Kind]:
    return [(array.shape, array.dtype) for array in arrays]


def _join(parts: list[Array], objects: int) -> Array:
    return parts[0][:objects] if len(parts) == 1 else np.concatenate(parts)[:objects]


def _wrong_input(expected: _Boundary, found: list[_Kind]) -> InputError:
    triples = zip(expected.signature.inputs, expected.inputs, found, strict=True)
    name, wanted, given = next((spec.name, one, other) for spec, one, other in triples if one != other)
    what = f"{expected.signature.component}: input {name}"
    return InputError(what, expected=_text([wanted]), found=_text([given]))


def _text(kinds: list[_Kind]) -> str:
    return ", ".join(f"{dtype} {list(shape)}" for shape, dtype in kinds)
