"""Observers, as torchao runs them in a quantized graph: each finds of an outlier what its name says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mobilevos.quantization.program import quantizing
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Observer, Specification

pytestmark = pytest.mark.executorch

OUTLIER = 5.0
"""Beside values of -1..1."""

BIN = 2 * OUTLIER / 256
"""Of a histogram that holds it: what percentiles are right to."""


class Layer(nn.Module):
    """A convolution of one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.convolution(image)
        return result


def frames(count: int, side: int, sign: int) -> list[Tensor]:
    """Uniform values of -1..1, `[1, 1, side, side]`; the last frame but one, or the only one, has one outlier."""
    generator = torch.Generator().manual_seed(0)
    made = [2 * torch.rand(1, 1, side, side, generator=generator) - 1 for _ in range(count)]
    made[-2:][0][0, 0, 0, 0] = sign * OUTLIER
    return made


def far_end(observer: Observer, given: list[Tensor], sign: int) -> float:
    """How far the range of what a layer is given reaches towards the outlier; the other end is right in any case."""
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    from mobilevos.quantization.quantizer import SpecificationQuantizer

    with quantizing():
        graph = torch.export.export(Layer(), (given[0],)).module(check_guards=False)
        prepared = prepare_pt2e(graph, SpecificationQuantizer(Specification(observer)))
        for frame in given:
            prepared(frame)
        (name,) = (
            one.target for one in prepared.graph.nodes if one.op == "call_module" and one.args[0].name == "image"
        )
        scale, zero_point = prepared.get_submodule(name).calculate_qparams()
    found = Range(float(scale), int(zero_point))
    ends = {1: found.maximum, -1: -found.minimum}
    assert ends[-sign] == pytest.approx(1, abs=BIN)
    return ends[sign]


@pytest.mark.parametrize("sign", [1, -1])
class TestAmongHalfAMillion:
    """One outlier: to keep it, all others would be rounded so much more coarsely that it is not worth it."""

    @pytest.fixture(scope="class")
    def given(self) -> dict[int, list[Tensor]]:
        return {sign: frames(8, 256, sign) for sign in (1, -1)}

    def test_minmax_takes_it(self, sign: int, given: dict[int, list[Tensor]]) -> None:
        assert far_end(Observer.MINMAX, given[sign], sign) == pytest.approx(OUTLIER, rel=0.01)

    def test_a_moving_average_takes_a_twentieth_of_it_and_forgets(
        self, sign: int, given: dict[int, list[Tensor]]
    ) -> None:
        expected = 1 + 0.05 * (OUTLIER - 1) * 0.95  # of the last frame but one
        assert far_end(Observer.MOVING_AVERAGE, given[sign], sign) == pytest.approx(expected, abs=0.02)

    @pytest.mark.parametrize("observer", [Observer.PERCENTILE, Observer.MSE])
    def test_percentile_and_mse_leave_it_out(
        self, observer: Observer, sign: int, given: dict[int, list[Tensor]]
    ) -> None:
        assert far_end(observer, given[sign], sign) == pytest.approx(1, abs=1.5 * BIN)


@pytest.mark.parametrize("sign", [1, -1])
def test_among_few_mse_keeps_what_it_would_cost_more_to_clip_and_percentile_does_not(sign: int) -> None:
    """They tell the percentile's own search from that of the class that it takes its histogram from."""
    given = frames(1, 192, sign)
    assert 1 / given[0].numel() < 1e-4 / 2
    assert far_end(Observer.MSE, given, sign) == pytest.approx(OUTLIER, rel=0.1)
    assert far_end(Observer.PERCENTILE, given, sign) == pytest.approx(1, abs=1.5 * BIN)
