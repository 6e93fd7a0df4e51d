"""torchvision, imported so that it works beside any build of torch.

A registry often gives a CUDA build of torchvision and a CPU build of torch. The compiled operators of such a
pair do not load, and `import torchvision` fails with "operator torchvision::nms does not exist", although
its models, transforms and file readers need none of them. Schemas for the operators in question are enough
for the import; calling one still fails, with PyTorch's own message. A matching pair is left as it is.

Import torchvision from here, or import this module before it:

    from mobilevos.torchvision_guard import torchvision
"""

from __future__ import annotations

import functools
import importlib
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from types import ModuleType

import torch

__all__ = ["import_torchvision", "torchvision"]

# The operators that torchvision names while it is imported, whether or not its extension has loaded.
_NEEDED_AT_IMPORT = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_torchvision() -> ModuleType:
    """Imports torchvision, after defining the operators that this pair of torch and torchvision lacks.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
    """
    if "torchvision" not in sys.modules and not _extension_loads():
        _define_missing_operators()
    return importlib.import_module("torchvision")


def _extension_loads() -> bool:
    """Loads torchvision's compiled operators as torchvision itself does; doing it twice changes nothing.

    Asked before the import, because a failed import leaves half of torchvision in `sys.modules`.
    """
    package = find_spec("torchvision")
    extension = PathFinder.find_spec("_C", package.submodule_search_locations) if package else None
    if extension is None or extension.origin is None:
        return False
    try:
        torch.ops.load_library(extension.origin)  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return True


@functools.cache  # A library's definitions end with the object: the cache keeps it for the process's life.
def _define_missing_operators() -> torch.library.Library:
    # A fragment, unlike a definition, may share the namespace with whoever else worked around this.
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name, schema in _NEEDED_AT_IMPORT.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)  # type: ignore[no-untyped-call]
    return library


torchvision = import_torchvision()
