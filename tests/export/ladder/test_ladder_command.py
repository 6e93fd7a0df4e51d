"""`python -m export.ladder`: a table and exit code 0 for a good bundle, the operator and 1 for a bad one."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from export import torchscript
from export.command import main as main_of
from export.ladder.__main__ import main
from export.ladder.bisection import Verdict
from export.ladder.report import verdict_text
from export.ladder.rungs import Rung
from export.targets import Advance, BuildRequest, ComponentArtefact, NoOptions
from export.torchscript import build
from mobilevos.bundle import MANIFEST
from mobilevos.files import sha256_of
from mobilevos.made_here import record_made_here

RUNG = Rung("converted graph", "the bundle", "fp32")


def test_a_good_bundle_is_shown_and_written(
    bundle_of: Callable[[str], Path], random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(bundle_of("torchscript")), "--checkpoint", str(random_checkpoint)]
    assert main([*arguments, "--json", str(tmp_path / "ladder.json")]) == 0
    shown = capsys.readouterr().out
    for word in ("encode_query", "segment", "reference", "passed", "not executed"):
        assert word in shown
    ladder = json.loads((tmp_path / "ladder.json").read_text())
    assert (ladder["target"], ladder["failed"], ladder["verdicts"]) == ("torchscript", None, [])
    assert [rung["state"] for rung in ladder["rungs"]] == ["reference", "passed", "passed", "not executed"]
    assert ladder["rungs"][2]["differences"]["decode"]["relative"] < 5e-5


@pytest.mark.slow
def test_a_bad_bundle_is_named_by_its_operator(
    random_checkpoint: Path,
    fault: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "bad"
    shutil.copytree(fault.bundle, folder)
    vouch(folder)
    record_made_here(folder)
    assert main([str(folder), "--checkpoint", str(random_checkpoint), "--json", str(tmp_path / "ladder.json")]) == 1
    shown = capsys.readouterr().out
    assert f"first lost at {fault.operator}, which makes {fault.tensor}; from network.decoder." in shown
    ladder = json.loads((tmp_path / "ladder.json").read_text())
    assert ladder["failed"] == "converted graph"
    assert ladder["verdicts"][0]["operator"] == fault.operator


def test_an_export_that_is_refused_is_looked_at_and_leaves_nothing(
    random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_wrong(request: BuildRequest[NoOptions], folder: Path, advance: Advance) -> dict[str, ComponentArtefact]:
        components = copy.deepcopy(dict(request.components))
        with torch.no_grad():
            next(one for name, one in components["decode"].named_parameters() if "decoder." in name).mul_(1.1)
        return build(replace(request, components=components), folder, advance)

    monkeypatch.setattr(torchscript, "build", build_wrong)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    common = ["--checkpoint", str(random_checkpoint), "--size", "64x96"]
    assert main_of("torchscript", [*common, "--output", str(tmp_path / "bundle")]) == 2
    assert "component decode does not compute what the reference computes" in capsys.readouterr().err
    assert main(["--target", "torchscript", *common]) == 1
    assert "first lost at" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "nothing to look at; expected BUNDLE, or --target executorch|"),
        (["--target", "abacus"], "found abacus"),
        (["--target", "onnx", "--precision", "int8"], "--precision int8; expected fp32 or fp16"),
        (["--target", "torchscript", "--precision", "fp8"], "TorchScript is not exported in 'fp8'"),
        (["bundle", "--target", "onnx"], "BUNDLE with --target; leave out one of the two"),
        (["bundle", "--size", "32x48"], "BUNDLE with --size"),
    ],
)
def test_nothing_to_look_at_is_one_line(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert word in capsys.readouterr().err


def vouch(folder: Path) -> None:
    """Writes what the files hold now into the manifest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, facts in manifest["files"].items():
        facts |= {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_another_checkpoint_is_refused(bundle_of: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bundle_of("torchscript"))]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was not made of" in line
    assert "expected a checkpoint of SHA-256" in line
    assert line.endswith("pass --checkpoint FILE")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere is not a bundle"),
        ([], "nothing to look at"),
        (["nowhere", "--no-such-option"], "--no-such-option"),
    ],
)
def test_bad_arguments_end_with_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_missing_checkpoint_ends_with_one_line(
    bundle_of: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle_of("torchscript")), "--checkpoint", "nowhere.safetensors"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere.safetensors" in line


def test_a_component_without_a_wrong_operator_says_why() -> None:
    text = verdict_text(Verdict("decode", remark="the file is damaged"), RUNG)
    assert text.endswith("of its range; the file is damaged")
    assert verdict_text(Verdict("decode", "conv", "y"), RUNG).endswith(
        "first lost at conv, which makes y; before it not comparable, after it not comparable"
    )
