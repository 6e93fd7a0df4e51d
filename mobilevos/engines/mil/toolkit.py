"""Importing Core ML Tools without the frameworks that it would import for converters nobody here uses."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mobilevos.errors import InputError

__all__ = ["compute_unit", "import_coremltools"]

_NOT_NEEDED = ("tensorflow", "sklearn", "executorch", "torchao")
"""Optional frontends of Core ML Tools. Importing them takes 12 s on a slow machine, importing the rest 4 s."""

_COMPUTE_UNITS = {"all": "ALL", "cpuAndGPU": "CPU_AND_GPU", "cpuAndNeuralEngine": "CPU_AND_NE", "cpuOnly": "CPU_ONLY"}


def import_coremltools() -> Any:
    """The package `coremltools`, without remarks on what this machine lacks.

    Raises:
        InputError: It is not installed.
    """
    if find_spec("coremltools") is None:
        raise InputError("Core ML Tools is not installed", remedy="pip install 'mobilevos[coreml]'")
    # It warns of every native library that exists on macOS alone, and of the version of PyTorch.
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    with _hidden(*_NOT_NEEDED):
        import coremltools
    return coremltools


def compute_unit(name: str) -> Any:
    """Core ML Tools' constant for what Swift calls `MLComputeUnits`.

    Args:
        name: `all`, `cpuAndGPU`, `cpuAndNeuralEngine` or `cpuOnly`.

    Raises:
        InputError: There is none of that name, or Core ML Tools is not installed.
    """
    if name not in _COMPUTE_UNITS:
        raise InputError(f"compute units {name[:40]!r}", expected=f"one of {', '.join(_COMPUTE_UNITS)}")
    return import_coremltools().ComputeUnit[_COMPUTE_UNITS[name]]


@contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Makes packages that are not imported yet look as if they were not installed."""
    hidden = [package for package in packages if package not in sys.modules]
    try:
        for package in hidden:
            sys.modules[package] = None  # type: ignore[assignment]  # Python's own mark for "cannot be imported"
        yield
    finally:
        for package in hidden:
            del sys.modules[package]
