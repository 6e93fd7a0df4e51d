"""The targets, each with the marker of the toolchain that it needs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from export.targets import TARGETS


def _marked(name: str) -> Any:
    extra = TARGETS[name].extra
    return pytest.param(name, marks=[getattr(pytest.mark, extra)] if extra else [])


@pytest.fixture(scope="session", params=[_marked(name) for name in TARGETS])
def target_name(request: pytest.FixtureRequest) -> str:
    """Each target that can be exported here, in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def sums_in_half() -> bool:
    """Whether this processor adds in float16, and XNNPACK with it."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_fp16", "fp16_arith"))


@pytest.fixture(params=[_marked(name) for name, target in TARGETS.items() if "fp16" in target.precisions])
def half_target_name(request: pytest.FixtureRequest) -> str:
    """Each target that offers float16, in turn."""
    name: str = request.param
    return name
