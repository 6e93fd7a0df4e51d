"""The tracking loop: written once, over any engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevos.engines.engine import Array, Engine, Query
from mobilevos.errors import InputError
from mobilevos.tracking.aggregation import soft_aggregate, sum_of_others
from mobilevos.tracking.frame_fit import FrameFit, check_frame, fit_frames
from mobilevos.tracking.given_mask import check_mask, impose, object_ids
from mobilevos.tracking.memory_bank import FIRST_AND_LATEST, MemoryBank, MemoryPolicy, bank_capacity
from mobilevos.tracking.segmentation import Segmentation

__all__ = ["Tracker", "track"]


@dataclass(frozen=True)
class _Group:
    """Objects that were first given at the same frame, which is the first frame of their bank."""

    ids: list[int]
    bank: MemoryBank


class Tracker:
    """Segments the objects of a video frame by frame, from the masks in which they are given.

    A step reads the memory, decodes each object, aggregates the objects' logits softly, and memorises the
    frame if a mask was given or `t % memory_every == 0`, where t counts frames from the first with a mask.
    The soft probabilities are memorised; where a mask was given, the mask.

    Frames are padded with zeros at the bottom and on the right to multiples of 16, and masks are cut back.

    Args:
        engine: What runs the network.
        memory_every: Frames from one memorised frame to the next, at least 1.
        policy: Which memorised frames are kept. The default is the paper's.
        resize: Resize frames to the one size that the engine takes, instead of refusing other sizes.

    Raises:
        InputError: `memory_every` is below 1, or the policy keeps more frames than the engine takes.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        memory_every: int = 5,
        policy: MemoryPolicy = FIRST_AND_LATEST,
        resize: bool = False,
    ) -> None:
        if memory_every < 1:
            raise InputError("cannot use memory_every", expected="at least 1 frame", found=str(memory_every))
        bank_capacity(engine.info.memory_frames, policy)  # refuses here what every bank would refuse
        self._engine = engine
        self._memory_every = memory_every
        self._policy = policy
        self._resize = resize
        self.reset()

    def reset(self) -> None:
        """Forgets the video: its objects, its memory and its frame size."""
        self._groups: list[_Group] = []
        self._time = 0
        self._fit: FrameFit | None = None
        self._image = np.zeros((1, 3, 0, 0), np.float32)

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the tracked objects, in the order in which they were given, ascending within a frame."""
        return tuple(object_id for group in self._groups for object_id in group.ids)

    def step(self, frame: NDArray[Any], mask: NDArray[Any] | None = None) -> Segmentation:
        """Segments the video's next frame.

        A mask may be given on any frame. The objects that it holds are exactly there; objects unknown so far
        are tracked from here on; objects that it does not hold keep their prediction outside of it. So a mask
        without objects says nothing, once there are objects. Frames before the first mask have no objects.

        A step that raises leaves the tracker as it was.

        Args:
            frame: `[H, W, 3]`, RGB, uint8 or float32 in 0..1, of any strides; of one size over the video.
            mask: Object ids `[H, W]`, integers in 0..65535, 0 for background.

        Raises:
            InputError: The frame or the mask is not as described, the first mask is empty, the frame size
                changed, or the engine does not take it.
        """
        fit = self._fit_of(frame)
        given = None if mask is None else check_mask(mask, fit.frame_size)
        given_ids = () if given is None else object_ids(given)
        if not given_ids and not self._groups:
            if given is not None:
                raise InputError("the mask holds no objects", expected="at least one pixel that is not 0")
            return self._step_without_objects(fit)

        if self._time == 0:
            self._image = np.zeros((1, 3, *fit.network_size), np.float32)
        fit.write_image(frame, self._image)
        predicted_ids = tuple(object_id for object_id in self.ids if object_id not in given_ids)
        predicted, query = self._predict(predicted_ids)
        groups = self._groups_with(given_ids)
        probabilities = fit.restore(predicted)
        if given is not None and given_ids:
            ids = [object_id for group in groups for object_id in group.ids]
            probabilities = impose(given, ids, predicted_ids, probabilities)
            self._memorise(groups, query, impose(fit.fit_mask(given), ids, predicted_ids, predicted))
        elif self._time % self._memory_every == 0:
            self._memorise(groups, query, predicted)
        self._fit, self._groups = fit, groups
        self._time += 1
        return Segmentation(self.ids, probabilities)

    def remove(self, object_id: int) -> None:
        """Stops tracking an object.

        Raises:
            InputError: It is not tracked.
        """
        for group in self._groups:
            if object_id in group.ids:
                group.bank.remove(group.ids.index(object_id))
                group.ids.remove(object_id)
                self._groups = [group for group in self._groups if group.ids]
                return
        tracked = ", ".join(map(str, self.ids)) or "none"
        raise InputError(f"cannot remove object {object_id}", expected=f"a tracked object ({tracked})")

    def _fit_of(self, frame: NDArray[Any]) -> FrameFit:
        check_frame(frame)
        size = (frame.shape[0], frame.shape[1])
        if self._fit is None:
            return fit_frames(size, self._engine.info, resize=self._resize)
        if self._fit.frame_size != size:
            height, width = self._fit.frame_size
            raise InputError(
                "the frame size changed within the video",
                expected=f"{height}x{width} (height x width)",
                found=f"{size[0]}x{size[1]}",
                remedy="reset the tracker before another video",
            )
        return self._fit

    def _step_without_objects(self, fit: FrameFit) -> Segmentation:
        self._fit = fit
        if self._time:  # the objects were removed: their video goes on
            self._time += 1
        return Segmentation((), np.ones((1, *fit.frame_size), np.float32))

    def _predict(self, ids: tuple[int, ...]) -> tuple[Array, Query]:
        """These objects' probabilities `[O+1, H, W]` at the network's size, and the frame's query."""
        groups = [group for group in self._groups if not set(ids).isdisjoint(group.ids)]
        if not groups:
            background = np.ones((1, *self._image.shape[2:]), np.float32)
            return background, self._engine.encode_query(self._image)
        logits, query = self._logits(groups)
        rows = [object_id in ids for group in groups for object_id in group.ids]
        return soft_aggregate(logits if all(rows) else logits[rows]), query

    def _logits(self, groups: list[_Group]) -> tuple[Array, Query]:
        """Logits `[O, 1, H, W]` of the groups' objects, by the fused program where it can take them all."""
        limit = self._engine.info.objects
        if len(groups) == 1 and (limit is None or len(groups[0].ids) <= limit):
            bank = groups[0].bank
            return self._engine.segment(self._image, bank.keys, bank.values)
        query = self._engine.encode_query(self._image)
        readouts = [self._engine.read_memory(query, group.bank.keys, group.bank.values) for group in groups]
        return self._engine.decode(np.concatenate(readouts), query), query

    def _groups_with(self, given_ids: tuple[int, ...]) -> list[_Group]:
        """The groups, and one more for the given objects that are in none."""
        new = [object_id for object_id in given_ids if object_id not in self.ids]
        if not new:
            return self._groups
        return [*self._groups, _Group(new, MemoryBank(self._engine.info.memory_frames, self._policy))]

    def _memorise(self, groups: list[_Group], query: Query, probabilities: Array) -> None:
        """Memorises the frame for every group, encoded once for all objects `[O+1, H, W]`."""
        masks, others = probabilities[1:, None], sum_of_others(probabilities)
        memory_key, memory_values = self._engine.encode_memory(query, masks, others)
        first = 0
        for group in groups:
            group.bank.write(memory_key, memory_values[first : first + len(group.ids)])
            first += len(group.ids)


def track(
    frames: Iterable[NDArray[Any]], masks: NDArray[Any] | Mapping[int, NDArray[Any]], tracker: Tracker
) -> Iterator[Segmentation]:
    """Tracks the objects of a whole video, frame by frame as the result is consumed.

    Args:
        frames: The video's frames, as `Tracker.step` takes them.
        masks: The first frame's mask, or the masks by index of their frame, from 0.
        tracker: Reset before the first frame.

    Yields:
        One segmentation a frame.

    Raises:
        InputError: As `Tracker.step`; or, at the end, a mask belongs to no frame of the video.
    """
    pending = dict(masks) if isinstance(masks, Mapping) else {0: masks}
    tracker.reset()
    count = 0
    for index, frame in enumerate(frames):
        yield tracker.step(frame, pending.pop(index, None))
        count = index + 1
    if pending:
        found = f"masks for frames {', '.join(map(str, sorted(pending)))}"
        raise InputError("a mask belongs to no frame", expected=f"frames 0 to {count - 1}", found=found)
