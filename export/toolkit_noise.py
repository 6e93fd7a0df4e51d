"""Keeping what the toolkits say to their own developers off the user's screen."""

from __future__ import annotations

import logging

__all__ = ["quiet_imports"]


def quiet_imports() -> None:
    """To be called before ExecuTorch's exporter or its devtools are imported.

    While they are imported, torchao names its kernels for other machines that it could not load, and PyTorch warns of a
    deprecation inside torchao. The user can do nothing about either.
    """
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
