"""Sites: names of activations that do not depend on the program that computes them."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from mobilevos.quantization.sites import layer_of, operator_of, output_sites, site_names


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.clamp = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1), nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        clamped = self.clamp(self.first(x))
        added = torch.relu(x + self.second(clamped))
        return clamped, added + clamped


class Component(nn.Module):
    """As the components of the contract are: the layers are below `network`."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(Block())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        outputs: tuple[Tensor, Tensor] = self.network(image)
        return outputs[0], outputs[1] * 2


def exported() -> fx.Graph:
    module = torch.export.export(Component().eval(), (torch.rand(1, 2, 4, 4),)).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    return module.graph


def test_a_convolution_and_its_clamp_are_one_site_called_as_the_layer() -> None:
    graph = exported()
    names = site_names(graph)
    by_operator = {operator_of(node): names[node.name] for node in graph.nodes if node.op == "call_function"}
    assert by_operator["hardtanh"] == "0.first"
    assert [names[n.name] for n in graph.nodes if operator_of(n) == "conv2d"] == ["0.first", "0.second"]


def test_additions_are_numbered_within_their_layer_and_share_their_clamps_site() -> None:
    graph = exported()
    names = site_names(graph)
    assert [names[node.name] for node in graph.nodes if operator_of(node) == "add"] == ["0/add.0", "0/add.1"]
    assert [names[node.name] for node in graph.nodes if operator_of(node) == "relu"] == ["0/add.0"]


def test_inputs_are_called_as_the_contract_or_as_who_computes_them() -> None:
    assert site_names(exported())["image"] == "image"
    assert site_names(exported(), {"image": "decoder/add.1"})["image"] == "decoder/add.1"


def test_what_a_component_returns_is_known_by_the_contracts_names() -> None:
    assert output_sites(exported(), ("clamped", "sum"))["clamped"] == "0.first"


def test_what_no_layer_computes_has_the_empty_path() -> None:
    (product,) = (node for node in exported().nodes if operator_of(node) == "mul")
    assert layer_of(product) == ""
