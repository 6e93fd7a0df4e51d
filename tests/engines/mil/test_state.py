"""A function with states, saved and read back, keeps between its calls what the same module in PyTorch keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilevos.engines.mil import Interpreter, MilFunction, MilOperation, MilState, MilTensor
from mobilevos.engines.mil.operators.state import coreml_update_state, read_state
from mobilevos.engines.mil.package import read_package
from mobilevos.errors import InputError

HALF, SINGLE = torch.float16, torch.float32
SHAPE = (2, 3)
STATE = torch.zeros(SHAPE, dtype=HALF)
X = torch.tensor([[1.0, -2.0, 0.5], [2048.0, 3.0, 0.25]], dtype=HALF)


class Sum(nn.Module):
    """Adds up what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", STATE.clone())

    def forward(self, x: Tensor) -> Tensor:
        self.total.add_(x)
        return self.total * 2


def add_up(mb: Any, x: Any, s: Any) -> Any:
    total = mb.coreml_update_state(state=s, value=mb.add(x=mb.read_state(input=s), y=x))
    return mb.mul(x=total, y=mb.const(val=X.new_tensor(2).numpy()))


def before(mb: Any, x: Any, s: Any) -> Any:
    """What the state held when the call began, although it was written before that is used."""
    old = mb.read_state(input=s)
    mb.coreml_update_state(state=s, value=x)
    return mb.mul(x=old, y=mb.const(val=X.new_tensor(2).numpy()))


def saved_in(save: Callable[..., Any], build: Callable[..., Any]) -> Interpreter:
    saved = save(build, "iOS18", states={"s": STATE}, x=X)
    return Interpreter(saved.function, "program")


# Saved programs


@pytest.mark.coreml
def test_a_state_is_declared_beside_the_inputs(save: Callable[..., Any]) -> None:
    function = saved_in(save, add_up).function
    assert [tensor.name for tensor in function.inputs] == ["x"]
    assert function.states == (MilTensor("s", SHAPE, HALF),)


@pytest.mark.coreml
def test_a_state_is_read_and_updated_as_a_buffer_in_pytorch(save: Callable[..., Any]) -> None:
    interpreter, module = saved_in(save, add_up), Sum()
    operators = {one.operator for one in interpreter.function.operations}
    assert {"read_state", "coreml_update_state"} <= operators
    state = interpreter.make_state()
    for factor in (1.0, 0.5, -3.0, 0.001):
        x = X * factor
        (actual,) = interpreter({"x": x}, state=state).values()
        assert torch.equal(actual, module(x))
        assert torch.equal(state.tensors["s"], module.total)


@pytest.mark.coreml
def test_what_was_read_before_a_write_stays_as_it_was(save: Callable[..., Any]) -> None:
    interpreter = saved_in(save, before)
    state = interpreter.make_state()
    (first,) = interpreter({"x": X}, state=state).values()
    (second,) = interpreter({"x": -X}, state=state).values()
    assert torch.equal(first, STATE)
    assert torch.equal(second, X * 2)
    assert torch.equal(state.tensors["s"], -X)


@pytest.mark.coreml
def test_two_states_of_one_function_know_nothing_of_each_other(save: Callable[..., Any]) -> None:
    interpreter = saved_in(save, add_up)
    one, other = interpreter.make_state(), interpreter.make_state()
    interpreter({"x": X}, state=one)
    assert torch.equal(one.tensors["s"], X)
    assert torch.equal(other.tensors["s"], STATE)


@pytest.mark.coreml
def test_a_state_of_another_shape_than_what_is_written_is_refused(save: Callable[..., Any]) -> None:
    saved = save(add_up, "iOS18", states={"s": STATE}, x=X)
    package = read_package(saved.folder)
    (function,) = package.model.mlProgram.functions.values()
    (declared,) = (one for one in function.inputs if one.name == "s")
    declared.type.stateType.wrappedType.tensorType.dimensions[0].constant.size = 4
    (package.weights.parent / "model.mlmodel").write_bytes(package.model.SerializeToString())
    with pytest.raises(InputError, match="is not a sound program") as caught:
        _ = saved.function
    assert "\n" not in str(caught.value)


# Programs as objects


def kept(shape: tuple[int, ...] = (4,), held: tuple[int, ...] = (4,), dtype: torch.dtype = HALF) -> MilFunction:
    """`y = x + w`, where `s` holds `y` from then on."""
    y = MilTensor("y", shape, dtype)
    operations = (
        MilOperation(1, "add", {"x": "x", "y": "w"}, {}, y),
        MilOperation(2, "coreml_update_state", {"state": "s", "value": "y"}, {}, MilTensor("u", held, dtype)),
    )
    inputs = (MilTensor("x", shape, dtype), MilTensor("w", shape, dtype))
    return MilFunction("main", inputs, {}, operations, (y,), (MilTensor("s", held, dtype),))


def test_a_fresh_state_is_zeros_of_the_declared_type() -> None:
    assert torch.equal(Interpreter(kept(), "program").make_state().tensors["s"], torch.zeros(4, dtype=HALF))
    unrounded = Interpreter(kept(), "program", rounding=False).make_state()
    assert unrounded.tensors["s"].dtype == SINGLE


values = st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4).map(torch.tensor)


@given(values, values)
def test_a_state_holds_float16(x: Tensor, w: Tensor) -> None:
    interpreter = Interpreter(kept(), "program")
    state = interpreter.make_state()
    interpreter({"x": x, "w": w}, state=state)
    assert torch.equal(state.tensors["s"], x.half() + w.half())


def test_what_a_call_kept_is_not_the_callers_array() -> None:
    held = MilTensor("s", (4,), SINGLE)
    update = MilOperation(1, "coreml_update_state", {"state": "s", "value": "x"}, {}, MilTensor("u", (4,), SINGLE))
    x = torch.ones(4)
    function = MilFunction("main", (MilTensor("x", (4,), SINGLE),), {}, (update,), (update.output,), (held,))
    interpreter = Interpreter(function, "program")
    state = interpreter.make_state()
    interpreter({"x": x}, state=state)
    x.zero_()
    assert torch.equal(state.tensors["s"], torch.ones(4))


def test_a_later_call_leaves_what_was_looked_at_alone() -> None:
    interpreter = Interpreter(kept(), "program")
    state = interpreter.make_state()
    seen = state.tensors
    interpreter({"x": torch.ones(4), "w": torch.ones(4)}, state=state)
    assert not seen["s"].any()
    assert state.tensors["s"].all()


def test_another_shape_than_the_states_is_refused_and_the_state_is_as_before() -> None:
    interpreter = Interpreter(kept(held=(2, 2)), "program")
    state = interpreter.make_state()
    with pytest.raises(InputError, match=r"line 2: .* found a state of \[2, 2\] cannot hold \[4\]"):
        interpreter({"x": torch.ones(4), "w": torch.ones(4)}, state=state)
    assert torch.equal(state.tensors["s"], torch.zeros(2, 2, dtype=HALF))


@pytest.mark.parametrize(
    "state",
    [None, MilState({}), MilState({"s": torch.zeros(5)}), MilState({"t": torch.zeros(4)})],
    ids=["none", "an empty one", "another shape", "another name"],
)
def test_a_state_that_does_not_fit_is_refused(state: MilState | None) -> None:
    with pytest.raises(InputError, match=r"program: states; expected \{'s': \(4,\)\}; found \{"):
        Interpreter(kept(), "program")({"x": torch.ones(4), "w": torch.ones(4)}, state=state)


def test_the_operators_are_those_of_mil() -> None:
    held, value = torch.zeros(2, 3), torch.ones(2, 3)
    assert torch.equal(read_state(input=held), held)
    assert torch.equal(coreml_update_state(state=held, value=value), value)
    with pytest.raises(ValueError, match="cannot hold"):
        coreml_update_state(state=held, value=torch.ones(3, 2))
