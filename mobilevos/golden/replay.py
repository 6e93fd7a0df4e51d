"""The closed loop: an engine tracks the golden clip on its own masks, and is held against the reference's trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import inf
from statistics import fmean
from typing import Any

import numpy as np

from mobilevos.engines.engine import Engine
from mobilevos.errors import InputError
from mobilevos.golden.recording import record
from mobilevos.golden.trace import Call, GoldenTrace, Step

__all__ = ["Check", "ClosedLoop", "FrameComparison", "ObjectComparison", "Tolerances", "closed_loop", "compare_traces"]


@dataclass(frozen=True)
class Tolerances:
    """How far an engine may be from the trace, fed on its own masks.

    Attributes:
        pixels: Size of the smallest reference mask that is judged: of a smaller one a few pixels of its outline are
            a large part.
        iou: Smallest allowed intersection over union of a judged mask, 0..1.
        mean_iou: Smallest allowed mean over all judged masks, 0..1.
        tensors: Largest allowed difference of a tensor of the trace, as a fraction of the range (largest minus
            smallest value) that the tensor has over the whole clip.
    """

    pixels: int
    iou: float
    mean_iou: float
    tensors: float


@dataclass(frozen=True)
class Check:
    """One thing that an engine must reproduce.

    Attributes:
        name: `masks`, or a tensor of the trace.
        wanted: The tolerance in words.
        found: What came, in words.
        passed: Whether it is near enough.
    """

    name: str
    wanted: str
    found: str
    passed: bool


@dataclass(frozen=True)
class ObjectComparison:
    """One object's predicted mask on one frame.

    Attributes:
        object_id: Its id.
        pixels: Of the reference's mask.
        iou: Intersection over union with the reference's mask, 0..1; 1 when both are empty.
    """

    object_id: int
    pixels: int
    iou: float


@dataclass(frozen=True)
class FrameComparison:
    """One frame.

    Attributes:
        index: From 0.
        objects: Those whose mask was predicted; where a mask was given there is nothing to compare.
        logit_error: Mean absolute difference of the logits that the trace keeps; None where nothing was predicted.
    """

    index: int
    objects: tuple[ObjectComparison, ...]
    logit_error: float | None


@dataclass(frozen=True)
class ClosedLoop:
    """An engine on the golden clip beside the reference.

    Attributes:
        engine: What `Engine.describe` says of it.
        frames: One comparison for each.
        tensors: For each tensor of the trace its largest difference over the clip, as a fraction of its range there;
            infinite if it is not finite everywhere.
        tolerances: What decides which masks count, and whether the engine passes.
    """

    engine: dict[str, Any]
    frames: tuple[FrameComparison, ...]
    tensors: dict[str, float]
    tolerances: Tolerances

    @property
    def judged(self) -> tuple[tuple[int, ObjectComparison], ...]:
        """Index of the frame and comparison of each mask that is large enough to be judged."""
        return tuple(
            (frame.index, one) for frame in self.frames for one in frame.objects if one.pixels >= self.tolerances.pixels
        )

    @property
    def worst(self) -> tuple[int, ObjectComparison] | None:
        """The judged mask of the smallest IoU, with the index of its frame; None if no mask is judged."""
        return min(self.judged, key=lambda one: one[1].iou, default=None)

    @property
    def worst_iou(self) -> float | None:
        """The smallest IoU of a judged mask; None if no mask is judged."""
        return None if self.worst is None else self.worst[1].iou

    @property
    def mean_iou(self) -> float | None:
        """The mean IoU of the judged masks; None if no mask is judged."""
        judged = [one.iou for _, one in self.judged]
        return fmean(judged) if judged else None

    @property
    def verdict(self) -> str:
        """What was judged of the masks, in words: never nothing, whatever came out."""
        if self.worst is None:
            return f"no mask judged: none of {self.tolerances.pixels:,} pixels or more"
        index, worst = self.worst
        frames = len({frame for frame, _ in self.judged})
        return (
            f"worst IoU {worst.iou:.4f} (object {worst.object_id}, frame {index}), mean {self.mean_iou:.4f}, of "
            f"{len(self.judged)} masks on "
            f"{frames} of {len(self.frames)} frames"
        )

    @property
    def checks(self) -> tuple[Check, ...]:
        """The masks, which pass where none is judged, as `verdict` says then; and each tensor of the trace."""
        limit = self.tolerances
        masks = Check(
            "masks",
            f"IoU of at least {limit.iou}, {limit.mean_iou} on average, for masks from {limit.pixels:,} pixels",
            self.verdict,
            self.worst_iou is None
            or self.mean_iou is None
            or (self.worst_iou >= limit.iou and self.mean_iou >= limit.mean_iou),
        )
        return (
            masks,
            *(
                Check(name, f"within {limit.tensors:.0e} of its range", f"{error:.1e}", error <= limit.tensors)
                for name, error in self.tensors.items()
            ),
        )

    @property
    def passed(self) -> bool:
        """Whether every check passes."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As the manifest holds it; an error that is not finite is null, since JSON has no word for it."""
        judged = self.judged
        return {
            "engine": self.engine,
            "tolerances": asdict(self.tolerances),
            "worst_iou": self.worst_iou,
            "mean_iou": self.mean_iou,
            "worst_frame": None if self.worst is None else self.worst[0],
            "judged_masks": len(judged),
            "judged_frames": len({frame for frame, _ in judged}),
            "tensors": {name: _finite(error) for name, error in self.tensors.items()},
            "frames": [
                {
                    "logit_error": None if frame.logit_error is None else _finite(frame.logit_error),
                    "objects": [asdict(one) for one in frame.objects],
                }
                for frame in self.frames
            ],
        }


def closed_loop(
    reference: GoldenTrace,
    engine: Engine,
    tolerances: Tolerances,
    advance: Callable[[int], None] = lambda frames: None,
) -> ClosedLoop:
    """Tracks the trace's clip with an engine, from the same given masks, and compares.

    Args:
        reference: Of the reference.
        engine: To be judged.
        tolerances: To judge it by.
        advance: Told of frames as they are done.

    Raises:
        InputError: The engine does not take the clip, or the trace is of another loop than the one here.
    """
    return compare_traces(reference, record(engine, reference.clip, advance), engine.describe(), tolerances)


def compare_traces(
    reference: GoldenTrace, own: GoldenTrace, engine: dict[str, Any], tolerances: Tolerances
) -> ClosedLoop:
    """Holds what some loop did on the clip, in whatever language, against the reference.

    Args:
        reference: Of the reference.
        own: Of the same clip.
        engine: Facts of the engine that it came from, as `Engine.describe` gives them.
        tolerances: To judge it by.

    Raises:
        InputError: It is of another loop: other calls, objects or writes, or another number of steps.
    """
    if len(own.steps) != len(reference.steps):
        expected, found = f"{len(reference.steps)} steps", str(len(own.steps))
        raise InputError("the golden trace is of another clip", expected=expected, found=found)
    pairs = list(zip(reference.steps, own.steps, strict=True))
    for index, (step, other) in enumerate(pairs):
        if _outline(step) != _outline(other):
            raise InputError(
                f"the golden trace is of another loop from frame {index} on",
                expected=" ".join(call.component for call in step.calls),
                found=" ".join(call.component for call in other.calls),
                remedy="export the bundle again",
            )
    frames = tuple(_compare(index, *pair) for index, pair in enumerate(pairs))
    return ClosedLoop(engine, frames, _tensor_errors(pairs), tolerances)


def _outline(step: Step) -> list[Any]:
    """What must be the same whatever the arithmetic: calls, objects, shapes, writes."""
    calls = [
        (call.component, call.group, call.ids, [(name, tensor.shape) for name, tensor in call.tensors.items()])
        for call in step.calls
    ]
    return [*calls, step.writes]


def _compare(index: int, reference: Step, actual: Step) -> FrameComparison:
    logits = [pair for name, *pair in _tensor_pairs(reference, actual) if name == "logits"]
    predicted = [object_id for call in reference.calls if "logits" in call.tensors for object_id in call.ids]
    objects = []
    for object_id in predicted:
        expected, found = reference.labels == object_id, actual.labels == object_id
        union = int((expected | found).sum())
        iou = int((expected & found).sum()) / union if union else 1.0
        objects.append(ObjectComparison(object_id, int(expected.sum()), iou))
    errors = [np.abs(found.astype(np.float64) - expected).mean() for expected, found in logits]
    return FrameComparison(index, tuple(objects), float(errors[0]) if errors else None)


def _tensor_errors(pairs: list[tuple[Step, Step]]) -> dict[str, float]:
    expected, found = defaultdict(list), defaultdict(list)
    for reference, actual in pairs:
        for name, one, other in _tensor_pairs(reference, actual):
            expected[name].append(one.ravel())
            found[name].append(other.ravel())
    return {name: _relative(np.concatenate(expected[name]), np.concatenate(found[name])) for name in expected}


def _relative(expected: np.ndarray, found: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        error = float(np.abs(found.astype(np.float64) - expected).max())
    return error / (float(np.ptp(expected)) or 1.0) if np.isfinite(error) else inf


def _tensor_pairs(reference: Step, actual: Step) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for call, other in zip(reference.calls, actual.calls, strict=True):
        yield from _call_pairs(call, other)


def _call_pairs(reference: Call, actual: Call) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for name, tensor in reference.tensors.items():
        yield name, tensor, actual.tensors[name]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
