"""Boundary pixels against Sobel sums written out pixel by pixel, and the random draw of pixels."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilevos.losses import boundary_mask, sample_pixels

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_labels(ids: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randint(ids, shape, generator=generator(seed))


def boundary_by_pixel(labels: list[list[int]], radius: int) -> list[list[bool]]:
    height, width = len(labels), len(labels[0])

    def is_edge(y: int, x: int) -> bool:
        for label in {value for row in labels for value in row}:
            dy = dx = 0
            for j, i, across in ((1, -1, 1), (1, 0, 2), (1, 1, 1)):
                for sign in (1, -1):
                    below = labels[min(max(y + sign * j, 0), height - 1)][min(max(x + i, 0), width - 1)]
                    right = labels[min(max(y + i, 0), height - 1)][min(max(x + sign * j, 0), width - 1)]
                    dy += sign * across * (below == label)
                    dx += sign * across * (right == label)
            if dy or dx:
                return True
        return False

    edges = {(y, x) for y in range(height) for x in range(width) if is_edge(y, x)}
    return [[any(max(abs(y - j), abs(x - i)) <= radius for j, i in edges) for x in range(width)] for y in range(height)]


class TestBoundaryMask:
    @given(
        ids=st.integers(1, 4),
        height=st.integers(1, 6),
        width=st.integers(1, 6),
        radius=st.integers(0, 3),
        seed=st.integers(0, 1000),
    )
    def test_it_is_its_definition(self, ids, height, width, radius, seed):
        labels = random_labels(ids, 2, height, width, seed=seed)
        expected = [boundary_by_pixel(sample, radius) for sample in labels.tolist()]
        assert boundary_mask(labels, radius=radius).tolist() == expected

    @pytest.mark.parametrize("radius", [0, 1, 3])
    def test_two_halves_have_a_band_on_both_sides_and_none_at_the_rim(self, radius):
        labels = torch.zeros(1, 6, 20, dtype=torch.int64)
        labels[:, :, 10:] = 1
        expected = torch.zeros(1, 6, 20, dtype=torch.bool)
        expected[:, :, 9 - radius : 11 + radius] = True
        assert torch.equal(boundary_mask(labels, radius=radius), expected)

    def test_objects_that_touch_have_a_boundary_whatever_their_ids(self):
        labels = random_labels(4, 2, 7, 9)
        other_ids = torch.tensor([7, 0, 255, 1])[labels]
        assert boundary_mask(labels, radius=0).any()
        assert torch.equal(boundary_mask(other_ids, radius=1), boundary_mask(labels, radius=1))

    def test_ids_whose_plain_derivatives_cancel_are_a_boundary(self):
        """Both Sobel sums of the ids themselves, (2 - 0) + 2 (0 - 1) + (1 - 1) and (1 + 1) - (0 + 2), are 0."""
        labels = torch.tensor([[[0, 0, 2], [1, 0, 0], [1, 0, 1]]])
        assert boundary_mask(labels, radius=0)[0, 1, 1]

    def test_an_object_of_one_pixel_is_surrounded_and_covered(self):
        labels = torch.zeros(1, 9, 9, dtype=torch.uint8)
        labels[0, 4, 4] = 3
        expected = torch.zeros(1, 9, 9, dtype=torch.bool)
        expected[0, 2:7, 2:7] = True
        assert torch.equal(boundary_mask(labels, radius=1), expected)

    def test_one_label_has_no_boundary(self):
        assert not boundary_mask(torch.full((2, 5, 5), 3)).any()

    def test_a_sample_does_not_see_the_others(self):
        labels = random_labels(3, 3, 8, 8)
        labels[1] = 5
        each = torch.cat([boundary_mask(labels[b : b + 1]) for b in range(3)])
        assert torch.equal(boundary_mask(labels), each)

    def test_a_mirrored_frame_has_the_mirrored_boundary(self):
        labels = random_labels(3, 1, 6, 8)
        expected = boundary_mask(labels, radius=0).flip(2).mT
        assert torch.equal(boundary_mask(labels.flip(2).mT, radius=0), expected)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_autocast_changes_nothing(self, dtype):
        labels = random_labels(3, 2, 12, 12)
        with torch.autocast("cpu", dtype):
            mask = boundary_mask(labels)
        assert torch.equal(mask, boundary_mask(labels))


class TestSamplePixels:
    @given(
        height=st.integers(1, 6),
        width=st.integers(1, 6),
        share=st.floats(0, 1),
        count=st.integers(1, 40),
        seed=st.integers(0, 1000),
    )
    def test_the_mask_is_drawn_first_and_no_pixel_twice_before_all_were(self, height, width, share, count, seed):
        mask = torch.rand(3, height, width, generator=generator(seed)) < share
        indices = sample_pixels(mask, count, generator(seed + 1))
        assert indices.shape == (3, count)
        assert indices.dtype == torch.int64
        for sample, drawn in zip(mask.flatten(1), indices, strict=True):
            assert 0 <= int(drawn.min()) <= int(drawn.max()) < height * width
            assert len(drawn.unique()) == min(count, height * width)
            wanted = min(count, int(sample.sum()))
            assert sample[drawn[:wanted]].all()

    def test_the_generator_decides(self):
        mask = random_labels(2, 2, 20, 20).bool()
        drawn = sample_pixels(mask, 30, generator(1))
        assert torch.equal(drawn, sample_pixels(mask, 30, generator(1)))
        assert not torch.equal(drawn, sample_pixels(mask, 30, generator(2)))

    def test_samples_are_drawn_apart(self):
        drawn = sample_pixels(torch.ones(2, 20, 20, dtype=torch.bool), 30, generator(0))
        assert not torch.equal(drawn[0].sort().values, drawn[1].sort().values)

    @pytest.mark.parametrize("inside", [range(0), range(4), range(20)])
    def test_every_pixel_of_the_mask_and_every_other_one_is_equally_likely(self, inside):
        """Of 20 pixels 8 are drawn, 20,000 times: the standard error of a share is below 0.004."""
        mask = torch.zeros(20, dtype=torch.bool)
        mask[list(inside)] = True
        drawn = sample_pixels(mask.view(1, 4, 5).expand(20_000, 4, 5), 8, generator(0))
        share = drawn.flatten().bincount(minlength=20) / 20_000
        expected = torch.full((20,), 8 / 20)
        if 0 < len(inside) < 20:
            expected = torch.where(mask, 1.0, (8 - len(inside)) / (20 - len(inside)))
        torch.testing.assert_close(share, expected, atol=0.016, rtol=0)

    def test_what_exceeds_the_frame_is_drawn_with_replacement_from_all_of_it(self):
        drawn = sample_pixels(torch.zeros(1, 2, 3, dtype=torch.bool), 6006, generator(0))[0]
        assert drawn[:6].sort().values.tolist() == [0, 1, 2, 3, 4, 5]
        assert (drawn[6:].bincount(minlength=6) > 800).all()

    @pytest.mark.parametrize("device", DEVICES)
    def test_a_generator_on_the_cpu_draws_the_same_pixels_of_a_mask_on_any_device(self, device):
        mask = random_labels(2, 2, 20, 20).bool()
        drawn = sample_pixels(mask.to(device), 500, generator(0))
        assert drawn.device.type == device
        assert torch.equal(drawn.cpu(), sample_pixels(mask, 500, generator(0)))
