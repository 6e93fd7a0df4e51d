"""The formats a student can be exported to: the one table that the command line, the pipeline and the tests read.

A target is a row of `TARGETS` and a module `export.<name>` with two names in it: `Options`, a frozen dataclass of what
the command line offers for this target alone, and `build`, which turns the contract's components into files. The rest
is the same for all and stands in `export.pipeline`: checks, manifest, parity, timing, and a folder that is whole or
absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from export.activations import Activations
from export.operators import OperatorReport
from mobilevos.contract import Dimensions, TensorSpec
from mobilevos.errors import InputError

if TYPE_CHECKING:
    from mobilevos.quantization.program import QuantizedNetwork

__all__ = [
    "TARGETS",
    "Advance",
    "BuildRequest",
    "ComponentArtefact",
    "Int8Module",
    "NoOptions",
    "Target",
    "TargetModule",
]

Advance = Callable[[str], None]
"""Called with a description when a stage of the work begins."""


@dataclass(frozen=True)
class NoOptions:
    """The options of a target that has none of its own."""


OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True)
class BuildRequest(Generic[OptionsT]):
    """What a target is asked to build.

    Attributes:
        components: The contract's modules by name, in its order, in evaluation mode, batch norm folded, in float32.
            They share their weights.
        dimensions: Fix every shape.
        precision: `fp32`, `fp16` or `int8`; one of the target's own.
        activations: Inputs and reference outputs of each component on a clip: to trace with, and to judge ranges by.
        options: What the target's own options say.
    """

    components: Mapping[str, nn.Module]
    dimensions: Dimensions
    precision: str
    activations: Activations
    options: OptionsT

    def inputs(self, component: str) -> tuple[Tensor, ...]:
        """Real inputs of a component, in the contract's order, float32 and in C order."""
        arrays = self.activations[component][0]
        # Copied: numpy leaves stride 0 in dimensions of size 1, which PyTorch calls contiguous and ExecuTorch refuses.
        return tuple(torch.from_numpy(array).clone(memory_format=torch.contiguous_format) for array in arrays)


@dataclass(frozen=True)
class ComponentArtefact:
    """One component as files of the bundle.

    Attributes:
        path: What the runtime opens: a file, or a folder such as an `.mlpackage`, as a posix path inside the bundle.
            Several components may share it.
        method: The component's name inside: an ExecuTorch method, a TFLite signature, a Core ML function.
        size_bytes: Of this component alone, weights included, whatever it shares with others.
        operators: Where its operators landed.
        inputs: The artefact's own input tensors in the contract's order, where they differ from the contract in name,
            layout or dtype. None: they are the contract's.
        outputs: The same for its outputs.
        dynamic_objects: Whether the object dimension is free, so that any number is taken in one call.
        varying: Files, as paths inside the bundle, whose bytes are not the same after every export of the same thing.
        not_executed: Why no runtime of this host can run it; empty if one can. Its numbers are not judged then.
        details: Further facts for the manifest, e.g. the opset or the compute units; must be JSON. A `backend` in it
            is the accelerator, where that is not the target's usual one.
    """

    path: str
    method: str
    size_bytes: int
    operators: OperatorReport
    inputs: tuple[TensorSpec, ...] | None = None
    outputs: tuple[TensorSpec, ...] | None = None
    dynamic_objects: bool = False
    varying: tuple[str, ...] = ()
    not_executed: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class TargetModule(Protocol):
    """What `export.<name>` holds. The toolkit is imported inside `build`, so that the module loads without it."""

    Options: type[Any]
    """Frozen dataclass; each field has a default and is `Annotated[type, typer.Option(...)]`."""

    def build(self, request: BuildRequest[Any], folder: Path, advance: Advance) -> dict[str, ComponentArtefact]:
        """Writes the artefacts of every component into `folder`.

        Args:
            request: What to build.
            folder: An empty folder, the bundle to be.
            advance: To be called `Target.stages` times.

        Returns:
            Each component of the contract, by name.

        Raises:
            InputError: The toolkit cannot build what was asked for, with its reason.
        """


class Int8Module(Protocol):
    """What `export.int8_<name>` holds, for a target that offers int8."""

    def build_int8(
        self, request: BuildRequest[Any], quantized: QuantizedNetwork | None, folder: Path, advance: Advance
    ) -> dict[str, ComponentArtefact]:
        """As `TargetModule.build`, of a network whose ranges are known.

        Args:
            request: What to build; its components are in float.
            quantized: For the request's dimensions; None where the options leave activations in float.
            folder: An empty folder, the bundle to be.
            advance: To be called `Target.stages` times.

        Raises:
            InputError: The toolkit cannot quantize what was asked for, with the layer.
        """


@dataclass(frozen=True)
class Target:
    """A format and the toolkit that writes it.

    Attributes:
        name: Of the bundle's `target`, of the command `python -m export.<name>` and of the module behind it.
        title: For people.
        accelerator: What takes the operators that the report counts as delegated.
        engine: Name of the engine in `mobilevos.engines` that runs its bundles here.
        precisions: Arithmetic that it offers.
        stages: Calls of `advance` in its `build`.
        packages: What the toolkit imports as, each with the name under which pip knows it: the manifest holds their
            versions.
        extra: Of `pip install 'mobilevos[extra]'`, which brings the packages; empty if there are none.
    """

    name: str
    title: str
    accelerator: str
    engine: str
    precisions: tuple[str, ...]
    stages: int
    packages: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed, by pip's names."""
        return tuple(pip for package, pip in self.packages.items() if find_spec(package) is None)

    def require_toolkit(self) -> None:
        """Checks that the toolkit is there.

        Raises:
            InputError: Naming the extra that brings what is missing.
        """
        if self.missing:
            raise InputError(
                f"{self.title} is not installed",
                found=f"no {', '.join(self.missing)}",
                remedy=f"pip install 'mobilevos[{self.extra}]'",
            )

    def load(self) -> TargetModule:
        """The module behind it."""
        return cast(TargetModule, import_module(f"export.{self.name}"))

    def load_int8(self) -> Int8Module:
        """The module behind its int8."""
        return cast(Int8Module, import_module(f"export.int8_{self.name}"))


_ALL = (
    Target(
        name="executorch",
        title="ExecuTorch",
        accelerator="XNNPACK",
        engine="executorch",
        precisions=("fp32", "fp16", "int8"),
        stages=3,
        packages={"executorch": "executorch"},
        extra="executorch",
    ),
    Target(
        name="coreml",
        title="Core ML",
        accelerator="Core ML, which places them itself",
        engine="coreml",
        precisions=("fp32", "fp16", "int8"),
        stages=6,
        packages={"coremltools": "coremltools"},
        extra="coreml",
    ),
    Target(
        name="tflite",
        title="TFLite",
        accelerator="XNNPACK",
        engine="litert",
        precisions=("fp32", "fp16", "int8"),
        stages=3,
        packages={
            "litert_torch": "litert-torch",
            "ai_edge_litert": "ai-edge-litert",
            "ai_edge_quantizer": "ai-edge-quantizer",
        },
        extra="tflite",
    ),
    Target(
        name="onnx",
        title="ONNX",
        accelerator="ONNX Runtime's CPU provider",
        engine="onnx",
        precisions=("fp32", "fp16", "int8"),
        stages=5,
        packages={"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"},
        extra="onnx",
    ),
    Target(
        name="torchscript",
        title="TorchScript",
        accelerator="PyTorch's CPU kernels",
        engine="torchscript",
        precisions=("fp32", "fp16"),
        stages=5,
    ),
)

TARGETS: dict[str, Target] = {target.name: target for target in _ALL}
"""Every format, by name."""
