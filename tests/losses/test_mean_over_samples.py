"""Gradient accumulation and data parallelism rest on it: the mean over equal parts is that over the batch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mobilevos.losses import dice_loss, logit_distillation_loss, poly1_cross_entropy, representation_loss

B, H, W = 4, 5, 6
OBJECTS = 2


def inputs() -> dict[str, Tensor]:
    """A batch whose samples differ in everything: objects, boundary pixels, difficulty."""
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": torch.float64}
    return {
        "logits": torch.randn(B, OBJECTS + 1, H, W, **options) * torch.tensor([1.0, 3, 9, 0.1]).view(B, 1, 1, 1),
        "teacher": torch.randn(B, OBJECTS + 1, H, W, **options),
        "labels": torch.randint(OBJECTS + 1, (B, H, W), generator=generator),
        "valid": torch.tensor([[True, True], [True, False], [False, False], [True, True]]),
        "mask": torch.rand(B, H, W, generator=generator) < torch.tensor([0.9, 0.3, 0.0, 0.1]).view(B, 1, 1),
    }


def poly1(logits: Tensor, labels: Tensor, **_: Tensor) -> Tensor:
    return poly1_cross_entropy(logits, labels, hardest=0.3)


def dice(logits: Tensor, labels: Tensor, valid: Tensor, **_: Tensor) -> Tensor:
    masks = torch.stack([labels == o for o in range(1, OBJECTS + 1)], 1)
    return dice_loss(logits.softmax(1)[:, 1:], masks, valid)


def logit(logits: Tensor, teacher: Tensor, mask: Tensor, **_: Tensor) -> Tensor:
    return logit_distillation_loss(logits, teacher, mask, temperature=2, scale=True)


def representation(logits: Tensor, teacher: Tensor, labels: Tensor, valid: Tensor, **_: Tensor) -> Tensor:
    student, teacher = (features.flatten(2).mT for features in (logits, teacher))
    return representation_loss(student, teacher, labels.flatten(1), omega=0.5, valid=valid.any(1))


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("loss", [poly1, dice, logit, representation])
def test_the_mean_over_parts_of_a_batch_is_that_over_the_batch(loss: Callable[..., Tensor], parts):
    batch = inputs()
    pieces = zip(*(tensor.chunk(parts) for tensor in batch.values()), strict=True)
    means = [loss(**dict(zip(batch, piece, strict=True))) for piece in pieces]
    assert len({round(float(mean), 6) for mean in means}) == parts
    torch.testing.assert_close(loss(**batch), torch.stack(means).mean())
