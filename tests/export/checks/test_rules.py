"""Operator rules: each is broken by a tiny module and kept by its rewrite; where a toolchain can tell, it agrees."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.checks.findings import check_program
from export.checks.rules import ACCELERATORS, RULES, TAKEN_BY_XNNPACK, Severity
from export.ladder.program import export_program

Function = Callable[..., Tensor]
SEED = 0


class Module(nn.Module):
    """A function with a convolution before it, so that no operator works on the program's inputs themselves."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        torch.manual_seed(SEED)
        self.convolution = nn.Conv2d(4, 4, 1)
        self._function = function

    def forward(self, image: Tensor) -> Tensor:
        return self._function(self.convolution(image))


@dataclass(frozen=True)
class Case:
    """A rule, a function that breaks it, and the same with the rewrite."""

    rule: str
    broken: Function
    kept: Function


def attention(features: Tensor) -> Tensor:
    rows = features.flatten(2)
    return torch.bmm(rows.transpose(1, 2), rows)


def attention_of_rank_4(features: Tensor) -> Tensor:
    rows = features.reshape(1, 1, 4, 64)
    return torch.matmul(rows.transpose(2, 3), rows)


def read_rows(x: Tensor) -> Tensor:
    return torch.bmm(attention(x), x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)


def on_rows_and_images(x: Tensor) -> Tensor:
    return torch.cat([read_rows(x), x.relu()], 1)


def looked_up(x: Tensor) -> Tensor:
    return x.flatten(2).gather(2, x.flatten(2).argmax(2, keepdim=True))


CASES = (
    Case("top-k", lambda x: x.flatten(2).topk(3, dim=2).values, lambda x: x.flatten(2).softmax(2)),
    Case("softmax-not-last", lambda x: attention(x).softmax(1), lambda x: attention(x).softmax(2)),
    Case("no-kernel", lambda x: x.sum((2, 3), keepdim=True), lambda x: x.mean((2, 3), keepdim=True)),
    Case("mean-of-more-than-space", lambda x: x.mean(1, keepdim=True), lambda x: x.mean((2, 3), keepdim=True)),
    Case("maximum-of-more-than-space", lambda x: x.max(1, keepdim=True)[0], lambda x: x.max(2, keepdim=True)[0]),
    Case("average-beyond-the-frame", lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 2)),
    Case("pooling-with-gaps", lambda x: F.max_pool2d(x, 2, 3), lambda x: F.max_pool2d(x, 3, 2, 1)),
    Case("inner-unsqueeze", lambda x: x.unsqueeze(1).relu(), lambda x: x.unsqueeze(-1).relu()),
    Case("alpha", lambda x: torch.add(x, x.relu(), alpha=2), lambda x: x + 2.0 * x.relu()),
    Case("power-other-than-2", lambda x: x**3, lambda x: x**2),
    Case("slice-with-steps", lambda x: x[:, :, ::2].relu(), lambda x: x[:, :, 2:].relu()),
    Case("whole-number", lambda x: x * 2, lambda x: x * 2.0),
    Case("gather", looked_up, lambda x: x.flatten(2)[:, :, 1:3]),
    Case("gather-ane", looked_up, lambda x: x.flatten(2)[:, :, 1:3]),
    Case("broadcast-to", lambda x: x.mean((2, 3), keepdim=True).expand(1, 4, 2, 2) + 1, lambda x: x + 1),
    Case("rank-5", lambda x: x.reshape(1, 2, 2, 8, 8).relu(), lambda x: x.reshape(2, 2, 8, 8).relu()),
    Case("rank-5-ane", lambda x: x.reshape(1, 2, 2, 8, 8).relu(), lambda x: x.reshape(2, 2, 8, 8).relu()),
    Case("infinite-mask", lambda x: x.masked_fill(x < 0, -math.inf), lambda x: x.masked_fill(x < 0, -1e4)),
    Case("constant-beyond-float16", lambda x: x.clamp(1e-7, 1.0), lambda x: x.clamp(1e-3, 1.0)),
    Case("rows-beside-images", on_rows_and_images, lambda x: torch.cat([x.relu(), x], 1)),
    Case("attention-of-rank-3", attention, attention_of_rank_4),
    Case("sum-with-a-product", lambda x: attention(x) + x.mean(), lambda x: attention(x) + attention(x)),
)

NO_KERNEL: dict[str, Function] = {
    "aten.sum.dim_IntList": lambda x: x.sum((2, 3), keepdim=True),
    "aten.cumsum.default": lambda x: x.cumsum(2),
    "aten.argmax.default": lambda x: x.argmax(1).float(),
    "aten.sort.default": lambda x: x.sort(1).values,
    "aten.gather.default": looked_up,
    "aten.scatter.src": lambda x: x.flatten(2).scatter(2, torch.zeros(1, 4, 1, dtype=torch.int64), x[:, :, 0, :1]),
    "aten.index.Tensor": lambda x: x[:, :, torch.tensor([1, 0])],
    "aten.select.int": lambda x: x[:, 1] * 2,
    "aten.where.self": lambda x: torch.where(x > 0, x, -x),
    "aten.expand.default": lambda x: x.mean((2, 3), keepdim=True).expand(1, 4, 2, 2),
    "aten.full_like.default": lambda x: torch.full_like(x, 2.0) * x,
    "aten.upsample_nearest2d.vec": lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest"),
    "aten.grid_sampler_2d.default": lambda x: F.grid_sample(x, torch.zeros(1, 2, 2, 2), align_corners=False),
    "aten.amax.default": lambda x: x.amax(1, keepdim=True),
    "aten.elu.default": F.elu,
    "aten.native_layer_norm.default": lambda x: F.layer_norm(x, (8,)),
    "aten.native_group_norm.default": lambda x: F.group_norm(x, 2),
    "aten.gt.Scalar": lambda x: (x > 0.0).float() * x,
    "aten.flip.default": lambda x: x.flip(3),
    "aten.split_with_sizes.default": lambda x: torch.cat(x.split(2, 1)[::-1], 1),
    "aten.squeeze.dims": lambda x: x.mean((2, 3), keepdim=True).squeeze(3),
    "aten.repeat.default": lambda x: x.repeat(1, 2, 1, 1),
}


def images() -> tuple[Tensor]:
    return (torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(SEED)),)


def rules_broken_by(function: Function, accelerator: str) -> set[str]:
    program = export_program(Module(function).eval(), images())
    return {finding.rule for finding in check_program(program, accelerator)}


def accelerators_of(name: str) -> tuple[str, ...]:
    return next(rule.accelerators for rule in RULES if rule.name == name)


def test_every_rule_has_a_case_and_names_a_source_a_reason_and_a_rewrite() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)
    known = {name for names in ACCELERATORS.values() for name in names}
    for rule in RULES:
        assert set(rule.accelerators) <= known, rule.name
        assert all((rule.reason, rule.rewrite, rule.source)), rule.name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_finds_what_breaks_it_and_leaves_its_rewrite_alone(case: Case) -> None:
    for accelerator in accelerators_of(case.rule):
        assert case.rule in rules_broken_by(case.broken, accelerator), accelerator
        assert case.rule not in rules_broken_by(case.kept, accelerator), accelerator


@pytest.mark.parametrize("operator", NO_KERNEL)
def test_an_operator_without_a_kernel_is_found_by_its_name(operator: str) -> None:
    program = export_program(Module(NO_KERNEL[operator]).eval(), images())
    assert operator in {finding.operator for finding in check_program(program, "executorch-xnnpack")}


def test_an_operator_that_nobody_thought_of_is_off_xnnpack() -> None:
    assert "no-kernel" in rules_broken_by(torch.special.i0, "executorch-xnnpack")


# What the toolchains say


@pytest.mark.executorch
def test_what_xnnpack_takes_is_what_its_partitioner_has_rules_for() -> None:
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS

    known = {config.target_name.replace("_copy.", ".") for config in ALL_PARTITIONER_CONFIGS}
    integers = {name for name in known if "quant" in name or "qparams" in name}
    # Of the edge dialect, or taken apart in core ATen.
    elsewhere = {"_clone_dim_order.default", "_to_dim_order.default", "hardswish.default", "linear.default"}
    assert integers | elsewhere <= known
    # Core ATen's maximum of windows has a second result.
    known = {name.replace("max_pool2d.", "max_pool2d_with_indices.") for name in known - integers - elsewhere}
    assert {f"aten.{name}" for name in known} == set(TAKEN_BY_XNNPACK)


def left_by_executorch(function: Function) -> set[str]:
    """Operators that are not delegated, by `alike`."""
    from export.lowering import lower

    report = lower({"step": Module(function).eval()}, {"step": images()}).operators["step"]
    return {alike(one.operator) for one in report.left}


def alike(operator: str) -> str:
    """Its name in letters alone, which is the same in core ATen and in the edge dialect."""
    own = {"dim_order_ops__to_dim_order_copy_default": "aten._to_copy.default"}.get(operator, operator)
    return re.sub(r"_copy|[._]", "", own).lower()


OFF_XNNPACK = {
    case.rule: case
    for case in CASES
    if accelerators_of(case.rule)[0] == "executorch-xnnpack" and case.rule != "no-kernel"
}
FAILS = "maximum-of-more-than-space"


@pytest.mark.slow
@pytest.mark.executorch
@pytest.mark.parametrize(
    ("function", "rule"),
    [
        *(pytest.param(function, "no-kernel", id=name) for name, function in NO_KERNEL.items()),
        *(pytest.param(case.broken, name, id=name) for name, case in OFF_XNNPACK.items() if name != FAILS),
    ],
)
def test_executorchs_partitioner_leaves_what_a_rule_calls_off(function: Function, rule: str) -> None:
    program = export_program(Module(function).eval(), images())
    found = {one.operator for one in check_program(program, "executorch-xnnpack") if one.rule == rule}
    if rule == "whole-number":  # what is left is the conversion of its number
        assert left_by_executorch(function) == {alike("aten._to_copy.default")}
    else:
        assert {alike(name) for name in found} <= left_by_executorch(function)


@pytest.mark.executorch
def test_executorchs_lowering_fails_over_a_maximum_of_channels() -> None:
    with pytest.raises(Exception, match="only supports dim == 2 or dim == 3"):
        left_by_executorch(OFF_XNNPACK[FAILS].broken)


@pytest.mark.slow
@pytest.mark.executorch
@pytest.mark.parametrize(
    "case", [c for c in CASES if c.rule == "no-kernel" or c.rule in OFF_XNNPACK], ids=lambda c: c.rule
)
def test_executorchs_partitioner_takes_the_rewrite(case: Case) -> None:
    assert left_by_executorch(case.kept) == set()


def converted(function: Function) -> bytes:
    """A `.tflite` of it, with the signature `step`."""
    from export.tflite import convert
    from mobilevos.contract import Signature, TensorSpec

    module = Module(function).eval()
    result = module(*images())
    own = Signature("step", (TensorSpec("x", (1, 4, 8, 8), "NCHW"),), (TensorSpec("y", tuple(result.shape), "any"),))
    return convert({"step": module}, {"step": images()}, {"step": own})


def in_tflite(function: Function) -> tuple[int, int]:
    """Operators beside XNNPACK's delegate, one where the runtime does not even load the model; and transposes."""
    from export.checks.tflite_audit import audit

    model = converted(function)
    try:
        found = audit(model)["step"]
    except ValueError as error:
        if "Didn't find op" not in str(error):
            raise
        return 1, 0
    return sum(one.count for one in found.delegation.left), found.transposes


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.parametrize(
    "case", [case for case in CASES if "tflite-xnnpack" in accelerators_of(case.rule)], ids=lambda case: case.rule
)
def test_tflites_delegate_agrees(case: Case) -> None:
    (rule,) = (rule for rule in RULES if rule.name == case.rule)
    (left, transposes), (kept_left, kept_transposes) = in_tflite(case.broken), in_tflite(case.kept)
    if rule.severity is Severity.OFF:
        assert left > kept_left == 0
    else:
        assert transposes > kept_transposes


@pytest.mark.slow
@pytest.mark.tflite
def test_tensorflows_gpu_analyzer_objects_to_nothing(tmp_path: Path) -> None:
    """Why these rules stand beside it. Once this fails, it says something, and is to be compared with them."""
    from export.checks.gpu_analyzer import analyse

    model = tmp_path / "gather.tflite"
    model.write_bytes(converted(looked_up))
    assert analyse(model) == []
