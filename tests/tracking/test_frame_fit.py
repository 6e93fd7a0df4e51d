"""Frames of any size reach the network padded or resized, and masks come back at the frame's size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevos.engines.engine import EngineInfo
from mobilevos.errors import InputError
from mobilevos.tracking.frame_fit import FrameFit, check_frame, fit_frames

sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))


def info(input_size=None):
    return EngineInfo("test", 8, 8, input_size, None, None, {})


def image_of(fit, frame):
    image = np.zeros((1, 3, *fit.network_size), np.float32)
    fit.write_image(frame, image)
    return image


def random_frame(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@given(size=sizes)
def test_padding_goes_below_and_to_the_right_and_is_cut_back(size):
    fit = fit_frames(size, info(), resize=False)
    height, width = size
    for side, padded in zip(size, fit.network_size, strict=True):
        assert padded % 16 == 0
        assert side <= padded < side + 16
    frame = random_frame(size)
    image = image_of(fit, frame)
    np.testing.assert_array_equal(image[0, :, :height, :width], frame.transpose(2, 0, 1) / np.float32(255))
    assert not image[:, :, height:].any()
    assert not image[:, :, :, width:].any()
    np.testing.assert_array_equal(fit.restore(image[0]), image[0, :, :height, :width])


@given(size=sizes)
def test_a_mask_is_padded_with_background_and_cut_back(size):
    fit = fit_frames(size, info(), resize=False)
    mask = np.random.default_rng(1).integers(1, 500, size).astype(np.uint16)
    fitted = fit.fit_mask(mask)
    assert fitted.shape == fit.network_size
    np.testing.assert_array_equal(fit.restore(fitted[None])[0], mask)
    assert np.count_nonzero(fitted) == mask.size


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda frame: np.asfortranarray(frame), id="fortran order"),
        pytest.param(lambda frame: np.ascontiguousarray(frame.transpose(2, 0, 1)).transpose(1, 2, 0), id="planes"),
        pytest.param(lambda frame: np.ascontiguousarray(frame[::-1, ::-1])[::-1, ::-1], id="negative strides"),
        pytest.param(lambda frame: frame.repeat(2, axis=1)[:, ::2], id="every second column"),
        pytest.param(lambda frame: np.ascontiguousarray(frame[..., ::-1])[..., ::-1], id="from BGR"),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("fit", [FrameFit((20, 30), (32, 32), False), FrameFit((20, 30), (32, 48), True)])
def test_strides_do_not_change_the_numbers(view, dtype, fit):
    frame = random_frame((20, 30)) if dtype == np.uint8 else random_frame((20, 30)) / np.float32(255)
    strided = view(frame)
    assert not strided.flags.c_contiguous
    np.testing.assert_array_equal(image_of(fit, strided), image_of(fit, frame))


def test_a_float_frame_is_the_same_picture_as_its_8_bits():
    fit, frame = fit_frames((20, 30), info(), resize=False), random_frame((20, 30))
    np.testing.assert_array_equal(image_of(fit, frame / np.float32(255)), image_of(fit, frame))


def test_the_engines_own_size_needs_no_resize():
    assert fit_frames((480, 854), info((480, 864)), resize=True) == FrameFit((480, 854), (480, 864), False)


def test_another_size_is_refused_with_both_sizes_and_the_remedy():
    with pytest.raises(InputError, match=r"360x640.*368x640.*expected 480x864.*--size 368x640"):
        fit_frames((360, 640), info((480, 864)), resize=False)


@settings(deadline=None)
@given(size=sizes)
def test_a_resized_frame_fills_the_network_and_comes_back_at_its_own_size(size):
    fit = fit_frames(size, info((96, 112)), resize=True)
    assert fit.resized
    np.testing.assert_allclose(image_of(fit, np.full((*size, 3), 51, np.uint8)), 0.2, atol=1e-6)
    probabilities = np.random.default_rng(2).dirichlet((1, 1, 1), (96, 112)).transpose(2, 0, 1).astype(np.float32)
    restored = fit.restore(probabilities)
    assert restored.shape == (3, *size)
    np.testing.assert_allclose(restored.sum(axis=0), 1, atol=1e-5)


def test_a_resized_mask_invents_no_ids():
    fit = FrameFit((10, 10), (64, 64), True)
    mask = np.zeros((10, 10), np.uint16)
    mask[2:8, 2:8] = 7
    mask[4:6, 4:6] = 900
    assert set(np.unique(fit.fit_mask(mask))) == {0, 7, 900}


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.5])
def test_float_frames_lie_in_0_to_1(value):
    frame = np.full((4, 5, 3), 0.5, np.float32)
    check_frame(frame)
    frame[1, 2, 0] = value
    with pytest.raises(InputError, match=r"float32 in 0\.\.1; found values from"):
        check_frame(frame)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 5, 3), np.float64),
        np.zeros((4, 5, 3), np.int16),
    ],
    ids=lambda frame: f"{frame.dtype} {frame.shape}",
)
def test_what_is_no_picture_is_refused(frame):
    with pytest.raises(InputError, match=r"\[H, W, 3\] RGB"):
        check_frame(frame)
