"""`python -m export.<target>`: one line for what is wrong, a table and JSON for what is right."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from export.__main__ import app
from export.__main__ import main as main_of_all
from export.command import main
from export.options import CommonOptions, take, with_options
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.model.checkpoint import save_network
from mobilevos.model.variants import build_network


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "480"], "--size '480'; expected HEIGHTxWIDTH"),
        (["--size", "\x1b[2J"], "expected HEIGHTxWIDTH"),
        (["--memory-frames", "0"], "memory-frames"),
        (["--objects", "0"], "objects"),
        (["--objects", "two"], "objects"),
        (["--model", "mobilenet_v9"], "mobilenet_v9"),
        (
            ["--model", "resnet18"],
            "holds another network; expected resnet18; found mobilenet_v2; pass --model mobilenet_v2",
        ),
        (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_bad_options_end_with_one_line(
    target: str, arguments: list[str], words: str, random_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = [] if "--checkpoint" in arguments else ["--checkpoint", str(random_checkpoint)]
    assert main(target, [*checkpoint, *arguments]) == 2
    one_line(capsys, words)


@pytest.mark.parametrize(
    ("target", "arguments", "words"),
    [
        pytest.param(
            "executorch",
            ["--precision", "int8", "--backend", "coreml"],
            "--backend coreml with --precision int8",
            marks=pytest.mark.executorch,
        ),
        pytest.param("coreml", ["--weights-only"], "--weights-only with --precision fp32", marks=pytest.mark.coreml),
        ("onnx", ["--calibration", "frames"], "--calibration with --precision fp32"),
        ("onnx", ["--observer", "percentile", "--precision", "int8"], "--observer without --calibration"),
        ("onnx", ["--calibration-frames", "9", "--precision", "int8"], "--calibration-frames without --calibration"),
    ],
)
def test_options_that_do_not_go_together_end_with_one_line(
    target: str, arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(target, ["--size", "32x48", "--output", str(tmp_path / "new"), *arguments]) == 2
    one_line(capsys, words)
    assert list(tmp_path.iterdir()) == []


def test_what_a_target_cannot_do_ends_with_one_line(
    target_name: str, random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = ["--checkpoint", str(random_checkpoint), "--size", "32x48"]
    assert main(target_name, [*checkpoint, "--precision", "int3", "--output", str(tmp_path / "new")]) == 2
    one_line(capsys, "pass --precision fp32")
    assert main(target_name, [*checkpoint, "--output", str(tmp_path)]) == 2
    one_line(capsys, "exists already; pass --overwrite to replace it")
    teacher = tmp_path / "teacher.safetensors"
    save_network(build_network("teacher_mobilenet_v2"), teacher, provenance={})
    assert main(target_name, ["--checkpoint", str(teacher), "--output", str(tmp_path / "new")]) == 2
    one_line(capsys, "top-k")
    assert not (tmp_path / "new").exists()


def one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.err.rstrip("\n").isprintable()


def test_a_bundle_a_table_and_its_json(
    random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For frames of 30x40 and two objects, raised to multiples of 16."""
    monkeypatch.setenv("COLUMNS", "80")
    output, facts = tmp_path / "bundle", tmp_path / "report.json"
    options = ["--checkpoint", random_checkpoint, "--model", "mobilenet_v2", "--size", "30x40", "--objects", "2"]
    arguments = [*options, "--memory-frames", "3", "--output", output, "--json", facts, "--strict"]
    assert main("torchscript", [str(one) for one in arguments]) == 0
    text = capsys.readouterr().out
    assert "…" not in text
    for name in COMPONENTS:
        (line,) = (line for line in text.splitlines() if f" {name} " in line)
        assert " none " in line
    report = json.loads(facts.read_text())
    assert report["all_delegated"]
    assert list(report["components"]) == list(COMPONENTS)
    d = Bundle.open(output).dimensions
    assert (d.height, d.width, d.memory_frames, d.objects) == (32, 48, 3, 2)


# Help


@pytest.mark.parametrize("target", [*TARGETS, "all"])
def test_help_names_every_option_and_gives_an_example(target: str) -> None:
    shown = CliRunner().invoke(app, [target, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in ("checkpoint", "model", "size", "memory-frames", "objects", "precision", "output", "overwrite"):
        assert f"--{option}" in shown.output
    precisions = TARGETS[target].precisions if target in TARGETS else ("fp32", "fp16", "int8")
    assert f"--precision {'|'.join(precisions)} " in " ".join(shown.output.split())
    assert {"--json", "--strict"} <= set(re.findall(r"--\w+", shown.output))
    assert f"python -m export{' all' if target == 'all' else f'.{target}'} " in shown.output


def test_help_of_all_commands_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_of_all(["--help"]) == 0
    assert set(TARGETS) | {"all"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_is_a_module_that_can_be_run(target: str) -> None:
    source = Path(str(importlib.import_module(f"export.{target}").__file__)).read_text()
    assert f'main("{target}")' in source.partition('if __name__ == "__main__":')[2]


@pytest.mark.slow
def test_the_process_tells_of_an_error_by_its_exit_code() -> None:
    command = [sys.executable, "-m", "export.torchscript", "--size", "banana"]
    finished = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=os.environ | {"COLUMNS": "80"}, capture_output=True, check=False
    )
    assert finished.returncode == 2, finished


# Options of a target's own


@dataclass(frozen=True)
class OwnOptions:
    tiles: Annotated[int, typer.Option(min=1, help="How many.")] = 4
    fancy: Annotated[bool, typer.Option("--fancy", help="More so.")] = False


def test_options_are_dataclasses_filled_from_the_command_line() -> None:
    seen: dict[str, Any] = {}
    fancy_app = typer.Typer()

    def command(**values: Any) -> None:
        seen.update(common=take(CommonOptions, values), own=take(OwnOptions, values))

    fancy_app.command()(with_options(command, CommonOptions, OwnOptions))
    outcome = CliRunner().invoke(fancy_app, ["--tiles", "9", "--fancy", "--objects", "2", "--output", "x"])
    assert outcome.exit_code == 0, outcome.output
    assert seen["own"] == OwnOptions(9, True)
    assert seen["common"] == replace(CommonOptions(), objects=2, output=Path("x"))
    assert CliRunner().invoke(fancy_app, []).exit_code == 0
    assert (seen["common"], seen["own"]) == (CommonOptions(), OwnOptions())
    assert CliRunner().invoke(fancy_app, ["--tiles", "0"]).exit_code == 2
