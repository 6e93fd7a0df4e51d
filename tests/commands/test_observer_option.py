"""Ranges are found in one way wherever nothing else is said."""

from __future__ import annotations

from inspect import signature

import pytest

from export.options import CommonOptions
from export.quantization.sensitivity_command import sensitivity
from mobilevos.commands.calibrate import calibrate
from mobilevos.commands.observer_option import parse_observer
from mobilevos.errors import InputError
from mobilevos.quantization.specification import DEFAULT_OBSERVER, Observer, Specification
from mobilevos.training.schema import QuantizationConfig


def test_every_command_and_training_run_has_the_same_default() -> None:
    commands = [signature(command).parameters["observer"].default for command in (calibrate, sensitivity)]
    assert {*commands, CommonOptions().observer, QuantizationConfig().observer} == {DEFAULT_OBSERVER.value}
    assert Specification().observer is DEFAULT_OBSERVER


def test_an_observer_is_known_by_its_name() -> None:
    assert parse_observer("percentile") is Observer.PERCENTILE
    with pytest.raises(InputError, match=r"^--observer guess; expected minmax or moving_average or percentile or mse$"):
        parse_observer("guess")
