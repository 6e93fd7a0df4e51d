"""An export that is killed leaves nothing that opens, and the next one cleans up after it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from export.command import main
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_export_leaves_no_half_bundle(number: signal.Signals, random_checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "bundle"
    options = ["--checkpoint", str(random_checkpoint), "--size", "64x96", "--output", str(output)]
    command = [sys.executable, "-m", "export.torchscript", *options]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while not list(tmp_path.glob(".bundle-*/*")):  # until there is an artefact, and its proof is to come
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    left = list(tmp_path.iterdir())
    if number == signal.SIGKILL:
        (folder,) = left
        with pytest.raises(InputError, match="is not a bundle"):
            Bundle.open(folder)
    else:
        assert (process.returncode, error) == (130, "mobilevos: error: interrupted\n")
        assert left == []
    assert main("torchscript", options) == 0
    assert list(tmp_path.iterdir()) == [output]
    assert Bundle.open(output).target == "torchscript"
