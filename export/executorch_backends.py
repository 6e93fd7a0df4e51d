"""What an ExecuTorch program is delegated to: XNNPACK, Core ML or Vulkan.

All three are lowered to ahead of time on any host. Only XNNPACK's delegate is in the runtime of the wheel for Linux: a
program for one of the others is written and its operators are counted, and it is said that it was not executed.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mobilevos.engines.mil.toolkit import import_coremltools

__all__ = ["BACKENDS", "Backend", "BackendName", "quiet_lowering"]


class BackendName(StrEnum):
    """What `--backend` takes."""

    XNNPACK = "xnnpack"
    COREML = "coreml"
    VULKAN = "vulkan"


@dataclass(frozen=True)
class Backend:
    """A delegate.

    Attributes:
        title: For people.
        make_partitioner: Takes a precision, gives a partitioner, which chooses the operators; the toolkit is imported
            then.
        casts: Whether it computes float32 components in float16 itself, if told to.
        not_executed: Why its programs cannot run here; empty if they can.
    """

    title: str
    make_partitioner: Callable[[str], Any]
    casts: bool
    not_executed: str = ""


def _xnnpack(precision: str) -> Any:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return XnnpackPartitioner()


def _coreml(precision: str) -> Any:
    toolkit = import_coremltools()
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    compute = {"fp32": toolkit.precision.FLOAT32, "fp16": toolkit.precision.FLOAT16}[precision]
    specs = CoreMLBackend.generate_compile_specs(
        compute_precision=compute, minimum_deployment_target=toolkit.target.iOS17
    )
    return CoreMLPartitioner(compile_specs=specs)


def _vulkan(precision: str) -> Any:
    from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

    return VulkanPartitioner({"force_fp16": precision == "fp16"})


BACKENDS = {
    BackendName.XNNPACK: Backend("XNNPACK", _xnnpack, casts=False),
    BackendName.COREML: Backend("Core ML", _coreml, True, "Core ML's delegate runs on Apple's systems alone"),
    BackendName.VULKAN: Backend("Vulkan", _vulkan, True, "the wheel's runtime has no Vulkan delegate"),
}
"""By the name that the command line takes."""


@contextmanager
def quiet_lowering() -> Iterator[None]:
    """Keeps the backends' progress bars, warnings, and logs of every operator off the screen."""
    disabled = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
