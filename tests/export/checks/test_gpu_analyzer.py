"""TensorFlow's analyzer for TFLite's GPU delegate: its report is read, and never taken for more than it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from export.checks import gpu_analyzer
from export.checks.gpu_analyzer import (
    GpuVerdict,
    analyse,
    analyzer_verdict,
    objections_in,
    verdict_table,
    verdicts_html,
)
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError

WARNED = (
    "Subgraph#0 main(T#0) -> [T#1]\n  Op#0 GATHER_ND(T#0) -> [T#1]\n"
    "GPU COMPATIBILITY WARNING: Not supported op GATHER_ND\n"
    "GPU COMPATIBILITY WARNING: Subgraph#0 has GPU delegate compatibility issues at nodes 0\n"
)


def test_its_warnings_are_objections() -> None:
    assert objections_in(WARNED) == [
        "Not supported op GATHER_ND",
        "Subgraph#0 has GPU delegate compatibility issues at nodes 0",
    ]


def test_a_report_without_a_verdict_is_not_taken_for_a_good_one() -> None:
    with pytest.raises(InputError, match=r"gives no verdict; .* found === TFLite ModelAnalyzer ==="):
        objections_in("=== TFLite ModelAnalyzer ===")


@pytest.mark.parametrize(
    ("verdict", "text", "style"),
    [
        (GpuVerdict("fp32", "TensorFlow 1", ()), "no objection", "good"),
        (GpuVerdict("fp32", "TensorFlow 1", ("a <gather>", "b")), "a <gather>; b", "bad"),
        (GpuVerdict("fp32", "TensorFlow is not installed", None), "not asked: TensorFlow is not installed", ""),
    ],
)
def test_a_verdict_stands_in_table_and_page(verdict: GpuVerdict, text: str, style: str) -> None:
    console = Console(width=80, record=True)
    console.print(verdict_table([verdict]))
    assert " ".join(text.split()) in " ".join(console.export_text().split())
    shown = text.replace("<", "&lt;").replace(">", "&gt;")
    assert f'<span class="{style}">{shown}</span>' in verdicts_html([verdict])


@pytest.mark.slow
@pytest.mark.tflite
def test_it_is_asked_about_a_bundle(bundle_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle.open(bundle_of("tflite"))
    verdict = analyzer_verdict(bundle)
    assert verdict.analyzer.startswith("TensorFlow 2.")
    assert verdict.objections == ()
    monkeypatch.setattr(gpu_analyzer, "find_spec", lambda name: None)
    assert analyzer_verdict(bundle) == GpuVerdict("fp32", "TensorFlow is not installed", None)


@pytest.mark.slow
@pytest.mark.tflite
def test_a_file_that_it_cannot_read_is_one_line(tmp_path: Path) -> None:
    """It ends its process over this one."""
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"\x1c\0\0\0TFL3 and nothing else")
    with pytest.raises(InputError, match=r"TensorFlow's analyzer cannot read .*damaged.tflite; found it was ended"):
        analyse(damaged)
