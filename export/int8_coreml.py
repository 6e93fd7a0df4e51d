"""Int8 for Core ML: weights and activations (W8A8), or the weights alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.coreml import Options, write_packages
from export.targets import Advance, BuildRequest, ComponentArtefact
from mobilevos.engines.mil.toolkit import import_coremltools
from mobilevos.quantization.program import QuantizedNetwork

__all__ = ["build_int8"]


def build_int8(
    request: BuildRequest[Options], quantized: QuantizedNetwork | None, folder: Path, advance: Advance
) -> dict[str, ComponentArtefact]:
    """Writes the packages as the request's options say; see `export.targets.TargetModule.build`.

    The quantized programs are converted as they are: every pair of quantize and dequantize stands in the package, and
    Core ML decides on the device which operators between them it computes in integers. What is left in float is
    float32. With `weights_only` the float components are converted, and their kernels stored with the same scales.

    Args:
        request: What to build.
        quantized: For the request's dimensions; `weights_only` does without.
        folder: The bundle to be.
        advance: Called once for each component and once more.

    Raises:
        InputError: Core ML Tools cannot convert a component.
    """
    if request.options.weights_only:
        artefacts = write_packages(request, request.components, folder, advance, _quantize_weights)
        return _described(artefacts, "float32")
    assert quantized is not None
    return _described(write_packages(request, quantized.programs, folder, advance), "int8, per tensor")


def _quantize_weights(model: Any) -> Any:
    """Stores every kernel in 8 bits, small ones too, with a scale for each output channel; biases stay as they are."""
    optimise = import_coremltools().optimize.coreml
    config = optimise.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=0
    )
    return optimise.linear_quantize_weights(model, optimise.OptimizationConfig(op_type_configs={"conv": config}))


def _described(artefacts: Mapping[str, ComponentArtefact], activations: str) -> dict[str, ComponentArtefact]:
    formats = {"weights": "int8, symmetric per channel", "activations": activations}
    return {name: replace(one, details=one.details | formats) for name, one in artefacts.items()}
