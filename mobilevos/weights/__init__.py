"""The shipped student. Its model card lies beside it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from mobilevos.errors import InputError

__all__ = ["default_checkpoint"]


def default_checkpoint() -> Path:
    """The shipped MobileNetV2 student (float16 safetensors).

    Raises:
        InputError: The installation lacks it.
    """
    path = Path(str(files("mobilevos.weights") / "mobilenet_v2.safetensors"))
    if not path.is_file():
        raise InputError("the shipped weights are not installed", expected=str(path), remedy="pass --checkpoint FILE")
    return path
