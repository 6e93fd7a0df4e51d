"""A good bundle climbs every rung; a bad one is bisected on the first rung that it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export.ladder import climbing
from export.ladder.climbing import NOT_WATCHED, STAGES, climb
from export.ladder.executorch_prefixes import LOWERED_AGAIN
from export.ladder.rungs import Rung
from export.parity import Difference
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork

EXACT = Difference(0.0, 0.0, float("inf"), float("inf"), 1.0)
FAR = replace(EXACT, max_abs=1.0, relative=0.1, sqnr_db=20.0)


def test_the_state_of_a_rung_is_that_of_its_worst_component() -> None:
    passed = Rung("converted graph", "", "fp16", {"decode": EXACT, "segment": replace(FAR, sqnr_db=51)})
    assert (passed.state, passed.failed) == ("passed", ())
    failed = Rung("converted graph", "", "fp16", {"decode": EXACT, "segment": FAR})
    assert (failed.state, failed.failed) == ("failed", ("segment",))
    accepted = replace(failed, least_sqnr_db=20.0)
    assert (accepted.state, accepted.gate.limit) == ("passed", 20)
    assert Rung("eager", "", "fp32").state == "reference"
    assert Rung("device", "", "fp32", executed=False).state == "not executed"


@pytest.mark.slow
def test_a_good_bundle_climbs_every_rung(
    target_name: str, bundle_of: Callable[[str], Path], random_checkpoint: Path
) -> None:
    stages: list[str] = []
    ladder = climb(Bundle.open(bundle_of(target_name)), load_network(random_checkpoint), stages.append)
    states = {rung.name: rung.state for rung in ladder.rungs}
    assert states == {
        "eager": "reference",
        "exported program": "passed",
        "converted graph": "passed",
        "device": "not executed",
    }
    assert (ladder.failed, ladder.verdicts) == (None, ())
    assert all(list(rung.differences) == list(COMPONENTS) for rung in ladder.rungs[1:3])
    assert len(stages) == STAGES


@pytest.mark.slow
@pytest.mark.coreml
def test_a_rung_says_that_apple_s_runtime_was_not_asked(
    bundle_of: Callable[[str], Path], random_checkpoint: Path
) -> None:
    converted = climb(Bundle.open(bundle_of("coreml")), load_network(random_checkpoint)).rungs[2]
    assert "not by Apple's runtime" in converted.runs


@pytest.mark.slow
@pytest.mark.executorch
def test_damage_of_an_executorch_program_is_told_from_a_wrong_conversion(
    small_bundle: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    network = load_network(random_checkpoint)
    other = load_network(random_checkpoint)
    with torch.no_grad():
        other.memory_encoder.get_submodule("skip8.0").weight.mul_(1.5)
    verdicts = climb(Bundle.open(small_bundle), other).verdicts
    assert [(one.component, one.operator, one.remark) for one in verdicts] == [("encode_memory", "", LOWERED_AGAIN)]
    assert climb(Bundle.open(small_bundle), network).failed is None


def test_a_wrong_exported_program_is_bisected_and_nothing_above_it(
    bundle_of: Callable[[str], Path], random_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fold_wrongly(network: MemoryNetwork) -> MemoryNetwork:
        folded = fold_batch_norm(network)
        with torch.no_grad():
            folded.memory_encoder.get_submodule("skip8.0").weight[0] *= 1.5
        return folded

    monkeypatch.setattr(climbing, "fold_batch_norm", fold_wrongly)
    ladder = climb(Bundle.open(bundle_of("torchscript")), load_network(random_checkpoint))
    assert ladder.failed is not None
    assert ladder.failed.name == "exported program"
    (verdict,) = ladder.verdicts
    assert (verdict.component, verdict.operator) == ("encode_memory", "aten.convolution.default")
    assert verdict.source.startswith("network.memory_encoder.skip8.0, ")


def test_a_stranger_s_bundle_runs_in_a_process_of_its_own_and_is_not_bisected(
    bundle_of: Callable[[str], Path], random_checkpoint: Path
) -> None:
    other = load_network(random_checkpoint)
    with torch.no_grad():
        other.memory_encoder.get_submodule("skip8.0").weight.mul_(1.5)
    ladder = climb(Bundle.open(bundle_of("torchscript")), other, isolated=True)
    assert [(one.component, one.operator, one.remark) for one in ladder.verdicts] == [
        ("encode_memory", "", NOT_WATCHED)
    ]


def test_a_bundle_for_a_delegate_of_another_system_is_not_executed(
    bundle_of: Callable[[str], Path], random_checkpoint: Path
) -> None:
    bundle = Bundle.open(bundle_of("torchscript"))
    elsewhere = replace(bundle, manifest=bundle.manifest | {"not_executed": "no such delegate here"})
    converted = climb(elsewhere, load_network(random_checkpoint)).rungs[2]
    assert (converted.state, converted.runs) == ("not executed", "no such delegate here")


def test_a_bundle_of_another_network_is_refused(bundle_of: Callable[[str], Path]) -> None:
    from mobilevos.model.variants import build_network

    with pytest.raises(InputError, match="was made of another network; found resnet18"):
        climb(Bundle.open(bundle_of("torchscript")), build_network("resnet18"))


def test_a_bundle_in_int8_is_refused(bundle_of: Callable[[str], Path], random_checkpoint: Path) -> None:
    bundle = Bundle.open(bundle_of("torchscript"))
    in_int8 = replace(bundle, manifest=bundle.manifest | {"precision": "int8"})
    with pytest.raises(InputError, match=r"computes in int8.*; `python -m export.quantization report`"):
        climb(in_int8, load_network(random_checkpoint))
