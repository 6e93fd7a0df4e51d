"""What TensorFlow's analyzer says of a finished `.tflite` for TFLite's GPU delegate.

Its verdict is weak: in the wheel of TensorFlow 2.21 it objects to nothing, not even to a gather, as a test of the rules
shows. It is reported beside the rules, which do object, and never in their place. Over a damaged file it ends its
process, which is therefore one of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from export.checks.page import html_table
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.errors import InputError

__all__ = ["GpuVerdict", "analyse", "analyzer_verdict", "objections_in", "verdict_table", "verdicts_html"]

_OBJECTION = "GPU COMPATIBILITY WARNING: "
_NO_OBJECTION = "Your model looks compatible with GPU delegate"

_COLOURS = {True: "green", False: "red", None: "yellow"}
_CLASSES = {True: "good", False: "bad", None: ""}
_HEADERS = ("bundle", "asked", "verdict")
_WEAK = "it knows few reasons: in TensorFlow 2.21 not even a gather is one; the rules before conversion know more"


@dataclass(frozen=True)
class GpuVerdict:
    """Of one bundle.

    Attributes:
        precision: Of the bundle.
        analyzer: Name and version, or why there is none.
        objections: Its warnings; None if it was not asked.
    """

    precision: str
    analyzer: str
    objections: tuple[str, ...] | None

    @property
    def passed(self) -> bool | None:
        """Whether it has no objection; None if it was not asked."""
        return None if self.objections is None else not self.objections

    @property
    def text(self) -> str:
        """For people."""
        if self.objections is None:
            return f"not asked: {self.analyzer}"
        return "; ".join(self.objections) or "no objection"

    def to_json(self) -> dict[str, Any]:
        """For reports of other programs."""
        return asdict(self)


def analyzer_verdict(bundle: Bundle) -> GpuVerdict:
    """Asks it about all components of a bundle.

    Args:
        bundle: Of target `tflite`.

    Raises:
        InputError: The analyzer cannot read a file.
    """
    if find_spec("tensorflow") is None:
        return GpuVerdict(bundle.precision, "TensorFlow is not installed", None)
    files = dict.fromkeys(bundle.artefact(component)[0] for component in COMPONENTS)
    objections = [one for path in files for one in analyse(path)]
    return GpuVerdict(bundle.precision, f"TensorFlow {version('tensorflow')}'s analyzer", tuple(objections))


def analyse(model: Path) -> list[str]:
    """TensorFlow's objections to a model on the GPU delegate.

    Args:
        model: A `.tflite` file.

    Raises:
        InputError: The analyzer cannot read it, or its report is not of the known form.
    """
    command = [sys.executable, "-P", "-c", _PROGRAM, str(model)]
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, errors="replace")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        found = last[:200] if done.returncode > 0 else f"it was ended by signal {-done.returncode}"
        raise InputError(f"TensorFlow's analyzer cannot read {model}", found=found)
    return objections_in(done.stdout)


_PROGRAM = """
import sys, tensorflow
tensorflow.lite.experimental.Analyzer.analyze(model_path=sys.argv[1], gpu_compatibility=True)
"""


def objections_in(report: str) -> list[str]:
    """The warnings in the analyzer's report.

    Raises:
        InputError: It has no verdict.
    """
    lines = report.splitlines()
    objections = [line.partition(_OBJECTION)[2] for line in lines if _OBJECTION in line]
    if not objections and not any(_NO_OBJECTION in line for line in lines):
        found = lines[-1] if lines else "nothing"
        raise InputError("TensorFlow's analyzer gives no verdict", expected=_NO_OBJECTION, found=found[:200])
    return objections


def verdict_table(verdicts: Sequence[GpuVerdict]) -> Table:
    """For a terminal of 80 columns."""
    table = Table(title="TFLite's GPU delegate, as saved", caption=_WEAK, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in _HEADERS:
        table.add_column(column, overflow="fold")
    for one in verdicts:
        verdict = Text(one.text, style=_COLOURS[one.passed])
        table.add_row(f"tflite {one.precision}", one.analyzer, verdict)
    return table


def verdicts_html(verdicts: Sequence[GpuVerdict]) -> str:
    """As a section of a page."""
    rows = [
        (
            escape(f"tflite {one.precision}"),
            escape(one.analyzer),
            f'<span class="{_CLASSES[one.passed]}">{escape(one.text)}</span>',
        )
        for one in verdicts
    ]
    return f"<h2>TFLite's GPU delegate, as saved</h2>\n<p>{escape(_WEAK)}</p>\n{html_table(_HEADERS, rows)}"
