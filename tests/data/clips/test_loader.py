from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobilevos.data.clips import (
    ClipBatch,
    ClipDataset,
    MixedClips,
    SkipRamp,
    StaticConfig,
    StaticImages,
    TrainingClip,
    VideoClips,
    VideoConfig,
    training_loader,
)
from mobilevos.data.davis import Davis
from mobilevos.errors import InputError


@pytest.fixture
def dataset(stills: Path, davis: Path) -> ClipDataset:
    """Stills and video, mixed."""
    images = StaticImages([stills], StaticConfig(crop=48, min_pixels=30))
    video = VideoClips(Davis(davis, 2017, "train"), VideoConfig(crop=48, min_pixels=30), SkipRamp())
    return ClipDataset(MixedClips([(images, 1.0), (video, 3.0)]), seed=7)


def batches(start: int, stop: int, size: int) -> list[list[int]]:
    return [list(range(first, min(first + size, stop))) for first in range(start, stop, size)]


def assert_same(a: TrainingClip | ClipBatch, b: TrainingClip | ClipBatch) -> None:
    for name in ("frames", "labels", "valid"):
        np.testing.assert_array_equal(np.asarray(getattr(a, name)), np.asarray(getattr(b, name)))


def test_a_sample_depends_on_seed_and_number_alone(dataset: ClipDataset) -> None:
    later_first = [dataset[5], dataset[2]]
    in_order = [dataset[2], dataset[5]]
    assert_same(later_first[0], in_order[1])
    assert_same(later_first[1], in_order[0])
    assert not np.array_equal(in_order[0].frames, in_order[1].frames)
    other = ClipDataset(dataset.source, seed=8)[2]
    assert not np.array_equal(other.frames, in_order[0].frames)


def test_batches_hold_the_samples_in_order(dataset: ClipDataset) -> None:
    loaded = list(training_loader(dataset, batches(3, 8, 2), workers=0))
    assert [len(batch.names) for batch in loaded] == [2, 2, 1]
    first = loaded[0]
    assert (first.frames.shape, first.frames.dtype) == ((2, 3, 3, 48, 48), torch.uint8)
    assert (first.labels.shape, first.labels.dtype) == ((2, 3, 48, 48), torch.uint8)
    assert (first.valid.shape, first.valid.dtype) == ((2, 2), torch.bool)
    assert [name for batch in loaded for name in batch.names] == [dataset[n].name for n in range(3, 8)]
    np.testing.assert_array_equal(first.frames[1].numpy(), dataset[4].frames)


def test_workers_give_the_same_stream(dataset: ClipDataset) -> None:
    alone = list(training_loader(dataset, batches(0, 6, 2), workers=0))
    shared = list(training_loader(dataset, batches(0, 6, 2), workers=2))
    assert len(alone) == len(shared) == 3
    for a, b in zip(alone, shared, strict=True):
        assert_same(a, b)
        assert a.names == b.names


def test_a_resumed_run_sees_what_an_unbroken_one_sees(dataset: ClipDataset) -> None:
    whole = list(training_loader(dataset, batches(0, 6, 2), workers=0))
    rest = list(training_loader(dataset, batches(4, 6, 2), workers=0))
    assert_same(rest[0], whole[2])


def test_loading_leaves_the_global_generator_alone(dataset: ClipDataset) -> None:
    before = torch.get_rng_state()
    next(training_loader(dataset, batches(0, 1, 1), workers=0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_file_is_one_line_that_names_it(stills: Path, workers: int) -> None:
    broken = stills / "images/2.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    data = ClipDataset(StaticImages([stills], StaticConfig(crop=48, min_pixels=30)), seed=0)
    with pytest.raises(InputError, match=r"images/2\.jpg") as caught:
        list(training_loader(data, batches(0, 30, 2), workers=workers))
    assert "\n" not in str(caught.value)


class _Named:
    """A source of black clips of one name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def draw(self, n: int, rng: np.random.Generator) -> TrainingClip:
        black = np.zeros((1, 3, 4, 4), np.uint8)
        return TrainingClip(black, black[:, 0], np.ones(1, bool), self.name)


def test_sources_are_drawn_in_proportion_to_their_weights() -> None:
    data = ClipDataset(MixedClips([(_Named("a"), 2), (_Named("b"), 6)]), seed=0)
    names = [data[n].name for n in range(400)]
    assert 0.19 < names.count("a") / 400 < 0.31


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [-1.0]])
def test_weights_must_be_positive(weights: list[float]) -> None:
    with pytest.raises(InputError, match="of positive weight"):
        MixedClips([(_Named("a"), weight) for weight in weights])
