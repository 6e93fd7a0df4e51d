"""XNNPACK's quantizer, held to the specification. Imports ExecuTorch and torchao: to be imported where it is used."""

from __future__ import annotations

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from torch import fx
from torchao.quantization.pt2e import FusedMovingAvgObsFakeQuantize, PerChannelMinMaxObserver
from torchao.quantization.pt2e.observer import MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver
from torchao.quantization.pt2e.quantizer import (
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationConfig,
    QuantizationSpec,
    Quantizer,
    annotate_input_qspec_map,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from mobilevos.quantization.observers import activation_observer
from mobilevos.quantization.sites import layer_of, operator_of, site_names
from mobilevos.quantization.specification import ACTIVATIONS, KNOWN_RANGES, WEIGHTS, Specification

__all__ = ["SpecificationQuantizer"]

_EPS = torch.finfo(torch.float32).eps
"""Smallest scale. ExecuTorch's own 2^-12 is coarser than many a channel of these kernels needs."""

_PATTERNS = [one for one in XNNPACKQuantizer.SUPPORTED_PATTERNS if "_bn" not in one.name]
"""Those of batch norm are left out: to trace them, for every graph anew, takes longer than all the rest."""


class SpecificationQuantizer(Quantizer):  # type: ignore[misc]
    """Annotates a component's graph so that XNNPACK takes it whole and nothing is quantized that is declared float.

    XNNPACK's quantizer does the work, with two things done before it. What the specification keeps in float is closed
    to it. And a convolution with a ReLU6 becomes one quantized operator, as one with a ReLU is: left to itself, the
    quantizer gives what enters the ReLU6 the scale of what leaves it, and the range of values that are clamped at once.
    Batch norm must have been folded.

    Args:
        specification: What is quantized and how.
        training: Fake quantization for `prepare_qat_pt2e` instead of observers for `prepare_pt2e`.
    """

    def __init__(self, specification: Specification, *, training: bool = False) -> None:
        super().__init__()
        self._specification = specification
        self._config = _training_config() if training else _observing_config(specification)
        self._xnnpack = XNNPACKQuantizer().set_global(self._config)
        self._xnnpack.SUPPORTED_PATTERNS = _PATTERNS

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        """See torchao's `Quantizer`."""
        for node in model.graph.nodes:
            if node.op != "call_function":
                continue
            if self._specification.float_part(layer_of(node), operator_of(node)) is not None:
                node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(_annotated=True)
        sites = site_names(model.graph)
        known = [node for node in model.graph.nodes if sites.get(node.name) in KNOWN_RANGES]
        for node in model.graph.nodes:
            if operator_of(node) == "hardtanh":
                self._annotate_clamped(node)
        for node in known:
            _annotate_known(node, *KNOWN_RANGES[sites[node.name]])
        annotated: fx.GraphModule = self._xnnpack.annotate(model)
        for node in known:
            _hand_on(node)
        return annotated

    def _annotate_clamped(self, clamp: fx.Node) -> None:
        """A convolution and a clamp: quantized before the first and after the last."""
        convolution = clamp.args[0]
        if not isinstance(convolution, fx.Node) or operator_of(convolution) != "conv2d":
            return
        if Q_ANNOTATION_KEY in convolution.meta or len(convolution.users) > 1:
            return
        image, kernel = convolution.args[:2]
        annotate_input_qspec_map(convolution, image, self._config.input_activation)
        annotate_input_qspec_map(convolution, kernel, self._config.weight)
        convolution.meta[Q_ANNOTATION_KEY]._annotated = True
        clamp.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
            output_qspec=self._config.output_activation, _annotated=True
        )

    def validate(self, model: fx.GraphModule) -> None:
        """See torchao's `Quantizer`; there is nothing to check."""


def _annotate_known(node: fx.Node, low: float, high: float) -> None:
    """An operator that only moves what it is given, between values that are known: one range before and after it."""
    scale = (high - low) / (ACTIVATIONS.maximum - ACTIVATIONS.minimum)
    known = FixedQParamsQuantizationSpec(
        dtype=torch.int8,
        scale=scale,
        zero_point=ACTIVATIONS.minimum - round(low / scale),
        quant_min=ACTIVATIONS.minimum,
        quant_max=ACTIVATIONS.maximum,
        qscheme=torch.per_tensor_affine,
    )
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        input_qspec_map=dict.fromkeys(node.all_input_nodes, known), output_qspec=known, _annotated=True
    )


def _hand_on(known: fx.Node) -> None:
    """Gives a known range to those that take what has it; they would round it again, by a range of their own."""
    for user in known.users:
        annotation = user.meta.get(Q_ANNOTATION_KEY)
        if annotation is not None and known in annotation.input_qspec_map:
            annotation.input_qspec_map[known] = known.meta[Q_ANNOTATION_KEY].output_qspec


def _observing_config(specification: Specification) -> QuantizationConfig:
    return _config(activation_observer(specification.observer), PerChannelMinMaxObserver.with_args(eps=_EPS))


def _training_config() -> QuantizationConfig:
    activations, weights = MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver
    fake = FusedMovingAvgObsFakeQuantize.with_args
    return _config(fake(observer=activations, eps=_EPS), fake(observer=weights, eps=_EPS), training=True)


def _config(activations: object, weights: object, *, training: bool = False) -> QuantizationConfig:
    activation = QuantizationSpec(
        dtype=torch.int8,
        quant_min=ACTIVATIONS.minimum,
        quant_max=ACTIVATIONS.maximum,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=activations,
    )
    weight = QuantizationSpec(
        dtype=torch.int8,
        quant_min=WEIGHTS.minimum,
        quant_max=WEIGHTS.maximum,
        qscheme=torch.per_channel_symmetric,
        ch_axis=WEIGHTS.channel_axis,
        observer_or_fake_quant_ctr=weights,
    )
    return QuantizationConfig(activation, activation, weight, None, training)
