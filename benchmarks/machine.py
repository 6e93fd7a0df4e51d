"""The machine that was measured: what it is, and the fastest float32 arithmetic it was seen to do."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import mkldnn

__all__ = ["MatrixProduct", "describe_machine"]

_SIDE = 1024


class MatrixProduct:
    """The machine's matrix-product limit: the best of many products of two 1024x1024 float32 matrices.

    A rate of a network is only worth something beside this one, measured in the same run and thread count. PyTorch has
    two libraries for it, and which one knows a processor's widest instructions differs: BLAS, and oneDNN where it is
    built in. Each product is computed by both, of small whole numbers: in whatever order they are added, it is exact.
    """

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        left, right = (torch.randint(1, 8, (_SIDE, _SIDE), generator=generator).float() for _ in range(2))
        out = torch.empty(_SIDE, _SIDE)
        self._products: list[Callable[[], object]] = [lambda: torch.mm(left, right, out=out)]
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            linear = mkldnn.to_mkldnn(_linear(right).eval())  # type: ignore[no-untyped-call]
            dense = left.to_mkldnn()
            self._products.append(lambda: linear(dense))
        self._seconds: list[float] = []

    @torch.inference_mode()
    def sample(self) -> None:
        """Times one product of each library."""
        for product in self._products:
            start = perf_counter()
            product()
            self._seconds.append(perf_counter() - start)

    @property
    def gflops(self) -> float:
        """Best rate so far in GFLOP/s, a multiplication and an addition counting one each."""
        return 2 * _SIDE**3 / min(self._seconds) / 1e9


def _linear(matrix: Tensor) -> nn.Linear:
    """The layer that multiplies by a matrix."""
    rows, columns = matrix.shape
    layer = nn.Linear(rows, columns, bias=False)
    with torch.no_grad():
        layer.weight.copy_(matrix.T)
    return layer


def describe_machine() -> dict[str, Any]:
    """Processor, cores, what governs their clock (None where the system does not say) and system, for reports."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "governor": _governor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _governor() -> str | None:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return None
