"""Poly-1 cross entropy and Dice, against the same sums pixel by pixel in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilevos.losses import dice_loss, poly1_cross_entropy
from mobilevos.model.aggregation import aggregate_logits


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    return 3 * torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def random_labels(classes: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randint(classes, shape, generator=generator(seed))


def poly1_by_pixel(logits: Tensor, labels: Tensor, epsilon: float, hardest: float) -> float:
    images = []
    for image, targets in zip(logits.double(), labels, strict=True):
        pixels = []
        for y, row in enumerate(targets.tolist()):
            for x, target in enumerate(row):
                scores = image[:, y, x].tolist()
                p = math.exp(scores[target] - max(scores)) / sum(math.exp(s - max(scores)) for s in scores)
                pixels.append(-math.log(p) + epsilon * (1 - p))
        kept = sorted(pixels, reverse=True)[: max(1, round(hardest * len(pixels)))]
        images.append(sum(kept) / len(kept))
    return sum(images) / len(images)


def dice_by_object(probabilities: Tensor, masks: Tensor, valid: Tensor) -> float:
    samples = []
    for b in range(len(valid)):
        losses = []
        for o in valid[b].nonzero().flatten().tolist():
            p, y = probabilities[b, o].double().flatten().tolist(), masks[b, o].double().flatten().tolist()
            overlap = sum(a * c for a, c in zip(p, y, strict=True))
            losses.append(1 - (2 * overlap + 1) / (sum(p) + sum(y) + 1))
        samples.append(sum(losses) / len(losses) if losses else 0)
    return sum(samples) / len(samples)


class TestPoly1CrossEntropy:
    @given(
        classes=st.integers(1, 4),
        epsilon=st.floats(-1, 4),
        hardest=st.floats(0, 1),
        seed=st.integers(0, 1000),
    )
    def test_it_is_its_definition(self, classes, epsilon, hardest, seed):
        logits, labels = random_logits(2, classes, 3, 4, seed=seed), random_labels(classes, 2, 3, 4, seed=seed)
        expected = poly1_by_pixel(logits, labels, epsilon, hardest)
        loss = poly1_cross_entropy(logits, labels, epsilon=epsilon, hardest=hardest)
        assert float(loss) == pytest.approx(expected, rel=1e-10, abs=1e-12)
        single = poly1_cross_entropy(logits.float(), labels, epsilon=epsilon, hardest=hardest)
        assert float(single) == pytest.approx(expected, rel=1e-4, abs=1e-5)

    def test_without_the_polynomial_term_it_is_cross_entropy(self):
        logits, labels = random_logits(2, 3, 5, 6), random_labels(3, 2, 5, 6)
        expected = torch.nn.functional.cross_entropy(logits, labels)
        torch.testing.assert_close(poly1_cross_entropy(logits, labels, epsilon=0), expected)

    def test_the_hardest_pixels_of_every_image_count_not_those_of_the_batch(self):
        labels = torch.zeros(2, 1, 4, dtype=torch.int64)
        easy, hard = torch.tensor([9.0, 9.0, 9.0, 7.0]), torch.tensor([-9.0, -9.0, -9.0, -7.0])
        logits = torch.stack([torch.stack([easy, hard]), torch.zeros(2, 4)]).view(2, 2, 1, 4).double()
        logits[1, 0] = torch.tensor([[-5.0, 0.0, 5.0, 5.0]])
        quarter = poly1_cross_entropy(logits, labels, hardest=0.25)
        expected = (poly1_by_pixel(logits[:1, :, :, 3:], labels[:1, :, 3:], 1, 1)) / 2
        expected += (poly1_by_pixel(logits[1:, :, :, :1], labels[1:, :, :1], 1, 1)) / 2
        assert float(quarter) == pytest.approx(expected)
        assert quarter > poly1_cross_entropy(logits, labels)

    def test_only_the_hardest_pixels_get_a_gradient(self):
        logits = random_logits(1, 2, 4, 5).requires_grad_()
        poly1_cross_entropy(logits, random_labels(2, 1, 4, 5), hardest=0.3).backward()
        assert int((logits.grad.abs().amax(1) > 0).sum()) == 6

    def test_one_class_costs_nothing(self):
        loss = poly1_cross_entropy(random_logits(2, 1, 3, 3), torch.zeros(2, 3, 3, dtype=torch.int64))
        assert float(loss) == 0

    @pytest.mark.parametrize("hardest", [1.0, 0.4])
    def test_its_gradient_is_right(self, hardest):
        labels = random_labels(3, 2, 3, 3)
        logits = random_logits(2, 3, 3, 3).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: poly1_cross_entropy(x, labels, epsilon=1.5, hardest=hardest), logits)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_computed_in_float32(self, dtype):
        logits = random_logits(1, 3, 8, 8).to(dtype)
        labels = random_labels(3, 1, 8, 8)
        loss = poly1_cross_entropy(logits, labels)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, poly1_cross_entropy(logits.float(), labels))

    def test_absent_objects_are_background_at_no_cost(self):
        valid = torch.tensor([[False, False]])
        logits = random_logits(1, 2, 4, 4).requires_grad_()
        loss = poly1_cross_entropy(aggregate_logits(logits, valid), torch.zeros(1, 4, 4, dtype=torch.int64))
        loss.backward()
        assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
        assert (logits.grad == 0).all()


class TestDiceLoss:
    @given(objects=st.integers(1, 3), seed=st.integers(0, 1000))
    def test_it_is_its_definition(self, objects, seed):
        probabilities = torch.rand(2, objects, 3, 4, generator=generator(seed), dtype=torch.float64)
        masks = random_labels(2, 2, objects, 3, 4, seed=seed).double()
        valid = random_labels(2, 2, objects, seed=seed).bool()
        expected = dice_by_object(probabilities, masks, valid)
        assert float(dice_loss(probabilities, masks, valid)) == pytest.approx(expected, rel=1e-12)
        assert float(dice_loss(probabilities.float(), masks.float(), valid)) == pytest.approx(expected, abs=1e-5)

    def test_it_goes_from_0_for_the_mask_itself_to_nearly_1_for_its_complement(self):
        masks = random_labels(2, 1, 1, 30, 30).float()
        valid = torch.ones(1, 1, dtype=torch.bool)
        assert float(dice_loss(masks, masks, valid)) == pytest.approx(0, abs=1e-6)
        assert float(dice_loss(1 - masks, masks, valid)) > 0.99

    def test_an_object_that_left_the_frame_is_finite_and_best_not_predicted(self):
        empty, valid = torch.zeros(1, 1, 5, 5), torch.ones(1, 1, dtype=torch.bool)
        assert float(dice_loss(empty, empty, valid)) == 0
        assert 0 < float(dice_loss(empty + 0.01, empty, valid)) < float(dice_loss(empty + 0.5, empty, valid)) < 1

    def test_objects_that_are_not_there_do_not_count(self):
        probabilities, masks = torch.rand(2, 2, 4, 4, generator=generator(0)), torch.ones(2, 2, 4, 4)
        valid = torch.tensor([[True, False], [True, True]])
        changed = probabilities.clone()
        changed[0, 1] = 0
        assert torch.equal(dice_loss(probabilities, masks, valid), dice_loss(changed, masks, valid))

    def test_nothing_valid_costs_nothing_and_has_a_finite_gradient(self):
        probabilities = torch.rand(2, 2, 4, 4, generator=generator(0)).requires_grad_()
        loss = dice_loss(probabilities, torch.ones(2, 2, 4, 4), torch.zeros(2, 2, dtype=torch.bool))
        loss.backward()
        assert float(loss.detach()) == 0
        assert (probabilities.grad == 0).all()

    def test_its_gradient_is_right(self):
        masks = random_labels(2, 2, 2, 3, 3).double()
        valid = torch.tensor([[True, False], [True, True]])
        probabilities = torch.rand(2, 2, 3, 3, generator=generator(0), dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(lambda p: dice_loss(p, masks, valid), probabilities)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_an_object_larger_than_float16_can_count_is_finite(self, dtype):
        masks = torch.ones(1, 1, 300, 300, dtype=dtype)  # 90,000 pixels; float16 ends at 65,504
        loss = dice_loss(masks * 0.5, masks, torch.ones(1, 1, dtype=torch.bool))
        assert loss.dtype == torch.float32
        assert float(loss) == pytest.approx(1 / 3, abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_under_autocast_the_losses_are_those_of_float32(dtype):
    labels = random_labels(3, 2, 6, 6)
    masks = torch.stack([labels == 1, labels == 2], 1).float()
    valid = torch.ones(2, 2, dtype=torch.bool)
    weight, features = torch.randn(2, 4, 1, 1, generator=generator(0)), torch.randn(2, 4, 6, 6, generator=generator(1))
    with torch.autocast("cpu", dtype):
        own = torch.nn.functional.conv2d(features, weight)
        assert own.dtype == dtype
        joint = aggregate_logits(own)
        losses = poly1_cross_entropy(joint, labels, hardest=0.5), dice_loss(joint.softmax(1)[:, 1:], masks, valid)
    joint = aggregate_logits(own.float())
    expected = poly1_cross_entropy(joint, labels, hardest=0.5), dice_loss(joint.softmax(1)[:, 1:], masks, valid)
    torch.testing.assert_close(losses, expected)
