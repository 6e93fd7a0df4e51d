"""Components in float16: float32 outside, and weights that are shared stay shared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from export.half_precision import in_precision
from mobilevos.contract import COMPONENTS
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components, example_inputs
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network


@pytest.fixture(scope="module")
def network(random_checkpoint: Path) -> MemoryNetwork:
    return load_network(random_checkpoint)


@pytest.fixture(scope="module")
def components(network: MemoryNetwork) -> dict[str, torch.nn.Module]:
    return build_components(fold_batch_norm(network))


def test_in_float32_they_are_the_same_modules(components: dict[str, torch.nn.Module]) -> None:
    assert in_precision(components, "fp32") == components


@torch.no_grad()
@pytest.mark.parametrize("component", COMPONENTS)
def test_they_take_and_give_float32_and_round_inside(
    components: dict[str, torch.nn.Module], network: MemoryNetwork, component: str
) -> None:
    dimensions = network.dimensions(32, 48, 2, 1)
    inputs = example_inputs(component, dimensions, torch.Generator().manual_seed(0))
    outputs, halves = components[component](*inputs), in_precision(components, "fp16")[component](*inputs)
    if isinstance(outputs, torch.Tensor):
        outputs, halves = (outputs,), (halves,)
    for output, half in zip(outputs, halves, strict=True):
        assert half.dtype == torch.float32
        assert torch.equal(half, half.half().float())
        torch.testing.assert_close(half, output, rtol=0, atol=0.02 * float(output.abs().max()))


def test_the_originals_keep_their_weights_and_the_copies_share_theirs(
    components: dict[str, torch.nn.Module],
) -> None:
    halves = in_precision(components, "fp16")
    assert {weight.dtype for module in components.values() for weight in module.parameters()} == {torch.float32}
    weights = [weight for module in halves.values() for weight in module.parameters()]
    alone = {weight.data_ptr() for weight in components["segment"].parameters()}
    alone |= {weight.data_ptr() for weight in components["encode_memory"].parameters()}
    assert len({weight.data_ptr() for weight in weights}) == len(alone)


@pytest.mark.parametrize("variant", ["mobilenet_v2", "resnet18"])
def test_only_the_stem_of_the_trunk_stays_in_float32(variant: str) -> None:
    halves = in_precision(build_components(fold_batch_norm(build_network(variant, seed=0))), "fp16")
    whole = {name for name, weight in halves["segment"].named_parameters() if weight.dtype == torch.float32}
    assert whole
    assert all(".trunk." in name and ".layers." in name for name in whole)
    stem = sum(weight.numel() for name, weight in halves["segment"].named_parameters() if name in whole)
    assert stem < 0.01 * sum(weight.numel() for weight in halves["segment"].parameters())
