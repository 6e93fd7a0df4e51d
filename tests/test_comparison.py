"""Engines on the same clips: each on its own masks, compared with the first and scored against the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mobilevos.comparison import Clip, Comparison, Contender, annotated_clip
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines.eager import EagerEngine
from mobilevos.errors import InputError
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network
from mobilevos.tracking import Tracker


@pytest.fixture(scope="module")
def clip() -> Clip:
    made = SyntheticClip(seed=0, length=4, size=(32, 48), objects=2)
    frames = [(index / 25, made.frame(index)) for index in range(4)]
    return Clip("made", frames, lambda index: made.mask(0) if index == 0 else None)


def contenders(*networks: MemoryNetwork) -> list[Contender]:
    return [Contender(f"engine {n}", Tracker(EagerEngine(one)), {"n": n}) for n, one in enumerate(networks)]


def test_equal_engines_agree_wholly_and_the_given_frame_does_not_count(clip: Clip, student: MemoryNetwork) -> None:
    comparison = Comparison(contenders(student, student))
    frames = list(comparison.track(clip))
    assert [one.time for one in frames] == [0, 1 / 25, 2 / 25, 3 / 25]
    assert all(np.array_equal(*one.labels) for one in frames)
    first, second = comparison.standings()
    assert (second.mean_iou, second.worst_iou, second.worst_frame) == (1, 1, "made:1")
    assert (first.scores, second.scores) == (None, None)
    json.dumps(second.to_json(), allow_nan=False)


def test_engines_that_differ_are_compared_frame_by_frame(clip: Clip, student: MemoryNetwork) -> None:
    comparison = Comparison(contenders(student, build_network("mobilenet_v2", seed=5)))
    for _ in range(2):
        frames = list(comparison.track(clip))
    right, own = frames[2].labels
    assert not np.array_equal(right, own)
    assert np.array_equal(frames[0].labels[0], frames[0].labels[1])
    standing = comparison.standings()[1]
    assert 0 <= standing.worst_iou <= standing.mean_iou < 1
    again = Comparison(contenders(student, build_network("mobilenet_v2", seed=5)))
    list(again.track(clip))
    assert again.standings()[1].mean_iou == pytest.approx(standing.mean_iou)  # a clip leaves nothing behind


def test_the_truth_scores_each(student: MemoryNetwork, tmp_path: Path) -> None:
    from PIL import Image

    from mobilevos.data.davis import Davis
    from mobilevos.data.masks import write_mask

    made = SyntheticClip(seed=0, length=4, size=(32, 48), objects=1)
    images = tmp_path / "JPEGImages" / "480p" / "made"
    images.mkdir(parents=True)
    for index in range(4):
        Image.fromarray(made.frame(index)).save(images / f"{index:05d}.jpg")
        write_mask(tmp_path / "Annotations" / "480p" / "made" / f"{index:05d}.png", made.mask(index))
    listed = tmp_path / "ImageSets" / "2016" / "val.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("made\n")
    comparison = Comparison(contenders(student, build_network("mobilenet_v2", seed=5)))
    list(comparison.track(annotated_clip(Davis(tmp_path).sequence("made"))))
    one, other = comparison.standings()
    assert one.scores is not None
    assert other.scores is not None
    assert [score.name for score in one.scores.sequences] == ["made"]
    assert one.scores.j_and_f != other.scores.j_and_f


def test_one_engine_is_nothing_to_compare(student: MemoryNetwork) -> None:
    with pytest.raises(InputError, match="at least two engines"):
        Comparison(contenders(student))


def test_without_a_frame_after_the_given_one_nothing_was_compared(clip: Clip, student: MemoryNetwork) -> None:
    comparison = Comparison(contenders(student, student))
    list(comparison.track(Clip("still", list(clip.frames)[:1], clip.prompt)))
    with pytest.raises(InputError, match="more frames than their given masks"):
        comparison.standings()
