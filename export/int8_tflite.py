"""Int8 for TFLite: the float components converted, and quantized by ai-edge-quantizer as the specification says.

A quantized program of PyTorch's would keep float weights when it is converted, and emulate; see
`export.tflite_quantizing` for how the specification gets into the file, and `export.checks.tflite_integers`, which
reads it back from there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from export.checks.tflite_audit import audit
from export.checks.tflite_integers import IntegerAudit, audit_integers, check_integers
from export.quantization.operators import reference_operators
from export.targets import Advance, BuildRequest, ComponentArtefact
from export.tflite import PROGRAM, Options, artefact_signature, convert, described
from export.tflite_model import with_delegable_products
from export.tflite_quantizing import Kernel, quantize_model
from mobilevos.model.int8_weights import int8_kernel, kernel_scale
from mobilevos.quantization.program import QuantizedNetwork

__all__ = ["build_int8"]


def build_int8(
    request: BuildRequest[Options], quantized: QuantizedNetwork, folder: Path, advance: Advance
) -> dict[str, ComponentArtefact]:
    """Writes one `.tflite` with a signature per component; see `export.targets.TargetModule.build`.

    Its boundary is float32: what int8 layers take and give is converted inside.

    Args:
        request: What to build.
        quantized: For the request's dimensions.
        folder: The bundle to be.
        advance: Called three times.

    Raises:
        InputError: The converter, the quantizer or the check of what they made refuses a layer.
    """
    nhwc = request.options.nhwc
    signatures = {name: artefact_signature(name, request.dimensions, nhwc=nhwc) for name in request.components}
    advance("converting the components")
    components, kernels = _on_grid(request.components, quantized)
    inputs = {name: request.inputs(name) for name in components}
    model = with_delegable_products(convert(components, inputs, signatures))
    advance("quantizing the program")
    model = quantize_model(model, quantized, kernels)
    check_integers(model, quantized, kernels)
    (folder / PROGRAM).write_bytes(model)
    advance("checking where the operators land")
    integers = audit_integers(model)
    return {
        name: described(signatures[name], one, nhwc=nhwc, formats=_formats(integers[name]))
        for name, one in audit(model).items()
    }


def _formats(found: IntegerAudit) -> dict[str, Any]:
    """What a component holds and computes, for the manifest."""
    return {
        "weights": "int8, symmetric per channel",
        "activations": "int8, per tensor",
        "convolutions": found.convolutions,
        "integer_convolutions": found.integer_convolutions,
        "integer_operators": found.integer,
        "float_operators": found.in_float,
        "conversions": found.conversions,
    }


def _on_grid(
    components: Mapping[str, nn.Module], quantized: QuantizedNetwork
) -> tuple[dict[str, nn.Module], dict[str, Kernel]]:
    """A copy of components whose kernels are what 8 bits hold of them, in float32, and the kernels by layer.

    Layers that stay in float keep theirs.
    """
    operators = [one for name in quantized.programs for one in reference_operators(quantized, name)]
    integer = {one.output for one in operators if one.integer}
    rounded = copy.deepcopy(nn.ModuleDict(dict(components)))  # one copy, so that weights are still shared
    kernels = {}
    for name, module in rounded.named_modules():
        if isinstance(module, nn.Conv2d):
            layer = name.partition(".network.")[2]
            scale = kernel_scale(module.weight) if layer in integer else None
            if scale is not None:
                module.weight.data = int8_kernel(module.weight, scale) * scale.view(-1, 1, 1, 1)
            kernels[layer] = Kernel(module.weight.detach().numpy(), None if scale is None else scale.detach().numpy())
    return dict(rounded.named_children()), kernels
