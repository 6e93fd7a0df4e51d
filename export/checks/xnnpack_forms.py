"""Forms of operators that XNNPACK's partitioner leaves, though it takes the operator.

Each is a condition on a node that calls the operator, in core ATen.
"""

from __future__ import annotations

from typing import Any

from torch import fx

from export.checks.conditions import ARITHMETIC, shape_of

__all__ = [
    "averages_more_or_less_than_space",
    "calculates_with_a_whole_number",
    "inserts_an_inner_dimension",
    "pools_beyond_the_frame",
    "pools_with_gaps",
    "raises_to_other_than_two",
    "scales_its_second_operand",
    "skips_elements",
    "takes_the_largest_of_other_than_space",
]


def averages_more_or_less_than_space(node: fx.Node) -> bool:
    """A mean over other dimensions than height and width of images, or one that drops them."""
    (source,) = node.all_input_nodes
    rank, dimensions = len(shape_of(source)), node.args[1]
    assert isinstance(dimensions, list | tuple)
    kept = len(node.args) > 2 and bool(node.args[2])
    return rank != 4 or {one % rank for one in dimensions if isinstance(one, int)} != {2, 3} or not kept


def takes_the_largest_of_other_than_space(node: fx.Node) -> bool:
    """A maximum over another dimension than height or width of images, or one that drops it."""
    (source,) = node.all_input_nodes
    rank, dimension = len(shape_of(source)), node.args[1]
    kept = len(node.args) > 2 and bool(node.args[2])
    return not isinstance(dimension, int) or rank != 4 or dimension % rank not in (2, 3) or not kept


def pools_beyond_the_frame(node: fx.Node) -> bool:
    """An average that counts padded zeros, rounds its size up or has a divisor of its own."""
    padding, ceil_mode, count_padding, divisor = _arguments(node, 3, (0, False, True, None))
    return bool(ceil_mode) or divisor is not None or (bool(count_padding) and any(_pair(padding)))


def pools_with_gaps(node: fx.Node) -> bool:
    """A maximum of windows that are farther apart than they are large."""
    kernel, stride = _pair(node.args[1]), _pair(_arguments(node, 2, ((),))[0] or node.args[1])
    return any(step > size for step, size in zip(stride, kernel, strict=True))


def inserts_an_inner_dimension(node: fx.Node) -> bool:
    """A dimension of 1 anywhere but at the end."""
    dimension, rank = node.args[1], len(shape_of(node))
    return isinstance(dimension, int) and dimension % rank != rank - 1


def scales_its_second_operand(node: fx.Node) -> bool:
    """A sum or difference with `alpha`."""
    return bool(node.kwargs.get("alpha", 1) != 1)


def raises_to_other_than_two(node: fx.Node) -> bool:
    """A power whose exponent is not the whole number 2."""
    exponent = node.args[1]
    return not isinstance(exponent, int) or exponent != 2


def skips_elements(node: fx.Node) -> bool:
    """A slice that takes every second element, or fewer."""
    return bool(len(node.args) > 4 and node.args[4] != 1)


def calculates_with_a_whole_number(node: fx.Node) -> bool:
    """Arithmetic of a tensor of floats with a Python `int`."""
    return str(node.target) in ARITHMETIC and any(type(one) is int for one in node.args)


def _arguments(node: fx.Node, first: int, defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those from a position on, the defaults in the place of what is not there."""
    given = tuple(node.args[first : first + len(defaults)])
    return (*given, *defaults[len(given) :])


def _pair(value: Any) -> tuple[int, int]:
    one, *rest = value if isinstance(value, list | tuple) else (value,)
    return one, (rest or [one])[0]
