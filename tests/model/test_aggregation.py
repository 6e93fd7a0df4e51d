"""Soft aggregation against the published formulation, and where that one breaks down."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilevos.model.aggregation import aggregate_logits


def uniform(*shape: int, bound: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) * bound


def published_aggregation(logits: Tensor) -> Tensor:
    """STM's and STCN's: probabilities clamped at 1e-7, then turned into odds."""
    probabilities = logits.sigmoid()
    background = (1 - probabilities).prod(dim=-3, keepdim=True)
    joint = torch.cat([background, probabilities], dim=-3).clamp(1e-7, 1 - 1e-7)
    return torch.log(joint / (1 - joint))


@given(objects=st.integers(1, 4), bound=st.floats(0, 4), seed=st.integers(0, 1000))
def test_it_is_the_published_formulation_where_that_is_accurate(objects, bound, seed):
    logits = uniform(2, objects, 3, 4, bound=bound, seed=seed)
    torch.testing.assert_close(aggregate_logits(logits), published_aggregation(logits), atol=1e-6, rtol=1e-6)
    single = aggregate_logits(logits.float())
    torch.testing.assert_close(single.double(), published_aggregation(logits), atol=1e-4, rtol=1e-5)


def test_one_object_and_the_background_have_opposite_logits():
    logits = torch.linspace(-79, 79, 50).view(1, 1, 50)
    background, foreground = aggregate_logits(logits).unbind(0)
    torch.testing.assert_close(foreground, logits[0])
    torch.testing.assert_close(background, -logits[0], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("values", [(6e4, 6e4), (6e4, -6e4), (-6e4, -6e4), (0.0, 6e4), (0.0, 0.0)])
def test_it_is_finite_with_finite_gradients_for_the_largest_logits_of_fp16(values, dtype):
    logits = torch.tensor(values, dtype=dtype).view(2, 1, 1).requires_grad_()
    joint = aggregate_logits(logits)
    assert joint.isfinite().all()
    joint.log_softmax(dim=0)[0].sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_half_precision_logits_are_aggregated_in_float32():
    logits = uniform(3, 4, 5, bound=10).half()
    joint = aggregate_logits(logits)
    assert joint.dtype == torch.float32
    torch.testing.assert_close(joint, aggregate_logits(logits.float()))


def test_the_background_wins_where_no_object_is_and_the_strongest_object_elsewhere():
    #                       none   first  second  both, the second more
    logits = torch.tensor([[-9.0, 9.0, -9.0, 5.0], [-9.0, -9.0, 9.0, 7.0]]).view(2, 1, 4)
    assert aggregate_logits(logits).argmax(dim=0).tolist() == [[0, 1, 2, 2]]


def test_an_absent_object_changes_nothing_for_the_others():
    logits = uniform(2, 3, 4, 5, bound=8).float()
    valid = torch.tensor([[True, False, True], [True, True, False]])
    joint = aggregate_logits(logits, valid).softmax(dim=1)
    torch.testing.assert_close(joint[0, [0, 1, 3]], aggregate_logits(logits[0, [0, 2]]).softmax(dim=0))
    torch.testing.assert_close(joint[1, [0, 1, 2]], aggregate_logits(logits[1, :2]).softmax(dim=0))
    assert (joint[0, 2] == 0).all()
    assert (joint[1, 3] == 0).all()


def test_an_absent_object_gets_no_gradient():
    logits = uniform(1, 2, 3, 3, bound=3).requires_grad_()
    aggregate_logits(logits, torch.tensor([[True, False]])).log_softmax(dim=1)[:, 0].sum().backward()
    assert logits.grad is not None
    assert (logits.grad[:, 0] != 0).all()
    assert (logits.grad[:, 1] == 0).all()
