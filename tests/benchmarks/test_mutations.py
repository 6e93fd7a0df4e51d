"""Every format, damaged in every way: refused in one line, or run by another process, and never more than that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.damage import FILE_DAMAGE, MANIFEST_DAMAGE, PACKAGE_DAMAGE
from benchmarks.mutants import Mutants
from benchmarks.mutations import OUTCOMES, Results, accidents, attacks, to_json
from export.targets import TARGETS
from mobilevos.bundle import Bundle

COUNT = 3 * len(FILE_DAMAGE | PACKAGE_DAMAGE)
STRUCTURAL = (
    "random bytes",
    "missing",
    "linked elsewhere",
    "path outside",
    "components exchanged",
    "swapped",
    "package zipped",
)
"""What no bundle survives, whatever its hashes say."""


def targets() -> Iterator[Any]:
    for name, target in TARGETS.items():
        yield pytest.param(name, marks=[getattr(pytest.mark, target.extra)] if target.extra else [])


@pytest.fixture
def mutants(bundle_of: Callable[[str], Path], target: str, tmp_path: Path) -> Mutants:
    return Mutants(bundle_of(target), tmp_path / "bundle")


@pytest.mark.parametrize("target", targets())
def test_every_accident_is_refused_in_one_line(mutants: Mutants, target: str) -> None:
    results = accidents(target, mutants, COUNT, seed=0)
    assert results.total("refused") == COUNT, results.lines


@pytest.mark.slow
@pytest.mark.parametrize("target", targets())
def test_no_attack_gets_further_than_the_other_process(mutants: Mutants, target: str) -> None:
    results = attacks(target, mutants, COUNT, seed=0)
    assert sum(results.outcomes.values()) == COUNT
    assert results.total("escaped") == 0, results.lines
    ran = {kind for kind, outcome in results.outcomes if outcome == "ran"}
    assert not ran & set(STRUCTURAL)


@pytest.mark.parametrize("target", ["torchscript"])
def test_a_mutant_lasts_until_the_next_and_leaves_nothing_behind(
    mutants: Mutants, bundle_of: Callable[[str], Path], target: str
) -> None:
    good = {path.name: path.read_bytes() for path in bundle_of(target).iterdir() if path.is_file()}
    kinds = []
    for kind in mutants.attacks(len(FILE_DAMAGE | MANIFEST_DAMAGE), seed=1):
        kinds.append(kind)
        now = {path.name: path.read_bytes() for path in mutants.folder.iterdir() if path.is_file()}
        assert now != good, kind
    assert sorted(kinds) == sorted(FILE_DAMAGE | MANIFEST_DAMAGE)
    Bundle.open(mutants.folder)


@pytest.mark.parametrize("target", ["torchscript"])
def test_mutants_are_the_same_for_the_same_seed(mutants: Mutants, target: str) -> None:
    def contents(seed: int) -> list[bytes]:
        return [(mutants.folder / "manifest.json").read_bytes() for _ in mutants.attacks(12, seed)]

    first = contents(0)
    assert contents(0) == first
    assert contents(1) != first


def test_a_report_counts_kinds_and_shows_an_example_of_each() -> None:
    results = Results("onnx", "attack")
    results.add("truncated", "refused", "a.onnx is not a readable model")
    results.add("truncated", "ran", "")
    results.add("missing", "refused", "two\nlines")
    report = json.loads(json.dumps(to_json([results], seed=3)))
    assert report["results"][0]["outcomes"] == dict(zip(OUTCOMES, (1, 0, 1, 1), strict=True))
    assert report["results"][0]["kinds"][0] == {
        "kind": "missing",
        "outcome": "escaped",
        "count": 1,
        "example": "two\nlines",
    }
