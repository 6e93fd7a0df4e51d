"""`python -m export.coreml`: an `.mlpackage` for each component, or one for iOS 18 with a function for each.

With `--state` that one package has a sixth function, `segment_stateful`, which keeps the memory bank in Core ML's own
state (`MLState`): `mobilevos.contract` says what it takes, `export.coreml_state` how it is made. It both writes and
reads the bank. A function that writes beside one that reads would be simpler, but whether a state that one function
wrote may be handed to another is for Apple's runtime to say, which only a Mac has.

A fresh state is all zeros, which are not the rows of an empty bank: so the state also keeps which slots were written,
and the function itself makes the others empty. And a state holds float16 alone: with `--precision fp32` there is none,
since the bank would be rounded in it.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import nn

from export.coreml_package import normalise_package
from export.coreml_precision import computes_in_half
from export.coreml_state import StatefulSegment, check_stateful, stateful_inputs
from export.half_weights import with_half_weights
from export.operators import OperatorReport
from export.targets import Advance, BuildRequest, ComponentArtefact
from mobilevos.contract import STATEFUL_STEP, Dimensions, Signature, TensorSpec, signature
from mobilevos.engines.mil import read_functions
from mobilevos.engines.mil.toolkit import import_coremltools
from mobilevos.errors import InputError

__all__ = [
    "MULTIFUNCTION",
    "DeploymentTarget",
    "Options",
    "build",
    "compute_units",
    "image_signature",
    "write_packages",
]

Compress = Callable[[Any], Any]
"""From one `coremltools.models.MLModel` to another."""

MULTIFUNCTION = "mobilevos.mlpackage"
"""The one package for iOS 18."""

_FUNCTION = "main"
"""Core ML Tools' name for the function of a package that holds one."""


class DeploymentTarget(StrEnum):
    """The oldest system that can run the programs."""

    IOS17 = "iOS17"
    IOS18 = "iOS18"


@dataclass(frozen=True)
class Options:
    """What Core ML alone offers.

    Attributes:
        deployment_target: The oldest system. From iOS 18 on, one package holds a function for each component, and
            weights that components share are stored once.
        image_input: Frames are given as 8-bit RGB images (a `CVPixelBuffer` on the phone), not as float32 arrays.
        weights_only: Of int8: kernels are stored in 8 bits, and all is computed in floating point.
        state: One function more, whose memory bank is a state of the program. It takes iOS 18.

    Raises:
        InputError: `state` for an older system.
    """

    deployment_target: Annotated[
        DeploymentTarget, typer.Option(help="The oldest system; from iOS18 on one package with several functions.")
    ] = DeploymentTarget.IOS17
    image_input: Annotated[
        bool, typer.Option("--image-input", help="Take frames as 8-bit RGB images, not as float32 arrays.")
    ] = False
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="With --precision int8: only weights in 8 bits, float arithmetic.")
    ] = False
    state: Annotated[
        bool, typer.Option("--state", help="From iOS18 on: also a fused step that keeps the memory bank as its state.")
    ] = False

    def __post_init__(self) -> None:
        if self.state and self.deployment_target is not DeploymentTarget.IOS18:
            raise InputError(
                f"{self.deployment_target.value} has no state for a program",
                expected=f"{DeploymentTarget.IOS18.value} for --state",
                remedy=f"pass --deployment-target {DeploymentTarget.IOS18.value}",
            )


def build(request: BuildRequest[Options], folder: Path, advance: Advance) -> dict[str, ComponentArtefact]:
    """See `export.targets.TargetModule`.

    Raises:
        InputError: `weights_only`, which is of int8.
    """
    if request.options.weights_only:
        raise InputError(f"--weights-only with --precision {request.precision}", remedy="pass --precision int8")
    half = request.precision == "fp16"
    modules = {name: with_half_weights(one) if half else one for name, one in request.components.items()}
    return write_packages(request, modules, folder, advance)


def write_packages(
    request: BuildRequest[Options],
    modules: Mapping[str, nn.Module],
    folder: Path,
    advance: Advance,
    compress: Compress | None = None,
) -> dict[str, ComponentArtefact]:
    """Converts modules and writes them as the options say.

    Args:
        request: What to build; its own components are not used. Of `fp32` and `int8`, what is float is float32.
        modules: What computes each component. Of what computes `segment` the stateful step is made, where the options
            ask for it.
        folder: The bundle to be.
        advance: Called once for each module and once more.
        compress: Changes how a converted program stores its weights.

    Raises:
        InputError: Core ML Tools cannot convert a component, or the precision takes no state.
    """
    if request.options.state:
        check_stateful(request)
    multifunction = request.options.deployment_target is DeploymentTarget.IOS18
    with tempfile.TemporaryDirectory() as scratch:
        parts = Path(scratch) if multifunction else folder
        packages = {}
        for name, module in modules.items():
            advance(f"converting {name}")
            packages[name] = _convert(request, name, module, parts / f"{name}.mlpackage", compress)
        if request.options.state:
            name, module = STATEFUL_STEP, StatefulSegment(modules["segment"], request.dimensions)
            packages[name] = _convert(request, name, module, parts / f"{name}.mlpackage", compress)
        advance("writing the packages")
        artefacts = {name: _artefact(request, name, package) for name, package in packages.items()}
        if multifunction:
            _merge(packages, folder / MULTIFUNCTION)
            return {name: replace(one, path=MULTIFUNCTION, method=name) for name, one in artefacts.items()}
    return artefacts


def compute_units(component: str, precision: str) -> str:
    """The compute units to load a component with, in the words of `MLComputeUnits`.

    The Neural Engine computes in float16 alone, so a float32 program would only be tried on it in vain. The read has
    the largest tensors and no weights, and which unit is best for it depends on the chip: Core ML may choose. A rule,
    not a measurement: none was made on a device.
    """
    if precision == "fp32":
        return "cpuAndGPU"
    return "all" if component == "read_memory" else "cpuAndNeuralEngine"


def image_signature(component: str, dimensions: Dimensions) -> Signature:
    """The contract of a component whose frame is an 8-bit RGB image."""
    contract = signature(component, dimensions)
    return replace(contract, inputs=tuple(_as_image(spec) for spec in contract.inputs))


def _as_image(spec: TensorSpec) -> TensorSpec:
    return replace(spec, layout="RGB image", dtype="uint8") if spec.name == "image" else spec


def _convert(
    request: BuildRequest[Options], component: str, module: nn.Module, path: Path, compress: Compress | None
) -> Path:
    """Converts and saves one component."""
    ct = import_coremltools()
    half = request.precision == "fp16"
    contract = signature(component, request.dimensions)
    with _converting(component):
        stateful = component == STATEFUL_STEP
        given = stateful_inputs(request.activations, request.dimensions) if stateful else request.inputs(component)
        program = torch.export.export(module, given)
        model = ct.convert(
            program.run_decompositions({}),
            inputs=[_input(ct, spec, image=request.options.image_input) for spec in contract.inputs],
            outputs=[ct.TensorType(name=spec.name, dtype=np.float32) for spec in contract.outputs],
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, request.options.deployment_target.value),
            compute_precision=ct.transform.FP16ComputePrecision(computes_in_half) if half else ct.precision.FLOAT32,
            skip_model_load=True,
        )
        (compress(model) if compress else model).save(str(path))
    normalise_package(path)
    return path


def _input(ct: Any, spec: TensorSpec, *, image: bool) -> Any:
    if image and spec.name == "image":
        return ct.ImageType(name=spec.name, shape=spec.shape, scale=1 / 255, color_layout=ct.colorlayout.RGB)
    return ct.TensorType(name=spec.name, shape=spec.shape, dtype=np.float32)


def _merge(packages: dict[str, Path], path: Path) -> None:
    """Packages of one function each to one of several, which shares weights that are equal."""
    ct = import_coremltools()
    with _converting("the multifunction package"):
        descriptor = ct.utils.MultiFunctionDescriptor()
        for name, package in packages.items():
            descriptor.add_function(str(package), src_function_name=_FUNCTION, target_function_name=name)
        descriptor.default_function_name = "segment"
        ct.utils.save_multifunction(descriptor, str(path))
    normalise_package(path)


def _artefact(request: BuildRequest[Options], component: str, package: Path) -> ComponentArtefact:
    function = read_functions(package)[_FUNCTION]
    plumbing = sum(operation.operator == "cast" for operation in function.operations)
    own = image_signature(component, request.dimensions) if request.options.image_input else None
    return ComponentArtefact(
        path=package.name,
        method=_FUNCTION,
        size_bytes=sum(file.stat().st_size for file in package.rglob("*") if file.is_file()),
        operators=OperatorReport(len(function.operations) - plumbing, 1, plumbing, (), placed=False),
        inputs=own.inputs if own else None,
        details={
            "compute_units": compute_units(component, request.precision),
            "deployment_target": request.options.deployment_target.value,
            "dtypes": dict(Counter(str(one.output.dtype).removeprefix("torch.") for one in function.operations)),
            "placement": "decided by Core ML on the device; not known here",
        },
    )


@contextmanager
def _converting(what: str) -> Iterator[None]:
    """Keeps progress bars and warnings of the toolkit off the screen, and makes its errors one line."""
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # converters raise what their own statements happen to raise
        found = f"{type(error).__name__}: {error}"
        raise InputError(f"Core ML Tools cannot convert {what}", found=found[:300]) from error


if __name__ == "__main__":
    from export.command import main

    sys.exit(main("coreml"))
