"""What toolkits say while they are imported does not reach the terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.tflite
def test_tflites_converter_is_imported_without_a_word() -> None:
    # In a process of its own: a toolkit speaks the first time alone.
    program = "from mobilevos.toolkit_noise import import_litert_torch; print(import_litert_torch().Converter.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("Converter\n", "")
