"""What PyTorch runs and what it exports, kernel by kernel and node by node."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.ladder.bisection import FUSIONS, bisect
from export.ladder.matching import counterparts
from export.ladder.program import export_program, run_program, trace_eager, trace_program
from export.parity import GATES

INPUTS = (torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)),)


class Network(nn.Module):
    """An activation in place, a residual, and two outputs of which one is made early."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU6(inplace=True))
        self.head = nn.Conv2d(4, 4, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        feature = self.stem(image)
        return feature + self.head(feature), feature


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network().eval()


def test_the_traces_have_the_outputs_of_the_module(network: nn.Module) -> None:
    expected, program = network(*INPUTS), export_program(network, INPUTS)
    for trace in (trace_eager(network, INPUTS), trace_program(program, INPUTS)):
        for name, output in zip(trace.outputs, expected, strict=True):
            np.testing.assert_allclose(trace.step(name).value, output.detach().numpy(), rtol=1e-6, atol=1e-6)
    for output, wanted in zip(run_program(program, INPUTS), expected, strict=True):
        np.testing.assert_allclose(output, wanted.detach().numpy(), rtol=1e-6, atol=1e-6)


def test_every_node_of_the_program_is_found_among_pytorch_s_kernels(network: nn.Module) -> None:
    eager, program = trace_eager(network, INPUTS), trace_program(export_program(network, INPUTS), INPUTS)
    assert all(counterparts(eager, program, GATES["fp32"]).values())
    assert bisect("decode", eager, program, GATES["fp32"]).remark == FUSIONS


def test_an_activation_in_place_does_not_change_what_was_noted_before_it(network: nn.Module) -> None:
    convolution, activation = trace_eager(network, INPUTS).steps[1:3]
    assert convolution.operator == "aten.convolution.default"
    assert activation.operator == "aten.hardtanh_.default"
    assert convolution.value.min() < 0 <= activation.value.min()
    assert activation.inputs == (convolution.name,)


def test_a_node_knows_its_module_and_its_line(network: nn.Module) -> None:
    trace = trace_program(export_program(network, INPUTS), INPUTS)
    step = next(step for step in trace.steps if step.operator == "aten.convolution.default")
    module, line = step.source.split(", ")
    assert module == "stem.0"
    assert line.startswith("tests/export/ladder/test_program.py:")
    assert "/torch/" not in step.source


def test_a_program_that_lost_something_is_bisected_against_pytorch(network: nn.Module) -> None:
    other = copy.deepcopy(network)
    assert isinstance(other, Network)
    with torch.no_grad():
        other.head.weight[0] *= 1.01
    verdict = bisect(
        "decode",
        trace_eager(network, INPUTS),
        trace_program(export_program(other, INPUTS), INPUTS),
        GATES["fp32"],
    )
    assert verdict.operator == "aten.convolution.default"
    assert verdict.source.startswith("head, tests/export/ladder/test_program.py:")
