"""Every range that the augmentation draws from: frozen dataclasses with units."""

from __future__ import annotations

from dataclasses import dataclass, field

from mobilevos.errors import InputError

__all__ = [
    "BlurConfig",
    "ClipConfig",
    "ColourConfig",
    "MotionConfig",
    "PasteConfig",
    "StaticConfig",
    "VideoConfig",
]


@dataclass(frozen=True)
class MotionConfig:
    """How far one layer moves from a frame to the next, at the most; each clip draws its own speed in 0.1..1.

    Attributes:
        rotation: Degrees.
        shear: Degrees.
        scale: Factor of at least 1: the size changes by `1/scale` .. `scale`.
        translation: Fraction of the crop's side, along each axis.
        spread: The pose stays within this many steps' reach of the first frame's.
    """

    rotation: float = 15.0
    shear: float = 8.0
    scale: float = 1.3
    translation: float = 0.12
    spread: float = 1.5

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise InputError("motion.scale", expected="at least 1", found=str(self.scale))


@dataclass(frozen=True)
class ColourConfig:
    """Colour jitter of a layer or of a clip.

    Attributes:
        brightness: Factor in `1 - b .. 1 + b`.
        contrast: Factor about mid grey, in `1 - c .. 1 + c`.
        saturation: Factor in `1 - s .. 1 + s`.
        hue: Rotation of the colour circle, up to this many degrees either way.
        grayscale_probability: Share of clips without colour, 0..1.
        flicker: Share of the four ranges that each frame redraws around its clip's draw, 0..1.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.3
    hue: float = 12.0
    grayscale_probability: float = 0.05
    flicker: float = 0.15


@dataclass(frozen=True)
class BlurConfig:
    """Motion blur: a straight streak of random direction.

    Attributes:
        probability: Share of frames that are blurred, 0..1.
        length: Longest streak, in pixels.
    """

    probability: float = 0.15
    length: int = 11


@dataclass(frozen=True)
class PasteConfig:
    """Cut-out objects laid into a clip, each with its own motion.

    A look-alike is a copy of the clip's own object, lightly recoloured: always background. A donor's object
    comes from another image and competes with the clip's own objects for the tracked ids.

    Attributes:
        lookalike_probability: Share of clips with a look-alike, 0..1.
        donor_probability: Share of clips with a donor's object, 0..1.
        behind_probability: Share of cut-outs that pass behind the clip's own objects, 0..1.
        size: Longest side of a donor's object in the first frame, as a fraction (low, high) of the crop.
        lookalike_scale: Size of a look-alike against the object it copies, (low, high).
        motion: How a cut-out moves.
        colour: How a cut-out is recoloured, once for the clip.
    """

    lookalike_probability: float = 0.3
    donor_probability: float = 0.4
    behind_probability: float = 0.5
    size: tuple[float, float] = (0.2, 0.7)
    lookalike_scale: tuple[float, float] = (0.7, 1.3)
    motion: MotionConfig = MotionConfig(rotation=15.0, shear=6.0, scale=1.6, translation=0.3)
    colour: ColourConfig = ColourConfig(
        brightness=0.1, contrast=0.1, saturation=0.15, hue=6.0, grayscale_probability=0.0, flicker=0.0
    )


@dataclass(frozen=True)
class ClipConfig:
    """What every source of training clips shares.

    Attributes:
        frames: Frames of a clip, T.
        crop: Side of the square frames, in pixels.
        max_objects: Ids 1..max_objects may be tracked in one clip.
        min_pixels: Pixels that a tracked object shows at least in the first frame.
        attempts: Draws before a source is declared to hold no usable object.
        window: Side of the cropped window as a fraction (low, high) of the source's shorter side; above 1 it
            is cut to the source, and so squeezed.
        aspect: The window's height over width lies in `1/aspect .. aspect`, before it is cut to the source.
        flip_probability: Share of clips mirrored left to right, 0..1.
        motion: How the source's window moves from frame to frame.
        bend: Thin-plate displacement per frame, as a fraction of the crop's side; 0 turns it off.
        colour: Colour jitter.
        blur: Motion blur.
        paste: Second objects and look-alikes.
    """

    frames: int = 3
    crop: int = 256
    max_objects: int = 2
    min_pixels: int = 200
    attempts: int = 50
    window: tuple[float, float] = (0.5, 1.0)
    aspect: float = 1.2
    flip_probability: float = 0.5
    motion: MotionConfig = field(default_factory=MotionConfig)
    bend: float = 0.0
    colour: ColourConfig = field(default_factory=ColourConfig)
    blur: BlurConfig = field(default_factory=BlurConfig)
    paste: PasteConfig = field(default_factory=PasteConfig)

    def __post_init__(self) -> None:
        for name in ("frames", "crop", "max_objects", "min_pixels", "attempts"):
            if getattr(self, name) < 1:
                raise InputError(f"clip.{name}", expected="at least 1", found=str(getattr(self, name)))


@dataclass(frozen=True)
class StaticConfig(ClipConfig):
    """Pseudo-clips from still images: all motion is made, so there is much of it."""

    window: tuple[float, float] = (0.7, 1.15)
    aspect: float = 1.35
    motion: MotionConfig = MotionConfig(rotation=20.0, shear=10.0, scale=1.6, translation=0.3)
    bend: float = 0.03


@dataclass(frozen=True)
class VideoConfig(ClipConfig):
    """Clips from annotated video: it moves by itself, so the added motion is mild.

    Attributes:
        reverse_probability: Share of clips played backwards, 0..1.
    """

    window: tuple[float, float] = (0.55, 1.0)
    motion: MotionConfig = MotionConfig(rotation=5.0, shear=3.0, scale=1.15, translation=0.05)
    reverse_probability: float = 0.5
