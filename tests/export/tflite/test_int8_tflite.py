"""Int8 in TFLite: the file holds the specification, computes it in integers, and gives the reference's numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.activations import record_activations
from export.checks.tflite_integers import audit_integers, check_integers
from export.int8_tflite import build_int8
from export.parity import compare
from export.pipeline import export_bundle
from export.targets import TARGETS, BuildRequest, ComponentArtefact
from export.tflite import PROGRAM, Options
from export.tflite_model import single_signature
from export.tflite_operators import StoredOperator, read_operators
from export.tflite_quantizing import Kernel, site_of
from export.tflite_sites import CONVOLUTIONS, as_stored
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Dimensions
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.litert import LitertEngine
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import QuantizedNetwork, quantize
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.sites import layer_of, operator_of
from mobilevos.quantization.specification import Observer, Specification
from mobilevos.quantization.stored import load_stored
from mobilevos.tracking import Tracker
from mobilevos.weights import default_int8_checkpoint

pytestmark = [pytest.mark.tflite, pytest.mark.executorch, pytest.mark.slow]

WITH_LAYERS = ("encode_query", "encode_memory", "decode", "segment")
EXACT = ("encode_query", "encode_memory")
"""Integers alone from their first layer to their last. The decoder upsamples in float, which decides ties."""


@dataclass(frozen=True)
class Build:
    """What was built, and from what."""

    request: BuildRequest[Options]
    quantized: QuantizedNetwork
    folder: Path
    artefacts: dict[str, ComponentArtefact]
    stages: list[str]

    @property
    def model(self) -> bytes:
        return (self.folder / PROGRAM).read_bytes()

    def difference(self, component: str) -> float:
        """SQNR of the worst output beside PyTorch's quantized program, dB."""
        outputs, expected = self.outputs(component)
        return min(compare(one, outputs[index]).sqnr_db for index, one in enumerate(expected))

    def outputs(self, component: str) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """What the model gives in LiteRT, and what PyTorch's quantized program gives."""
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(model_content=self.model, num_threads=1).get_signature_runner(component)
        inputs = self.request.inputs(component)
        names = {"encode_query": ("image",), "decode": ("readout", "feature16", "feature8", "feature4")}
        names["encode_memory"] = ("key", "feature16", "feature8", "masks", "others")
        found = runner(**{name: one.numpy() for name, one in zip(names[component], inputs, strict=True)})
        order = {"encode_query": ("key", "feature16", "feature8", "feature4"), "decode": ("logits",)}
        order["encode_memory"] = ("memory_key", "memory_value")
        with torch.no_grad():
            expected = self.quantized.programs[component](*inputs)
        tensors = expected if isinstance(expected, tuple) else (expected,)
        return [found[name] for name in order[component]], [np.ascontiguousarray(one.numpy()) for one in tensors]


Builder = Callable[..., Build]


@pytest.fixture(scope="session")
def build(
    student: MemoryNetwork,
    small_dimensions: Dimensions,
    quantized_student: QuantizedNetwork,
    tmp_path_factory: pytest.TempPathFactory,
) -> Builder:
    """Builds some components of the student."""
    modules = build_components(fold_batch_norm(student).to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]
    activations = record_activations(EagerEngine(student), small_dimensions)

    def build(
        components: tuple[str, ...] = COMPONENTS,
        quantized: QuantizedNetwork = quantized_student,
        options: Options = Options(),  # noqa: B008, frozen
    ) -> Build:
        chosen = {name: modules[name] for name in components}
        request = BuildRequest(chosen, small_dimensions, "int8", activations, options)
        folder, stages = tmp_path_factory.mktemp("int8"), list[str]()
        return Build(request, quantized, folder, build_int8(request, quantized, folder, stages.append), stages)

    return build


@pytest.fixture(scope="session")
def built(build: Builder) -> Build:
    """The whole student."""
    return build()


def convolutions(model: bytes, component: str) -> dict[str, StoredOperator]:
    operators = read_operators(model)[component]
    return {site_of(one.output.name): one for one in operators if one.kind in CONVOLUTIONS}


def test_every_convolution_runs_in_integers_and_none_beside_the_delegate(built: Build) -> None:
    assert len(built.stages) == TARGETS["tflite"].stages
    for name in WITH_LAYERS:
        artefact = built.artefacts[name]
        assert artefact.operators.left == ()
        assert artefact.operators.subgraphs == 1
        assert artefact.details["integer_convolutions"] == artefact.details["convolutions"] > 10
        json.dumps(artefact.details)


def test_nothing_is_emulated(built: Build) -> None:
    for name, operators in read_operators(built.model).items():
        for one in operators:
            if one.kind in CONVOLUTIONS:
                assert [tensor.dtype for tensor in one.inputs] == ["INT8", "INT8", "INT32"], name
                assert one.output.dtype == "INT8"
            if one.kind == "DEQUANTIZE":
                assert one.activations, "a weight is made a float"


def test_what_is_declared_float_stays_so(built: Build) -> None:
    found = audit_integers(built.model)
    assert found["read_memory"].integer == {}
    for name in ("decode", "segment"):
        assert found[name].in_float["RESIZE_BILINEAR"] == 3
        assert "RESIZE_BILINEAR" not in found[name].integer
    assert found["segment"].in_float["BATCH_MATMUL"] == 2
    assert found["encode_query"].in_float == {"SUB": 1, "MUL": 1}
    assert all("ADD" not in found[name].in_float for name in ("encode_query", "encode_memory", "decode"))


@pytest.mark.parametrize("component", WITH_LAYERS)
def test_integers_scales_and_zero_points_are_the_programs(built: Build, component: str) -> None:
    program, stored = built.quantized.programs[component], convolutions(built.model, component)
    seen = set()
    for node in program.graph.nodes:
        if operator_of(node) != "conv2d":
            continue
        image, kernel, bias = node.args[:3]
        scale = getattr(program, kernel.args[1].target)
        one = stored[layer_of(node)]
        weight = getattr(program, kernel.args[0].target)
        np.testing.assert_array_equal(one.inputs[1].values, as_stored(weight.numpy(), one.kind))
        np.testing.assert_array_equal(one.inputs[1].scale, scale.numpy())
        assert not one.inputs[1].zero_point.any()
        assert one.inputs[0].scale.tolist() == [np.float32(image.args[1])]
        assert one.inputs[0].zero_point.tolist() == [image.args[2]]
        assert one.inputs[2].values is not None
        step = image.args[1] * scale.double().numpy()
        real = program.get_parameter(bias.target).detach().double().numpy()
        np.testing.assert_array_equal(one.inputs[2].values, np.round(real / step))
        after = built.quantized.ranges[layer_of(node)]
        assert one.output.scale.tolist() == [np.float32(after.scale)]
        assert one.output.zero_point.tolist() == [after.zero_point]
        seen.add(layer_of(node))
    assert seen == set(stored)


@pytest.mark.parametrize("component", EXACT)
def test_litert_gives_the_references_integers(built: Build, component: str) -> None:
    assert built.difference(component) > 120  # that of |k|^2, which is in float
    if component == "encode_query":
        for found, expected in zip(*built.outputs(component), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_litert_decodes_what_the_reference_decodes(built: Build) -> None:
    assert built.difference("decode") > 25


def test_it_is_at_most_0_30_of_the_size_in_float(built: Build, bundle_of: Callable[[str], Path]) -> None:
    folder = bundle_of("tflite")
    in_float = Bundle.open(folder).manifest["components"]
    for name in WITH_LAYERS:
        assert built.artefacts[name].size_bytes <= 0.30 * in_float[name]["size_bytes"], name
    assert len(built.model) <= 0.30 * (folder / PROGRAM).stat().st_size


def test_signatures_share_their_weights(built: Build) -> None:
    apart = {name: len(single_signature(built.model, name)) for name in COMPONENTS}
    assert len(built.model) < 1.1 * (apart["encode_query"] + apart["encode_memory"] + apart["decode"])


def test_the_same_network_gives_the_same_bytes(build: Builder) -> None:
    first, second = build(("decode", "encode_memory")), build(("decode", "encode_memory"))
    assert first.model == second.model


@pytest.fixture(scope="session")
def with_float_layers(
    build: Builder, student: MemoryNetwork, small_dimensions: Dimensions, student_ranges: dict[str, Range]
) -> Build:
    """The decoder with two layers kept in float."""
    kept = Specification(Observer.MINMAX, ("decoder.head", "decoder.blocks8"))
    return build(("decode",), quantize(student, small_dimensions, kept, student_ranges, ("decode",)))


def test_layers_are_kept_in_float_on_request(with_float_layers: Build, built: Build) -> None:
    details = with_float_layers.artefacts["decode"].details
    assert details["convolutions"] - details["integer_convolutions"] == 3
    stored = convolutions(with_float_layers.model, "decode")
    for layer in ("decoder.head", "decoder.blocks8.0.depthwise.0", "decoder.blocks8.0.pointwise.0"):
        assert [tensor.dtype for tensor in stored[layer].inputs] == ["FLOAT32"] * 3
        weight = with_float_layers.request.components["decode"].get_parameter(f"network.{layer}.weight")
        np.testing.assert_array_equal(
            stored[layer].inputs[1].values, as_stored(weight.detach().numpy(), stored[layer].kind)
        )
    assert stored["decoder.to4.0"].integer
    assert with_float_layers.difference("decode") > 25
    assert with_float_layers.artefacts["decode"].operators.left == ()


def test_with_channels_last_at_the_boundary_nothing_is_transposed(build: Builder, built: Build) -> None:
    lean = build(("encode_query", "decode"), options=Options(nhwc=True))
    assert lean.artefacts["encode_query"].details["transposes"] == 0
    for name in ("encode_query", "decode"):
        found, before = lean.artefacts[name].details, built.artefacts[name].details
        assert found["integer_convolutions"] == before["integer_convolutions"]
        assert lean.artefacts[name].operators.left == ()


def test_a_layer_without_a_range_is_named_and_nothing_written(build: Builder, built: Build, tmp_path: Path) -> None:
    ranges = dict(built.quantized.ranges)
    del ranges["decoder.to4.0"]
    request = replace(built.request, components={"decode": built.request.components["decode"]})
    with pytest.raises(InputError, match=r"layer decoder\.to4\.0 has no range") as caught:
        build_int8(request, replace(built.quantized, ranges=ranges), tmp_path, lambda stage: None)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


class TestCheck:
    """What is not as specified is found, whatever made it so."""

    @pytest.fixture
    def kernels(self, built: Build) -> dict[str, Kernel]:
        found = {}
        for name in WITH_LAYERS:
            program = built.quantized.programs[name]
            for node in program.graph.nodes:
                if operator_of(node) == "conv2d":
                    weight, scale = (getattr(program, one.target) for one in node.args[1].args[:2])
                    values = weight.float() * scale.view(-1, 1, 1, 1)
                    found[layer_of(node)] = Kernel(values.numpy(), scale.numpy())
        return found

    def test_what_was_built_passes(self, built: Build, kernels: dict[str, Kernel]) -> None:
        check_integers(built.model, built.quantized, kernels)

    @pytest.mark.parametrize("change", [{"scale": 1.5}, {"zero_point": 7}])
    def test_another_range_does_not(self, built: Build, kernels: dict[str, Kernel], change: dict[str, Any]) -> None:
        ranges = dict(built.quantized.ranges)
        ranges["decoder/add.1"] = replace(ranges["decoder/add.1"], **change)
        with pytest.raises(InputError, match=r"layer decoder/add\.1 cannot be quantized in TFLite's decode.*INT8"):
            check_integers(built.model, replace(built.quantized, ranges=ranges), kernels)

    def test_another_kernel_does_not(self, built: Build, kernels: dict[str, Kernel]) -> None:
        one = kernels["decoder.to8.0"]
        kernels["decoder.to8.0"] = replace(one, values=-one.values)
        with pytest.raises(InputError, match=r"layer decoder\.to8\.0 .* the integers of its kernel"):
            check_integers(built.model, built.quantized, kernels)

    def test_other_scales_of_a_kernel_do_not(self, built: Build, kernels: dict[str, Kernel]) -> None:
        one = kernels["decoder.to8.0"]
        assert one.scale is not None
        kernels["decoder.to8.0"] = Kernel(2 * one.values, 2 * one.scale)
        with pytest.raises(InputError, match=r"layer decoder\.to8\.0 .* the scales of its kernel"):
            check_integers(built.model, built.quantized, kernels)

    def test_a_layer_in_float_does_not(
        self, built: Build, with_float_layers: Build, kernels: dict[str, Kernel]
    ) -> None:
        with pytest.raises(
            InputError, match=r"layer decoder\.blocks8\.0\.depthwise\.0 .*FLOAT32.*--keep-float decoder"
        ):
            check_integers(with_float_layers.model, built.quantized, kernels)


def test_a_bundle_proves_itself_and_tracks_what_the_reference_tracks(tmp_path: Path) -> None:
    # The shipped student: the masks of one that never learnt anything hang on ties, and the closed loop refuses them.
    checkpoint = default_int8_checkpoint()
    assert checkpoint is not None, "the int8 student is shipped"
    network, stored = load_network(checkpoint), load_stored(checkpoint)
    dimensions = network.dimensions(64, 96, 2, 2)
    export_bundle(TARGETS["tflite"], network, dimensions, tmp_path / "b", precision="int8", quantization=stored)
    bundle = Bundle.open(tmp_path / "b")
    assert bundle.manifest["precision"] == "int8"
    assert set(bundle.manifest["components"]) == set(COMPONENTS)
    # A trained network's sums may lie half-way between two steps, which shows in its frame encoder (29 dB); the memory
    # encoder, fed with the reference's, agrees to the last bits, and the loop goes on as near: 0.02 of a range.
    assert bundle.manifest["components"]["encode_memory"]["parity"]["sqnr_db"] > 100
    assert max(bundle.manifest["parity"]["closed_loop"]["tensors"].values()) < 0.05
    tracker = Tracker(LitertEngine(bundle), memory_every=2)
    clip = SyntheticClip(0, 4, (64, 96), objects=2)
    for index, frame in enumerate(clip):
        result = tracker.step(frame, clip.mask(0) if index == 0 else None)
    assert result.probabilities.shape == (3, 64, 96)
