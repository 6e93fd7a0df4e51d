"""The whole network: a batch is the same as each object alone, and what a frame costs."""

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mobilevos.errors import InputError
from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.network import MemoryNetwork, NetworkConfig
from mobilevos.model.variants import VARIANTS, build_network, network_config

B, O, T, SIDE = 2, 2, 2, 64  # noqa: E741


@pytest.fixture(scope="module", params=[VARIANTS[0], *(pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS[1:])])
def network(request: pytest.FixtureRequest) -> MemoryNetwork:
    return build_network(request.param, seed=3).eval()


@pytest.fixture(scope="module")
def clip() -> tuple[Tensor, Tensor]:
    """Frames `[B, T+1, 3, H, W]` and soft masks `[B, T, O, H, W]` of the memory frames."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(B, T + 1, 3, SIDE, SIDE, generator=generator)
    masks = torch.rand(B, T, O, SIDE, SIDE, generator=generator) / O
    return frames, masks


def segment(network: MemoryNetwork, frames: Tensor, masks: Tensor, others: Tensor) -> Tensor:
    """Logits `[B, O, H, W]` of the last frame, with all frames before it in memory."""
    batch, objects = masks.shape[0], masks.shape[2]
    keys, values = [], []
    for t in range(masks.shape[1]):
        query = network.encode_query(frames[:, t])
        value = network.encode_memory(query, masks[:, t].flatten(0, 1)[:, None], others[:, t].flatten(0, 1)[:, None])
        keys.append(query.key)
        values.append(value.unflatten(0, (batch, objects)))
    query = network.encode_query(frames[:, -1])
    readout = network.read_memory(query.key, torch.stack(keys, 2), torch.stack(values, 3))
    return network.decode(readout, query).view(batch, objects, *frames.shape[-2:])


def each_object_alone(masks: Tensor, others: Tensor) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    for b in range(B):
        for o in range(O):
            one = (slice(b, b + 1), slice(None), slice(o, o + 1))
            yield b, o, masks[one], others[one]


def gradients_of(network: MemoryNetwork) -> dict[str, Tensor]:
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def test_a_batch_gives_the_logits_and_gradients_of_each_object_alone(network, clip):
    network = copy.deepcopy(network).double()  # so that nothing is left to rounding
    frames, masks = (tensor.double() for tensor in clip)
    others = masks.sum(2, keepdim=True) - masks
    weight = torch.randn(B, O, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).double()
    together = segment(network, frames, masks, others)
    (together * weight).sum().backward()
    batched = gradients_of(network)

    network.zero_grad()
    for b, o, own, other in each_object_alone(masks, others):
        alone = segment(network, frames[b : b + 1], own, other)
        torch.testing.assert_close(alone[0, 0], together[b, o], atol=1e-9, rtol=1e-9)
        (alone[0, 0] * weight[b, o]).sum().backward()
    scale = max(float(gradient.norm()) for gradient in batched.values())
    for name, gradient in gradients_of(network).items():
        torch.testing.assert_close(gradient, batched[name], atol=1e-9 * scale, rtol=1e-7, msg=name)


def test_in_training_mode_every_convolution_learns(network, clip):
    network = copy.deepcopy(network).train()
    frames, masks = clip
    segment(network, frames, masks, masks.flip(2)).square().sum().backward()
    sizes = {name: float(gradient.norm()) for name, gradient in gradients_of(network).items() if gradient.ndim > 1}
    assert all(math.isfinite(size) for size in sizes.values())
    assert {name for name, size in sizes.items() if size < 1e-6 * max(sizes.values())} == set()


@torch.inference_mode()
def test_the_components_have_the_shapes_that_the_contract_names(network):
    d = network.dimensions(48, 80, T, O)
    h, w = 3, 5
    query = network.encode_query(torch.rand(B, 3, 48, 80))
    c16, c8, c4 = d.feature_channels
    assert query.key.shape == (B, d.key_channels, h, w)
    assert query.feature16.shape == (B, c16, h, w)
    assert query.feature8.shape == (B, c8, 2 * h, 2 * w)
    assert query.feature4.shape == (B, c4, 4 * h, 4 * w)
    masks = torch.rand(B * O, 1, 48, 80)
    value = network.encode_memory(query, masks, torch.zeros_like(masks))
    assert value.shape == (B * O, d.value_channels, h, w)
    memory_value = value.view(B, O, -1, 1, h, w).expand(-1, -1, -1, T, -1, -1)
    readout = network.read_memory(query.key, query.key[:, :, None].expand(-1, -1, T, -1, -1), memory_value)
    assert readout.shape == value.shape
    assert network.decode(readout, query).shape == (B * O, 1, 48, 80)


@torch.inference_mode()
def test_the_masks_and_the_others_masks_mean_different_things(network, clip):
    frames, masks = clip
    query = network.encode_query(frames[:, 0])
    mask, other = masks[:, 0, :1], masks[:, 0, 1:]
    assert not torch.allclose(network.encode_memory(query, mask, other), network.encode_memory(query, other, mask))


@torch.inference_mode()
def test_the_image_is_normalised_inside(network):
    """A frame of ImageNet's mean colour is the trunk's zero."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    trunk = network.query_encoder.trunk
    torch.testing.assert_close(network.encode_query(mean).feature16, trunk(torch.zeros(1, 3, 32, 32)).feature16)
    shifted = trunk(torch.ones(1, 3, 32, 32)).feature8
    one_deviation = mean + torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    torch.testing.assert_close(network.encode_query(one_deviation).feature8, shifted, atol=1e-4, rtol=1e-4)


def gmacs(network: MemoryNetwork, height: int, width: int, *, memory_frames: int, memory_every: int) -> float:
    """Of an average frame with one object, counted on shapes alone."""
    d = network.dimensions(height, width, memory_frames, 1)
    h, w = height // 16, width // 16
    image = torch.rand(1, 3, height, width, device="meta")
    mask = torch.rand(1, 1, height, width, device="meta")
    keys = torch.rand(1, d.key_channels, memory_frames, h, w, device="meta")
    values = torch.rand(1, 1, d.value_channels, memory_frames, h, w, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as step:
        query: QueryFeatures = network.encode_query(image)
        network.decode(network.read_memory(query.key, keys, values), query)
    with torch.no_grad(), FlopCounterMode(display=False) as memorise:
        network.encode_memory(query, mask, mask)
    return (step.get_total_flops() + memorise.get_total_flops() / memory_every) / 2e9


def test_a_frame_of_the_phone_student_costs_at_most_three_and_a_half_gmacs():
    network = build_network("mobilenet_v2").eval().to("meta")
    cost = gmacs(network, 480, 864, memory_frames=2, memory_every=5)
    assert 2.5 < cost <= 3.5


BASE = network_config("mobilenet_v2")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key_channels": 0}, "model.key_channels; expected 1 to 4096; found 0"),
        ({"value_channels": 10**9}, "model.value_channels; expected 1 to 4096"),
        ({"memory_channels": (64, 32)}, "model.memory_channels; expected three numbers"),
        ({"memory_channels": (64, 32, 0)}, "model.memory_channels"),
        ({"decoder_channels": (64, -3, 8)}, "model.decoder_channels.*found -3"),
        ({"decoder_blocks": (1, 1, -1)}, "model.decoder_blocks.*found -1"),
        ({"memory_blocks": 65}, "model.memory_blocks.*found 65"),
        ({"aspp_channels": -1}, "model.aspp_channels"),
        ({"top_k": 0}, "model.top_k"),
    ],
)
def test_a_network_that_cannot_be_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        NetworkConfig(**{**vars(BASE), **changed})
