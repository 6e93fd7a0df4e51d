"""The network cut along the contract is still the network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mobilevos.contract import COMPONENTS, Dimensions, signature
from mobilevos.model.components import build_components, example_inputs
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network

STUDENTS = ("mobilenet_v2", "mobilenet_v2_aspp", "resnet18", "resnet18_aspp")


@pytest.fixture(scope="module", params=STUDENTS)
def network(request: pytest.FixtureRequest) -> MemoryNetwork:
    return build_network(request.param, seed=1).eval()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def assert_close(actual: Tensor, expected: Tensor) -> None:
    """Equal to a hundred-thousandth of the expected range: a random network's outputs may be very small."""
    spread = float(expected.max() - expected.min())
    assert spread > 0
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5 * spread)


@pytest.mark.parametrize("objects", [1, 2])
@torch.no_grad()
def test_components_equal_the_networks_own_methods(network: MemoryNetwork, objects: int) -> None:
    components = build_components(network)
    past, image, masks = random(1, 3, 32, 48), random(1, 3, 32, 48, seed=1), random(objects, 1, 32, 48, seed=2)
    others = masks.sum(0, keepdim=True) - masks

    past_query, query = network.encode_query(past), network.encode_query(image)
    value = network.encode_memory(past_query, masks, others)
    readout = network.read_memory(query.key, past_query.key[:, :, None], value[None, :, :, None])
    logits = network.decode(readout, query)

    for output, expected in zip(components["encode_query"](image), query, strict=True):
        assert_close(output, expected)
    row, rows = components["encode_memory"](past_query.key, past_query.feature16, past_query.feature8, masks, others)
    assert_close(rows, value.flatten(2).transpose(1, 2))
    assert_close(components["read_memory"](query.key, row, rows), readout)
    assert_close(components["decode"](readout, query.feature16, query.feature8, query.feature4), logits)
    fused_logits, *fused = components["segment"](image, row, rows)
    assert_close(fused_logits, logits)
    for output, expected in zip(fused, query[:3], strict=True):
        assert_close(output, expected)


@torch.no_grad()
def test_outputs_have_the_contracts_shapes_in_its_order(network: MemoryNetwork) -> None:
    dimensions = network.dimensions(32, 48, 3, 2)
    for name, component in build_components(network).items():
        outputs = component(*example_inputs(name, dimensions, torch.Generator().manual_seed(0)))
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        specs = signature(name, dimensions).outputs
        assert [tuple(output.shape) for output in outputs] == [spec.shape for spec in specs]
        assert all(output.dtype == torch.float32 for output in outputs)


def test_components_come_in_the_contracts_order_and_in_evaluation_mode() -> None:
    network = build_network("mobilenet_v2").train()
    components = build_components(network)
    assert tuple(components) == COMPONENTS
    assert not any(module.training for component in components.values() for module in component.modules())
    assert not list(components["read_memory"].parameters())


@pytest.mark.parametrize("component", COMPONENTS)
def test_example_inputs_follow_the_contract_and_the_seed(component: str) -> None:
    dimensions = Dimensions(64, 96, 2, 3, 8, 12, (6, 5, 4))
    inputs, again = (example_inputs(component, dimensions, torch.Generator().manual_seed(seed)) for seed in (5, 5))
    assert [tuple(tensor.shape) for tensor in inputs] == [s.shape for s in signature(component, dimensions).inputs]
    for tensor, same in zip(inputs, again, strict=True):
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert torch.equal(tensor, same)


@torch.no_grad()
def test_a_call_changes_nothing_in_the_network(network: MemoryNetwork) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    build_components(network)["encode_query"](random(1, 3, 32, 48))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
