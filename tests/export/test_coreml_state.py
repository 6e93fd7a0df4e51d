"""`--state`: the stateful step keeps the bank as the loop would, and is proven, or refused in one line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from export.activations import record_activations
from export.checks.coreml_audit import audit_bundle
from export.coreml import MULTIFUNCTION, DeploymentTarget, Options, write_packages
from export.coreml_state import StatefulSegment, stateful_inputs
from export.parity import GATES, compare
from export.pipeline import export_bundle
from export.targets import TARGETS, BuildRequest
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, EMPTY_BIAS, STATEFUL_STEP, Dimensions, signature
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.mil import EVALUATED_BY, Interpreter, read_functions
from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.weights import default_checkpoint

SMALL = Dimensions(32, 16, 3, 2, 4, 5, (1, 1, 1))
STATEFUL = Options(DeploymentTarget.IOS18, state=True)


class Given(nn.Module):
    """In the place of `segment`: gives the bank that it is handed."""

    def forward(self, image: Tensor, memory_keys: Tensor, memory_values: Tensor) -> tuple[Tensor, Tensor]:
        return memory_keys, memory_values


def rows(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 5, generator=generator) * 50, torch.randn(2, 2, 5, generator=generator)


# In PyTorch


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=6))
def test_after_any_writes_segment_is_handed_the_bank_that_the_loop_would_hold(writes: list[list[bool]]) -> None:
    step, image = StatefulSegment(Given(), SMALL), torch.zeros(1, 3, 32, 16)
    keys, values = torch.zeros(3, 2, 5), torch.zeros(2, 3, 2, 5)
    keys[..., -1] = EMPTY_BIAS
    for seed, slots in enumerate([[False] * 3, *writes]):
        key, value = rows(seed)
        keys[slots], values[:, slots] = key, value[:, None]
        found_keys, found_values = step(image, key, value, torch.tensor(slots).float())
        assert torch.equal(found_keys, keys.reshape(6, 5))
        assert torch.equal(found_values, values.reshape(2, 6, 5))


def test_the_states_are_those_of_the_contract_and_begin_as_zeros() -> None:
    states = dict(StatefulSegment(Given(), SMALL).named_buffers())
    for spec in signature(STATEFUL_STEP, SMALL).states:
        assert torch.equal(states[spec.name], torch.zeros(spec.shape))


@pytest.fixture(scope="module")
def network(random_checkpoint: Path) -> MemoryNetwork:
    return load_network(random_checkpoint)


def test_with_the_first_frame_written_it_gives_what_segment_gives(network: MemoryNetwork) -> None:
    dimensions = network.dimensions(64, 96, 2, 2)
    activations = record_activations(EagerEngine(network), dimensions)
    segment = build_components(network)["segment"]
    given = stateful_inputs(activations, dimensions)
    assert [tensor.shape for tensor in given] == [spec.shape for spec in signature(STATEFUL_STEP, dimensions).inputs]
    with torch.no_grad():
        found = StatefulSegment(segment, dimensions)(*given)
        expected = segment(*map(torch.from_numpy, activations["segment"][0]))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.max() - other.min()))


@pytest.mark.coreml
@pytest.mark.slow
def test_a_quantized_step_keeps_a_bank_too(
    student: MemoryNetwork, small_dimensions: Dimensions, quantized_student: QuantizedNetwork, tmp_path: Path
) -> None:
    activations = record_activations(EagerEngine(student), small_dimensions)
    programs = {"segment": quantized_student.programs["segment"]}
    request = BuildRequest(programs, small_dimensions, "int8", activations, STATEFUL)
    assert list(write_packages(request, programs, tmp_path, lambda stage: None)) == ["segment", STATEFUL_STEP]
    functions = read_functions(tmp_path / MULTIFUNCTION)
    step, plain = (Interpreter(functions[name], name) for name in (STATEFUL_STEP, "segment"))
    found = step(named(step, stateful_inputs(activations, small_dimensions)), state=step.make_state())
    expected = plain(named(plain, map(torch.from_numpy, activations["segment"][0])))
    for name, tensor in expected.items():
        difference = compare(tensor.numpy(), found[name].numpy())
        assert GATES["int8"].passes(difference), name


def named(program: Interpreter, tensors: Iterable[Tensor]) -> dict[str, Tensor]:
    return {spec.name: tensor for spec, tensor in zip(program.function.inputs, tensors, strict=True)}


# What is refused


def test_an_older_system_has_no_state() -> None:
    with pytest.raises(InputError, match=r"iOS17 has no state .* expected iOS18 for --state; pass --deployment-target"):
        Options(state=True)


@pytest.mark.coreml
def test_float32_has_no_state_and_nothing_is_written(network: MemoryNetwork, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds float16 alone; found --state with --precision fp32; pass") as caught:
        export_bundle(TARGETS["coreml"], network, network.dimensions(32, 48, 2, 1), tmp_path / "new", options=STATEFUL)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# The bundle


@pytest.fixture(scope="module")
def bundle(stateful_bundle: Path) -> Bundle:
    return Bundle.open(stateful_bundle)


@pytest.mark.coreml
@pytest.mark.slow
def test_one_package_holds_the_contract_and_the_stateful_step(bundle: Bundle) -> None:
    package = bundle.folder / MULTIFUNCTION
    functions = read_functions(package)
    assert set(functions) == {*COMPONENTS, STATEFUL_STEP}
    states = {name: {one.name: (one.shape, one.dtype) for one in f.states} for name, f in functions.items() if f.states}
    specs = signature(STATEFUL_STEP, bundle.dimensions).states
    assert states == {STATEFUL_STEP: {spec.name: (spec.shape, torch.float16) for spec in specs}}
    one = bundle.manifest["components"]["segment"]["size_bytes"]
    assert bundle.manifest["components"][STATEFUL_STEP]["size_bytes"] < 1.1 * one
    assert sum(path.stat().st_size for path in package.rglob("weight.bin")) < 3 * one  # shared, not once for each


@pytest.mark.coreml
@pytest.mark.slow
def test_each_state_is_read_and_written_once(bundle: Bundle) -> None:
    function = read_functions(bundle.folder / MULTIFUNCTION)[STATEFUL_STEP]
    for operator, operand in (("read_state", "input"), ("coreml_update_state", "state")):
        names = [one.operands[operand] for one in function.operations if one.operator == operator]
        assert sorted(map(str, names)) == ["bank_filled", "bank_keys", "bank_values"]


@pytest.mark.coreml
@pytest.mark.slow
def test_the_manifest_proves_it_alone_and_in_a_closed_loop(bundle: Bundle) -> None:
    manifest = bundle.manifest
    entry = manifest["components"][STATEFUL_STEP]
    assert [one["dtype"] for one in entry["states"]] == ["float16"] * 3
    assert entry["method"] == STATEFUL_STEP
    for name, component in manifest["components"].items():
        assert component["parity"]["sqnr_db"] >= 50, name
    # With the same arithmetic, and rows that are rounded to float16 in either, nothing may differ.
    assert entry["parity"] == manifest["components"]["segment"]["parity"]
    loop = manifest["parity"]["closed_loop"]
    assert loop["engine"]["fused_step"] == STATEFUL_STEP
    assert loop["engine"]["evaluated"] == EVALUATED_BY
    assert loop["judged_masks"] > 20
    assert loop["worst_iou"] >= loop["tolerances"]["iou"] == 0.99
    assert manifest["options"]["state"] is True


@pytest.mark.coreml
@pytest.mark.slow
def test_it_is_audited_like_the_other_components(bundle: Bundle) -> None:
    network = load_network(default_checkpoint())
    audits = audit_bundle(bundle, record_activations(EagerEngine(network), bundle.dimensions))
    assert list(audits) == [*COMPONENTS, STATEFUL_STEP]
    assert audits[STATEFUL_STEP].operators["read_state"] == 3
    assert audits[STATEFUL_STEP].overflows == ()
