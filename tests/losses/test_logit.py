"""The logit loss, against Kullback-Leibler divergences summed pixel by pixel in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilevos.losses import boundary_mask, logit_distillation_loss
from mobilevos.model.aggregation import ABSENT_LOGIT, aggregate_logits


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    return 3 * torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def random_mask(*shape: int, share: float = 0.5, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=generator(seed)) < share


def softmax(logits: list[float], temperature: float) -> list[float]:
    powers = [math.exp((logit - max(logits)) / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


def divergence_by_pixel(student: Tensor, teacher: Tensor, mask: Tensor, temperature: float) -> float:
    samples = []
    for b in range(len(mask)):
        pixels = []
        for y, x in mask[b].nonzero().tolist():
            own, target = (softmax(logits[b, :, y, x].tolist(), temperature) for logits in (student, teacher))
            pixels.append(sum(p * math.log(p / q) for p, q in zip(target, own, strict=True)))
        samples.append(sum(pixels) / len(pixels) if pixels else 0)
    return sum(samples) / len(samples)


@given(
    classes=st.integers(1, 4),
    share=st.floats(0, 1),
    temperature=st.floats(0.5, 10),
    seed=st.integers(0, 1000),
)
def test_it_is_its_definition(classes, share, temperature, seed):
    student, teacher = random_logits(2, classes, 3, 4, seed=seed), random_logits(2, classes, 3, 4, seed=seed + 1)
    mask = random_mask(2, 3, 4, share=share, seed=seed)
    expected = divergence_by_pixel(student, teacher, mask, temperature)
    loss = logit_distillation_loss(student, teacher, mask, temperature=temperature, scale=False)
    assert float(loss) == pytest.approx(expected, rel=1e-10, abs=1e-12)
    scaled = logit_distillation_loss(student, teacher, mask, temperature=temperature, scale=True)
    assert float(scaled) == pytest.approx(expected * temperature**2, rel=1e-10, abs=1e-12)
    single = logit_distillation_loss(student.float(), teacher.float(), mask, temperature=temperature, scale=False)
    assert single.dtype == torch.float32
    assert float(single) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_teachers_own_logits_cost_nothing():
    teacher, mask = random_logits(2, 3, 4, 5), random_mask(2, 4, 5)
    student = teacher.clone().requires_grad_()
    loss = logit_distillation_loss(student, teacher, mask, temperature=2, scale=True)
    loss.backward()
    assert float(loss.detach()) == 0
    torch.testing.assert_close(student.grad, torch.zeros_like(student))


def test_it_is_the_divergence_from_the_teacher_not_the_other_way():
    teacher, student = torch.tensor([0.0, -60.0]).view(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    mask = torch.ones(1, 1, 1, dtype=torch.bool)
    assert float(logit_distillation_loss(student, teacher, mask, temperature=1, scale=False)) == pytest.approx(
        math.log(2)
    )
    assert float(logit_distillation_loss(teacher, student, mask, temperature=1, scale=False)) > 20


def test_scaling_keeps_the_gradient_as_the_temperature_rises():
    """Hinton's limit: for a high temperature it is that of half the squared difference of centred logits."""
    teacher, mask = random_logits(1, 4, 2, 2, seed=1), torch.ones(1, 2, 2, dtype=torch.bool)
    student = random_logits(1, 4, 2, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(
        logit_distillation_loss(student, teacher, mask, temperature=1e4, scale=True), student
    )
    difference = student.detach() - teacher
    expected = (difference - difference.mean(1, keepdim=True)) / 4 / 4  # 4 classes, 4 pixels
    torch.testing.assert_close(gradient, expected, rtol=1e-2, atol=1e-3)


def test_only_masked_pixels_count():
    student, teacher, mask = random_logits(2, 3, 4, 5), random_logits(2, 3, 4, 5, seed=1), random_mask(2, 4, 5)
    student.requires_grad_()
    loss = logit_distillation_loss(student, teacher, mask, temperature=2, scale=False)
    loss.backward()
    assert torch.equal((student.grad != 0).any(1), mask)
    changed = teacher.masked_fill(~mask[:, None], 7.0)
    assert torch.equal(loss, logit_distillation_loss(student, changed, mask, temperature=2, scale=False))


def test_no_boundary_costs_nothing_and_has_a_gradient_of_0():
    mask = boundary_mask(torch.ones(2, 4, 5, dtype=torch.int64))
    student = random_logits(2, 3, 4, 5).requires_grad_()
    loss = logit_distillation_loss(student, random_logits(2, 3, 4, 5, seed=1), mask, temperature=2, scale=True)
    loss.backward()
    assert float(loss.detach()) == 0
    assert (student.grad == 0).all()


def test_one_class_costs_nothing():
    student, teacher = random_logits(1, 1, 4, 5), random_logits(1, 1, 4, 5, seed=1)
    assert float(logit_distillation_loss(student, teacher, random_mask(1, 4, 5), temperature=2, scale=True)) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 20.0])
def test_absent_objects_change_nothing(dtype, temperature):
    mask, present = torch.ones(1, 4, 5, dtype=torch.bool), (random_logits(2, 2, 4, 5)).to(dtype)
    student, teacher = present.split(1)
    absent = torch.full((1, 1, 4, 5), ABSENT_LOGIT, dtype=dtype)
    padded = torch.cat([student, absent], 1).requires_grad_()
    loss = logit_distillation_loss(padded, torch.cat([teacher, absent], 1), mask, temperature=temperature, scale=False)
    loss.backward()
    expected = logit_distillation_loss(student, teacher, mask, temperature=temperature, scale=False)
    torch.testing.assert_close(loss, expected)
    assert padded.grad.isfinite().all()
    assert (padded.grad[:, 2] == 0).all()


def test_a_clip_without_objects_costs_nothing():
    valid = torch.tensor([[False, False]])
    student, teacher = (aggregate_logits(random_logits(1, 2, 4, 5, seed=seed), valid) for seed in (0, 1))
    loss = logit_distillation_loss(student, teacher, random_mask(1, 4, 5), temperature=2, scale=True)
    assert float(loss) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("scale", [False, True])
def test_its_gradient_is_right_and_reaches_the_student_alone(scale):
    student, teacher = random_logits(2, 3, 2, 3).requires_grad_(), random_logits(2, 3, 2, 3, seed=1).requires_grad_()
    mask = random_mask(2, 2, 3)
    assert torch.autograd.gradcheck(
        lambda x: logit_distillation_loss(x, teacher, mask, temperature=3, scale=scale), student
    )
    logit_distillation_loss(student, teacher, mask, temperature=3, scale=scale).backward()
    assert teacher.grad is None


def test_the_order_of_pixels_and_a_constant_in_all_classes_do_not_matter():
    student, teacher, mask = random_logits(2, 3, 4, 5), random_logits(2, 3, 4, 5, seed=1), random_mask(2, 4, 5)
    expected = logit_distillation_loss(student, teacher, mask, temperature=2, scale=False)
    order = torch.randperm(20, generator=generator(0))
    shuffled = (x.flatten(-2)[..., order].unflatten(-1, (4, 5)) for x in (student, teacher, mask))
    torch.testing.assert_close(logit_distillation_loss(*shuffled, temperature=2, scale=False), expected)
    offset = random_logits(2, 1, 4, 5, seed=2)
    torch.testing.assert_close(
        logit_distillation_loss(student + offset, teacher, mask, temperature=2, scale=False), expected
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_computed_in_float32(dtype):
    student = random_logits(2, 3, 8, 8).to(dtype).requires_grad_()
    teacher, mask = random_logits(2, 3, 8, 8, seed=1).to(dtype), random_mask(2, 8, 8)
    with torch.autocast("cpu", dtype):
        loss = logit_distillation_loss(student, teacher, mask, temperature=2, scale=True)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, logit_distillation_loss(student.float(), teacher.float(), mask, temperature=2, scale=True))
    loss.backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_above_0_is_refused(temperature):
    logits = torch.zeros(1, 2, 3, 3)
    with pytest.raises(ValueError, match=r"temperature=.* must be above 0"):
        logit_distillation_loss(
            logits, logits, torch.ones(1, 3, 3, dtype=torch.bool), temperature=temperature, scale=True
        )
