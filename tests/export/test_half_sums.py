"""What float16 costs on a processor that adds in float16 is what such sums cost, emulated, and no more."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.half_precision import in_precision
from export.lowering import lower
from export.parity import GATES, SUMS_IN_HALF_DB, compare
from mobilevos.data.synthetic import SyntheticClip
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.weights import default_checkpoint


class HalfSums(nn.Module):
    """A pointwise or depthwise convolution whose sums start from the bias and are rounded to float16 at each term."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.pointwise = convolution.kernel_size == (1, 1) and convolution.groups == 1
        assert self.pointwise or convolution.groups == convolution.in_channels
        self.convolution = convolution

    def forward(self, tensor: Tensor) -> Tensor:
        convolution = self.convolution
        stride, padding = convolution.stride[0], convolution.padding[0]
        assert isinstance(padding, int)
        padded = F.pad(tensor.float(), (padding,) * 4)
        height, width = convolution.kernel_size
        rows, columns = (padded.shape[2] - height) // stride + 1, (padded.shape[3] - width) // stride + 1
        weight = convolution.weight.float()[..., None, None]  # [Cout, Cin / groups, KH, KW, 1, 1]
        assert convolution.bias is not None
        total = convolution.bias.float()[:, None, None].expand(tensor.shape[0], -1, rows, columns)
        for y in range(height):
            for x in range(width):
                taps = padded[:, :, y : y + stride * rows : stride, x : x + stride * columns : stride]
                for k in range(weight.shape[1]):
                    values = taps[:, k : k + 1] if self.pointwise else taps
                    total = (total + values * weight[:, k, y, x]).half().float()
        return total.half()


def add_in_half(module: nn.Module) -> None:
    """In place, and of what is in float16: the trunk's stem stays as it is."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and child.weight.dtype == torch.float16:
            setattr(module, name, HalfSums(child))
        else:
            add_in_half(child)


@pytest.mark.slow
@pytest.mark.executorch
@torch.no_grad()
def test_the_trunk_loses_on_executorch_what_the_processors_sums_lose(sums_in_half: bool) -> None:
    """Sums in float32 pass the gate of float16 and sums in float16 cannot: why `--least-sqnr` is offered."""
    from executorch.runtime import Runtime

    encoder = build_components(fold_batch_norm(load_network(default_checkpoint())))["encode_query"]
    image = torch.from_numpy(SyntheticClip(0, 1, (64, 96))[0]).permute(2, 0, 1)[None].contiguous() / 255
    half = in_precision({"encode_query": encoder}, "fp16")
    program = Runtime.get().load_program(lower(half, {"encode_query": (image,)}).buffer)
    actual = program.load_method("encode_query").execute([image])

    in_half = copy.deepcopy(half["encode_query"])
    add_in_half(in_half.get_submodule("component.network.query_encoder"))
    exact = encoder(image)

    def kept(outputs: tuple[Tensor, ...]) -> list[float]:
        return [compare(one.numpy(), other.numpy()).sqnr_db for one, other in zip(exact, outputs, strict=True)]

    sums = {"float16": kept(in_half(image)), "float32": kept(half["encode_query"](image))}
    assert min(sums["float32"]) > GATES["fp16"].limit > max(sums["float16"])
    assert min(sums["float16"]) > SUMS_IN_HALF_DB
    processor = "float16" if sums_in_half else "float32"
    assert kept(actual) == pytest.approx(sums[processor], abs=1.5)
