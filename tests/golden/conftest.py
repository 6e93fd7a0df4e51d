"""The golden clip at a small size, and the reference on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Engine
from mobilevos.golden import GoldenTrace, record, synthetic_clip
from mobilevos.model.checkpoint import load_network


@pytest.fixture(scope="session")
def eager(random_checkpoint: Path) -> Engine:
    """The reference."""
    return EagerEngine(load_network(random_checkpoint))


@pytest.fixture(scope="session")
def trace(eager: Engine) -> GoldenTrace:
    """The reference on frames of 64x96."""
    return record(eager, synthetic_clip((64, 96)))
