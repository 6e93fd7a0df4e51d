"""No file that a user opens can run code: nothing in the project unpickles, evaluates or executes what it reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for package in ("mobilevos", "export", "benchmarks") for path in (ROOT / package).rglob("*.py"))

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
"""Whose formats hold code."""

CALLS = {"eval", "exec", "compile", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "np.load", "numpy.load"}
"""What runs what it is given, or unpickles it when asked to."""

ARCHIVES = {"mobilevos/engines/torchscript.py", "export/ladder/torchscript_graph.py"}
"""Where TorchScript archives are read: programs, and pickled in part, but by a reader that imports nothing."""


def violations(source: str) -> Iterator[str]:
    """Line and call or import of everything that could run code from a file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: {name.name}" for name in node.names if name.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"{node.lineno}: {node.module}"
        elif isinstance(node, ast.Call):
            yield from (f"{node.lineno}: {name}" for name in _refused_calls(node))


def _refused_calls(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    safe = any(one.arg == "weights_only" and ast.unparse(one.value) == "True" for one in call.keywords)
    if name in CALLS or (name == "torch.load" and not safe):
        yield name
    if name in ("torch.jit.load", "torch.package.PackageImporter"):
        yield name
    if isinstance(call.func, ast.Attribute) and call.func.attr == "recv" and not call.args:
        yield name  # multiprocessing's, which unpickles; a socket's has a size


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads as harmless",
        "import os, dill.session",
        "def load(path):\n    import joblib",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)",
        "torch.jit.load(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "exec(text)",
        "np.load(path, allow_pickle=True)",
        "connection.recv()",
    ],
)
def test_the_check_finds_what_it_looks_for(source: str) -> None:
    assert list(violations(source))


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "network.eval()",
        "yaml.safe_load(text)",
        "re.compile(text)",
        "json.loads(t)",
    ],
)
def test_and_nothing_else(source: str) -> None:
    assert not list(violations(source))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_runs_nothing_that_it_reads(path: Path) -> None:
    found = list(violations(path.read_text()))
    if path.relative_to(ROOT).as_posix() in ARCHIVES:
        found = [line for line in found if not line.endswith("torch.jit.load")]
    assert not found
