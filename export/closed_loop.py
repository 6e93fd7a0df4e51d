"""The closed loop of a fresh bundle: how far it may drift from the reference on its own masks, and the curve of it."""

from __future__ import annotations

import io
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from mobilevos.errors import InputError
from mobilevos.files import atomic_write_bytes
from mobilevos.golden import ClosedLoop, Tolerances

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CURVE", "LEAST_INT8_IOU", "TOLERANCES", "check_closed_loop", "tolerances", "write_curve"]

CURVE = "parity/closed_loop.png"
"""Where a bundle holds its curve."""

LEAST_INT8_IOU = 0.97
"""Mean IoU of a converted program's masks with those of the fake-quantized network, closed loop, on any clips."""

TOLERANCES = {
    # Sums of float32 in another order move a logit by a millionth of its range: what turns a pixel is a fault.
    "fp32": Tolerances(pixels=1000, iou=0.995, mean_iou=0.995, tensors=1e-3),
    # Of 1,000 pixels about 110 are the outline; 0.99 lets a tenth of these turn. Measured: 0.9997, and 1e-3.
    "fp16": Tolerances(pixels=1000, iou=0.99, mean_iou=0.99, tensors=2e-2),
    # Beside the int8 reference. A sum that lies half-way between two steps is rounded to either, in one value of some
    # thousands, and the loop feeds on it. Measured on the shipped student, of ExecuTorch, LiteRT, ONNX Runtime and Core
    # ML the worst: at 480x864 worst IoU 0.9982, mean 0.9991, tensors 0.024; at 64x96, where a pixel is a larger part
    # of a mask, worst 0.971 from 184 pixels on, tensors 0.039. Other processors round other sums, hence the room.
    "int8": Tolerances(pixels=1000, iou=0.8, mean_iou=LEAST_INT8_IOU, tensors=0.2),
}
"""Of each precision: what decides whether an export is refused, and what the bundle tells other loops to keep."""

_SUMS_IN_HALF = Tolerances(pixels=1000, iou=0.97, mean_iou=0.99, tensors=5e-2)
"""Of XNNPACK in float16, which adds in float16 where a processor can, as phones' do: measured 0.987, and 2.2e-2."""


def tolerances(precision: str, target: str) -> Tolerances:
    """Those of a precision in a target's arithmetic.

    Args:
        precision: Of the artefacts.
        target: Of the bundle.
    """
    return _SUMS_IN_HALF if (precision, target) == ("fp16", "executorch") else TOLERANCES[precision]


def check_closed_loop(loop: ClosedLoop, precision: str) -> None:
    """Refuses a bundle that does not track what the reference tracks.

    Args:
        loop: Of the bundle.
        precision: Of its artefacts.

    Raises:
        InputError: The loop does not pass, with the first thing that is too far off.
    """
    for check in loop.checks:
        if not check.passed:
            raise InputError(
                f"on its own masks the bundle does not compute what the reference computes: {check.name}",
                expected=check.wanted,
                found=check.found,
                remedy="" if precision == "fp32" else "pass --precision fp32",
            )


def write_curve(loop: ClosedLoop, path: Path) -> None:
    """Draws the error over the frames as a PNG: that of the logits, on a logarithmic axis, above each object's IoU.

    Masks too small to be judged are drawn hollow. The same loop gives the same bytes with the same Matplotlib.

    Args:
        loop: To be drawn.
        path: Of the PNG; its folder is made if need be.

    Raises:
        InputError: It cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.set_title(f"{loop.engine['engine']} beside the reference\n{loop.verdict}", fontsize="medium")
    _draw_errors(above, loop)
    _draw_iou(below, loop)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100, metadata={"Software": None})
    atomic_write_bytes(path, content.getvalue())


def _draw_errors(axes: Axes, loop: ClosedLoop) -> None:
    # Neither none nor infinity has a place on a logarithmic axis.
    errors = [(frame.index, error) for frame in loop.frames if 0 < (error := frame.logit_error or 0) < inf]
    if errors:
        axes.set_yscale("log")
    axes.plot([index for index, _ in errors], [error for _, error in errors], marker=".")
    axes.set_ylabel("mean abs error of logits")


def _draw_iou(axes: Axes, loop: ClosedLoop) -> None:
    objects = [(frame.index, one) for frame in loop.frames for one in frame.objects]
    for object_id in sorted({one.object_id for _, one in objects}):
        own = [(index, one) for index, one in objects if one.object_id == object_id]
        (line,) = axes.plot([index for index, _ in own], [one.iou for _, one in own], label=f"object {object_id}")
        faces = [line.get_color() if one.pixels >= loop.tolerances.pixels else "none" for _, one in own]
        axes.scatter(*line.get_data(), s=16, edgecolors=line.get_color(), facecolors=faces)
    lowest = min((one.iou for _, one in objects), default=1.0)
    axes.set_ylim(min(lowest, loop.tolerances.iou) - 0.005, 1.002)
    axes.axhline(loop.tolerances.iou, color="grey", linestyle="--", linewidth=0.8, label="gate")
    axes.set_xlabel(f"frame; hollow: below {loop.tolerances.pixels:,} pixels, not judged")
    axes.set_ylabel("IoU of masks")
    axes.legend(fontsize="small")
