"""Biases in 32 bits: whole multiples of the product of two scales, in the program alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.biases import round_bias
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.sites import layer_of, operator_of

SCALES = st.floats(2**-13, 1.0, width=32)


@given(st.floats(-31, 31, width=32), SCALES, SCALES)
def test_a_bias_becomes_the_nearest_multiple(bias: float, input_scale: float, kernel_scale: float) -> None:
    rounded = round_bias(torch.tensor([bias]), input_scale, torch.tensor([kernel_scale])).item()
    step = np.float64(input_scale) * np.float64(kernel_scale)
    assert abs(rounded - bias) <= step / 2 + 1e-6 * abs(bias)
    assert abs(rounded / step - round(rounded / step)) <= 1e-6 * abs(rounded / step) + 1e-9


def test_what_32_bits_do_not_hold_is_cut_off() -> None:
    rounded = round_bias(torch.tensor([100.0, -100.0]), 1e-4, torch.tensor([1e-6, 1e-6]))
    np.testing.assert_allclose(rounded.numpy(), [2**31 * 1e-10, -(2**31) * 1e-10], rtol=1e-6)


@pytest.mark.executorch
def test_every_bias_of_a_program_is_such_and_the_network_keeps_its_own(
    student: MemoryNetwork, quantized_student: QuantizedNetwork
) -> None:
    own, changed = dict(fold_batch_norm(student).named_parameters()), 0
    for program in quantized_student.programs.values():
        for node in program.graph.nodes:
            if operator_of(node) == "conv2d":
                image, kernel, bias = node.args[:3]
                scale = image.args[1] * getattr(program, kernel.args[1].target).double().numpy()
                actual = program.get_parameter(bias.target).double().numpy()
                before = own[f"{layer_of(node)}.bias"].detach().double().numpy()
                assert (np.abs(actual - before) <= scale / 2 + 1e-6 * np.abs(before)).all()
                np.testing.assert_allclose(actual / scale, np.round(before / scale), rtol=1e-6)
                changed += not np.array_equal(actual, before)
    assert changed > 50
