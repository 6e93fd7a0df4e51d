"""The interpreter keeps the declared precision at every step, checks shapes, and lets go of what nobody needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilevos.engines.mil import Interpreter, MilFunction, MilOperation, MilTensor
from mobilevos.errors import InputError

HALF, SINGLE = torch.float16, torch.float32


def chain(*operators: str, dtype: torch.dtype = HALF, shape: tuple[int, ...] = (4,)) -> MilFunction:
    """`t1 = operator(x, w)`, `t2 = operator(t1, w)` and so on."""
    names = ["x", *(f"t{i}" for i in range(1, len(operators) + 1))]
    operations = tuple(
        MilOperation(i + 1, operator, {"x": names[i], "y": "w"}, {}, MilTensor(names[i + 1], shape, dtype))
        for i, operator in enumerate(operators)
    )
    inputs = (MilTensor("x", shape, dtype), MilTensor("w", shape, dtype))
    return MilFunction("main", inputs, {}, operations, (operations[-1].output,))


def run(function: MilFunction, x: Tensor, w: Tensor, **options: Any) -> Tensor:
    (output,) = Interpreter(function, "program", **options)({"x": x, "w": w}).values()
    return output


finite = st.lists(st.floats(-8, 8, width=16), min_size=4, max_size=4).map(lambda values: torch.tensor(values))


@given(finite, finite, st.lists(st.sampled_from(["add", "sub", "mul"]), min_size=1, max_size=5))
def test_float16_is_rounded_after_every_operator(x: Tensor, w: Tensor, operators: list[str]) -> None:
    expected = x.half()
    for operator in operators:
        expected = getattr(torch, operator)(expected, w.half())
    actual = run(chain(*operators), x, w)
    assert actual.dtype == HALF
    assert torch.equal(actual, expected)


def test_a_sum_that_float16_does_not_hold_is_lost() -> None:
    x, w = torch.full((4,), 2048.0), torch.ones(4)
    assert torch.equal(run(chain("add", "sub"), x, w), torch.full((4,), 2047.0, dtype=HALF))
    assert torch.equal(run(chain("add", "sub", dtype=SINGLE), x, w), x)


def test_a_value_beyond_float16_is_infinite_and_stays_finite_without_rounding() -> None:
    x, w = torch.full((4,), 60000.0), torch.full((4,), 2.0)
    assert run(chain("mul"), x, w).isinf().all()
    assert torch.equal(run(chain("mul"), x, w, rounding=False), torch.full((4,), 120_000.0))


def test_another_shape_than_declared_is_refused_with_the_line() -> None:
    function = chain("add", "mul", shape=(1, 4))
    inputs = {"x": torch.ones(1, 4), "w": torch.ones(1, 4)}
    operation = MilOperation(2, "mul", {"x": "t1", "y": "w"}, {}, MilTensor("t2", (2, 2), HALF))
    wrong = MilFunction("main", function.inputs, {}, (function.operations[0], operation), (operation.output,))
    with pytest.raises(InputError, match=r"line 2: operator 'mul' .* declared shape \[2, 2\]; found \[1, 4\]"):
        Interpreter(wrong, "program")(inputs)


@pytest.mark.parametrize(
    "inputs",
    [{}, {"x": torch.ones(4)}, {"x": torch.ones(4), "w": torch.ones(1, 4)}, {"x": torch.ones(4), "v": torch.ones(4)}],
    ids=["none", "one missing", "another shape", "another name"],
)
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, Tensor]) -> None:
    with pytest.raises(InputError, match=r"program: inputs; expected .*'x': \(4,\)"):
        Interpreter(chain("add"), "program")(inputs)


def test_what_an_operator_cannot_take_is_refused_with_the_line() -> None:
    output = MilTensor("y", (4,), SINGLE)
    operation = MilOperation(7, "reshape", {"x": "x"}, {"shape": (3,)}, output)
    function = MilFunction("main", (MilTensor("x", (4,), SINGLE),), {}, (operation,), (output,))
    with pytest.raises(InputError, match=r"line 7: operator 'reshape' that makes 'y'; found .*invalid"):
        Interpreter(function, "program")({"x": torch.ones(4)})


def test_an_observer_sees_every_operation_in_order() -> None:
    seen: list[tuple[str, float]] = []

    def observe(operation: MilOperation, result: Tensor) -> None:
        seen.append((operation.output.name, float(result[0])))

    Interpreter(chain("add", "mul"), "program")({"x": torch.ones(4), "w": torch.full((4,), 2.0)}, observe)
    assert seen == [("t1", 3.0), ("t2", 6.0)]


def test_calls_leave_constants_and_earlier_results_alone() -> None:
    output = MilTensor("y", (4,), HALF)
    function = MilFunction(
        "main",
        (MilTensor("x", (4,), HALF),),
        {"w": torch.full((4,), 3.0, dtype=HALF)},
        (MilOperation(1, "add", {"x": "x", "y": "w"}, {}, output),),
        (output,),
    )
    interpreter = Interpreter(function, "program")
    first = interpreter({"x": torch.ones(4)})["y"]
    assert float(interpreter({"x": torch.zeros(4)})["y"][0]) == 3
    assert float(first[0]) == 4


def test_weights_in_few_bits_are_made_once_and_not_observed() -> None:
    stored = {"data": torch.tensor([-127, 0, 1, 127], dtype=torch.int8), "scale": torch.tensor([0.5])}
    weight = MilOperation(
        1, "constexpr_blockwise_shift_scale", {"data": "data", "scale": "scale"}, {}, MilTensor("w", (4,), SINGLE)
    )
    output = MilTensor("y", (4,), SINGLE)
    operations = (weight, MilOperation(2, "add", {"x": "x", "y": "w"}, {}, output))
    function = MilFunction("main", (MilTensor("x", (4,), SINGLE),), stored, operations, (output,))
    seen: list[str] = []
    interpreter = Interpreter(function, "program")
    stored["data"].zero_()
    for _ in range(2):
        result = interpreter({"x": torch.ones(4)}, lambda operation, _: seen.append(operation.operator))["y"]
        assert result.tolist() == [-62.5, 1.0, 1.5, 64.5]
    assert seen == ["add", "add"]


@pytest.mark.coreml
def test_integers_are_whole_numbers_within_their_type(save: Callable[..., Any]) -> None:
    x = torch.tensor([[-3.0, 0.24, 0.25, 0.26, 500.0]])
    saved = save(
        lambda mb, x: mb.dequantize(input=mb.quantize(input=x, scale=HALF_STEP, output_dtype="uint8"), scale=HALF_STEP),
        x=x,
    )
    seen: list[Tensor] = []
    Interpreter(saved.function, "program")({"x": x}, lambda operation, result: seen.append(result))
    assert [one.dtype for one in seen] == [torch.uint8, SINGLE]
    assert seen[0].tolist() == [[0, 0, 0, 1, 255]]  # half a step is rounded to the even integer
    assert seen[1].tolist() == [[0.0, 0.0, 0.0, 0.5, 127.5]]


@pytest.mark.coreml
def test_a_saved_float16_program_stays_float16(save: Callable[..., Any]) -> None:
    x = torch.full((1, 4), 2048.0, dtype=HALF)
    saved = save(lambda mb, x: mb.sub(x=mb.add(x=x, y=HALF_ONE), y=HALF_ONE), x=x)
    assert {operation.output.dtype for operation in saved.function.operations} == {HALF}
    assert torch.equal(saved.run(x=x), torch.full((1, 4), 2047.0, dtype=HALF))


HALF_ONE = torch.ones(1, 4, dtype=HALF).numpy()
HALF_STEP = torch.tensor(0.5).numpy()
