"""The rooms' one-way arrows: benchmarks -> export -> mobilevos, and no torch around an engine."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FORBIDDEN = {"mobilevos": {"export", "benchmarks"}, "export": {"benchmarks"}}


def imported_rooms(source: str) -> set[str]:
    """The top-level packages that a file imports, at its top or anywhere inside."""
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            rooms |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            rooms.add((node.module or "").partition(".")[0])
    return rooms


@pytest.mark.parametrize("room", FORBIDDEN)
def test_no_file_imports_against_the_arrows(room: str) -> None:
    files = sorted((REPOSITORY / room).rglob("*.py"))
    assert files
    offenders = {
        str(file.relative_to(REPOSITORY)): sorted(wrong)
        for file in files
        if (wrong := imported_rooms(file.read_text(encoding="utf-8")) & FORBIDDEN[room])
    }
    assert offenders == {}


def test_an_import_is_found_wherever_it_stands() -> None:
    source = "import export.parity\ndef f():\n    from benchmarks.host import g\n    from . import export_me\n"
    assert imported_rooms(source) == {"export", "benchmarks"}


@pytest.mark.parametrize("module", ["mobilevos.contract", "mobilevos.engines.engine", "mobilevos.tracking"])
def test_importing_it_does_not_load_torch(module: str) -> None:
    code = f"import {module}, sys; print(sorted({{'torch', 'torchvision'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
