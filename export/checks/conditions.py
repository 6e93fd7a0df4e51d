"""Conditions on a node of an exported program, under which an operator rule applies.

Programs are in core ATen operators, as `export.ladder.program.export_program` gives them, with every tensor's shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import fx

__all__ = [
    "ARITHMETIC",
    "Condition",
    "always",
    "broadcasts_a_product",
    "concatenates_unlike_layouts",
    "has_rank_above",
    "holds_infinity",
    "is_a_product_in_three_dimensions",
    "is_none_of",
    "leaves_the_range_of_half",
    "normalises_an_inner_dimension",
    "repeats_elements",
    "shape_of",
]

Condition = Callable[[fx.Node], bool]
"""Whether a rule applies to a node that calls one of its operators."""

_HALF = torch.finfo(torch.float16)
_PRODUCTS = ("aten.bmm.default", "aten.mm.default", "aten.addmm.default", "aten.matmul.default")
_SPATIAL = ("aten.convolution.default", "aten.upsample_bilinear2d.vec", "aten.avg_pool2d.default")
_MOVES = (
    *("aten.view.default", "aten.permute.default", "aten.unsqueeze.default", "aten.squeeze.dims"),
    *("aten.expand.default", "aten.clone.default"),
)
ARITHMETIC = ("aten.add.Tensor", "aten.sub.Tensor", "aten.mul.Tensor", "aten.div.Tensor")
"""Of two operands, a value at a time."""

_ELEMENTWISE = (
    *("aten.relu.default", "aten.hardtanh.default", "aten.clamp.default", "aten.sigmoid.default", "aten.tanh.default"),
    *ARITHMETIC,
)


def always(node: fx.Node) -> bool:
    """The operator itself is the problem."""
    return True


def is_none_of(operators: tuple[str, ...]) -> Condition:
    """An operator of ATen that computes, and is not among those that an accelerator takes."""

    def condition(node: fx.Node) -> bool:
        name = str(node.target)
        return name.startswith("aten.") and not name.startswith("aten._assert") and name not in operators

    return condition


def repeats_elements(node: fx.Node) -> bool:
    """An expansion that changes the shape; products of four dimensions come with some that do not."""
    (source,) = node.all_input_nodes
    return shape_of(source) != shape_of(node)


def has_rank_above(rank: int) -> Condition:
    """A tensor that goes in or comes out has more dimensions than `rank`."""

    def condition(node: fx.Node) -> bool:
        return any(len(shape) > rank for shape in (shape_of(one) for one in (node, *node.all_input_nodes)))

    return condition


def normalises_an_inner_dimension(node: fx.Node) -> bool:
    """A softmax over a dimension that is not the last."""
    dimension, rank = node.args[1], len(shape_of(node))
    return isinstance(dimension, int) and dimension % rank != rank - 1


def holds_infinity(node: fx.Node) -> bool:
    """A constant that goes in is infinite."""
    return any(math.isinf(value) for value in _constants(node))


def leaves_the_range_of_half(node: fx.Node) -> bool:
    """A constant that goes in is finite, and in float16 infinite or not a normal number."""
    values = [abs(value) for value in _constants(node) if math.isfinite(value) and value != 0]
    return any(value > _HALF.max or value < _HALF.smallest_normal for value in values)


def concatenates_unlike_layouts(node: fx.Node) -> bool:
    """Channels of images are joined, of which some come from a spatial operator and some from a matrix product.

    The first lie with channels last in a runtime that computes so, the second as rows: one kind is transposed.
    """
    dimension = node.args[1] if len(node.args) > 1 else 0
    if dimension not in (1, -3) or len(shape_of(node)) != 4:
        return False
    makers = [_maker(one) for one in node.all_input_nodes]
    names = {str(one.target) for one in makers}
    return not names.isdisjoint(_PRODUCTS) and not names.isdisjoint(_SPATIAL)


def is_a_product_in_three_dimensions(node: fx.Node) -> bool:
    """A batched product whose operands had three dimensions in the module, too.

    In core ATen every batched product has three: one of four is folded into them right before it.
    """
    return not any(_unfolded_rank(one) > 3 for one in node.all_input_nodes)


def broadcasts_a_product(node: fx.Node) -> bool:
    """A sum of a matrix product's result and a tensor of another shape."""
    shapes = {shape_of(one) for one in node.all_input_nodes}
    return len(shapes) > 1 and any(str(one.target) in _PRODUCTS for one in node.all_input_nodes)


def _maker(node: fx.Node) -> fx.Node:
    """What computed the values that a node hands on: back through what moves data or looks at each value alone."""
    while node.op == "call_function" and str(node.target) in (*_MOVES, *_ELEMENTWISE):
        node = max(node.all_input_nodes, key=lambda one: math.prod(shape_of(one)))
    return node


def _unfolded_rank(node: fx.Node) -> int:
    """Of a tensor before the views and expansions that only fold or repeat what lies before its rows and columns."""
    rank, matrix = len(shape_of(node)), shape_of(node)[-2:]
    while str(node.target) in ("aten.view.default", "aten.expand.default", "aten.clone.default"):
        (node,) = node.all_input_nodes
        if shape_of(node)[-2:] != matrix:
            break
        rank = max(rank, len(shape_of(node)))
    return rank


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Of a node's tensor; empty where it has none."""
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _constants(node: fx.Node) -> Iterator[float]:
    """Numbers that an operator is called with, and values of small constant tensors among its inputs."""
    for argument in (*node.args, *node.kwargs.values()):
        if isinstance(argument, float):
            yield argument
    for one in node.all_input_nodes:
        constant = one.meta.get("constant")
        if isinstance(constant, torch.Tensor) and constant.is_floating_point():
            yield from constant.flatten().tolist()
