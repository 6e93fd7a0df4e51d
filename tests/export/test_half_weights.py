"""Kernels rounded to float16: every value fits, each error is small, and the errors of a kernel cancel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from export.half_weights import round_kernel, with_half_weights


@st.composite
def kernels(draw: st.DrawFn) -> Tensor:
    outs, ins, side = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.sampled_from([1, 3, 5]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    return torch.randn(outs, ins, side, side, generator=generator) * draw(st.sampled_from([0.01, 1.0, 20.0]))


def rows(weight: Tensor) -> Tensor:
    """What is summed: a kernel's taps, or the input channels of a kernel of one tap."""
    return weight.flatten(2).flatten(0, 1) if weight.shape[-1] > 1 else weight.flatten(1)


@given(kernels())
def test_every_value_is_one_of_float16_and_near_its_weight(weight: Tensor) -> None:
    rounded = round_kernel(weight)
    assert rounded.shape == weight.shape
    assert torch.equal(rounded, rounded.half().float())
    step = 2.0**-10 * rows(weight).abs().amax(1)  # of float16 at the kernel's largest tap, or more
    assert (rows(rounded - weight).abs() <= step[:, None]).all()


@given(kernels())
def test_a_kernels_sum_is_off_by_no_more_than_its_smallest_tap_is_rounded(weight: Tensor) -> None:
    error = rows(round_kernel(weight).double() - weight.double()).sum(1).abs()
    largest, smallest = rows(weight).abs().amax(1), rows(weight).abs().amin(1)
    # What the smallest tap holds is itself and the error carried to it.
    assert (error <= 2.0**-11 * (smallest + 2.0**-10 * largest) + 2.0**-24 + 1e-7 * largest).all()


def test_plain_rounding_is_further_off() -> None:
    weight = torch.randn(64, 1, 3, 3, generator=torch.Generator().manual_seed(0)) * 10
    plainly, cancelling = (
        (one - weight).sum((2, 3)).abs().mean() for one in (weight.half().float(), round_kernel(weight))
    )
    assert plainly > 10 * cancelling


def test_a_module_is_copied_and_its_biases_stay() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    after = with_half_weights(module).state_dict()
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
        if name.endswith("bias"):
            assert torch.equal(after[name], value)
        else:
            assert torch.equal(after[name], round_kernel(value))
            assert not torch.equal(after[name], value)


@pytest.mark.parametrize("shape", [(2, 3, 3, 3), (2, 3, 1, 1)])
def test_zeros_stay_zeros(shape: tuple[int, ...]) -> None:
    assert not round_kernel(torch.zeros(shape)).any()
