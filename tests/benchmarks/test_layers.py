import torch
from torch import nn

from benchmarks.layers import Layer, assign_layers, memory_read_layers, network_layers
from benchmarks.macs import component_gmacs
from mobilevos.model.components import build_components, example_inputs
from mobilevos.model.variants import build_network


class Net(nn.Module):
    """Its modules run in another order than they were defined in."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(8, 4, 1)
        self.wise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.first = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.wise(self.first(x)))


def test_layers_come_in_the_order_of_execution() -> None:
    assert network_layers(Net(), (torch.rand(1, 3, 4, 6),)) == [
        Layer("first", "convolution", 24 * 8 * 3 * 9),
        Layer("wise", "depthwise", 24 * 8 * 9),
        Layer("last", "pointwise", 24 * 4 * 8),
    ]


def test_an_operator_gets_the_layer_of_its_place_among_its_kind() -> None:
    layers = network_layers(Net(), (torch.rand(1, 3, 4, 6),))
    operators = [
        "Transpose (ND, X32) #1",
        "Convolution (NHWC, F32) IGEMM #1",
        "Convolution (NHWC, F32) DWConv #1",
        "Fully Connected (NC, F32) GEMM #1",
    ]
    names = [layer.name if layer else None for layer in assign_layers(operators, layers)]
    assert names == [None, "first", "wise", "last"]


def test_operators_in_other_numbers_than_layers_get_none() -> None:
    layers = [Layer("one", "pointwise", 1), Layer("two", "depthwise", 1)]
    operators = ["Fully Connected (NC, F32) GEMM #1", "Fully Connected (NC, F32) GEMM #2", "DWConv #1"]
    assert assign_layers(operators, layers) == [None, None, layers[1]]


def test_the_layers_account_for_all_arithmetic_of_a_step() -> None:
    network = build_network("mobilenet_v2").eval()
    dimensions = network.dimensions(64, 96, memory_frames=2, objects=2)
    inputs = example_inputs("segment", dimensions, torch.Generator().manual_seed(0))
    layers = network_layers(build_components(network)["segment"], inputs) + memory_read_layers(dimensions)
    assert sum(layer.macs for layer in layers) == round(component_gmacs(network, dimensions)["segment"] * 1e9)
