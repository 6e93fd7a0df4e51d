"""Keeping what the toolkits say to their own developers off the user's screen."""

from __future__ import annotations

import copy
import logging
import warnings
from typing import Any

from torch.fx import GraphModule

from mobilevos.engines.native_stderr import capture_native_stderr
from mobilevos.torchvision_guard import import_torchvision

__all__ = ["copy_graph", "import_litert_torch", "quiet_imports"]


def quiet_imports() -> None:
    """To be called before ExecuTorch's exporter or its devtools are imported.

    While they are imported, torchao names its kernels for other machines that it could not load, and PyTorch warns of a
    deprecation inside torchao. The user can do nothing about either.
    """
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)


def import_litert_torch() -> Any:
    """The package `litert_torch`, TFLite's converter.

    While it is imported, TensorFlow's part of it tells of the kernels it has, through a log that is not set up yet and
    heeds no level.

    Raises:
        ImportError: It cannot be imported.
    """
    quiet_imports()
    import_torchvision()  # which the converter imports, and which needs care beside a CPU build of PyTorch
    with capture_native_stderr():
        import litert_torch
    return litert_torch


def copy_graph(program: GraphModule) -> GraphModule:
    """A deep copy of a program. While PyTorch copies what it returns, it warns of the end of a class of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return copy.deepcopy(program)
