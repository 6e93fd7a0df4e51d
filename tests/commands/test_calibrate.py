"""`mobilevos calibrate`: a network with ranges, from frames alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.cli import main
from mobilevos.quantization.stored import load_stored


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(noise.integers(0, 255, (40, 50, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.mark.executorch
def test_it_stores_the_ranges_with_the_network(
    frames: Path, random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "calibrated.safetensors"
    given = [str(frames), "--checkpoint", str(random_checkpoint), "--size", "32x48", "--observer", "minmax"]
    assert main(["calibrate", *given, "--output", str(output)]) == 0
    stored = load_stored(output)
    assert stored is not None
    assert len(stored.ranges) > 80
    said = capsys.readouterr().out
    assert "only 3 frames" in said
    assert str(output) in said.replace("\n", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--observer", "guess"], "--observer guess"), (["--size", "big"], "--size"), (["--count", "0"], "--count")],
)
def test_bad_options_end_with_one_line_and_no_file(
    options: list[str], said: str, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "calibrated.safetensors"
    assert main(["calibrate", str(frames), "--output", str(output), *options]) == 2
    assert said in capsys.readouterr().err
    assert not output.exists()


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    output = tmp_path / "calibrated.safetensors"
    assert main(["calibrate", str(tmp_path / "empty"), "--output", str(output)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not output.exists()
