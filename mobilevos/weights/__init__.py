"""The shipped student. Its model card lies beside it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from mobilevos.errors import InputError

__all__ = ["default_checkpoint", "default_int8_checkpoint"]


def default_checkpoint() -> Path:
    """The shipped MobileNetV2 student (float16 safetensors).

    Raises:
        InputError: The installation lacks it.
    """
    path = Path(str(files("mobilevos.weights") / "mobilenet_v2.safetensors"))
    if not path.is_file():
        raise InputError("the shipped weights are not installed", expected=str(path), remedy="pass --checkpoint FILE")
    return path


def default_int8_checkpoint() -> Path | None:
    """The shipped student that was trained for int8, with its ranges; None if the installation has none."""
    path = Path(str(files("mobilevos.weights") / "mobilenet_v2_int8.safetensors"))
    return path if path.is_file() else None
