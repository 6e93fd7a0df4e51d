"""`python -m export.check`: the student is clean where it was made to be, and what is not is told in every form."""

from __future__ import annotations

import html
import io
import json
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from export.check import check_network, main
from export.checks.findings import check_components
from export.checks.gpu_analyzer import GpuVerdict
from export.checks.page import placement_table
from export.checks.placements import Placement
from export.checks.rules import ACCELERATORS, Severity
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, OPTIONAL_COMPONENTS
from mobilevos.model import memory_read
from mobilevos.model.checkpoint import load_network, save_network
from mobilevos.model.components import example_inputs
from mobilevos.model.memory_read import read_rows
from mobilevos.model.variants import build_network
from mobilevos.weights import default_checkpoint

SIZE = ["--size", "32x48"]


def test_the_shipped_student_is_whole_on_every_accelerator_but_for_a_warning() -> None:
    network = load_network(default_checkpoint())
    findings = check_network(network, list(ACCELERATORS), network.dimensions(64, 96, 2, 2))
    assert not [one for one in findings if one.severity in (Severity.OFF, Severity.RANGE)]
    assert {one.rule for one in findings} == {"attention-of-rank-3"}
    assert {one.accelerator for one in findings} == {"tflite-gpu"}


def test_a_top_k_read_is_caught_with_the_line_that_makes_it() -> None:
    class TopK(nn.Module):
        def forward(self, key, memory_keys, memory_values):
            return read_rows(key, memory_keys, memory_values, top_k=3)

    dimensions = build_network("mobilenet_v2", seed=0).dimensions(32, 48, 2, 1)
    inputs = example_inputs("read_memory", dimensions, torch.Generator().manual_seed(0))
    findings = check_components({"read_memory": TopK()}, {"read_memory": inputs}, ["executorch"])
    (topk,) = (one for one in findings if one.rule == "top-k")
    assert topk.severity is Severity.OFF
    assert topk.source.startswith("mobilevos/model/memory_read.py:")


@pytest.mark.parametrize("precisions", [("fp32",), ("fp32", "fp16")])
def test_the_table_of_every_target_names_all_in_80_columns(precisions: tuple[str, ...]) -> None:
    components = (*COMPONENTS, *OPTIONAL_COMPONENTS)
    placements = [
        Placement(target, precision, "an accelerator", component, 123, 1, (), target != "coreml", 12, 60.0, "a verdict")
        for target in TARGETS
        for precision in precisions
        for component in components
    ]
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(placement_table(placements))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert set(components) <= set(text.split())
    assert {"?", "0"} <= set(text.split())


@pytest.mark.onnx
def test_a_report_in_three_forms(bundle_of: Callable[[str], Path], tmp_path: Path, capsys) -> None:
    bundle, page, facts = bundle_of("onnx"), tmp_path / "page.html", tmp_path / "facts.json"
    assert main([str(bundle), *SIZE, "--html", str(page), "--json", str(facts), "--strict"]) == 0
    printed = capsys.readouterr().out
    assert "before conversion: checkpoint mobilenet_v2.safetensors, size 32x48, memory frames 2, objects 1" in " ".join(
        printed.split()
    )
    assert "executorch-xnnpack: no rule applies" in printed
    assert "coreml-cpu: takes every operator: there is no rule for it" in printed
    lines = [line.split() for line in printed.splitlines()]
    assert lines.index(["onnx"]) + 1 == lines.index(["component", "fp32"])
    report = json.loads(facts.read_text())
    assert report["checked"]["size"] == "32x48"
    assert {one["rule"] for one in report["before"]} == {"attention-of-rank-3"}
    operators = Bundle.open(bundle).manifest["components"]["segment"]["operators"]
    (segment,) = (one for one in report["after"] if one["component"] == "segment")
    assert segment["delegated"] == operators["delegated"]
    text = page.read_text()
    assert _tags(text) >= {"html", "table", "style"}
    assert "http" not in _attributes(text)
    for name in (*COMPONENTS, "tflite-gpu", "mobilevos/model/memory_read.py"):
        assert name in text


def test_strict_fails_where_an_operator_is_off_the_accelerator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    checkpoint = tmp_path / "student.safetensors"
    save_network(build_network("mobilenet_v2", seed=0), checkpoint, provenance={})
    # The softmax over the wrong dimension, in the network itself.
    monkeypatch.setattr(memory_read, "memory_weights", lambda affinity, top_k=None: affinity.softmax(1))
    assert main(["--target", "executorch", "--checkpoint", str(checkpoint), *SIZE]) == 0
    assert main(["--target", "executorch", "--checkpoint", str(checkpoint), *SIZE, "--strict"]) == 1
    printed = capsys.readouterr().out
    assert "off the accelerator" in printed
    assert "softmax(dim=-1)" in printed


@pytest.mark.slow
@pytest.mark.coreml
def test_what_lies_in_core_ml_s_packages_is_in_every_form(
    bundle_of: Callable[[str], Path], random_checkpoint: Path, tmp_path: Path, capsys
) -> None:
    page, facts = tmp_path / "page.html", tmp_path / "facts.json"
    options = ["--target", "coreml", "--checkpoint", str(random_checkpoint), *SIZE]
    assert main([str(bundle_of("coreml")), *options, "--html", str(page), "--json", str(facts), "--strict"]) == 0
    printed = capsys.readouterr().out
    for text in (printed, page.read_text()):
        assert "Core ML, as saved" in text
        assert "evaluated by the MIL interpreter, not by Apple's runtime" in html.unescape(text)
    if sys.platform != "darwin":
        assert "not executed: Core ML's compute plan needs macOS" in page.read_text().replace("&#x27;", "'")
    report = json.loads(facts.read_text())
    assert not any(one["placed"] for one in report["after"])
    (segment,) = (one for one in report["coreml"] if one["component"] == "segment")
    assert segment["audit"]["operators"]["softmax"] == 1
    assert set(segment["audit"]["dtypes"]) == {"float32"}


@pytest.mark.slow
@pytest.mark.tflite
def test_what_tensorflows_analyzer_says_is_in_every_form(
    bundle_of: Callable[[str], Path], tmp_path: Path, capsys
) -> None:
    page, facts = tmp_path / "page.html", tmp_path / "facts.json"
    files = ["--html", str(page), "--json", str(facts)]
    assert main([str(bundle_of("tflite")), "--target", "executorch", *SIZE, *files, "--strict"]) == 0
    for text in (capsys.readouterr().out, html.unescape(page.read_text())):
        assert "TFLite's GPU delegate, as saved" in text
        assert "no objection" in text
    (verdict,) = json.loads(facts.read_text())["tflite_gpu"]
    assert verdict["objections"] == []


@pytest.mark.tflite
def test_an_objection_of_the_analyzer_is_a_failure_of_strict(
    bundle_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    verdict = GpuVerdict("fp32", "TensorFlow 3", ("Not supported op GATHER_ND",))
    monkeypatch.setattr("export.check.analyzer_verdict", lambda bundle: verdict)
    arguments = [str(bundle_of("tflite")), "--target", "executorch", *SIZE]
    assert main(arguments) == 0
    assert "Not supported op GATHER_ND" in capsys.readouterr().out
    assert main([*arguments, "--strict"]) == 1


@pytest.mark.coreml
@pytest.mark.tflite
@pytest.mark.parametrize("target", ["coreml", "tflite"])
def test_files_from_elsewhere_are_read_on_request_alone(
    target: str, bundle_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    bundle = bundle_of(target)  # before this place forgets what was made here
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main([str(bundle), "--target", "executorch", *SIZE]) == 0
    printed = capsys.readouterr().out
    assert "comes from elsewhere: its files were not read" in printed
    assert "as saved" not in printed


def test_an_unknown_target_is_one_line(capsys) -> None:
    assert main(["--target", "abacus"]) == 2
    assert "no operator rules for a target 'abacus'" in capsys.readouterr().err


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.values: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.values += [value or "" for _, value in attrs]


def _tags(page: str) -> set[str]:
    reader = _Reader()
    reader.feed(page)
    return reader.tags


def _attributes(page: str) -> str:
    reader = _Reader()
    reader.feed(page)
    return " ".join(reader.values)
