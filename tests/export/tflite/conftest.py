"""TFLite models of a few small signatures, converted once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from export.tflite import convert
from mobilevos.contract import Signature, TensorSpec

Modules = dict[str, tuple[nn.Module, tuple[Tensor, ...]]]


class Module(nn.Module):
    """A function, and the layers that it calls."""

    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*self.layers, *inputs)


def product(x: Tensor, y: Tensor) -> Tensor:
    """`x @ y.T` of `[1, N, C]` and `[M, C]`."""
    return torch.bmm(x, y.reshape(1, *y.shape).transpose(1, 2))


@pytest.fixture(scope="session")
def tiny_modules() -> Modules:
    """Modules and their inputs: `once` and `twice` share a convolution; the last two have no weights."""
    torch.manual_seed(0)
    convolution, linear = nn.Conv2d(32, 32, 3, padding=1), nn.Linear(32, 16)
    image = torch.rand(1, 32, 6, 10)
    return {
        "once": (Module(lambda conv, x: conv(x), convolution), (image,)),
        "twice": (Module(lambda conv, x: conv(conv(x).relu()), convolution), (image,)),
        "linear": (Module(lambda layer, x: layer(x), linear), (torch.rand(4, 32),)),
        "product": (Module(product), (torch.rand(1, 6, 5), torch.rand(7, 5))),
        "gather": (Module(lambda x: (2 * x)[:, torch.tensor([1, 5, 2])] + 1), (torch.rand(3, 8),)),
    }


@pytest.fixture(scope="session")
def tiny_tflite(tiny_modules: Modules) -> bytes:
    """A model with a signature for each of `tiny_modules`: inputs `x` and `y`, and the output `result`."""
    return convert(
        {name: module for name, (module, _) in tiny_modules.items()},
        {name: inputs for name, (_, inputs) in tiny_modules.items()},
        {name: _signature(name, module, inputs, "NCHW") for name, (module, inputs) in tiny_modules.items()},
    )


@pytest.fixture(scope="session")
def channels_last_tflite(tiny_modules: Modules) -> bytes:
    """The signature `once` alone, NHWC at its boundary."""
    module, inputs = tiny_modules["once"]
    return convert({"once": module}, {"once": inputs}, {"once": _signature("once", module, inputs, "NHWC")})


def _signature(name: str, module: nn.Module, given: tuple[Tensor, ...], layout: str) -> Signature:
    def spec(name: str, tensor: Tensor) -> TensorSpec:
        if tensor.ndim != 4:
            return TensorSpec(name, tuple(tensor.shape), "NC")
        n, c, h, w = tensor.shape
        return TensorSpec(name, (n, h, w, c) if layout == "NHWC" else (n, c, h, w), layout)

    inputs = tuple(spec(one, tensor) for one, tensor in zip("xy", given, strict=False))
    return Signature(name, inputs, (spec("result", module(*given)),))
