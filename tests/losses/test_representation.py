"""The representation loss, against the paper's expression summed pair by pair in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilevos.losses import representation_loss


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def random_labels(ids: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randint(ids, shape, generator=generator(seed))


def cosine(a: list[float], b: list[float]) -> float:
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def loss_by_pair(student: Tensor, teacher: Tensor, labels: Tensor, omega: float) -> float:
    losses = []
    for own, other, ids in zip(student.tolist(), teacher.tolist(), labels.tolist(), strict=True):
        total = agreed = 0.0
        for i in range(len(ids)):
            for j in range(len(ids)):
                correlation = cosine(own[i], own[j])
                target = omega * cosine(other[i], other[j]) + (1 - omega) * (ids[i] == ids[j])
                total += correlation**2
                agreed += (correlation * target) ** 2
        losses.append((math.log2(total) - math.log2(agreed)) / len(ids))
    return sum(losses) / len(losses)


sizes = {
    "pixels": st.integers(1, 6),
    "channels": st.integers(1, 4),
    "teacher_channels": st.integers(1, 4),
    "omega": st.floats(0, 1),
    "seed": st.integers(0, 1000),
}


@given(**sizes)
def test_it_is_its_definition(pixels, channels, teacher_channels, omega, seed):
    student, teacher = random_features(2, pixels, channels, seed=seed), random_features(2, pixels, teacher_channels)
    labels = random_labels(3, 2, pixels, seed=seed)
    expected = loss_by_pair(student, teacher, labels, omega)
    loss = representation_loss(student, teacher, labels, omega=omega)
    assert float(loss) == pytest.approx(expected, rel=1e-10, abs=1e-12)
    single = representation_loss(student.float(), teacher.float(), labels, omega=omega)
    assert single.dtype == torch.float32
    assert float(single) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(**sizes)
def test_it_lies_between_0_and_log2_n_over_n(pixels, channels, teacher_channels, omega, seed):
    student, teacher = random_features(1, pixels, channels, seed=seed), random_features(1, pixels, teacher_channels)
    loss = float(representation_loss(student, teacher, random_labels(3, 1, pixels, seed=seed), omega=omega))
    assert -1e-12 <= loss <= math.log2(pixels) / pixels + 1e-12


@pytest.mark.parametrize("omega", [0.0, 0.5, 1.0])
def test_it_is_0_where_pixels_correlate_only_within_their_object(omega):
    student = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 2, 2]][None]
    teacher = torch.eye(4, dtype=torch.float64)[[3, 3, 2, 0, 0]][None]
    labels = torch.tensor([[0, 0, 1, 2, 2]])
    assert float(representation_loss(student, teacher, labels, omega=omega)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("omega", [0.0, 1.0])
def test_it_reaches_its_bound_where_all_that_should_differ_is_alike(omega):
    student, teacher = torch.ones(1, 4, 3), torch.eye(4)[None]
    loss = representation_loss(student, teacher, torch.arange(4)[None], omega=omega)
    assert float(loss) == pytest.approx(math.log2(4) / 4)


def test_omega_0_looks_at_the_labels_alone():
    student, labels = random_features(2, 5, 3), random_labels(2, 2, 5)
    loss = representation_loss(student, None, labels, omega=0)
    assert torch.equal(loss, representation_loss(student, random_features(2, 5, 4, seed=1), labels, omega=0))
    assert not torch.equal(loss, representation_loss(student, None, labels.flip(1), omega=0))


def test_omega_1_looks_at_the_teacher_alone():
    student, teacher = random_features(2, 5, 3), random_features(2, 5, 4, seed=1)
    loss = representation_loss(student, teacher, random_labels(2, 2, 5), omega=1)
    assert torch.equal(loss, representation_loss(student, teacher, torch.zeros(2, 5, dtype=torch.int64), omega=1))
    assert not torch.equal(loss, representation_loss(student, teacher.flip(1), random_labels(2, 2, 5), omega=1))


def test_one_class_leaves_nothing_to_contrast():
    student = random_features(2, 6, 3).requires_grad_()
    loss = representation_loss(student, None, torch.full((2, 6), 4), omega=0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(student.grad, torch.zeros_like(student))


def test_one_pixel_costs_nothing():
    loss = representation_loss(random_features(2, 1, 3), random_features(2, 1, 3), random_labels(2, 2, 1), omega=0.5)
    assert float(loss) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("omega", [0.0, 0.5, 1.0])
def test_descent_aligns_the_student_with_its_target(omega):
    teacher, labels = random_features(1, 12, 5).relu(), random_labels(3, 1, 12)
    student = random_features(1, 12, 4, seed=1).requires_grad_()
    losses = []
    for _ in range(200):
        loss = representation_loss(student, teacher, labels, omega=omega)
        losses.append(float(loss.detach()))
        (gradient,) = torch.autograd.grad(loss, student)
        student = (student - 2 * gradient).detach().requires_grad_()
    assert losses[-1] < 0.6 * losses[0]


class TestGradient:
    @pytest.mark.parametrize("omega", [0.0, 0.4, 1.0])
    def test_it_is_right(self, omega):
        teacher, labels = random_features(2, 4, 3, seed=1), random_labels(2, 2, 4)
        student = random_features(2, 4, 2).requires_grad_()
        valid = torch.tensor([True, False])
        assert torch.autograd.gradcheck(lambda z: representation_loss(z, teacher, labels, omega=omega), student)
        assert torch.autograd.gradcheck(
            lambda z: representation_loss(z, teacher, labels, omega=omega, valid=valid), student
        )

    def test_it_reaches_the_student_alone(self):
        student, teacher = random_features(1, 4, 3).requires_grad_(), random_features(1, 4, 3, seed=1).requires_grad_()
        representation_loss(student, teacher, random_labels(2, 1, 4), omega=0.5).backward()
        assert student.grad.abs().sum() > 0
        assert teacher.grad is None

    @pytest.mark.parametrize("omega", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("teacher_is", ["the student", "0", "0 in places"])
    @pytest.mark.parametrize("student_is", ["random", "0", "0 in places", "tiny", "large"])
    def test_it_is_finite_for_features_of_0_or_of_any_size(self, omega, teacher_is, student_is):
        features = random_features(1, 5, 3).float()
        in_places = features * torch.tensor([1.0, 0, 1, 0, 0])[:, None]
        student = {
            "random": features,
            "0": features * 0,
            "0 in places": in_places,
            "tiny": features * 1e-12,
            "large": features * 1e12,
        }[student_is].requires_grad_()
        teacher = {"the student": student, "0": features * 0, "0 in places": in_places.flip(1)}[teacher_is]
        loss = representation_loss(student, teacher, random_labels(3, 1, 5), omega=omega)
        loss.backward()
        assert -1e-6 <= float(loss.detach()) < 10
        assert student.grad.isfinite().all()

    def test_a_student_without_features_costs_nothing(self):
        student = torch.zeros(1, 4, 3, requires_grad=True)
        loss = representation_loss(student, torch.ones(1, 4, 3), random_labels(2, 1, 4), omega=0.5)
        loss.backward()
        assert float(loss.detach()) == 0
        assert (student.grad == 0).all()


class TestInvariance:
    @pytest.mark.parametrize("omega", [0.0, 0.5, 1.0])
    def test_the_order_of_pixels_does_not_matter(self, omega):
        student, teacher, labels = random_features(2, 6, 3), random_features(2, 6, 4, seed=1), random_labels(3, 2, 6)
        order = torch.randperm(6, generator=generator(0))
        permuted = representation_loss(student[:, order], teacher[:, order], labels[:, order], omega=omega)
        torch.testing.assert_close(permuted, representation_loss(student, teacher, labels, omega=omega))

    def test_the_length_and_a_rotation_of_features_do_not_matter(self):
        student, teacher, labels = random_features(2, 6, 3), random_features(2, 6, 4, seed=1), random_labels(3, 2, 6)
        lengths = 10 ** random_features(2, 6, 1, seed=2)
        rotation = torch.linalg.qr(random_features(4, 4)).Q
        changed = representation_loss(student * lengths, (teacher * lengths.flip(1)) @ rotation, labels, omega=0.5)
        torch.testing.assert_close(changed, representation_loss(student, teacher, labels, omega=0.5))

    def test_only_whether_ids_are_equal_matters(self):
        student, labels = random_features(2, 6, 3), random_labels(3, 2, 6)
        other_ids = torch.tensor([9, -1, 255])[labels]
        expected = representation_loss(student, None, labels, omega=0)
        assert torch.equal(representation_loss(student, None, other_ids, omega=0), expected)


def test_samples_that_are_not_valid_count_as_0():
    student, labels = random_features(3, 5, 3), random_labels(2, 3, 5)
    loss = representation_loss(student, None, labels, omega=0, valid=torch.tensor([True, False, True]))
    each = [representation_loss(student[b, None], None, labels[b, None], omega=0) for b in (0, 2)]
    torch.testing.assert_close(loss, sum(each) / 3)
    nothing = representation_loss(student, None, labels, omega=0, valid=torch.zeros(3, dtype=torch.bool))
    assert float(nothing) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_computed_in_float32(dtype):
    student = random_features(2, 6, 8).to(dtype).requires_grad_()
    teacher, labels = random_features(2, 6, 8, seed=1).to(dtype), random_labels(3, 2, 6)
    with torch.autocast("cpu", dtype):
        loss = representation_loss(student, teacher, labels, omega=0.5)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, representation_loss(student.float(), teacher.float(), labels, omega=0.5))
    loss.backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("omega", [-0.1, 1.1, math.nan])
def test_an_omega_outside_0_to_1_is_refused(omega):
    with pytest.raises(ValueError, match=r"omega=.* must be in 0\.\.1"):
        representation_loss(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.zeros(1, 2), omega=omega)


def test_distillation_without_a_teacher_is_refused():
    with pytest.raises(ValueError, match="needs a teacher's features"):
        representation_loss(torch.ones(1, 2, 3), None, torch.zeros(1, 2), omega=0.5)
