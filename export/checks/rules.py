"""The operator rules: what each accelerator does badly or not at all, why, and what to write instead.

A rule is data. What a toolchain can confirm here is confirmed by the tests, with a module that breaks the rule and one
that follows it; the others stand on the source that they name, and the reader may judge it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from export.checks.conditions import (
    Condition,
    always,
    broadcasts_a_product,
    concatenates_unlike_layouts,
    has_rank_above,
    holds_infinity,
    is_a_product_in_three_dimensions,
    is_none_of,
    leaves_the_range_of_half,
    normalises_an_inner_dimension,
    repeats_elements,
)
from export.checks.xnnpack_forms import (
    averages_more_or_less_than_space,
    calculates_with_a_whole_number,
    inserts_an_inner_dimension,
    pools_beyond_the_frame,
    pools_with_gaps,
    raises_to_other_than_two,
    scales_its_second_operand,
    skips_elements,
    takes_the_largest_of_other_than_space,
)

__all__ = ["ACCELERATORS", "RULES", "TAKEN_BY_XNNPACK", "Rule", "Severity"]


class Severity(StrEnum):
    """What happens to an operator."""

    OFF = "off the accelerator"
    WRONG = "wrong numbers"
    RANGE = "beyond float16"
    SLOW = "slow"


@dataclass(frozen=True)
class Rule:
    """Something that an accelerator does badly.

    Attributes:
        name: In kebab case; unique.
        accelerators: Of `ACCELERATORS`, those that it holds for.
        operators: Core ATen operators that it looks at; empty for all.
        condition: What must be true of a node besides.
        severity: What happens.
        reason: Why.
        rewrite: What works instead.
        source: A public page, or what was measured.
    """

    name: str
    accelerators: tuple[str, ...]
    operators: tuple[str, ...]
    condition: Condition
    severity: Severity
    reason: str
    rewrite: str
    source: str


ACCELERATORS: Mapping[str, tuple[str, ...]] = {
    "executorch": ("executorch-xnnpack",),
    "coreml": ("coreml-ane", "coreml-gpu", "coreml-cpu"),
    "tflite": ("tflite-xnnpack", "tflite-gpu"),
}
"""Of each target that has operator rules. ONNX Runtime and PyTorch run every operator on the CPU."""

_XNNPACK, _LITE, _GPU = "executorch-xnnpack", "tflite-xnnpack", "tflite-gpu"
_NEURAL, _HALF = "coreml-ane", ("coreml-ane", "coreml-gpu", "tflite-gpu")
_MEASURED = "measured with ExecuTorch 1.5.1: tests/export/checks/test_rules.py asks its partitioner"
_MEASURED_LITE = "measured with ai-edge-litert 2.3.0: tests/export/checks/test_rules.py asks its delegate"
_GPU_DOCS = "https://ai.google.dev/edge/litert/performance/gpu, supported operators"
_ANE_DOCS = "https://github.com/hollance/neural-engine/blob/master/docs/unsupported-layers.md"
_NAMES = (
    "_native_batch_norm_legit_no_training.default _softmax.default abs.default add.Tensor addmm.default "
    "avg_pool2d.default bmm.default cat.default ceil.default clamp.default clone.default constant_pad_nd.default "
    "convolution.default cos.default div.Tensor exp.default floor.default gelu.default hardtanh.default "
    "leaky_relu.default log.default max.dim max_pool2d_with_indices.default maximum.default mean.dim "
    "minimum.default mm.default mul.Tensor neg.default permute.default pow.Tensor_Scalar prelu.default "
    "relu.default rsqrt.default sigmoid.default sin.default slice.Tensor sqrt.default sub.Tensor tanh.default "
    "unsqueeze.default upsample_bilinear2d.vec view.default"
)

TAKEN_BY_XNNPACK = tuple(f"aten.{name}" for name in _NAMES.split())
"""What XNNPACK's partitioner has a rule for, in core ATen's names. It looks at more than the name of some."""

RULES: tuple[Rule, ...] = (
    Rule(
        "top-k",
        (_XNNPACK, _LITE, _GPU),
        ("aten.topk.default",),
        always,
        Severity.OFF,
        "no delegate selects the k largest; TFLite's converter makes a sort of it that LiteRT does not even load",
        "a softmax over all memory positions: with two memory frames there are few, and a student is trained so",
        f"{_MEASURED}; LiteRT: {_MEASURED_LITE}",
    ),
    Rule(
        "softmax-not-last",
        (_XNNPACK,),
        ("aten._softmax.default",),
        normalises_an_inner_dimension,
        Severity.OFF,
        "XNNPACK's softmax runs over the last dimension alone",
        "put queries first: [queries, memory] and softmax(dim=-1)",
        _MEASURED,
    ),
    Rule(
        "no-kernel",
        (_XNNPACK,),
        (),
        is_none_of(TAKEN_BY_XNNPACK),
        Severity.OFF,
        "XNNPACK's partitioner has no rule for it, so the graph is split around it",
        "mean over height and width, times their product, for sum; slice for select and split; view for squeeze; a "
        "product with a mask for where; bilinear for other upsampling",
        _MEASURED,
    ),
    Rule(
        "mean-of-more-than-space",
        (_XNNPACK,),
        ("aten.mean.dim",),
        averages_more_or_less_than_space,
        Severity.OFF,
        "XNNPACK averages over height and width of images alone, and keeps both",
        "mean((2, 3), keepdim=True); over channels a 1x1 convolution with equal weights",
        _MEASURED,
    ),
    Rule(
        "maximum-of-more-than-space",
        (_XNNPACK,),
        ("aten.max.dim",),
        takes_the_largest_of_other_than_space,
        Severity.OFF,
        "XNNPACK takes the maximum over height or width of images alone; over others the lowering itself fails",
        "maximum() of slices",
        _MEASURED,
    ),
    Rule(
        "average-beyond-the-frame",
        (_XNNPACK,),
        ("aten.avg_pool2d.default",),
        pools_beyond_the_frame,
        Severity.OFF,
        "XNNPACK averages what lies in the frame, and divides by its number",
        "no padding, or count_include_pad=False",
        _MEASURED,
    ),
    Rule(
        "pooling-with-gaps",
        (_XNNPACK,),
        ("aten.max_pool2d_with_indices.default",),
        pools_with_gaps,
        Severity.OFF,
        "XNNPACK's windows lie no farther apart than they are large",
        "a stride of at most the kernel's size",
        _MEASURED,
    ),
    Rule(
        "inner-unsqueeze",
        (_XNNPACK,),
        ("aten.unsqueeze.default",),
        inserts_an_inner_dimension,
        Severity.OFF,
        "XNNPACK inserts a dimension at the end alone",
        "reshape",
        _MEASURED,
    ),
    Rule(
        "alpha",
        (_XNNPACK,),
        ("aten.add.Tensor", "aten.sub.Tensor"),
        scales_its_second_operand,
        Severity.OFF,
        "XNNPACK adds without a factor",
        "a product, then a sum",
        _MEASURED,
    ),
    Rule(
        "power-other-than-2",
        (_XNNPACK,),
        ("aten.pow.Tensor_Scalar",),
        raises_to_other_than_two,
        Severity.OFF,
        "XNNPACK squares, and raises to no other power",
        "products, or sqrt and rsqrt",
        _MEASURED,
    ),
    Rule(
        "slice-with-steps",
        (_XNNPACK,),
        ("aten.slice.Tensor",),
        skips_elements,
        Severity.OFF,
        "XNNPACK slices without gaps alone",
        "average pooling, or a convolution with strides",
        _MEASURED,
    ),
    Rule(
        "whole-number",
        (_XNNPACK,),
        (),
        calculates_with_a_whole_number,
        Severity.OFF,
        "a Python int becomes a tensor of integers, and its conversion to float is left to the CPU",
        "write 2.0 for 2",
        _MEASURED,
    ),
    Rule(
        "gather",
        (_LITE, _GPU),
        ("aten.gather.default", "aten.index.Tensor", "aten.scatter.src"),
        always,
        Severity.OFF,
        "it becomes GATHER_ND or SCATTER_ND, which no delegate takes",
        "a matrix product with a one-hot matrix, or slices at fixed places",
        f"{_MEASURED_LITE}; {_GPU_DOCS}",
    ),
    Rule(
        "gather-ane",
        (_NEURAL,),
        ("aten.gather.default", "aten.index.Tensor", "aten.scatter.src"),
        always,
        Severity.OFF,
        "the Neural Engine has no gather: the graph goes to GPU or CPU there",
        "a matrix product with a one-hot matrix, or slices at fixed places",
        _ANE_DOCS,
    ),
    Rule(
        "broadcast-to",
        (_GPU,),
        ("aten.expand.default",),
        repeats_elements,
        Severity.OFF,
        "it becomes BROADCAST_TO, which the GPU delegate lacks",
        "let an addition or a product broadcast by itself",
        _GPU_DOCS,
    ),
    Rule(
        "rank-5",
        (_GPU,),
        (),
        has_rank_above(4),
        Severity.OFF,
        "the GPU delegate's tensors have at most four dimensions",
        "fold batch, objects or time into one dimension before the operator",
        _GPU_DOCS,
    ),
    Rule(
        "rank-5-ane",
        (_NEURAL,),
        (),
        has_rank_above(4),
        Severity.SLOW,
        "the Neural Engine's tensors are four-dimensional (batch, channels, 1, sequence): others are copied into that",
        "fold batch, objects or time into one dimension before the operator",
        "https://machinelearning.apple.com/research/neural-engine-transformers",
    ),
    Rule(
        "infinite-mask",
        _HALF,
        (),
        holds_infinity,
        Severity.RANGE,
        "infinities in float16 become NaN where two meet, or a masked row has nothing else",
        "a finite value that exp() takes to zero, such as -1e4",
        "https://github.com/apple/coremltools/issues/2669",
    ),
    Rule(
        "constant-beyond-float16",
        _HALF,
        (),
        leaves_the_range_of_half,
        Severity.RANGE,
        "a constant above 65504 is infinite in float16, one below 6.1e-5 loses its digits or becomes zero",
        "clamp in logit space, or leave the step to the caller in float32",
        "https://github.com/apple/coremltools/issues/2669",
    ),
    Rule(
        "rows-beside-images",
        (_LITE, _GPU),
        ("aten.cat.default",),
        concatenates_unlike_layouts,
        Severity.SLOW,
        "one part lies with channels last, the other comes from a matrix product as rows: one of them is transposed",
        "add two 1x1 convolutions, one of each part, instead of convolving their concatenation",
        _MEASURED_LITE,
    ),
    Rule(
        "attention-of-rank-3",
        (_GPU,),
        ("aten.bmm.default",),
        is_a_product_in_three_dimensions,
        Severity.WRONG,
        "attention over tensors of three dimensions was computed wrongly by the GPU delegate; four are right",
        "run read_memory on the CPU, or reshape to [1, batch, rows, columns] and compare on the device",
        "https://github.com/google-ai-edge/LiteRT/issues/8619 (open)",
    ),
    Rule(
        "sum-with-a-product",
        (_GPU,),
        ("aten.add.Tensor", "aten.sub.Tensor"),
        broadcasts_a_product,
        Severity.WRONG,
        "an addition that broadcasts over a matrix product's result gave wrong numbers before LiteRT 2.1.6",
        "ship LiteRT 2.1.6 or newer, or fold the term into the product as one channel more",
        "https://github.com/google-ai-edge/LiteRT/issues/8593",
    ),
)
"""All of them."""
