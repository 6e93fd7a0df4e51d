"""Every operator of the MIL interpreter, in a program read from disk, gives what PyTorch gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevos.engines.mil.operators import OPERATORS
from mobilevos.engines.mil.package import read_package
from mobilevos.errors import InputError

pytestmark = pytest.mark.coreml


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def constant(*shape: int, seed: int = 1) -> np.ndarray:
    """A weight for the builder, which takes NumPy's arrays."""
    return random(*shape, seed=seed).numpy()


def tensor(*shape: int, seed: int = 1) -> Tensor:
    """The same weight for the reference."""
    return random(*shape, seed=seed)


@dataclass(frozen=True)
class Case:
    """A program of one operator, and what it must give.

    Attributes:
        operator: MIL's name.
        build: Makes the output with Core ML Tools' builder.
        reference: The same in PyTorch.
        shapes: Of the inputs.
        target: The oldest system that has the operator.
    """

    operator: str
    build: Callable[..., Any]
    reference: Callable[..., Tensor]
    shapes: tuple[tuple[int, ...], ...]
    target: str = "iOS17"


IMAGE = (1, 4, 6, 9)

CASES = {
    "add": Case("add", lambda mb, x, y: mb.add(x=x, y=y), lambda x, y: x + y, (IMAGE, IMAGE)),
    "add, broadcast over objects": Case(
        "add", lambda mb, x, y: mb.add(x=x, y=y), lambda x, y: x + y, ((3, 4, 6, 9), IMAGE)
    ),
    "sub of a constant": Case(
        "sub",
        lambda mb, x: mb.sub(x=x, y=constant(1, 4, 1, 1)),
        lambda x: x - tensor(1, 4, 1, 1),
        (IMAGE,),
    ),
    "mul by a number": Case("mul", lambda mb, x: mb.mul(x=x, y=np.float32(0.25)), lambda x: x * 0.25, (IMAGE,)),
    "relu": Case("relu", lambda mb, x: mb.relu(x=x), lambda x: x.clamp(min=0), (IMAGE,)),
    "clip": Case("clip", lambda mb, x: mb.clip(x=x, alpha=-0.5, beta=0.75), lambda x: x.clamp(-0.5, 0.75), (IMAGE,)),
    "cast": Case(
        "cast",
        lambda mb, x: mb.cast(x=x, dtype="fp16"),
        lambda x: x.half(),
        (IMAGE,),
    ),
    "reshape": Case(
        "reshape", lambda mb, x: mb.reshape(x=x, shape=[2, -1, 9]), lambda x: x.reshape(2, 12, 9), (IMAGE,)
    ),
    "transpose": Case(
        "transpose", lambda mb, x: mb.transpose(x=x, perm=[2, 0, 3, 1]), lambda x: x.permute(2, 0, 3, 1), (IMAGE,)
    ),
    "concat": Case(
        "concat",
        lambda mb, x, y: mb.concat(values=[x, y], axis=1),
        lambda x, y: torch.cat([x, y], 1),
        (IMAGE, (1, 2, 6, 9)),
    ),
    "concat with a constant": Case(
        "concat",
        lambda mb, x: mb.concat(values=[x, constant(1, 4, 6, 2)], axis=-1),
        lambda x: torch.cat([x, tensor(1, 4, 6, 2)], 3),
        (IMAGE,),
    ),
    "pad of the last dimension": Case(
        "pad",
        lambda mb, x: mb.pad(x=x, pad=[0, 0, 0, 0, 0, 1], mode="constant", constant_val=1.0),
        lambda x: torch.cat([x, torch.ones(1, 5, 1)], 2),
        ((1, 5, 7),),
    ),
    "pad of two dimensions, each side its own": Case(
        "pad",
        lambda mb, x: mb.pad(x=x, pad=[1, 2, 3, 4], mode="constant", constant_val=-2.0),
        lambda x: F.pad(x, (3, 4, 1, 2), value=-2),
        (IMAGE,),
    ),
    "matmul": Case("matmul", lambda mb, x, y: mb.matmul(x=x, y=y), torch.matmul, ((1, 5, 7), (1, 7, 3))),
    "matmul, second transposed": Case(
        "matmul",
        lambda mb, x, y: mb.matmul(x=x, y=y, transpose_y=True),
        lambda x, y: x @ y.transpose(1, 2),
        ((2, 5, 7), (2, 3, 7)),
    ),
    "matmul, first transposed": Case(
        "matmul",
        lambda mb, x, y: mb.matmul(x=x, y=y, transpose_x=True),
        lambda x, y: x.transpose(1, 2) @ y,
        ((2, 7, 5), (2, 7, 3)),
    ),
    "softmax": Case("softmax", lambda mb, x: mb.softmax(x=x, axis=-1), lambda x: x.softmax(2), ((1, 5, 7),)),
    "softmax over channels": Case("softmax", lambda mb, x: mb.softmax(x=x, axis=1), lambda x: x.softmax(1), (IMAGE,)),
    "reduce_mean": Case(
        "reduce_mean",
        lambda mb, x: mb.reduce_mean(x=x, axes=[2, 3], keep_dims=True),
        lambda x: x.mean((2, 3), keepdim=True),
        (IMAGE,),
    ),
    "reduce_mean that drops a dimension": Case(
        "reduce_mean",
        lambda mb, x: mb.reduce_mean(x=x, axes=[-1], keep_dims=False),
        lambda x: x.mean(3),
        (IMAGE,),
    ),
    "conv": Case(
        "conv",
        lambda mb, x: mb.conv(x=x, weight=constant(5, 4, 1, 1), bias=constant(5, seed=2)),
        lambda x: F.conv2d(x, tensor(5, 4, 1, 1), tensor(5, seed=2)),
        (IMAGE,),
    ),
    "conv, depthwise, strided and padded": Case(
        "conv",
        lambda mb, x: mb.conv(
            x=x, weight=constant(4, 1, 3, 3), strides=[2, 1], pad_type="custom", pad=[1, 1, 1, 1], groups=4
        ),
        lambda x: F.conv2d(x, tensor(4, 1, 3, 3), None, (2, 1), 1, 1, 4),
        (IMAGE,),
    ),
    "conv, dilated, padded on each side differently": Case(
        "conv",
        lambda mb, x: mb.conv(x=x, weight=constant(5, 4, 3, 2), dilations=[2, 1], pad_type="custom", pad=[2, 1, 0, 1]),
        lambda x: F.conv2d(F.pad(x, (0, 1, 2, 1)), tensor(5, 4, 3, 2), None, 1, 0, (2, 1)),
        (IMAGE,),
    ),
    "max_pool": Case(
        "max_pool",
        lambda mb, x: mb.max_pool(
            x=mb.sub(x=x, y=np.float32(9)), kernel_sizes=[3, 3], strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1]
        ),
        lambda x: F.max_pool2d(x - 9, 3, 2, 1),
        (IMAGE,),
    ),
    "upsample_bilinear": Case(
        "upsample_bilinear",
        lambda mb, x: mb.upsample_bilinear(x=x, scale_factor_height=2.0, scale_factor_width=4.0, align_corners=False),
        lambda x: F.interpolate(x, scale_factor=(2, 4), mode="bilinear", align_corners=False),
        (IMAGE,),
    ),
    "upsample_bilinear with aligned corners": Case(
        "upsample_bilinear",
        lambda mb, x: mb.upsample_bilinear(x=x, scale_factor_height=2.0, scale_factor_width=2.0, align_corners=True),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        (IMAGE,),
    ),
}


def round_trip(**quantized: Any) -> Callable[..., Any]:
    """A program that takes `x` to integers and back: with one scale, or one for each slice along `axis`."""

    def build(mb: Any, x: Any) -> Any:
        both = {name: value for name, value in quantized.items() if name != "output_dtype"}
        return mb.dequantize(input=mb.quantize(input=x, **quantized), **both)

    return build


SCALES, ZEROS = (0.01, 0.02, 0.05, 0.5), (3, -128, 127, 0)

INTEGERS = np.random.default_rng(0).integers(-127, 128, (4, 4, 1, 1)).astype(np.int8)
"""Of a kernel."""

CASES |= {
    "quantize, beyond the limits": Case(
        "quantize",
        round_trip(scale=np.float32(0.01), zero_point=np.int8(-20), output_dtype="int8"),
        lambda x: torch.fake_quantize_per_tensor_affine(x, 0.01, -20, -128, 127),
        (IMAGE,),
    ),
    "quantize, a step wider than half of all values": Case(
        "quantize",
        round_trip(scale=np.float32(1), zero_point=np.int8(0), output_dtype="int8"),
        lambda x: torch.fake_quantize_per_tensor_affine(x, 1.0, 0, -128, 127),
        (IMAGE,),
    ),
    "quantize without a zero point": Case(
        "quantize",
        round_trip(scale=np.float32(0.01), output_dtype="uint8"),
        lambda x: torch.fake_quantize_per_tensor_affine(x, 0.01, 0, 0, 255),
        (IMAGE,),
    ),
    "dequantize, by channel": Case(
        "dequantize",
        round_trip(
            scale=np.array(SCALES, np.float32), zero_point=np.array(ZEROS, np.int8), axis=1, output_dtype="int8"
        ),
        lambda x: torch.fake_quantize_per_channel_affine(
            x, torch.tensor(SCALES), torch.tensor(ZEROS, dtype=torch.int32), 1, -128, 127
        ),
        (IMAGE,),
    ),
    "constexpr_affine_dequantize, by channel": Case(
        "constexpr_affine_dequantize",
        lambda mb, x: mb.conv(
            x=x,
            weight=mb.constexpr_affine_dequantize(
                quantized_data=INTEGERS,
                scale=np.array(SCALES, np.float32),
                zero_point=np.array(ZEROS, np.int8),
                axis=0,
            ),
        ),
        lambda x: F.conv2d(
            x,
            torch.tensor(SCALES)[:, None, None, None]
            * (torch.tensor(INTEGERS) - torch.tensor(ZEROS)[:, None, None, None]),
        ),
        (IMAGE,),
    ),
    "constexpr_affine_dequantize with one scale": Case(
        "constexpr_affine_dequantize",
        lambda mb, x: mb.conv(
            x=x,
            weight=mb.constexpr_affine_dequantize(
                quantized_data=INTEGERS, scale=np.float32(0.02), zero_point=np.int8(-5), axis=0
            ),
        ),
        lambda x: F.conv2d(x, 0.02 * (torch.tensor(INTEGERS) + 5.0)),
        (IMAGE,),
    ),
    "constexpr_blockwise_shift_scale, by channel": Case(
        "constexpr_blockwise_shift_scale",
        lambda mb, x: mb.conv(
            x=x,
            weight=mb.constexpr_blockwise_shift_scale(
                data=INTEGERS, scale=np.array(SCALES, np.float32).reshape(4, 1, 1, 1)
            ),
        ),
        lambda x: F.conv2d(x, torch.tensor(SCALES)[:, None, None, None] * torch.tensor(INTEGERS)),
        (IMAGE,),
        target="iOS18",
    ),
    "constexpr_blockwise_shift_scale, in blocks, with an offset": Case(
        "constexpr_blockwise_shift_scale",
        lambda mb, x: mb.conv(
            x=x,
            weight=mb.constexpr_blockwise_shift_scale(
                data=INTEGERS,
                scale=np.array(SCALES, np.float32).reshape(2, 2, 1, 1),
                offset=np.array((1, 2, -3, 4), np.int8).reshape(2, 2, 1, 1),
            ),
        ),
        lambda x: F.conv2d(
            x,
            (torch.tensor(INTEGERS) - torch.tensor([[1, 2], [-3, 4]]).kron(torch.ones(2, 2))[..., None, None])
            * torch.tensor(SCALES).reshape(2, 2).kron(torch.ones(2, 2))[..., None, None],
        ),
        (IMAGE,),
        target="iOS18",
    ),
}


def test_there_is_a_case_for_every_operator() -> None:
    of_states = {"read_state", "coreml_update_state"}  # which test_state.py tests
    assert {case.operator for case in CASES.values()} == set(OPERATORS) - of_states


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_operator_gives_what_pytorch_gives(case: Case, save: Callable[..., Any]) -> None:
    inputs = {name: random(*shape, seed=3 + i) for i, (name, shape) in enumerate(zip("xy", case.shapes, strict=False))}
    saved = save(case.build, case.target, **inputs)
    assert case.operator in [operation.operator for operation in saved.function.operations]
    actual = saved.run(**inputs)
    expected = case.reference(*inputs.values())
    torch.testing.assert_close(actual, expected.to(actual.dtype), rtol=1e-5, atol=2e-6)


REFUSED = {
    "interleaved concat": lambda mb, x: mb.concat(values=[x, x], axis=1, interleave=True),
    "reflecting pad": lambda mb, x: mb.pad(x=x, pad=[1, 1], mode="reflect"),
    "convolution padded to the same size": lambda mb, x: mb.conv(x=x, weight=constant(2, 4, 3, 3), pad_type="same"),
    "pool with ceil_mode": lambda mb, x: mb.max_pool(
        x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", ceil_mode=True
    ),
}


@pytest.mark.parametrize("build", REFUSED.values(), ids=REFUSED.keys())
def test_a_variant_that_is_not_implemented_is_refused_with_its_line(
    build: Callable[..., Any], save: Callable[..., Any]
) -> None:
    x = random(*IMAGE)
    with pytest.raises(InputError, match=r"line \d+: operator '\w+' that makes .* is not implemented"):
        save(build, x=x).run(x=x)


def test_integers_at_the_boundary_are_refused(save: Callable[..., Any]) -> None:
    saved = save(round_trip(scale=np.float32(1), output_dtype="int8"), x=random(*IMAGE))
    package = read_package(saved.folder)
    (function,) = package.model.mlProgram.functions.values()
    block = function.block_specializations[function.opset]
    (integers,) = (one for one in block.operations if one.type == "quantize")
    block.outputs[0] = integers.outputs[0].name
    (package.weights.parent / "model.mlmodel").write_bytes(package.model.SerializeToString())
    with pytest.raises(InputError, match=r"tensors of fixed shape.*; found '\w+' at its boundary is torch.int8"):
        _ = saved.function


def test_an_unknown_operator_is_refused_with_its_name_and_line(save: Callable[..., Any]) -> None:
    saved = save(lambda mb, x: mb.relu(x=mb.gelu(x=x, name="curved")), x=random(*IMAGE))
    with pytest.raises(
        InputError, match=r"line \d+ of function 'main'; .* found operator 'gelu', which makes 'curved'"
    ):
        _ = saved.function
