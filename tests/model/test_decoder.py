"""The decoder: shapes, skips that are shared by a frame's objects, and what ASPP adds to its reach."""

import pytest
import torch
from torch import Tensor

from mobilevos.model.decoder import Decoder
from mobilevos.model.encoders import QueryFeatures

FEATURES = (6, 5, 4)


def build(aspp_channels: int = 0, blocks: tuple[int, int, int] = (1, 1, 1)) -> Decoder:
    torch.manual_seed(0)
    return Decoder(3, FEATURES, (8, 7, 6), blocks, aspp_channels).eval()


def random_query(frames: int, h: int = 3, w: int = 4, seed: int = 0) -> QueryFeatures:
    generator = torch.Generator().manual_seed(seed)
    sides = ((3, 1), (FEATURES[0], 1), (FEATURES[1], 2), (FEATURES[2], 4))
    return QueryFeatures(*(torch.randn(frames, c, s * h, s * w, generator=generator) for c, s in sides))


def random_readout(rows: int, h: int = 3, w: int = 4) -> Tensor:
    return torch.randn(rows, 3, h, w, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_a_logit_for_every_pixel_and_object_from_features_at_stride_4():
    decoder, query, readout = build(), random_query(2), random_readout(6)
    features = decoder.features(readout, query)
    assert features.shape == (6, 6, 12, 16)
    _, logits = decoder(readout, query)
    assert logits.shape == (6, 1, 48, 64)
    assert torch.equal(logits, decoder.logits(features))


@torch.inference_mode()
def test_every_object_is_decoded_with_the_skips_of_its_own_frame():
    decoder, query, readout = build(), random_query(2), random_readout(6)
    _, together = decoder(readout, query)
    for row in range(6):
        frame = row // 3
        _, alone = decoder(readout[row : row + 1], QueryFeatures(*(feature[frame : frame + 1] for feature in query)))
        torch.testing.assert_close(together[row : row + 1], alone)


def test_every_skip_and_the_readout_reach_the_logits():
    decoder, readout = build(), random_readout(1).requires_grad_()
    query = QueryFeatures(*(feature.requires_grad_() for feature in random_query(1)))
    decoder(readout, query)[1].square().sum().backward()
    for tensor in (readout, query.feature16, query.feature8, query.feature4):
        assert tensor.grad is not None
        assert tensor.grad.abs().max() > 0
    assert query.key.grad is None


def rows_reached(decoder: Decoder) -> int:
    """Stride-16 rows of the logits that a change of one readout row touches."""
    h = 40
    query, readout = random_query(1, h, 2), random_readout(1, h, 2)
    changed = readout.clone()
    changed[:, :, h // 2] += 10
    with torch.inference_mode():
        difference = (decoder.features(changed, query) - decoder.features(readout, query)).abs().amax((0, 1, 3))
    return int((difference.view(h, 4).amax(1) > 1e-6).sum())


def test_aspp_widens_what_a_pixel_sees():
    assert rows_reached(build(aspp_channels=4)) >= rows_reached(build()) + 2 * 6


@pytest.mark.parametrize("blocks", [(0, 0, 0), (2, 1, 3)])
def test_the_number_of_blocks_is_free(blocks):
    decoder = build(blocks=blocks)
    assert [len(b) for b in (decoder.blocks16, decoder.blocks8, decoder.blocks4)] == list(blocks)
    assert decoder(random_readout(1), random_query(1))[1].shape == (1, 1, 48, 64)
