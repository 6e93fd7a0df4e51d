"""The rungs of the int8 ladder: each is tracked and measured itself, once, and says where it is worst."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import int8_climbing
from benchmarks.accuracy_rungs import Rung
from benchmarks.component_sqnr import Yardstick
from benchmarks.int8_climbing import Entrant, agreement_with, climb
from mobilevos.commands.engine_options import TrackingSetup
from mobilevos.contract import COMPONENTS
from mobilevos.data.davis import Davis
from mobilevos.data.masks import write_mask
from mobilevos.data.sequence import Sequence
from mobilevos.engines import INT8_REFERENCE
from mobilevos.model.checkpoint import load_network, save_network
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Observer, Specification
from mobilevos.quantization.stored import StoredQuantization

SIZE = (64, 96)


@pytest.fixture(scope="module")
def sequences(small_davis: Path) -> list[Sequence]:
    """Two of DAVIS 2016 in four small frames each."""
    return Davis(small_davis).sequences()


@pytest.fixture(scope="module")
def entrants(
    random_checkpoint: Path,
    student_ranges: dict[str, Range],
    bundle_of: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Entrant]:
    """A parent, its quantized programs, and a bundle of it that is in float, so that its ratios are its own."""
    quantized = tmp_path_factory.mktemp("weights") / "quantized.safetensors"
    stored = StoredQuantization(Specification(Observer.MINMAX), student_ranges, "a clip")
    save_network(load_network(random_checkpoint), quantized, provenance={}, quantization=stored.to_json())
    return [
        Entrant("float32", "float", TrackingSetup("eager", random_checkpoint)),
        Entrant("fake-quantized", "reference", TrackingSetup(INT8_REFERENCE, quantized)),
        Entrant("torchscript", "runtime", TrackingSetup(bundle=bundle_of("torchscript"), isolated=False)),
    ]


@pytest.fixture(scope="module")
def climbed(
    entrants: list[Entrant], sequences: list[Sequence], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Rung]]:
    """The rungs, and the folder that holds what was made for them."""
    folder = tmp_path_factory.mktemp("ladder")
    return folder, climb(entrants, sequences, folder)


@pytest.mark.executorch
def test_every_rung_is_measured_itself_against_the_parent(climbed: tuple[Path, list[Rung]]) -> None:
    parent, reference, runtime = climbed[1]
    assert parent.sqnr_db == {}
    assert list(reference.sqnr_db) == list(runtime.sqnr_db) == list(COMPONENTS)
    assert reference.sqnr_db["read_memory"] is None  # it stays in float
    for name in ("encode_query", "decode", "segment"):
        int8, own = reference.sqnr_db[name], runtime.sqnr_db[name]
        assert int8 is not None
        assert 0 < int8 < 50, name
        assert own is None or own > 80, name


@pytest.mark.executorch
def test_a_rung_says_what_code_made_it(climbed: tuple[Path, list[Rung]]) -> None:
    for rung in climbed[1]:
        assert {"commit", "uncommitted_changes", "time"} <= set(rung.provenance["made"])


@pytest.mark.executorch
def test_a_ladder_that_goes_on_measures_and_tracks_nothing_again(
    climbed: tuple[Path, list[Rung]],
    entrants: list[Entrant],
    sequences: list[Sequence],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(climbed[0], tmp_path / "ladder")

    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("done already")

    monkeypatch.setattr(Yardstick, "measure", never)
    monkeypatch.setattr(int8_climbing, "track_and_score", never)
    again = climb(entrants, sequences, tmp_path / "ladder")
    assert [one.to_json() for one in again] == [one.to_json() for one in climbed[1]]
    with pytest.raises(AssertionError, match="done already"):
        climb(entrants, sequences[:1], tmp_path / "ladder")


@pytest.mark.executorch
def test_scores_of_a_ladder_without_ratios_are_kept(
    climbed: tuple[Path, list[Rung]],
    entrants: list[Entrant],
    sequences: list[Sequence],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(climbed[0], tmp_path / "ladder")
    for path in tmp_path.glob("ladder/*/scores.json"):
        report = json.loads(path.read_text())
        report.pop("sqnr", None)
        path.write_text(json.dumps(report))
    monkeypatch.delattr(int8_climbing, "track_and_score")
    again = climb(entrants, sequences, tmp_path / "ladder")
    assert [one.sqnr_db for one in again] == [one.sqnr_db for one in climbed[1]]


def test_the_worst_frame_is_named_by_its_sequence(sequences: list[Sequence], tmp_path: Path) -> None:
    square = np.zeros(SIZE, np.uint8)
    square[16:32, 16:32] = 1
    for one in sequences:
        for name in one.frames.names:
            wrong = (one.name, name) == ("libby", "00002")
            write_mask(tmp_path / "reference" / one.name / f"{name}.png", square)
            write_mask(tmp_path / "own" / one.name / f"{name}.png", np.roll(square, 8 * wrong, axis=1))
    agreement = agreement_with(tmp_path / "reference", tmp_path / "own", sequences)
    assert (agreement.worst_frame, agreement.worst) == ("libby:00002", pytest.approx(1 / 3))
