"""The network over a training clip: the tracking loop, in one differentiable piece."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from mobilevos.engines.eager import EagerEngine
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network
from mobilevos.tracking import Tracker
from mobilevos.tracking.memory_bank import UNBOUNDED
from mobilevos.training.clip_forward import clip_logits, object_masks

FRAMES, HEIGHT, WIDTH = 4, 48, 64


@pytest.fixture(scope="module", params=["mobilenet_v2", pytest.param("teacher_mobilenet_v2", marks=pytest.mark.slow)])
def network(request: pytest.FixtureRequest) -> MemoryNetwork:
    """In evaluation mode, but with statistics that let every signal through, so that masks differ from frame to frame.

    A network with random weights and a new network's statistics gives nearly the same everywhere.
    """
    network = build_network(request.param, seed=1).train()
    frames, labels = random_clip(2, 2, seed=5)
    with torch.no_grad():
        for _ in range(8):
            clip_logits(network, frames, object_masks(labels[:, 0], 2), torch.ones(2, 2, dtype=torch.bool))
    return network.eval()


def random_clip(batch: int, objects: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Frames `[B, T, 3, H, W]` of blocks that move right, and their ids `[B, T, H, W]`."""
    generator = torch.Generator().manual_seed(seed)
    frames = 0.2 * torch.rand(batch, FRAMES, 3, HEIGHT, WIDTH, generator=generator)
    labels = torch.zeros(batch, FRAMES, HEIGHT, WIDTH, dtype=torch.int64)
    colours = torch.rand(batch, objects, 3, 1, 1, generator=generator)
    for b in range(batch):
        for o in range(objects):
            for t in range(FRAMES):
                area = (slice(4 + 20 * o, 22 + 20 * o), slice(6 + 5 * t + 4 * b, 30 + 5 * t + 4 * b))
                frames[b, t][:, *area] += 0.8 * colours[b, o]
                labels[b, t][area] = o + 1
    return frames, labels


def everything(batch: int, objects: int) -> Tensor:
    return torch.ones(batch, objects, dtype=torch.bool)


def tracked(network: MemoryNetwork, frames: Tensor, labels: Tensor) -> Tensor:
    """Probabilities `[T-1, O+1, H, W]` of one clip, by the tracking loop with every frame memorised."""
    tracker = Tracker(EagerEngine(copy.deepcopy(network)), memory_every=1, policy=UNBOUNDED)
    masks = []
    for t, frame in enumerate(frames):
        image = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
        segmentation = tracker.step(image, labels[0].numpy().astype(np.uint8) if t == 0 else None)
        masks.append(torch.from_numpy(segmentation.probabilities.copy()))
    return torch.stack(masks[1:])


def test_object_i_has_id_i_plus_1():
    labels = torch.tensor([[[0, 1], [2, 1]]])
    masks = object_masks(labels, 3)
    assert masks.dtype == torch.float32
    assert masks.tolist() == [[[[0, 1], [0, 1]], [[0, 0], [1, 0]], [[0, 0], [0, 0]]]]


@pytest.mark.parametrize("objects", [1, 2])
@torch.inference_mode()
def test_in_evaluation_mode_it_is_the_tracking_loop_frame_by_frame(network, objects):
    frames, labels = random_clip(2, objects)
    joint = clip_logits(network, frames, object_masks(labels[:, 0], objects), everything(2, objects)).softmax(2)
    assert joint.shape == (2, FRAMES - 1, objects + 1, HEIGHT, WIDTH)
    assert float(joint[:, :, 1].std()) > 0.01
    for b in range(2):
        torch.testing.assert_close(joint[b], tracked(network, frames[b], labels[b]), atol=1e-4, rtol=1e-3)


@torch.inference_mode()
def test_a_frame_depends_on_those_before_it_and_on_none_after(network):
    frames, labels = random_clip(1, 1)
    first = object_masks(labels[:, 0], 1)
    logits = clip_logits(network, frames, first, everything(1, 1))
    frames[:, 2] = frames[:, 2].flip(-1)
    changed = clip_logits(network, frames, first, everything(1, 1))
    difference = (changed - logits).abs().amax((0, 2, 3, 4))
    assert difference[0] < 1e-6
    assert difference[1] > 1e-3
    assert difference[2] > 1e-5, "frame 3 reads what frame 2 was memorised as"


@torch.inference_mode()
def test_objects_that_a_clip_does_not_have_get_no_probability_and_change_nothing(network):
    frames, labels = random_clip(2, 2)
    labels[0][labels[0] == 2] = 0
    valid = torch.tensor([[True, False], [True, True]])
    joint = clip_logits(network, frames, object_masks(labels[:, 0], 2), valid).softmax(2)
    assert (joint[0, :, 2] == 0).all()
    assert (joint[1, :, 2] > 0).any()
    alone = clip_logits(network, frames[:1], object_masks(labels[:1, 0], 1), everything(1, 1)).softmax(2)
    torch.testing.assert_close(joint[0, :, :2], alone[0], atol=1e-5, rtol=1e-4)
    rest = clip_logits(network, frames[1:], object_masks(labels[1:, 0], 2), everything(1, 2)).softmax(2)
    torch.testing.assert_close(joint[1], rest[0], atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_permuting_the_objects_permutes_the_result(network):
    frames, labels = random_clip(2, 2)
    masks = object_masks(labels[:, 0], 2)
    logits = clip_logits(network, frames, masks, everything(2, 2))
    swapped = clip_logits(network, frames, masks.flip(1), everything(2, 2))
    torch.testing.assert_close(swapped[:, :, [0, 2, 1]], logits, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(swapped, logits, atol=1e-2)


def test_the_gradient_reaches_the_first_masks_through_the_memory_of_the_last_frame(network):
    frames, labels = random_clip(1, 1)
    masks = object_masks(labels[:, 0], 1).requires_grad_()
    logits = clip_logits(network, frames, masks, everything(1, 1))
    logits[:, -1].square().sum().backward()
    assert masks.grad.isfinite().all()
    assert masks.grad.abs().max() > 0
    network.zero_grad()
