"""The blocks' arithmetic, against the same sums written out in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevos.model.aspp import ASPP
from mobilevos.model.blocks import ConvNorm, SeparableBlock, WideBlock, per_object, upsample


def trained_like(module: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation mode and float64, with batch norm statistics that are not those of a new module."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                tensor.data = torch.rand(tensor.shape, generator=generator) + 0.5
    return module.double().eval()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conv_norm(layer: ConvNorm, x: Tensor) -> Tensor:
    """Convolution by explicit windows, then batch norm by its definition; no activation."""
    conv, norm = layer[0], layer[1]
    (k, _), (stride, _), (padding, _), (dilation, _) = conv.kernel_size, conv.stride, conv.padding, conv.dilation
    x = F.pad(x, (padding,) * 4)
    reach = dilation * (k - 1) + 1
    rows, columns = ((size - reach) // stride + 1 for size in x.shape[-2:])
    out = torch.zeros(x.shape[0], conv.out_channels, rows, columns, dtype=torch.float64)
    per_group = conv.out_channels // conv.groups
    for o in range(conv.out_channels):
        first = (o // per_group) * (conv.in_channels // conv.groups)
        for i in range(conv.in_channels // conv.groups):
            for dy in range(k):
                for dx in range(k):
                    ys = slice(dy * dilation, dy * dilation + stride * (rows - 1) + 1, stride)
                    xs = slice(dx * dilation, dx * dilation + stride * (columns - 1) + 1, stride)
                    out[:, o] += conv.weight[o, i, dy, dx] * x[:, first + i, ys, xs]

    def column(vector: Tensor) -> Tensor:
        return vector.view(1, -1, 1, 1)

    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return (out - column(norm.running_mean)) * column(scale) + column(norm.bias)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (7, 9)),
        ({"kernel_size": 3}, (7, 9)),
        ({"kernel_size": 5, "groups": 4}, (7, 9)),
        ({"kernel_size": 3, "dilation": 3, "groups": 4}, (7, 9)),
        ({"kernel_size": 3, "stride": 2}, (4, 5)),
        ({"kernel_size": 5, "stride": 2, "groups": 2}, (4, 5)),
    ],
)
@torch.no_grad()
def test_a_convolution_with_norm_keeps_the_size_or_halves_it_rounded_up(options, size):
    layer = trained_like(ConvNorm(4, 4, **options, activate=False))
    x = noise(2, 4, 7, 9)
    assert layer(x).shape == (2, 4, *size)
    torch.testing.assert_close(layer(x), conv_norm(layer, x))
    activated = trained_like(ConvNorm(4, 4, **options))
    activated.load_state_dict(layer.state_dict())
    torch.testing.assert_close(activated(x), layer(x).relu())


@torch.no_grad()
def test_a_patch_embedding_takes_every_pixel_once():
    layer = trained_like(ConvNorm(2, 3, 4, stride=4, activate=False))
    x = noise(1, 2, 8, 12)
    assert layer(x).shape == (1, 3, 2, 3)
    torch.testing.assert_close(layer(x), conv_norm(layer, x))


@torch.no_grad()
def test_a_separable_block_adds_what_it_computes():
    block = trained_like(SeparableBlock(3))
    x = noise(2, 3, 6, 7)
    middle = conv_norm(block.depthwise, x).relu()
    torch.testing.assert_close(block(x), (x + conv_norm(block.pointwise, middle)).relu())


@torch.no_grad()
def test_a_wide_block_is_wide_in_the_middle_alone():
    block = trained_like(WideBlock(3, expansion=4))
    assert block.expand[0].out_channels == 12
    x = noise(2, 3, 6, 7)
    middle = conv_norm(block.expand, conv_norm(block.depthwise, x)).relu()
    torch.testing.assert_close(block(x), (x + conv_norm(block.project, middle)).relu())


@torch.no_grad()
def test_aspp_adds_windows_of_every_dilation():
    block = trained_like(ASPP(3, 2, rates=(1, 2, 5)))
    x = noise(1, 3, 12, 13)
    expected = x.clone()
    for (depthwise, expand, project), rate in zip(block.branches, (1, 2, 5), strict=True):
        assert depthwise[0].dilation == (rate, rate)
        expected += conv_norm(project, conv_norm(expand, conv_norm(depthwise, x)).relu())
    torch.testing.assert_close(block(x), expected.relu())


def test_a_frames_feature_is_repeated_for_its_own_objects():
    feature = noise(2, 3, 4, 5)
    repeated = per_object(feature, 6)
    assert repeated.shape == (6, 3, 4, 5)
    for row, frame in enumerate((0, 0, 0, 1, 1, 1)):
        assert torch.equal(repeated[row], feature[frame])


def test_one_frame_or_one_object_a_frame_is_not_copied():
    feature = noise(2, 3, 4, 5)
    assert per_object(feature, 2) is feature
    assert per_object(feature[:1], 5).shape[0] == 1


def test_upsampling_centres_pixels_at_half():
    """Along a row `[0, 1]` at scale 2, output pixel i lies at `(i + 0.5) / 2 - 0.5`, cut off at the ends."""
    row = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    torch.testing.assert_close(upsample(row, 2)[0, 0], torch.tensor([[0.0, 0.25, 0.75, 1.0]] * 2))
