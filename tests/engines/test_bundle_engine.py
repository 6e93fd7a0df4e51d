"""What every runtime gets from its base class: the contract on both sides of a call, and objects in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Dimensions, signature
from mobilevos.engines.bundle_engine import BundleEngine, Runtime
from mobilevos.engines.engine import Array, Query
from mobilevos.errors import InputError

DIMENSIONS = Dimensions(32, 48, 2, 2, 8, 12, (10, 6, 4))


class Recorder(BundleEngine):
    """Notes what it is called with and gives planes that tell the objects apart."""

    runtime = Runtime("recorder", "Recorder", "onnx", {"json": "numpy"}, "dreams")

    def _load(self, bundle: Bundle, threads: int | None) -> None:
        self.calls: list[tuple[str, tuple[Array, ...]]] = []
        self.wrong: Any = None

    def _call(self, component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        self.calls.append((component, inputs))
        if self.wrong is not None:
            return self.wrong(component, inputs)
        objects = len(inputs[-2] if component == "encode_memory" else inputs[0 if component == "decode" else -1])
        specs = signature(component, replace(DIMENSIONS, objects=objects)).outputs
        outputs = [np.zeros(spec.shape, np.float32) for spec in specs]
        if component == "decode":
            outputs[0] += inputs[0][:, :1, :1, :1]
        if component == "encode_memory":
            outputs[1] += inputs[-2][:, 0, :1, :1]
        if component in ("read_memory", "segment"):
            outputs[0] += inputs[-1][:, :1, :1, None]
        return outputs


def engine(*, dynamic: bool = False, fused: bool = True, **manifest: Any) -> Recorder:
    components = {name: {"dynamic_objects": dynamic} for name in COMPONENTS}
    facts = {"target": "onnx", "precision": "fp32", "components": components} | manifest
    return Recorder(Bundle(Path("bundle"), facts, DIMENSIONS), fused=fused)


def inputs_of(component: str, objects: int = 2) -> list[Array]:
    """Zeros, but for the tensors with an object dimension, of which every object has its number."""
    arrays = []
    for spec in signature(component, replace(DIMENSIONS, objects=objects)).inputs:
        array = np.zeros(spec.shape, np.float32)
        if spec.name in ("masks", "others", "readout", "memory_values"):
            array += np.arange(1, objects + 1, dtype=np.float32).reshape(-1, *[1] * (array.ndim - 1))
        arrays.append(array)
    return arrays


QUERY = Query(*inputs_of("encode_memory")[:3], inputs_of("decode")[3])


@pytest.mark.parametrize("objects", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dynamic", [False, True])
def test_every_object_gets_its_own_result_whatever_the_turns(objects: int, dynamic: bool) -> None:
    recorder, numbers = engine(dynamic=dynamic), np.arange(1, objects + 1)
    _, value = recorder.encode_memory(QUERY, *inputs_of("encode_memory", objects)[3:])
    np.testing.assert_array_equal(value[:, 0, 0], numbers)
    image, keys, values = inputs_of("segment", objects)
    np.testing.assert_array_equal(recorder.read_memory(QUERY, keys, values)[:, 0, 0, 0], numbers)
    np.testing.assert_array_equal(recorder.decode(inputs_of("decode", objects)[0], QUERY)[:, 0, 0, 0], numbers)
    logits, _ = recorder.segment(image, keys, values)
    np.testing.assert_array_equal(logits[:, 0, 0, 0], numbers)


def test_a_program_of_two_takes_three_objects_in_two_turns_and_one_in_a_turn_filled_up() -> None:
    recorder = engine()
    recorder.decode(inputs_of("decode", 3)[0], QUERY)
    assert [len(inputs[0]) for _, inputs in recorder.calls] == [2, 2]
    assert recorder.calls[1][1][0][1].max() == 0
    assert recorder.info.objects == 2


def test_a_program_for_any_number_takes_all_at_once() -> None:
    recorder = engine(dynamic=True)
    recorder.segment(*inputs_of("segment", 5))
    assert [(name, len(inputs[-1])) for name, inputs in recorder.calls] == [("segment", 5)]
    assert recorder.info.objects is None


@pytest.mark.parametrize(("fused", "objects"), [(False, 1), (False, 2), (True, 3)])
def test_a_step_is_its_components_where_it_is_not_fused_or_has_too_many_objects(fused: bool, objects: int) -> None:
    recorder = engine(fused=fused)
    recorder.segment(*inputs_of("segment", objects))
    assert {name for name, _ in recorder.calls} == {"encode_query", "read_memory", "decode"}


def test_what_lies_in_c_order_is_handed_over_as_it_is_and_what_does_not_is_copied() -> None:
    recorder, (image, keys, values) = engine(), inputs_of("segment")
    recorder.segment(image, np.asfortranarray(keys), values)
    _, seen = recorder.calls[0]
    assert seen[0] is image
    assert seen[2].base is values or seen[2] is values
    assert seen[1].flags.c_contiguous


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda image: image.astype(np.float64), r"float64 \[1, 3, 32, 48\]"),
        (lambda image: image[0], r"float32 \[3, 32, 48\]"),
        (lambda image: image.transpose(0, 2, 3, 1), r"float32 \[1, 32, 48, 3\]"),
    ],
)
def test_an_input_against_the_contract_never_reaches_the_runtime(spoil: Any, found: str) -> None:
    recorder, (image, keys, values) = engine(), inputs_of("segment")
    with pytest.raises(InputError, match=rf"segment: input image; expected float32 \[1, 3, 32, 48\]; found {found}"):
        recorder.segment(spoil(image), keys, values)
    assert recorder.calls == []


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [np.zeros((2, 1, 32, 16), np.float32)],
        [np.zeros((2, 1, 32, 48), np.float16)],
        [np.zeros((2, 1, 32, 48), np.float32)] * 2,
    ],
)
def test_an_output_against_the_contract_never_reaches_the_caller(outputs: list[Array]) -> None:
    recorder = engine()
    recorder.wrong = lambda component, inputs: outputs
    with pytest.raises(InputError, match=r"of decode does not follow the contract; expected float32 \[2, 1"):
        recorder.decode(inputs_of("decode")[0], QUERY)


def test_an_error_of_the_runtime_is_one_line() -> None:
    def fail(component: str, inputs: tuple[Array, ...]) -> Sequence[Array]:
        raise RuntimeError("bad\nweather")

    recorder = engine()
    recorder.wrong = fail
    with pytest.raises(InputError, match="bundle cannot run decode; found bad weather; export the bundle again"):
        recorder.decode(inputs_of("decode")[0], QUERY)


def test_a_bundle_for_another_runtime() -> None:
    with pytest.raises(InputError, match="bundle is for another runtime; expected onnx; found tflite"):
        engine(target="tflite")


def test_a_runtime_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(Recorder.runtime, packages={"no_such_package": "no-such-package"})
    monkeypatch.setattr(Recorder, "runtime", absent)
    with pytest.raises(InputError, match=r"Recorder is not installed; pip install 'mobilevos\[dreams\]'"):
        engine()
