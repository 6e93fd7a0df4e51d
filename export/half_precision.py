"""Components in float16 with float32 at their boundary, for toolkits that keep the precision they are given."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from export.half_weights import with_half_weights
from mobilevos.model.encoders import QueryEncoder
from mobilevos.model.trunk import MobileNetV2Trunk, ResNet18Trunk, Trunk

__all__ = ["in_precision"]

_STEM = 2
"""Layers of MobileNetV2 that stay in float32: up to the depthwise convolution that detects edges (see
`export.coreml_precision`) and the pointwise one behind it. With the shipped student at 480x864 the worst of
ExecuTorch's features is at 41.5 dB without this exception and at 51.5 dB with it."""

_TAKE_AN_IMAGE = ("encode_query", "segment")


class _Float32(nn.Module):
    """Layers that compute in float32 and give float16."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers.float()

    def forward(self, tensor: Tensor) -> Tensor:
        output: Tensor = self.layers(tensor.float())
        return output.half()


class _HalfPrecision(nn.Module):
    """A component that takes and gives float32, of which the first inputs stay so: an image, for the stem."""

    def __init__(self, component: nn.Module, images: int) -> None:
        super().__init__()
        self.component = component
        self._images = images

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        images, others = inputs[: self._images], inputs[self._images :]
        outputs = self.component(*images, *(tensor.half() for tensor in others))
        return outputs.float() if isinstance(outputs, Tensor) else tuple(output.float() for output in outputs)


def in_precision(components: Mapping[str, nn.Module], precision: str) -> dict[str, nn.Module]:
    """The components as they are for `fp32`; for `fp16` copies that compute in float16, all but the trunk's stem.

    The copies take and give float32 all the same, and share their weights as the originals do.
    """
    if precision == "fp32":
        return dict(components)
    halves = with_half_weights(nn.ModuleDict(dict(components))).half()  # in one copy: what is shared stays shared
    for module in halves.modules():
        if isinstance(module, QueryEncoder):
            module.mean, module.std = module.mean.float(), module.std.float()
            _keep_stem(module.trunk)
    return {
        name: _HalfPrecision(half, images=int(name in _TAKE_AN_IMAGE)).eval() for name, half in halves.named_children()
    }


def _keep_stem(trunk: Trunk) -> None:
    """Puts a trunk's first layers back into float32."""
    if isinstance(trunk, MobileNetV2Trunk):
        layers = trunk.features
        layers[0] = _Float32(nn.Sequential(*layers[:_STEM]))
        for index in range(1, _STEM):
            layers[index] = nn.Identity()
    elif isinstance(trunk, ResNet18Trunk):
        trunk.conv1 = _Float32(trunk.conv1)
