"""What the stages minimise, on clips of random logits."""

import pytest
import torch
from torch import Tensor

from mobilevos.losses import dice_loss, poly1_cross_entropy
from mobilevos.model.variants import build_network
from mobilevos.training.clip_forward import ClipOutput, run_clip
from mobilevos.training.clips import Clips
from mobilevos.training.objectives import Distillation, Supervised
from mobilevos.training.schema import LossConfig

VALID = torch.tensor([[True, True], [True, False]])


@pytest.fixture(scope="module")
def clips() -> Clips:
    """Two clips of three frames of 64x64; the first has two objects, the second one."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(2, 3, 3, 64, 64, generator=generator)
    labels = torch.zeros(2, 3, 64, 64, dtype=torch.int64)
    labels[:, :, 8:40, 8:40] = 1
    labels[0, :, 20:60, 44:60] = 2
    return Clips(frames, labels, VALID)


def random_output(clips: Clips) -> ClipOutput:
    logits = torch.randn(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return ClipOutput(logits, torch.zeros(3, 2, 4, 16, 16))


def losses(config: LossConfig, clips: Clips, progress: float = 1.0) -> dict[str, Tensor]:
    return Supervised(config)(random_output(clips), clips, progress, torch.Generator())


class TestSupervised:
    def test_the_losses_of_a_clip_are_means_over_its_frames_weighted(self, clips):
        found = losses(LossConfig(poly_epsilon=0.5, dice=2.0, hardest=0.4), clips)
        logits, labels = random_output(clips).logits, clips.labels[:, 1:]
        images = [
            poly1_cross_entropy(logits[b, t, None], labels[b, t, None], epsilon=0.5, hardest=0.4)
            for b in range(2)
            for t in range(2)
        ]
        torch.testing.assert_close(found["cross_entropy"], torch.stack(images).mean())
        dice = [
            torch.stack(
                [
                    dice_loss(
                        logits[b, t].softmax(0)[None, [o]], (labels[b, t] == o)[None, None].float(), VALID[:1, :1]
                    )
                    for o in objects
                ]
            ).mean()
            for b, objects in ((0, (1, 2)), (1, (1,)))
            for t in range(2)
        ]
        torch.testing.assert_close(found["dice"], torch.stack(dice).mean())
        torch.testing.assert_close(found["loss"], found["cross_entropy"] + 2 * found["dice"])

    @pytest.mark.parametrize(("progress", "hardest"), [(0.0, 1.0), (0.2, 1.0), (0.35, 0.6), (0.5, 0.2), (1.0, 0.2)])
    def test_bootstrapping_sets_in_gradually(self, progress, hardest, clips):
        found = losses(LossConfig(hardest=0.2, hardest_ramp=(0.2, 0.5)), clips, progress)["cross_entropy"]
        expected = poly1_cross_entropy(
            random_output(clips).logits.flatten(0, 1), clips.labels[:, 1:].flatten(0, 1), hardest=hardest
        )
        torch.testing.assert_close(found, expected)

    def test_parts_of_a_batch_average_to_the_whole(self, clips):
        output, config = random_output(clips), LossConfig(hardest=0.3)
        whole = losses(config, clips)["loss"]
        parts = [
            Supervised(config)(
                ClipOutput(output.logits[b, None], output.features),
                Clips(*(x[b, None] for x in clips)),
                1.0,
                torch.Generator(),
            )["loss"]
            for b in range(2)
        ]
        torch.testing.assert_close(torch.stack(parts).mean(), whole)


@pytest.fixture(scope="module")
def network():
    return build_network("mobilenet_v2", seed=3).eval()


def distilled(network, teacher, clips: Clips, **config: object) -> dict[str, Tensor]:
    student = network.requires_grad_(True)
    output = run_clip(student, clips.frames, clips.first_masks, clips.valid)
    generator = torch.Generator().manual_seed(0)
    return Distillation(LossConfig(**config), teacher)(output, clips, 1.0, generator)


@pytest.mark.slow
class TestDistillation:
    def test_a_student_that_is_its_own_teacher_has_nothing_to_learn_from_its_logits(self, network, clips):
        found = distilled(network, network, clips)
        assert float(found["logit"].detach()) == pytest.approx(0, abs=1e-6)

    def test_the_losses_are_weighted_and_added(self, network, clips):
        teacher = build_network("mobilenet_v2", seed=4).eval()
        found = distilled(network, teacher, clips, representation=0.7, logit=1.5, omega=0.3)
        supervised = found["cross_entropy"] + 0.5 * found["dice"]
        expected = supervised + 0.7 * found["representation"] + 1.5 * found["logit"]
        torch.testing.assert_close(found["loss"], expected)
        assert float(found["logit"].detach()) > 0

    def test_the_student_alone_gets_gradients(self, network, clips):
        teacher = build_network("mobilenet_v2", seed=4).eval()
        network.zero_grad()
        distilled(network, teacher, clips)["loss"].backward()
        assert all(parameter.grad is None for parameter in teacher.parameters())
        assert all(float(p.grad.abs().sum()) > 0 for p in network.decoder.blocks4.parameters() if p.ndim == 4)

    @pytest.mark.parametrize("sampling", ["boundary", "uniform"])
    @pytest.mark.parametrize("omega", [0.0, 1.0])
    def test_every_choice_is_finite(self, sampling, omega, network, clips):
        teacher = build_network("mobilenet_v2", seed=4).eval()
        found = distilled(network, teacher, clips, sampling=sampling, omega=omega, pixels=16)
        assert all(torch.isfinite(value) for value in found.values())

    @pytest.mark.parametrize(("switched_off", "left"), [("logit", "representation"), ("representation", "logit")])
    def test_a_loss_of_weight_0_is_not_computed(self, switched_off, left, network, clips):
        found = distilled(network, network, clips, **{switched_off: 0.0})
        assert switched_off not in found
        assert left in found
