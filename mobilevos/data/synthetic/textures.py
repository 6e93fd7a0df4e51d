"""Procedural textures: terrain for backgrounds and skins for objects, from noise and a random generator."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["LIGHT", "fractal_noise", "skin", "terrain"]

LIGHT = (-0.45, -0.6, 0.66)
"""Where the light comes from: along columns, rows, and towards the viewer; of length 1."""

_LANDSCAPES = (
    # The ground's colours from the valleys to the heights, and the bushes' colour, RGB.
    (((74, 98, 52), (104, 124, 66), (142, 146, 88), (174, 164, 122)), (50, 78, 40)),  # meadow
    (((156, 128, 90), (186, 156, 112), (208, 182, 138), (224, 208, 172)), (122, 122, 74)),  # dunes
    (((84, 88, 92), (114, 114, 112), (146, 142, 134), (182, 178, 172)), (84, 96, 70)),  # scree
    (((78, 84, 56), (104, 98, 66), (130, 110, 82), (156, 138, 108)), (58, 74, 46)),  # moor
)


def fractal_noise(
    random: np.random.Generator, size: tuple[int, int], cells: float, octaves: int, gain: float = 0.5
) -> NDArray[np.float32]:
    """Sum of smooth random fields, each of twice the frequency and `gain` times the amplitude of the last.

    Args:
        random: Source of the fields.
        size: Height and width, in pixels.
        cells: Bumps of the first octave along the shorter side.
        octaves: How many fields; those finer than a pixel are left out.
        gain: Ratio of successive amplitudes.

    Returns:
        `[H, W]`, float32, mean 0 and standard deviation 1.
    """
    height, width = size
    noise = np.zeros(size, np.float32)
    for octave in range(octaves):
        spacing = min(size) / (cells * 2**octave)
        if spacing < 1 and octave:
            break
        grid = random.standard_normal((int(height / spacing) + 4, int(width / spacing) + 4), np.float32)
        # Shifted by a random part of a cell, so that the octaves' lattices do not coincide.
        (row, column), scale = random.uniform(1, 2, 2), 1 / spacing
        place = np.array([[scale, 0, column], [0, scale, row]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        noise += gain**octave * cv2.warpAffine(grid, place, (width, height), flags=flags)
    normalised: NDArray[np.float32] = (noise - noise.mean()) / (noise.std() + 1e-6)
    return normalised


def terrain(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A landscape seen from above: heights in natural colours, lit from the side, with tufts and grain.

    Args:
        random: Source of the landscape.
        size: Height and width, in pixels.

    Returns:
        `[H, W, 3]`, uint8, RGB.
    """
    ground, bush = _LANDSCAPES[random.integers(len(_LANDSCAPES))]
    heights = fractal_noise(random, size, cells=3, octaves=7)
    colours = _gradient(ground, 0.5 + 0.25 * heights + 0.08 * fractal_noise(random, size, 40, 3))
    bushes = np.clip(1.5 * (fractal_noise(random, size, cells=16, octaves=4) - 1.1), 0, 1)
    reach = min(size) / 60
    away = np.array([[1, 0, -reach * LIGHT[0]], [0, 1, -reach * LIGHT[1]]])
    shadow = cv2.GaussianBlur(cv2.warpAffine(bushes, away, size[::-1]), (0, 0), reach / 3)
    leaves = 1 + 0.18 * fractal_noise(random, size, cells=70, octaves=2)
    colours *= 1 - 0.5 * shadow[..., None]
    colours += bushes[..., None] * (np.array(bush, np.float32) * leaves[..., None] - colours)
    relief = cv2.GaussianBlur(heights + 1.2 * bushes, (0, 0), min(size) / 320)
    slope = LIGHT[0] * cv2.Sobel(relief, cv2.CV_32F, 1, 0) + LIGHT[1] * cv2.Sobel(relief, cv2.CV_32F, 0, 1)
    light = 1 - 0.2 * np.tanh(slope * min(size) / 240)
    grain = 1 + 0.05 * fractal_noise(random, size, min(size) / 4, 2)
    return _pixels(colours * (light * grain)[..., None])


def skin(random: np.random.Generator, hue: float, size: int) -> NDArray[np.uint8]:
    """The surface of an object: stripes, spots, patches or marbling in a hue and a darker or paler shade.

    Args:
        random: Source of the pattern.
        hue: 0..1 around the colour circle.
        size: Height and width, in pixels.

    Returns:
        `[size, size, 3]`, uint8, RGB.
    """
    square = (size, size)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    warp = fractal_noise(random, square, cells=3, octaves=3)
    match random.integers(4):
        case 0:
            shape = np.sin(11 * columns + 4 * rows + 0.9 * warp) * 3
        case 1:
            shape = 5 * (fractal_noise(random, square, cells=7, octaves=1) - 0.7)
        case 2:
            shape = 4 * (fractal_noise(random, square, cells=3, octaves=3) - 0.2)
        case _:
            shape = 2 * np.sin(4 * warp + 3 * rows)
    blend = 1 / (1 + np.exp(-2 * shape))[..., None]
    base, accent = _colour(hue, 0.66, 0.84), _colour(hue + random.uniform(0.04, 0.1), 0.6, 0.32)
    if random.random() < 0.5:
        accent = _colour(hue + random.uniform(-0.05, 0.05), 0.15, 0.92)
    fur = 1 + 0.07 * fractal_noise(random, square, cells=40, octaves=3) + 0.08 * warp
    return _pixels((base * (1 - blend) + accent * blend) * fur[..., None])


def _gradient(stops: tuple[tuple[int, int, int], ...], place: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours at `place`, 0..1 from the first stop to the last."""
    at = np.linspace(0, 1, len(stops))
    channels = [np.interp(place, at, [stop[channel] for stop in stops]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _pixels(colours: NDArray[Any]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.clip(colours, 0, 255).astype(np.uint8)
    return pixels


def _colour(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    hsv = np.array([[[hue % 1 * 360, saturation, value]]], np.float32)
    rgb: NDArray[np.float32] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] * 255
    return rgb
