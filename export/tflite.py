"""`python -m export.tflite`: one `.tflite` with a signature per component, common weights stored once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor, nn

from export.checks.tflite_audit import SignatureAudit, audit
from export.half_weights import with_half_weights as with_half_kernels
from export.targets import Advance, BuildRequest, ComponentArtefact
from export.tflite_model import with_delegable_products, with_half_weights
from mobilevos.contract import Dimensions, Signature, TensorSpec, signature
from mobilevos.engines.native_stderr import capture_native_stderr
from mobilevos.errors import InputError
from mobilevos.toolkit_noise import import_litert_torch

__all__ = ["PROGRAM", "Options", "artefact_signature", "build", "convert", "described"]

PROGRAM = "mobilevos.tflite"


@dataclass(frozen=True)
class Options:
    """What TFLite alone offers.

    Attributes:
        nhwc: Images, masks, features and logits have their channels last at the boundary, as they have inside, so that
            no component begins or ends with a transpose.
    """

    nhwc: Annotated[
        bool, typer.Option("--nhwc", help="Channels last at the boundary, which saves the transposes there.")
    ] = False


def build(request: BuildRequest[Options], folder: Path, advance: Advance) -> dict[str, ComponentArtefact]:
    """See `export.targets.TargetModule`."""
    nhwc, half = request.options.nhwc, request.precision == "fp16"
    signatures = {name: artefact_signature(name, request.dimensions, nhwc=nhwc) for name in request.components}
    components: Mapping[str, nn.Module] = request.components
    if half:
        components = dict(with_half_kernels(nn.ModuleDict(components)).named_children())  # one copy, so still shared
    advance("converting the components")
    inputs = {name: request.inputs(name) for name in components}
    model = with_delegable_products(convert(components, inputs, signatures))
    advance("writing the program")
    if half:
        model = with_half_weights(model)
    (folder / PROGRAM).write_bytes(model)
    advance("checking where the operators land")
    formats = {"weights": "float16" if half else "float32", "activations": "float32"}
    return {name: described(signatures[name], one, nhwc=nhwc, formats=formats) for name, one in audit(model).items()}


def artefact_signature(component: str, dimensions: Dimensions, *, nhwc: bool) -> Signature:
    """A component's contract as the program's signature has it: the same names, channels last where asked for."""
    contract = signature(component, dimensions)
    if not nhwc:
        return contract
    return replace(
        contract,
        inputs=tuple(_channels_last(spec) for spec in contract.inputs),
        outputs=tuple(_channels_last(spec) for spec in contract.outputs),
    )


def _channels_last(spec: TensorSpec) -> TensorSpec:
    if spec.layout != "NCHW":
        return spec
    n, c, h, w = spec.shape
    return replace(spec, shape=(n, h, w, c), layout="NHWC")


def convert(
    components: Mapping[str, nn.Module],
    inputs: Mapping[str, tuple[Tensor, ...]],
    signatures: Mapping[str, Signature],
) -> bytes:
    """Converts components to one model.

    Args:
        components: By name, in evaluation mode. Weights that they share are stored once.
        inputs: Of each component, as the module takes them: channels first.
        signatures: Names and layouts that the model's signatures get.

    Raises:
        InputError: The converter cannot, with its reason.
    """
    litert_torch = import_litert_torch()
    litert_torch.progress.config.show_progress = False
    converter = litert_torch.Converter()
    try:
        with capture_native_stderr():
            for name, module in components.items():
                given = _named(inputs[name], signatures[name])
                converter.add_signature(name, _Boundary(module, signatures[name]).eval(), sample_kwargs=given)
            return bytes(converter.convert().model_content())
    except Exception as error:  # the converter's and MLIR's own have no common base
        raise InputError("TFLite's converter refuses the network", found=f"{error}"[:200]) from error


class _Boundary(nn.Module):
    """A component with named inputs and outputs, from which the converter takes the signature's names."""

    def __init__(self, module: nn.Module, own: Signature) -> None:
        super().__init__()
        last = [[i for i, spec in enumerate(side) if spec.layout == "NHWC"] for side in (own.inputs, own.outputs)]
        self._module = import_litert_torch().to_channel_last_io(module, args=last[0], outputs=last[1])
        self._own = own

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        outputs = self._module(*(inputs[spec.name] for spec in self._own.inputs))
        tensors = outputs if isinstance(outputs, tuple) else (outputs,)
        return {spec.name: tensor for spec, tensor in zip(self._own.outputs, tensors, strict=True)}


def _named(tensors: tuple[Tensor, ...], own: Signature) -> dict[str, Tensor]:
    """A component's inputs by name, in the layout of its signature."""
    pairs = zip(own.inputs, tensors, strict=True)
    return {
        spec.name: tensor.permute(0, 2, 3, 1).contiguous() if spec.layout == "NHWC" else tensor
        for spec, tensor in pairs
    }


def described(own: Signature, found: SignatureAudit, *, nhwc: bool, formats: Mapping[str, Any]) -> ComponentArtefact:
    """A component of the finished program.

    Args:
        own: Its signature there.
        found: What the audit found of it.
        nhwc: Whether its signature differs from the contract.
        formats: In which it holds weights and activations, and further facts for the manifest.
    """
    details = {**formats, "transposes": found.transposes, "tensor_types": found.tensor_types}
    return ComponentArtefact(
        PROGRAM,
        own.component,
        found.size_bytes,
        found.delegation,
        inputs=own.inputs if nhwc else None,
        outputs=own.outputs if nhwc else None,
        details=details,
    )


if __name__ == "__main__":
    from export.command import main

    sys.exit(main("tflite"))
