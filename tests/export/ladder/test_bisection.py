"""The first wrong operator is named, whatever a converter renames, fuses, adds or lays out anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from export.ladder.bisection import FUSIONS, Verdict, bisect
from export.ladder.trace import INPUT, Trace, TraceRecorder
from export.parity import GATES
from mobilevos.engines.engine import Array

Operation = tuple[str, str, Sequence[str], Callable[..., Array]]

IMAGE = np.random.default_rng(0).standard_normal((1, 4, 6, 6), dtype=np.float32)
MIX = np.random.default_rng(1).standard_normal((3, 4, 4), dtype=np.float32)


def convolve(index: int, gain: float = 1.0) -> Callable[[Array], Array]:
    """A 1x1 convolution, one of whose kernels is multiplied by `gain`."""
    weight = MIX[index].copy()
    weight[0] *= gain
    return lambda x: np.einsum("oc,nchw->nohw", weight, x)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def run(*operations: Operation) -> Trace:
    """Runs a small graph on IMAGE, called `x`; its output is the last tensor."""
    recorder, values = TraceRecorder(), {"x": IMAGE}
    recorder.add("x", INPUT, (), IMAGE)
    for name, operator, inputs, function in operations:
        values[name] = function(*(values[one] for one in inputs))
        recorder.add(name, operator, inputs, values[name], source=f"network.{name}, network.py:1")
    return recorder.trace([operations[-1][0]])


def network(*, gains: Sequence[float] = (1, 1, 1), bound: float = 0) -> Trace:
    """Three convolutions, the last two in a residual block."""
    return run(
        ("first", "conv", ["x"], convolve(0, gains[0])),
        ("active", "relu", ["first"], lambda x: np.maximum(x, bound)),
        ("second", "conv", ["active"], convolve(1, gains[1])),
        ("third", "conv", ["second"], convolve(2, gains[2])),
        ("sum", "add", ["active", "third"], np.add),
    )


def verdict(subject: Trace) -> Verdict:
    return bisect("decode", network(), subject, GATES["fp32"])


@pytest.mark.parametrize(("place", "name"), enumerate(["first", "second", "third"]))
def test_an_operator_with_a_wrong_weight_is_named(place: int, name: str) -> None:
    found = verdict(network(gains=[1.01 if index == place else 1 for index in range(3)]))
    assert (found.operator, found.tensor, found.source) == ("conv", name, f"network.{name}, network.py:1")
    assert found.before is not None
    assert found.before.max_abs == 0
    assert found.after is not None
    assert 0 < found.after.relative < 0.01


def test_an_operator_with_a_wrong_attribute_is_named() -> None:
    assert verdict(network(bound=0.1)).tensor == "active"


def test_the_first_of_two_is_named() -> None:
    assert verdict(network(gains=(1, 1.1, 1.1))).tensor == "second"


def test_the_values_of_a_graph_that_is_right_show_no_fault() -> None:
    assert verdict(network()) == Verdict("decode", remark=FUSIONS)


def test_an_activation_within_its_operator_does_not_hide_it() -> None:
    def fused(gain: float) -> Trace:
        return run(
            ("7", "CONV_RELU", ["x"], lambda x: relu(convolve(0)(x))),
            ("8", "CONV", ["7"], convolve(1, gain)),
            ("9", "CONV_ADD", ["8", "7"], lambda x, y: convolve(2)(x) + y),
        )

    found = verdict(fused(1.01))
    assert (found.operator, found.tensor, found.source) == ("CONV", "8", "network.second, network.py:1")
    assert verdict(fused(1)).remark == FUSIONS


def test_a_wrong_operator_with_its_activation_is_compared_after_it() -> None:
    found = verdict(
        run(
            ("7", "CONV_RELU", ["x"], lambda x: relu(convolve(0, 1.001)(x))),
            ("8", "CONV", ["7"], convolve(1)),
            ("9", "CONV_ADD", ["8", "7"], lambda x, y: convolve(2)(x) + y),
        )
    )
    assert (found.operator, found.source) == ("CONV_RELU", "network.first, network.py:1")
    assert found.after is not None
    assert found.after.relative < 1e-3


def test_a_converter_s_own_padding_and_layout_are_no_fault() -> None:
    pad = ((0, 0), (1, 1), (1, 1), (0, 0))
    found = verdict(
        run(
            ("nhwc", "TRANSPOSE", ["x"], lambda x: x.transpose(0, 2, 3, 1)),
            ("first", "CONV_RELU", ["nhwc"], lambda x: np.maximum(x @ MIX[0].T, 0)),
            ("padded", "PAD", ["first"], lambda x: np.pad(x, pad)),
            ("second", "CONV", ["padded"], lambda x: 1.1 * x[:, 1:-1, 1:-1] @ MIX[1].T),
            ("third", "CONV", ["second"], lambda x: x @ MIX[2].T),
            ("sum", "ADD", ["first", "third"], lambda x, y: (x + y).transpose(0, 3, 1, 2)),
        )
    )
    assert (found.operator, found.tensor, found.source) == ("CONV", "second", "network.second, network.py:1")


def test_of_an_operator_taken_apart_the_first_part_is_named() -> None:
    """Its parts have no counterpart, so that nothing tells which of them is wrong."""
    found = verdict(
        run(
            ("doubled", "scale", ["x"], lambda x: 2 * x),
            ("first", "conv", ["doubled"], convolve(0, 1.01)),
            ("halved", "scale", ["first"], lambda x: x / 2),
            ("active", "relu", ["halved"], relu),
            ("second", "conv", ["active"], convolve(1)),
            ("third", "conv", ["second"], convolve(2)),
            ("sum", "add", ["active", "third"], np.add),
        )
    )
    assert (found.tensor, found.source) == ("doubled", "network.first, network.py:1")


def test_a_verdict_is_json() -> None:
    found = verdict(network(gains=(1.01, 1, 1))).to_json()
    assert found["component"] == "decode"
    assert found["operator"] == "conv"
    assert set(found["after"]) == {"max_abs", "relative", "sqnr_db", "psnr_db", "cosine"}
