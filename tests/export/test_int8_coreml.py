"""Core ML with int8 kernels alone: proven beside the network with those kernels, in float, and said to be so."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.command import main
from export.coreml import Options
from export.parity import GATES
from export.pipeline import export_bundle
from export.quantization.artefacts.coreml_graph import CoremlGraph
from export.quantization.artefacts.found import Arithmetic
from export.quantization.placing import place
from export.quantization.section import INT8_WEIGHTS
from export.reference import WeightOnlyReference
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.model.checkpoint import load_network
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.specification import WEIGHTS
from mobilevos.weights import default_checkpoint

pytestmark = [pytest.mark.coreml, pytest.mark.executorch, pytest.mark.slow]


@pytest.fixture(scope="module")
def network() -> MemoryNetwork:
    """The shipped student in float, whose kernels lie on no grid and which has no ranges."""
    return load_network(default_checkpoint())


@pytest.fixture(scope="module")
def bundle(network: MemoryNetwork, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    output = tmp_path_factory.mktemp("int8") / "weights"
    dimensions, options = network.dimensions(128, 192, 2, 1), Options(weights_only=True)
    export_bundle(TARGETS["coreml"], network, dimensions, output, precision="int8", options=options)
    return Bundle.open(output)


def test_it_computes_and_tracks_as_the_network_with_int8_kernels_does(bundle: Bundle, network: MemoryNetwork) -> None:
    for name, component in bundle.manifest["components"].items():
        assert component["parity"]["relative"] <= GATES["fp32"].limit, name
    assert bundle.manifest["parity"]["closed_loop"]["worst_iou"] >= 0.995
    assert bundle.manifest["golden"]["tolerances"]["iou"] == 0.995
    lost = WeightOnlyReference(network, bundle.dimensions).int8_sqnr_db
    assert bundle.manifest["quantization"]["sqnr_db"]["encode_query"] == pytest.approx(lost["encode_query"])
    assert 15 < lost["encode_query"] < 60  # it is not the network in float that it is proven beside


def test_the_manifest_says_that_activations_are_in_float(bundle: Bundle) -> None:
    section = bundle.manifest["quantization"]
    assert section["weights"]["maximum"] == WEIGHTS.maximum
    assert (section["activations"], section["observer"], section["ranges"]) == (None, None, {})
    assert [part["name"] for part in section["float_parts"]] == ["activations"]


def test_every_kernel_in_the_file_is_int8_and_the_file_small(bundle: Bundle, network: MemoryNetwork) -> None:
    graph, parts = CoremlGraph(bundle), ("encode_query", "encode_memory", "decode")
    found = [one for name in parts for one in graph.convolutions(name)]
    assert len(found) > 60
    assert {(one.weights, one.arithmetic) for one in found} == {("int8", Arithmetic.FP32)}
    in_float = 4 * sum(one.numel() for one in fold_batch_norm(network).parameters())
    assert sum(bundle.manifest["components"][name]["size_bytes"] for name in parts) <= 0.30 * in_float


def test_its_layers_are_reported_as_int8_weights_and_have_not_failed(bundle: Bundle, network: MemoryNetwork) -> None:
    report = place([bundle], network)
    assert not report.failed
    layers = report.bundles[0].layers.values()
    assert {(one.meant, one.runs_in) for one in layers} == {(INT8_WEIGHTS, "w8 fp32")}
    assert all(one.sqnr_db is not None and one.sqnr_db > 10 for one in layers)


@pytest.mark.parametrize(
    "options", [["--calibration", "frames"], ["--keep-float", "decoder.head"], ["--keep-float-worst", "2"]]
)
def test_what_kernels_alone_have_no_use_for_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--precision", "int8", "--weights-only", "--output", str(tmp_path / "new"), *options]
    assert main("coreml", given) == 2
    assert f"{options[0]} with --weights-only" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
