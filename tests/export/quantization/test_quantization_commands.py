"""`python -m export.quantization`: tables, files and exit codes; one line for what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from export.command import main as export_main
from export.quantization.__main__ import main
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.made_here import record_made_here

IN_FLOAT = "decoder.to8.0"


def one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert words in error


@pytest.mark.executorch
@pytest.mark.onnx
@pytest.mark.slow
def test_the_report_is_shown_written_and_strict(
    int8_bundle_of: Callable[[str], Path],
    int8_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "claims"
    shutil.copytree(int8_bundle_of("onnx"), folder)
    arguments = ["report", str(folder), "--checkpoint", str(int8_checkpoint), "--strict"]
    assert main(arguments) == 0
    assert "every layer that was meant to be int8 is" in capsys.readouterr().out

    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["quantization"]["float_layers"] = []
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert main(arguments) == 2  # nobody here made that manifest
    one_line(capsys, "comes from elsewhere")
    record_made_here(folder)
    files = {"--json": "r.json", "--picture": "r.png", "--html": "r.html"}
    written = [part for option, name in files.items() for part in (option, str(tmp_path / name))]
    assert main([*arguments, *written]) == 1
    assert f"meant to be int8 and not so: {IN_FLOAT}" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["bundles"][0]["failed"] == [IN_FLOAT]
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert IN_FLOAT in (tmp_path / "r.html").read_text()


def test_a_bundle_of_another_checkpoint_is_refused(
    bundle_of: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(bundle_of("torchscript"))]) == 2
    one_line(capsys, "was not made of a shipped student; expected a checkpoint of SHA-256")


@pytest.mark.executorch
def test_a_target_that_quantizes_nothing_is_refused(
    bundle_of: Callable[[str], Path], random_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(bundle_of("torchscript")), "--checkpoint", str(random_checkpoint)]) == 2
    one_line(capsys, "nothing is quantized in torchscript; expected one of executorch, tflite, onnx, coreml")


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    one_line(capsys, "is not a bundle")


@pytest.mark.executorch
@pytest.mark.slow
def test_the_ranking_is_shown_written_and_taken_by_an_export(
    images: Path, int8_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ranking, picture = tmp_path / "s.json", tmp_path / "s.png"
    given = ["--checkpoint", str(int8_checkpoint)]
    measured = ["--frames", str(images), "--size", "32x48", "--pairs", "1", "--top", "3"]
    written = ["--json", str(ranking), "--picture", str(picture)]
    assert main(["sensitivity", *given, *measured, *written]) == 0
    shown = capsys.readouterr().out
    assert "all in int8" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    layers = [one["layer"] for one in json.loads(ranking.read_text())["layers"]]
    worst = ["--precision", "int8", "--keep-float-worst", "2", "--sensitivity", str(ranking)]
    output = tmp_path / "bundle"
    assert export_main("executorch", [*given, *worst, "--size", "64x96", "--output", str(output)]) == 0
    assert f"kept in float: {layers[0]}, {layers[1]}" in capsys.readouterr().out
    manifest = json.loads((output / MANIFEST).read_text())
    assert manifest["quantization"]["float_layers"] == layers[:2]


@pytest.mark.executorch
@pytest.mark.onnx
@pytest.mark.slow
def test_an_export_takes_its_ranges_from_a_folder_of_images_and_warns_that_they_are_few(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the shipped student in float, which has none of its own."""
    output = tmp_path / "bundle"
    given = ["--precision", "int8", "--calibration", str(images), "--size", "64x96", "--output", str(output)]
    assert export_main("onnx", given) == 0
    assert f"warning: only 8 frames to calibrate on in {images}" in capsys.readouterr().out
    bundle = Bundle.open(output)
    section = bundle.manifest["quantization"]
    assert (section["source"], section["observer"]) == (f"8 frames of {images.name}", "mse")
    assert len(section["ranges"]) > 80
    assert set(bundle.manifest["components"]) == set(COMPONENTS)


def test_without_frames_there_is_nothing_to_measure_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sensitivity"]) == 2
    one_line(capsys, "there is nothing to measure on; pass --frames DIR, or --calibration DIR")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--keep-float-worst", "2"], "--keep-float-worst with --precision fp32"),
        (["--sensitivity", "s.json"], "--sensitivity with --precision fp32"),
        (["--precision", "int8", "--sensitivity", "s.json"], "--sensitivity without --keep-float-worst"),
        (["--precision", "int8", "--keep-float-worst", "2"], "--keep-float-worst has nothing to measure on"),
    ],
)
def test_options_of_an_export_that_do_not_go_together_are_refused(
    options: list[str], words: str, random_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_main("executorch", [*options, "--checkpoint", str(random_checkpoint)]) == 2
    one_line(capsys, words)
