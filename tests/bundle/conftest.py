"""A valid bundle, to be read or to be damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written_bundle import write_bundle


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A valid manifest; to be copied before it is changed."""
    return write_bundle(tmp_path_factory.mktemp("valid"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A valid bundle of its own for each test."""
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"
