"""Post-training quantization's one measurement: the ranges of a network's activations on real frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mobilevos.contract import Dimensions
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.calibration_set import CalibrationSet
from mobilevos.quantization.component_engine import ComponentEngine
from mobilevos.quantization.program import observe
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Specification
from mobilevos.tracking import Tracker

__all__ = ["calibrate"]

_MEMORY_EVERY = 2
"""Frames: oftener than in use, so that predicted masks are memorised even in the shortest clip."""

_COMPONENTS = ("encode_query", "encode_memory", "read_memory", "decode")
"""Every layer once. In this order: what two components share has the range that its maker saw, in every frame."""


def calibrate(
    network: MemoryNetwork,
    dimensions: Dimensions,
    specification: Specification,
    calibration: CalibrationSet,
    advance: Callable[[int], None] = lambda frame: None,
) -> dict[str, Range]:
    """Tracks the objects of every clip with the network in float32 and notes the range of every activation.

    Args:
        network: A student.
        dimensions: Frames are resized to theirs; the number of objects is of no account.
        specification: What is to be quantized, and the observer.
        calibration: The clips.
        advance: Called after each frame with the number of frames that were seen.

    Returns:
        Ranges by site, for programs of any dimensions.

    Raises:
        InputError: ExecuTorch is not installed, or a layer gave nothing but 0, or numbers that are not finite.
    """
    one_object = replace(dimensions, objects=1)
    observed = observe(network, one_object, specification, _COMPONENTS)
    engine = ComponentEngine({name: one.graph for name, one in observed.items()}, one_object, "observed")
    tracker = Tracker(engine, memory_every=_MEMORY_EVERY, resize=True)
    seen = 0
    for clip in calibration.clips:
        tracker.reset()
        for index, frame in enumerate(clip):
            tracker.step(frame, clip.mask if index == 0 else None)
            seen += 1
            advance(seen)
    ranges: dict[str, Range] = {}
    for name in _COMPONENTS:
        ranges = observed[name].ranges() | ranges
    return ranges
