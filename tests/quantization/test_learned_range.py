"""A range that learns: rounds as the specification says, and its scale has a gradient that makes sense."""

import pytest
import torch

from mobilevos.quantization.learned_range import LearnedRange
from mobilevos.quantization.ranges import Range


def test_it_rounds_to_the_steps_of_its_range_and_clips_at_its_ends() -> None:
    rounding = LearnedRange(Range(0.5, -128))
    values = torch.tensor([-3.0, 0.2, 0.3, 10.1, 200.0])
    assert torch.equal(rounding(values).detach(), torch.tensor([0.0, 0.0, 0.5, 10.0, 127.5]))


@pytest.mark.parametrize("learns", [True, False])
def test_with_and_without_a_gradient_it_gives_the_same(learns: bool) -> None:
    values = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    one, other = LearnedRange(Range(0.013, 7)), LearnedRange(Range(0.013, 7), learns=learns)
    assert torch.equal(one(values).detach(), other(values).detach())


def test_the_scale_grows_where_clipping_costs_and_shrinks_where_rounding_does() -> None:
    values = torch.linspace(-1, 1, 1001)
    for scale, sign in ((1e-3, -1), (1e-1, 1)):  # the gradient of the error: falls as a small scale grows
        rounding = LearnedRange(Range(scale, 0))
        (rounding(values) - values).square().mean().backward()
        assert rounding.log_factor.grad is not None
        assert sign * float(rounding.log_factor.grad) > 0, scale


def test_the_gradient_passes_only_where_nothing_was_clipped() -> None:
    values = torch.tensor([-50.0, 0.4, 50.0], requires_grad=True)
    LearnedRange(Range(0.1, 0))(values).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 0.0]


def test_its_range_is_what_was_learnt() -> None:
    rounding = LearnedRange(Range(0.5, 3))
    with torch.no_grad():
        rounding.log_factor.fill_(float(torch.tensor(2.0).log()))
    assert rounding.range() == Range(pytest.approx(1.0), 3)  # type: ignore[arg-type]
    rounding.start_from(Range(0.25, -4))
    assert rounding.range() == Range(0.25, -4)


def test_a_range_that_is_fixed_has_no_gradient() -> None:
    assert not LearnedRange(Range(0.5, 0), learns=False).log_factor.requires_grad
