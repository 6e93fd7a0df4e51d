"""The machine that was measured: what it is, and the fastest float32 arithmetic it was seen to do."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

__all__ = ["MatrixProduct", "describe_machine"]

_SIDE = 1024


class MatrixProduct:
    """The machine's matrix-product limit: the best of many products of two 1024x1024 float32 matrices.

    A rate of a network is only worth something beside this one, measured in the same run and thread count.
    """

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._left, self._right = (torch.rand(_SIDE, _SIDE, generator=generator) for _ in range(2))
        self._out = torch.empty(_SIDE, _SIDE)
        self._seconds: list[float] = []

    def sample(self) -> None:
        """Times one product."""
        start = perf_counter()
        torch.mm(self._left, self._right, out=self._out)
        self._seconds.append(perf_counter() - start)

    @property
    def gflops(self) -> float:
        """Best rate so far in GFLOP/s, a multiplication and an addition counting one each."""
        return 2 * _SIDE**3 / min(self._seconds) / 1e9


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
