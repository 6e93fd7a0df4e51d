"""`mobilevos inspect`: everything of the manifest on a page, and the golden clip through the engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilevos.bundle import Bundle
from mobilevos.cli import main
from mobilevos.contract import COMPONENTS
from mobilevos.engines import BUNDLE_ENGINES, engine_class
from mobilevos.files import sha256_of

BundleOf = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="session")
def original(bundle_of: BundleOf) -> Path:
    """A bundle of the target that needs no toolkit."""
    return bundle_of("torchscript")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return shutil.copytree(original, tmp_path / "bundle")


def change(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    edit(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


# The page


def test_the_page_tells_everything(original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(original)]) == 0
    text = capsys.readouterr().out
    bundle = Bundle.open(original)
    manifest = bundle.manifest
    for words in (
        "torchscript, fp32",
        "variant mobilenet_v2",
        manifest["model"]["checkpoint_sha256"],
        "64x96 (height x width)",
        "2 frames, first and latest, one every 5",
        "30 frames of seed 0, object 1 from frame 0, object 2 from frame 10; by eager-fp32",
        "masks on 29 of 30 frames",
        "that of its precision",
        f"torch {manifest['versions']['torch']}",
        "golden/clip/",
        "30 images",
    ):
        assert words in text, words
    for name in COMPONENTS:
        assert sum(name in line.split() for line in text.splitlines()) >= 5, name
        assert f"{manifest['files'][f'{name}.pt']['bytes']:,}" in text
        for spec in bundle.artefact_signature(name).inputs:
            assert "x".join(map(str, spec.shape)) in text
    assert "golden clip with" not in text


def test_a_terminal_of_80_columns_shows_every_cell_whole(
    original: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["inspect", str(original)]) == 0
    assert "…" not in capsys.readouterr().out


def test_operators_beside_the_accelerator_are_named_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = {"operator": "aten_topk", "count": 2, "reason": "no rule [red]takes[/red] it"}
    change(folder, lambda m: m["components"]["decode"]["operators"].update(left=[left]))
    change(folder, lambda m: m["components"]["segment"].update(details={"opset": 18}))
    assert main(["inspect", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "operators beside the accelerator" in text
    assert "no rule [red]takes[/red] it" in text
    assert "opset 18" in text


def test_operators_that_the_device_places_are_said_to_be_nowhere_yet(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, lambda m: m["components"]["decode"]["operators"].update(placed=False, delegated=98765))
    assert main(["inspect", str(folder)]) == 0
    (cells,) = (words for line in capsys.readouterr().out.splitlines() if "98765" in (words := line.split()))
    assert cells[cells.index("98765") + 1] == "?"


def test_what_the_exporter_asked_of_the_numbers_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder, lambda m: m.update(least_sqnr_db=40.0))
    assert main(["inspect", str(folder)]) == 0
    assert "40 dB" in capsys.readouterr().out


def test_a_bundle_that_says_the_least_has_a_page_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def strip(manifest: dict[str, Any]) -> None:
        for name in ("golden", "parity", "options"):
            manifest.pop(name)
        for component in manifest["components"].values():
            for name in ("operators", "parity", "size_bytes", "details"):
                component.pop(name, None)

    change(folder, strip)
    assert main(["inspect", str(folder)]) == 0
    assert "not executed" in capsys.readouterr().out
    assert main(["inspect", str(folder), "--verify"]) == 2
    assert "has no golden clip; export the bundle again" in capsys.readouterr().err


def test_a_manifest_cannot_talk_to_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder, lambda m: m["model"]["provenance"].update(evil="\x1b[2J\x07[bold]"))
    change(folder, lambda m: m["versions"].update({"\x1b]0;x\x07": "1"}))
    assert main(["inspect", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]" in text


def test_the_json_holds_the_manifest(original: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert main(["inspect", str(original), "--json", str(report)]) == 0
    facts = json.loads(report.read_text())
    assert facts["manifest"] == Bundle.open(original).manifest
    assert facts["verification"] is None


def test_bad_input_is_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segment.pt").write_bytes(b"x")
    (tmp_path / "report.json").write_text("mine")
    for arguments, words in (
        ([tmp_path / "nowhere"], "is not a bundle"),
        ([folder], "segment.pt is damaged or was exchanged"),
        ([folder, "--json", tmp_path / "report.json"], "exists already; pass --overwrite"),
    ):
        assert main(["inspect", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert words in captured.err
        assert captured.err.count("\n") == 1


# Verification


def _engines() -> list[Any]:
    extras = {name: engine_class(name).runtime.extra for name in BUNDLE_ENGINES}
    return [pytest.param(name, marks=[getattr(pytest.mark, extra)] if extra else []) for name, extra in extras.items()]


@pytest.mark.parametrize("engine", _engines())
def test_a_good_bundle_reproduces_its_golden_clip(
    engine: str, bundle_of: BundleOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    folder = bundle_of(engine_class(engine).runtime.target)
    assert main(["inspect", str(folder), "--verify", "--json", str(report)]) == 0
    text = capsys.readouterr().out
    assert f"golden clip with {engine}-fp32" in text
    assert "FAILED" not in text
    verification = json.loads(report.read_text())["verification"]
    assert verification["passed"]
    assert verification["judged_frames"] == 29


def test_masks_that_are_not_the_engines_fail_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The masks of one frame and a float of the trace, exchanged in a bundle whose checksums were made to fit."""
    golden = folder / "golden"
    shutil.copyfile(golden / "masks" / "00012.png", golden / "masks" / "00020.png")
    tensors = np.fromfile(golden / "tensors.f32", "<f4")
    tensors[-1] += 9
    tensors.tofile(golden / "tensors.f32")
    for name in ("golden/masks/00020.png", "golden/tensors.f32"):
        facts = {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
        change(folder, lambda m, name=name, facts=facts: m["files"].update({name: facts}))  # type: ignore[misc]
    assert main(["inspect", str(folder), "--verify"]) == 1
    failed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert len(failed) == 2
    assert failed[0] == "masks"


@pytest.mark.coreml
@pytest.mark.slow
def test_a_bundle_with_a_state_shows_it_and_reproduces_its_golden_clip(
    stateful_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(stateful_bundle), "--verify"]) == 0
    page = capsys.readouterr().out
    for name, shape in (("bank_keys", "2x96x65"), ("bank_values", "2x2x96x96"), ("bank_filled", "2")):
        assert any({name, shape, "state", "float16"} <= set(line.split()) for line in page.splitlines()), name
    assert "evaluated by the MIL interpreter, not by Apple's runtime" in " ".join(page.split())
