"""`python -m export.executorch`: one `.pte` with a method per component, for XNNPACK, Core ML or Vulkan."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from export.executorch_backends import BACKENDS, BackendName
from export.half_precision import in_precision
from export.lowering import lower
from export.targets import Advance, BuildRequest, ComponentArtefact

__all__ = ["PROGRAM", "Options", "build"]

PROGRAM = "mobilevos.pte"


@dataclass(frozen=True)
class Options:
    """What ExecuTorch alone offers.

    Attributes:
        backend: What the operators are delegated to. Programs for others than XNNPACK are not executed here.
    """

    backend: Annotated[
        BackendName,
        typer.Option(help="The delegate. For coreml and vulkan nothing is executed here."),
    ] = BackendName.XNNPACK


def build(request: BuildRequest[Options], folder: Path, advance: Advance) -> dict[str, ComponentArtefact]:
    """See `export.targets.TargetModule`. What two methods share is stored once.

    XNNPACK takes no conversion between float32 and float16: in `fp16` each input and output costs one operator beside
    it, and the trunk's stem, which stays in float32, one more and a second call. The others convert inside.
    """
    name = BackendName(request.options.backend)
    backend = BACKENDS[name]
    components = dict(request.components) if backend.casts else in_precision(request.components, request.precision)
    inputs = {component: request.inputs(component) for component in components}
    program = lower(components, inputs, advance, name, request.precision)
    (folder / PROGRAM).write_bytes(program.buffer)
    return {
        component: ComponentArtefact(
            PROGRAM,
            component,
            program.method_bytes[component],
            program.operators[component],
            not_executed=backend.not_executed,
            details={"backend": backend.title},
        )
        for component in components
    }


if __name__ == "__main__":
    from export.command import main

    sys.exit(main("executorch"))
