"""What toolkits say while they are imported does not reach the terminal."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
import torch

from mobilevos.toolkit_noise import copy_graph


@pytest.mark.tflite
def test_tflites_converter_is_imported_without_a_word() -> None:
    # In a process of its own: a toolkit speaks the first time alone.
    program = "from mobilevos.toolkit_noise import import_litert_torch; print(import_litert_torch().Converter.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("Converter\n", "")


def test_a_program_is_copied_without_a_word() -> None:
    class Pair(torch.nn.Module):
        def forward(self, one: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return one + 1, one * 2

    program = torch.export.export(Pair(), (torch.ones(2),)).module()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copied = copy_graph(program)
    assert copied is not program
    assert torch.equal(copied(torch.ones(2))[1], torch.full((2,), 2.0))
