"""Every target: a checkpoint becomes a bundle as a whole, with its proof, or nothing is left behind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.closed_loop import CURVE
from export.parity import GATES, SUMS_IN_HALF_DB, gate_of
from export.pipeline import export_bundle, stages
from export.targets import TARGETS, Advance, BuildRequest, NoOptions, Target
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import COMPONENTS, signature
from mobilevos.engines import engine_class
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.golden import Tolerances, read_golden
from mobilevos.model.checkpoint import load_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network
from mobilevos.weights import default_checkpoint

BundleOf = Callable[[str], Path]
QUICK = TARGETS["torchscript"]  # needs no toolkit


class InterruptionError(Exception):
    """Stands for anything that goes wrong on the way."""


def interrupt(stage: str) -> None:
    raise InterruptionError(stage)


@pytest.fixture(scope="module")
def network() -> MemoryNetwork:
    return build_network("mobilenet_v2")


def export(network: MemoryNetwork, output: Path, target: Target = QUICK, **options: Any) -> None:
    export_bundle(target, network, network.dimensions(32, 48, 2, 1), output, **options)


# A good bundle


def test_the_manifest_proves_that_the_numbers_are_the_references(target_name: str, bundle_of: BundleOf) -> None:
    components = Bundle.open(bundle_of(target_name)).manifest["components"]
    assert set(components) == set(COMPONENTS)
    for name, component in components.items():
        parity = component["parity"]
        assert 0 <= parity["relative"] <= GATES["fp32"].limit, name
        assert parity["sqnr_db"] is None or parity["sqnr_db"] > 80, name
        assert parity["cosine"] == pytest.approx(1), name


def test_the_manifest_counts_operators_and_bytes(target_name: str, bundle_of: BundleOf) -> None:
    for name, component in Bundle.open(bundle_of(target_name)).manifest["components"].items():
        assert component["operators"]["delegated"] >= 5, name
        assert component["operators"]["left"] == [], name
        assert component["size_bytes"] > (1e3 if name == "read_memory" else 1e5), name


def test_the_manifest_proves_that_the_masks_are_the_references_in_a_closed_loop(
    target_name: str, bundle_of: BundleOf
) -> None:
    bundle = Bundle.open(bundle_of(target_name))
    loop = bundle.manifest["parity"]["closed_loop"]
    assert loop["engine"]["engine"].startswith(f"{TARGETS[target_name].engine}-fp32")
    assert loop["judged_frames"] == 29
    assert loop["worst_iou"] >= loop["tolerances"]["iou"] == 0.995
    assert len(loop["frames"]) == 30
    assert max(frame["logit_error"] for frame in loop["frames"][1:]) < 1e-3
    assert CURVE in bundle.manifest["files"]


def test_the_manifest_says_where_the_network_comes_from(
    target_name: str, bundle_of: BundleOf, random_checkpoint: Path
) -> None:
    manifest = Bundle.open(bundle_of(target_name)).manifest
    assert (manifest["target"], manifest["precision"]) == (target_name, "fp32")
    assert manifest["model"]["variant"] == "mobilenet_v2"
    assert manifest["model"]["checkpoint_sha256"] == sha256_of(random_checkpoint)
    assert {"mobilevos", "torch", *TARGETS[target_name].packages.values()} == set(manifest["versions"])


def test_the_bundle_holds_no_file_that_the_manifest_does_not_name(target_name: str, bundle_of: BundleOf) -> None:
    folder = bundle_of(target_name)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {MANIFEST, *Bundle.open(folder).manifest["files"]}


def test_no_file_names_a_folder_of_this_machine(target_name: str, bundle_of: BundleOf) -> None:
    folder, here = bundle_of(target_name), str(Path(__file__).parents[2]).encode()
    for path in folder.rglob("*"):
        assert path.is_dir() or here not in path.read_bytes(), path.name


@pytest.mark.slow
def test_the_shipped_student_in_float16_keeps_its_gate_and_its_contract(
    half_target_name: str, sums_in_half: bool, tmp_path: Path
) -> None:
    target, network = TARGETS[half_target_name], load_network(default_checkpoint())
    dimensions, seen = network.dimensions(64, 96, 2, 2), list[str]()
    export_half = partial(export_bundle, target, network, dimensions, tmp_path / "half", precision="fp16")
    least = None
    if sums_in_half and target.name == "executorch":
        with pytest.raises(InputError, match=r"at least 50 dB; found 4\d\.\d dB; .* --least-sqnr 35 where"):
            export_half()
        assert list(tmp_path.iterdir()) == []
        least = SUMS_IN_HALF_DB
    report = export_half(advance=seen.append, least_sqnr_db=least)
    assert len(seen) == stages(target, "fp16")
    limit = gate_of("fp16", least).limit
    assert all(one.measured and one.measured.difference.sqnr_db >= limit for one in report.components.values())
    bundle = Bundle.open(tmp_path / "half")
    assert bundle.least_sqnr_db == least
    engine = engine_class(target.engine)(bundle)
    assert engine.info.name.startswith(f"{target.engine}-fp16")
    specs = signature("segment", bundle.dimensions)
    logits, _ = engine.segment(*(np.zeros(spec.shape, np.float32) for spec in specs.inputs))
    assert (logits.shape, logits.dtype) == (specs.outputs[0].shape, np.float32)


def test_a_target_gets_weights_in_c_order_however_the_network_was_used_before(
    network: MemoryNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(request: BuildRequest[NoOptions], folder: Path, advance: Advance) -> None:
        weights = [weight for module in request.components.values() for weight in module.parameters()]
        raise InterruptionError(all(weight.is_contiguous() for weight in weights))

    used = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert not all(weight.is_contiguous() for weight in used.parameters())
    monkeypatch.setattr("export.torchscript.build", look)
    with pytest.raises(InterruptionError, match="True"):
        export(used, tmp_path / "new")


def test_a_bundle_that_drifts_on_its_own_masks_is_refused(
    network: MemoryNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = {"fp32": Tolerances(pixels=1, iou=1.0, mean_iou=1.0, tensors=-1.0)}  # nothing is near enough
    monkeypatch.setattr("export.closed_loop.TOLERANCES", strict)
    with pytest.raises(InputError, match="on its own masks the bundle does not compute what the reference computes"):
        export(network, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_memory_that_the_loop_cannot_use_is_refused_before_any_work(network: MemoryNetwork, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a policy that keeps at most 1 memory frames"):
        export_bundle(QUICK, network, network.dimensions(32, 48, 1, 1), tmp_path / "new", advance=interrupt)


def test_a_memory_of_more_frames_and_several_objects_per_call_pass_the_same_loop(
    network: MemoryNetwork, tmp_path: Path
) -> None:
    report = export_bundle(QUICK, network, network.dimensions(32, 48, 3, 2), tmp_path / "new")
    assert report.closed_loop.passed
    assert read_golden(Bundle.open(tmp_path / "new"))[0].clip.memory_every == 5


# Whole or not at all


@pytest.mark.parametrize("stage", range(stages(QUICK, "fp32")))
def test_an_export_that_fails_leaves_nothing(network: MemoryNetwork, tmp_path: Path, stage: int) -> None:
    left = iter(range(stage))

    def interrupt_later(name: str) -> None:
        if next(left, None) is None:
            raise InterruptionError(name)

    with pytest.raises(InterruptionError):
        export(network, tmp_path / "new", advance=interrupt_later)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_old_bundle(network: MemoryNetwork, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / MANIFEST).write_text("old")
    with pytest.raises(InterruptionError):
        export(network, tmp_path / "old", overwrite=True, advance=interrupt)
    assert (tmp_path / "old" / MANIFEST).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_an_existing_output_is_refused_before_any_work(network: MemoryNetwork, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already; pass --overwrite"):
        export(network, tmp_path, advance=interrupt)


def test_a_teacher_with_top_k_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="teacher_mobilenet_v2 reads the memory with top-k; expected a student"):
        export(build_network("teacher_mobilenet_v2"), tmp_path / "new", advance=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_float32_is_not_judged_by_its_signal_to_noise_ratio(network: MemoryNetwork, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--least-sqnr 40; expected fp16 or int8: .*; leave it out"):
        export(network, tmp_path / "new", advance=interrupt, least_sqnr_db=40.0)
    assert list(tmp_path.iterdir()) == []


def test_a_precision_that_the_target_does_not_offer(network: MemoryNetwork, tmp_path: Path) -> None:
    only = replace(QUICK, precisions=("fp32",))
    with pytest.raises(InputError, match="TorchScript is not exported in 'fp16'; pass --precision fp32"):
        export(network, tmp_path / "new", only, precision="fp16", advance=interrupt)


def test_a_toolkit_that_is_not_there(network: MemoryNetwork, tmp_path: Path) -> None:
    absent = replace(QUICK, packages={"no_such_package": "no-such-package"}, extra="dreams")
    with pytest.raises(InputError, match=r"TorchScript is not installed; .*mobilevos\[dreams\]"):
        export(network, tmp_path / "new", absent, advance=interrupt)
