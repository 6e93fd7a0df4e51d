"""The gate of the closed loop, and its curve."""

from __future__ import annotations

import copy
import warnings
from math import inf
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export.closed_loop import LEAST_INT8_IOU, TOLERANCES, check_closed_loop, write_curve
from export.pipeline import export_bundle
from export.reference import Reference
from export.targets import TARGETS
from mobilevos.errors import InputError
from mobilevos.golden import ClosedLoop, closed_loop
from mobilevos.golden.replay import FrameComparison, ObjectComparison
from mobilevos.model.checkpoint import load_network
from mobilevos.quantization.component_engine import ComponentEngine
from mobilevos.quantization.program import quantize
from mobilevos.quantization.stored import load_stored
from mobilevos.weights import default_int8_checkpoint


def loop_of(precision: str, iou: float = 1.0, tensors: float = 0.0, error: float = 1e-6) -> ClosedLoop:
    """Two objects, of which the second is too small to be judged."""
    frames = tuple(
        FrameComparison(index, (ObjectComparison(1, 2000, iou), ObjectComparison(2, 20, 0.5)), error)
        for index in range(1, 30)
    )
    engine = {"engine": f"x-{precision}", "versions": {}}
    first = FrameComparison(0, (), None)
    return ClosedLoop(engine, (first, *frames), {"logits": tensors}, TOLERANCES[precision])


def test_every_precision_of_every_target_has_its_tolerances() -> None:
    assert {precision for target in TARGETS.values() for precision in target.precisions} <= set(TOLERANCES)


@pytest.mark.parametrize(("precision", "iou"), [("fp32", 0.995), ("fp16", 0.99), ("int8", LEAST_INT8_IOU)])
def test_the_gate_is_the_worst_mask_and_in_int8_the_mean(precision: str, iou: float) -> None:
    check_closed_loop(loop_of(precision, iou), precision)
    with pytest.raises(InputError, match=r"masks; expected IoU of at least .*; found worst IoU 0\.9"):
        check_closed_loop(loop_of(precision, iou - 0.01), precision)


def test_float16_that_drifts_names_the_way_out() -> None:
    with pytest.raises(InputError, match="pass --precision fp32"):
        check_closed_loop(loop_of("fp16", 0.5), "fp16")


def test_masks_that_hide_wrong_tensors_do_not_pass() -> None:
    with pytest.raises(InputError, match=r"computes: logits; expected within 1e-03 of its range; found 2\.0e-03"):
        check_closed_loop(loop_of("fp32", tensors=2e-3), "fp32")


@pytest.mark.parametrize("error", [1e-6, 0.0, inf])
def test_the_curve_is_a_picture_whatever_the_errors(tmp_path: Path, error: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_curve(loop_of("fp32", 0.9, error=error), tmp_path / "parity" / "curve.png")
    picture = np.asarray(Image.open(tmp_path / "parity" / "curve.png").convert("RGB"))
    assert picture.shape == (450, 700, 3)
    assert picture.std() > 10


def test_the_same_loop_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_curve(loop_of("fp32"), tmp_path / name)
    write_curve(loop_of("fp32", 0.9), tmp_path / "c.png")
    one, same, other = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert one == same != other


# Int8, of the shipped student in small frames


@pytest.fixture(scope="module")
def int8_reference() -> Reference:
    """Whose trace is of the right network."""
    checkpoint = default_int8_checkpoint()
    assert checkpoint is not None
    network = load_network(checkpoint)
    return Reference(network, network.dimensions(64, 96, 2, 1), load_stored(checkpoint))


@pytest.mark.executorch
@pytest.mark.slow
@pytest.mark.parametrize("layer", ["decoder.to8", "query_encoder.trunk.features.7"])
def test_int8_with_the_scale_of_one_layer_wrong_is_refused(int8_reference: Reference, layer: str) -> None:
    wrong = copy.deepcopy(int8_reference.network)
    kernel = next(module for module in wrong.get_submodule(layer).modules() if isinstance(module, torch.nn.Conv2d))
    with torch.no_grad():
        kernel.weight.mul_(2)
    quantization, dimensions = int8_reference.quantization, int8_reference.dimensions
    assert quantization is not None
    programs = quantize(wrong, dimensions, quantization.specification, quantization.ranges).programs
    loop = closed_loop(int8_reference.golden, ComponentEngine(programs, dimensions, "wrong"), TOLERANCES["int8"])
    with pytest.raises(InputError, match="on its own masks the bundle does not compute what the reference computes"):
        check_closed_loop(loop, "int8")


@pytest.mark.tflite
@pytest.mark.executorch
@pytest.mark.slow
def test_an_int8_bundle_with_one_wrong_kernel_is_not_written(
    int8_reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The components' own comparison, which would refuse it first, is left out."""
    right, target = int8_reference, TARGETS["tflite"]
    wrong = Reference(copy.deepcopy(right.network), right.dimensions, right.quantization)
    with torch.no_grad():
        next(iter(wrong.network.decoder.to8.parameters())).mul_(2)
    monkeypatch.setattr(wrong, "golden", right.golden)
    monkeypatch.setattr("export.pipeline.measure", lambda *arguments, **options: {})
    with pytest.raises(InputError, match="on its own masks the bundle does not compute"):
        export_bundle(target, wrong.network, wrong.dimensions, tmp_path / "new", precision="int8", reference=wrong)
    assert list(tmp_path.iterdir()) == []
