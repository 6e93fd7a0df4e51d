"""A sequence's score: the protocols of DAVIS and YouTube-VOS, and masks that do not fit."""

from pathlib import Path

import numpy as np
import pytest

from mobilevos.data.davis import Davis
from mobilevos.data.sequence import Sequence
from mobilevos.data.youtube_vos import YouTubeVOS
from mobilevos.errors import InputError
from mobilevos.evaluation import SequenceScorer, score_sequence

H, W = 20, 30
STEMS = tuple(f"{index:05}" for index in range(5))


def labels_of(*ids: int) -> np.ndarray:
    """Objects as bars of four rows, id 1 at the top."""
    labels = np.zeros((H, W), np.uint8)
    for object_id in ids:
        labels[5 * object_id - 4 : 5 * object_id, 3:20] = object_id
    return labels


def read_davis(root: Path, year: int) -> Sequence:
    path = root / f"ImageSets/{year}/val.txt"
    path.parent.mkdir(parents=True)
    path.write_text("goat\n")
    return Davis(root, year=year).sequence("goat")


@pytest.fixture
def davis_root(tmp_path: Path, write_clip) -> Path:
    masks = dict.fromkeys(STEMS, labels_of(1, 2))
    write_clip(tmp_path / "JPEGImages/480p/goat", tmp_path / "Annotations/480p/goat", masks)
    return tmp_path


@pytest.fixture
def video(tmp_path: Path, write_clip) -> Sequence:
    """Object 1 from the first frame, object 3 from the third; the fourth frame is not annotated."""
    truths = (labels_of(1), labels_of(1), labels_of(1, 3), None, labels_of(3))
    masks = dict(zip(STEMS, truths, strict=True))
    write_clip(tmp_path / "JPEGImages/0a", tmp_path / "Annotations/0a", masks)
    return YouTubeVOS(tmp_path).sequence("0a")


def test_davis_leaves_out_the_first_and_the_last_frame(davis_root: Path) -> None:
    wrong, right = labels_of(), labels_of(1, 2)
    score = score_sequence([wrong, right, right, right, wrong], read_davis(davis_root, 2017))
    assert [item.frames for item in score.objects] == [3, 3]
    assert score.j_and_f == 1.0


def test_each_object_is_scored_by_its_id_and_the_sequence_is_their_mean(davis_root: Path) -> None:
    score = score_sequence([labels_of(1)] * 5, read_davis(davis_root, 2017))
    first, second = score.objects
    assert (first.object_id, second.object_id) == (1, 2)
    assert (first.j.mean, first.f.mean, first.j_and_f) == (1.0, 1.0, 1.0)
    assert (second.j.mean, second.j.recall, second.f.mean) == (0.0, 0.0, 0.0)
    assert (score.j.mean, score.j.recall, score.f.mean, score.j_and_f) == (0.5, 0.5, 0.5, 0.5)


def test_davis_2016_scores_the_union_whatever_the_ids(davis_root: Path) -> None:
    score = score_sequence([2 * labels_of(1, 2)] * 5, read_davis(davis_root, 2016))
    (item,) = score.objects
    assert (item.object_id, item.j.mean, item.f.mean) == (1, 1.0, 1.0)


def test_decay_follows_the_order_of_frames_and_not_of_calls(davis_root: Path) -> None:
    scorer = SequenceScorer(read_davis(davis_root, 2016))
    for index in (3, 2, 1):
        scorer.add(index, labels_of(1, 2) if index == 1 else labels_of())
    assert scorer.result().j.decay == 0.5  # quarters of three frames: frames 1, 2 and frame 3 with its neighbour


def test_youtube_vos_scores_an_object_after_its_first_mask(video: Sequence) -> None:
    scorer = SequenceScorer(video)
    nothing = labels_of()
    for index, labels in enumerate((nothing, labels_of(1), nothing, nothing, labels_of(3))):
        scorer.add(index, labels)
    first, late = scorer.result().objects
    # Object 1: right on frame 1, missed on frame 2, rightly gone on frame 4; frame 3 has no truth.
    assert (first.object_id, first.frames, first.j.mean) == (1, 3, pytest.approx(2 / 3))
    assert (late.object_id, late.frames, late.j.mean, late.f.mean) == (3, 1, 1.0, 1.0)


def test_unknown_ids_are_background(video: Sequence) -> None:
    truth = (labels_of(1), labels_of(1), labels_of(1, 3), labels_of(3), labels_of(3))
    stray = [labels + labels_of(2) for labels in truth]
    assert score_sequence(stray, video) == score_sequence(truth, video)


def test_a_frame_given_again_is_scored_again(video: Sequence) -> None:
    scorer = SequenceScorer(video)
    for index in (1, 2, 4):
        scorer.add(index, labels_of())
    for index in (1, 2, 4):
        scorer.add(index, video.annotation(index))
    assert scorer.result().j_and_f == 1.0


def test_a_missing_frame_is_named(video: Sequence) -> None:
    with pytest.raises(InputError, match="no masks of 0a frame 00004; expected masks of 3 frames"):
        score_sequence([labels_of(1)] * 4, video)


def test_a_frame_too_many_is_refused(video: Sequence) -> None:
    with pytest.raises(InputError, match="masks of 0a; expected 5 frames; found one for frame 5"):
        score_sequence([labels_of(1)] * 6, video)


def test_masks_of_another_size_are_refused(video: Sequence) -> None:
    with pytest.raises(InputError, match="masks of 0a frame 00001; expected 30x20; found 15x20"):
        SequenceScorer(video).add(1, labels_of(1)[:, ::2])


def test_a_video_with_first_masks_alone_cannot_be_scored(tmp_path: Path, write_clip) -> None:
    masks = dict.fromkeys(STEMS) | {STEMS[0]: labels_of(1)}
    write_clip(tmp_path / "JPEGImages/0a", tmp_path / "Annotations/0a", masks)
    with pytest.raises(InputError, match="nothing to score in 0a"):
        SequenceScorer(YouTubeVOS(tmp_path).sequence("0a"))


def test_an_object_first_given_on_the_last_frame_is_left_out(tmp_path: Path, write_clip) -> None:
    masks = dict.fromkeys(STEMS, labels_of(1)) | {STEMS[-1]: labels_of(1, 2)}
    write_clip(tmp_path / "JPEGImages/0a", tmp_path / "Annotations/0a", masks)
    score = score_sequence([labels_of(1)] * 5, YouTubeVOS(tmp_path).sequence("0a"))
    assert [item.object_id for item in score.objects] == [1]


@pytest.mark.data
def test_the_real_youtube_vos_sample_scores_one_against_itself(data_root: Path) -> None:
    (video,) = YouTubeVOS(data_root / "youtube_vos_sample").sequences()
    truth = [video.annotation(index) for index in range(len(video.frames))]
    score = score_sequence(truth, video)
    assert score.j_and_f == 1.0
    assert [item.frames for item in score.objects] == [14] * 5
    # A tracker that holds the first mask still: every object is scored, none by chance right.
    held = score_sequence([truth[0]] * len(truth), video)
    assert 0 < held.j.mean < 1
