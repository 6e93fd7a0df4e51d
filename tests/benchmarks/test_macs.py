import pytest
import torch
from torch import nn

from benchmarks.macs import average_gmacs, component_gmacs, count_macs
from mobilevos.model.variants import build_network


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 12), 10 * 12 * 8 * 3 * 9),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), (1, 3, 10, 12), 5 * 6 * 8 * 3 * 9),
        (nn.Conv2d(8, 8, 5, padding=2, groups=8), (1, 8, 10, 12), 10 * 12 * 8 * 25),
        (nn.Linear(7, 5), (4, 7), 4 * 7 * 5),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 3, 10, 12), 0),
        (nn.ReLU(), (1, 3, 10, 12), 0),
    ],
)
def test_a_layer_costs_what_its_definition_says(layer: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    assert count_macs(layer, (torch.rand(shape),)) == macs


def test_the_fused_step_costs_as_much_as_its_components() -> None:
    network = build_network("mobilenet_v2").eval()
    gmacs = component_gmacs(network, network.dimensions(64, 96, memory_frames=2, objects=1))
    parts = gmacs["encode_query"] + gmacs["read_memory"] + gmacs["decode"]
    # Except for the features at stride 4 nothing is shared or saved.
    assert gmacs["segment"] == pytest.approx(parts, rel=0.01)


def test_the_memory_read_grows_with_the_square_of_the_positions() -> None:
    network = build_network("mobilenet_v2").eval()
    small, large = (
        component_gmacs(network, network.dimensions(side, 96, memory_frames=2, objects=1))["read_memory"]
        for side in (32, 64)
    )
    assert large == pytest.approx(4 * small)


def test_an_average_frame_pays_its_share_of_memorising() -> None:
    assert average_gmacs({"segment": 3.0, "encode_memory": 2.0}, memory_every=5) == pytest.approx(3.4)
