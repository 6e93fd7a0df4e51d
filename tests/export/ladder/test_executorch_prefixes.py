"""A program that cannot be looked into is cut, and every cut is converted and run."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.activations import Activations, record_activations
from export.ladder.executorch_prefixes import LOWERED_AGAIN, bisect_by_prefixes, run_lowered
from export.ladder.program import export_program, trace_program
from export.parity import GATES
from mobilevos.engines.eager import EagerEngine
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm

pytestmark = pytest.mark.executorch

FAULT = "network.decoder.blocks8.0.pointwise.0"


@pytest.fixture(scope="module")
def activations(random_checkpoint: Path) -> Activations:
    network = load_network(random_checkpoint)
    return record_activations(EagerEngine(network), network.dimensions(64, 96, 2, 1))


@pytest.fixture(scope="module")
def components(random_checkpoint: Path) -> dict[str, nn.Module]:
    return build_components(fold_batch_norm(load_network(random_checkpoint)))


def inputs_of(activations: Activations, component: str) -> tuple[Tensor, ...]:
    arrays = activations[component][0]
    return tuple(torch.from_numpy(array).clone(memory_format=torch.contiguous_format) for array in arrays)


def with_fault(module: nn.Module) -> nn.Module:
    """A copy with one kernel of one convolution changed."""
    other = copy.deepcopy(module)
    convolution = other.get_submodule(FAULT)
    assert isinstance(convolution, nn.Conv2d)
    with torch.no_grad():
        convolution.weight[0] *= 1.5
    return other


class InPytorch:
    """Runs prefixes without converting them, and counts them."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
        self.runs += 1
        outputs: Sequence[Tensor] = module(*inputs)
        return [output.detach() for output in outputs]


def test_the_first_wrong_node_is_found_in_few_runs(components: dict[str, nn.Module], activations: Activations) -> None:
    inputs, run = inputs_of(activations, "segment"), InPytorch()
    reference = trace_program(export_program(components["segment"], inputs), inputs)
    program = export_program(with_fault(components["segment"]), inputs, core=False)
    verdict = bisect_by_prefixes("segment", reference, program, inputs, GATES["fp32"], run)
    assert verdict.operator == "aten.conv2d.default"
    assert verdict.source.startswith(f"{FAULT}, mobilevos/model/")
    assert verdict.before is not None
    assert GATES["fp32"].passes(verdict.before)
    assert verdict.after is not None
    assert not GATES["fp32"].passes(verdict.after)
    assert run.runs <= 9  # of some 130 nodes


def test_every_prefix_of_a_right_program_agrees(components: dict[str, nn.Module], activations: Activations) -> None:
    inputs, run = inputs_of(activations, "encode_memory"), InPytorch()
    module = components["encode_memory"]
    reference = trace_program(export_program(module, inputs), inputs)
    program = export_program(module, inputs, core=False)
    verdict = bisect_by_prefixes("encode_memory", reference, program, inputs, GATES["fp32"], run)
    assert (verdict.operator, verdict.remark) == ("", LOWERED_AGAIN)
    assert run.runs == 1


@pytest.mark.slow
def test_prefixes_are_lowered_and_run(components: dict[str, nn.Module], activations: Activations) -> None:
    inputs = inputs_of(activations, "decode")
    reference = trace_program(export_program(components["decode"], inputs), inputs)
    program = export_program(with_fault(components["decode"]), inputs, core=False)
    verdict = bisect_by_prefixes("decode", reference, program, inputs, GATES["fp32"], run_lowered)
    assert verdict.operator == "aten.conv2d.default"
    assert verdict.source.startswith(FAULT)
