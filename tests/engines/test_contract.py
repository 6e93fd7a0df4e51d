"""What every engine owes the tracking loop: the reference's numbers, whatever the clip and the arrays' layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from mobilevos.contract import COMPONENTS, EMPTY_BIAS, Dimensions, signature
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import ENGINES, Engine, Query
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError
from mobilevos.tracking import MemoryPolicy, Tracker

SIZE = (64, 96)
FRAMES = 9
TOLERANCE = 1e-4
"""Of a probability."""

Image = NDArray[np.uint8]
Mask = NDArray[np.uint8]


def probabilities(engine: Engine, frames: Iterable[Image], masks: Mapping[int, Mask]) -> list[Array]:
    """Each frame's probabilities, memory written every third frame."""
    tracker = Tracker(engine, memory_every=3)
    return [tracker.step(frame, masks.get(t)).probabilities.copy() for t, frame in enumerate(frames)]


def assert_same_clip(engine: Engine, plain: Engine, frames: Iterable[Image], masks: Mapping[int, Mask]) -> None:
    frames = list(frames)
    expected, actual = (probabilities(one, frames, masks) for one in (plain, engine))
    for reference, probability in zip(expected, actual, strict=True):
        assert probability.shape == reference.shape
        assert probability.dtype == np.float32
        np.testing.assert_allclose(probability, reference, rtol=0, atol=TOLERANCE)
    worst = min(worst_iou(r, p) for r, p in zip(expected, actual, strict=True))
    assert worst >= 0.99


def worst_iou(reference: Array, probability: Array) -> float:
    """Of the objects of one frame."""
    ious = [1.0]
    for plane, other in zip(reference[1:] > 0.5, probability[1:] > 0.5, strict=True):
        if (plane | other).any():
            ious.append(float((plane & other).sum() / (plane | other).sum()))
    return min(ious)


# Clips


def test_the_reference_tells_one_pixel_and_one_frame_from_another(plain: Engine) -> None:
    clip = SyntheticClip(3, FRAMES, SIZE, objects=1)
    foreground = [p[1] for p in probabilities(plain, clip, {0: clip.mask(0)})[1:]]
    assert all(plane.std() > 0.03 for plane in foreground)
    assert all(np.abs(a - b).max() > 0.1 for a, b in pairwise(foreground))


def test_one_object(engine: Engine, plain: Engine) -> None:
    clip = SyntheticClip(3, FRAMES, SIZE, objects=1)
    assert_same_clip(engine, plain, clip, {0: clip.mask(0)})


def test_three_objects_which_a_program_for_one_takes_in_turns(engine: Engine, plain: Engine) -> None:
    clip = SyntheticClip(4, FRAMES, SIZE, objects=3)
    names = np.array([0, 7, 1, 200], np.uint8)
    assert_same_clip(engine, plain, clip, {0: names[clip.mask(0)]})


def test_an_object_that_appears_later(engine: Engine, plain: Engine) -> None:
    clip = SyntheticClip(5, FRAMES, SIZE, objects=2)
    later = clip.mask(4)
    assert_same_clip(engine, plain, clip, {0: np.where(clip.mask(0) == 1, 1, 0).astype(np.uint8), 4: later})


def test_a_mask_given_again(engine: Engine, plain: Engine) -> None:
    clip = SyntheticClip(6, FRAMES, SIZE, objects=1)
    assert_same_clip(engine, plain, clip, {0: clip.mask(0), 5: clip.mask(5)})


def test_frames_that_are_padded(engine: Engine, plain: Engine) -> None:
    clip = SyntheticClip(7, FRAMES, (57, 90), objects=1)
    assert_same_clip(engine, plain, clip, {0: clip.mask(0)})


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda frame: np.asfortranarray(frame), id="Fortran order"),
        pytest.param(lambda frame: np.ascontiguousarray(frame.transpose(2, 0, 1)).transpose(1, 2, 0), id="planes"),
        pytest.param(lambda frame: np.ascontiguousarray(frame[::-1, ::-1, ::-1])[::-1, ::-1, ::-1], id="mirrored"),
        pytest.param(lambda frame: np.repeat(frame, 2, 1)[:, ::2], id="every second column"),
        pytest.param(lambda frame: frame.astype(np.float32) / np.float32(255), id="float32"),
    ],
)
def test_frames_of_any_layout(engine: Engine, view: Callable[[Image], Image]) -> None:
    clip = SyntheticClip(8, 3, SIZE, objects=1)
    plainly = probabilities(engine, clip, {0: clip.mask(0)})
    oddly = probabilities(engine, map(view, clip), {0: clip.mask(0)})
    np.testing.assert_array_equal(oddly, plainly)


# Components


def inputs_of(component: str, dimensions: Dimensions, seed: int = 0) -> dict[str, Array]:
    """Random inputs of a component; of the memory one frame is filled, with rows as `encode_memory` makes them."""
    generator = np.random.default_rng(seed)
    arrays = {spec.name: generator.random(spec.shape, np.float32) for spec in signature(component, dimensions).inputs}
    if "memory_keys" in arrays:
        key = arrays["memory_keys"][:, :-1] * 2
        bias = -np.square(key).sum(1, keepdims=True)
        arrays["memory_keys"] = np.hstack([2 * key, bias]) / np.float32(np.sqrt(key.shape[1]))
        arrays["memory_keys"][dimensions.positions :] = 0
        arrays["memory_keys"][dimensions.positions :, -1] = EMPTY_BIAS
    return arrays


def call(engine: Engine, component: str, arrays: Mapping[str, Array]) -> tuple[Array, ...]:
    """Calls a component with the contract's inputs; gives the contract's outputs."""
    blank = np.zeros((1, 1, 1, 1), np.float32)
    query = Query(*(arrays.get(name, blank) for name in ("key", "feature16", "feature8", "feature4")))
    if component == "encode_query":
        found = engine.encode_query(arrays["image"])
        assert found.feature4 is not None
        return found.key, found.feature16, found.feature8, found.feature4
    if component == "encode_memory":
        return engine.encode_memory(query, arrays["masks"], arrays["others"])
    if component == "read_memory":
        return (engine.read_memory(query, arrays["memory_keys"], arrays["memory_values"]),)
    if component == "decode":
        return (engine.decode(arrays["readout"], query),)
    logits, found = engine.segment(arrays["image"], arrays["memory_keys"], arrays["memory_values"])
    return logits, found.key, found.feature16, found.feature8


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_gives_what_the_contract_says(
    engine: Engine, plain: Engine, dimensions: Dimensions, component: str
) -> None:
    arrays = inputs_of(component, dimensions)
    outputs, expected = call(engine, component, arrays), call(plain, component, arrays)
    for spec, output, reference in zip(signature(component, dimensions).outputs, outputs, expected, strict=True):
        assert (output.shape, output.dtype) == (spec.shape, np.dtype(spec.dtype)), spec.name
        np.testing.assert_allclose(output, reference, rtol=0, atol=2e-5 * float(np.ptp(reference)), err_msg=spec.name)


def channels_last(array: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def mirrored(array: Array) -> Array:
    mirror = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[mirror])[mirror]


def with_gaps(array: Array) -> Array:
    return np.repeat(array, 2, -1)[..., ::2]


@pytest.mark.parametrize("layout", [channels_last, mirrored, with_gaps, np.asfortranarray])
@pytest.mark.parametrize("component", COMPONENTS)
def test_inputs_of_any_layout(
    engine: Engine, dimensions: Dimensions, component: str, layout: Callable[[Array], Array]
) -> None:
    arrays = inputs_of(component, dimensions)
    odd = {name: layout(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        np.testing.assert_array_equal(odd[name], array)
    for plainly, oddly in zip(call(engine, component, arrays), call(engine, component, odd), strict=True):
        np.testing.assert_allclose(oddly, plainly, rtol=0, atol=1e-5 * float(np.ptp(plainly)))


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_later_call_leaves_earlier_results_alone(engine: Engine, dimensions: Dimensions, component: str) -> None:
    first = call(engine, component, inputs_of(component, dimensions, seed=1))
    kept = [array.copy() for array in first]
    for other in COMPONENTS:
        call(engine, other, inputs_of(other, dimensions, seed=2))
    for array, copied in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copied)


@pytest.mark.parametrize("component", ["read_memory", "segment"])
def test_an_empty_memory_row_weighs_nothing(engine: Engine, dimensions: Dimensions, component: str) -> None:
    arrays = inputs_of(component, dimensions)
    before = call(engine, component, arrays)[0]
    arrays["memory_values"][:, dimensions.positions :] = 1e3
    np.testing.assert_array_equal(call(engine, component, arrays)[0], before)
    arrays["memory_values"][:, : dimensions.positions] += 1
    assert np.abs(call(engine, component, arrays)[0] - before).max() > 1e-3


# What no engine takes


def test_a_frame_with_nan(engine: Engine) -> None:
    frame = np.zeros((*SIZE, 3), np.float32)
    frame[3, 4, 1] = np.nan
    with pytest.raises(InputError, match="cannot use the frame"):
        Tracker(engine).step(frame, np.ones(SIZE, np.uint8))


def test_a_frame_of_another_size_is_refused_with_the_remedy_where_the_size_is_fixed(engine: Engine) -> None:
    frame, mask = np.zeros((100, 60, 3), np.uint8), np.ones((100, 60), np.uint8)
    if engine.info.input_size is None:
        assert Tracker(engine).step(frame, mask).probabilities.shape == (2, 100, 60)
        return
    with pytest.raises(InputError, match=r"frames of 100x60.*expected 64x96.*--size 112x64"):
        Tracker(engine).step(frame, mask)
    resized = Tracker(engine, resize=True).step(frame, mask)
    assert resized.probabilities.shape == (2, 100, 60)


def test_a_policy_of_more_frames_than_the_program_holds_is_refused(engine: Engine) -> None:
    policy = MemoryPolicy(recent=2)
    if engine.info.memory_frames is None:
        Tracker(engine, policy=policy)
        return
    with pytest.raises(InputError, match=r"at most 2 memory frames.*export for more"):
        Tracker(engine, policy=policy)


def test_facts_say_which_runtime_made_the_masks(engine: Engine) -> None:
    facts = engine.describe()
    assert facts["engine"] == engine.info.name
    assert re.fullmatch(rf"({'|'.join(ENGINES)})-fp32( \(.*\))?", engine.info.name)
    assert facts["versions"]
    assert all(version(name) == found for name, found in facts["versions"].items())
