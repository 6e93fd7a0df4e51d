"""`export.tflite`: one model for all components, whole on the accelerator, its weights stored once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from export.pipeline import export_bundle
from export.targets import TARGETS
from export.tflite import PROGRAM, Options, artefact_signature, convert
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, Dimensions, Signature, TensorSpec, signature
from mobilevos.engines.litert import LitertEngine
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.weights import default_checkpoint

DIMENSIONS = Dimensions(64, 96, 2, 3, 64, 96, (96, 32, 24))


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_signature_is_the_contracts_unless_channels_are_last(component: str) -> None:
    contract = signature(component, DIMENSIONS)
    assert artefact_signature(component, DIMENSIONS, nhwc=False) == contract
    own = artefact_signature(component, DIMENSIONS, nhwc=True)
    for mine, theirs in zip(own.inputs + own.outputs, contract.inputs + contract.outputs, strict=True):
        assert mine.name == theirs.name
        if theirs.layout == "NCHW":
            n, c, h, w = theirs.shape
            assert (mine.shape, mine.layout) == ((n, h, w, c), "NHWC")
        else:
            assert mine == theirs


@pytest.mark.tflite
def test_what_the_converter_cannot_convert_ends_in_one_line() -> None:
    class Determinant(nn.Module):
        def forward(self, x):
            return x.det()

    own = Signature("step", (TensorSpec("x", (2, 3, 3), "NCC"),), (TensorSpec("y", (2,), "N"),))
    with pytest.raises(InputError, match="TFLite's converter refuses the network; found ") as caught:
        convert({"step": Determinant()}, {"step": (torch.rand(2, 3, 3),)}, {"step": own})
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="session")
def tflite_bundle(bundle_of: Callable[[str], Path]) -> Path:
    return bundle_of("tflite")


@pytest.mark.tflite
def test_everything_is_delegated_in_one_piece(tflite_bundle: Path) -> None:
    for name, component in Bundle.open(tflite_bundle).manifest["components"].items():
        operators = component["operators"]
        assert operators["left"] == [], name
        assert operators["subgraphs"] == 1, name
        assert operators["delegated"] > 5, name


@pytest.mark.tflite
def test_the_fused_step_does_not_double_the_weights(tflite_bundle: Path, random_checkpoint: Path) -> None:
    weights = 4 * sum(parameter.numel() for parameter in load_network(random_checkpoint).parameters())
    size = (tflite_bundle / PROGRAM).stat().st_size
    assert 0.95 * weights < size < 1.06 * weights


@pytest.fixture(scope="session")
def lean_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped student with weights in float16 and channels last at the boundary, for two objects."""
    network = load_network(default_checkpoint())  # a random one is ill-conditioned: no gate of float16 would hold
    output = tmp_path_factory.mktemp("bundles") / "lean"
    dimensions = network.dimensions(64, 96, 2, 2)
    export_bundle(TARGETS["tflite"], network, dimensions, output, precision="fp16", options=Options(nhwc=True))
    return Bundle.open(output)


@pytest.mark.slow
@pytest.mark.tflite
def test_half_weights_halve_the_model_and_pass_the_gate(lean_bundle: Bundle, tflite_bundle: Path) -> None:
    half, full = ((folder / PROGRAM).stat().st_size for folder in (lean_bundle.folder, tflite_bundle))
    assert half < 0.6 * full
    for name, component in lean_bundle.manifest["components"].items():
        assert component["details"]["activations"] == "float32"
        assert component["operators"]["left"] == [], name
        assert component["parity"]["sqnr_db"] >= 50, name


@pytest.mark.slow
@pytest.mark.tflite
def test_with_channels_last_no_step_begins_or_ends_with_a_transpose(lean_bundle: Bundle, tflite_bundle: Path) -> None:
    plain, lean = Bundle.open(tflite_bundle).manifest["components"], lean_bundle.manifest["components"]
    for name in ("encode_query", "encode_memory", "decode", "segment"):  # the read's own tensors have no channels last
        assert lean[name]["details"]["transposes"] < plain[name]["details"]["transposes"], name
    assert lean["encode_query"]["details"]["transposes"] == 0
    assert lean_bundle.artefact_signature("segment").inputs[0].shape == (1, 64, 96, 3)


@pytest.mark.slow
@pytest.mark.tflite
def test_a_bundle_with_channels_last_runs_behind_the_same_protocol(lean_bundle: Bundle) -> None:
    engine = LitertEngine(lean_bundle)
    generator = np.random.default_rng(0)
    inputs = [generator.random(s.shape, np.float32) for s in signature("segment", lean_bundle.dimensions).inputs]
    logits, query = engine.segment(*inputs)
    assert logits.shape == (2, 1, 64, 96)
    assert query.key.shape == (1, 64, 4, 6)
    assert logits.flags.c_contiguous
