"""MobileVOS: video object segmentation on phones.

The rooms: `model` (the networks), `losses`, `data`, `training`; `engines` (one per runtime) and `tracking` (the loop
over any of them); `evaluation` (J and F); `bundle` (what `export` writes and every engine reads).

    from mobilevos.engines import open_engine
    from mobilevos.tracking import Tracker

    tracker = Tracker(open_engine("eager"))
    for index, frame in enumerate(frames):                              # uint8 [H, W, 3], RGB
        masks = tracker.step(frame, first_mask if index == 0 else None)  # masks.labels: object ids [H, W]
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("mobilevos")
