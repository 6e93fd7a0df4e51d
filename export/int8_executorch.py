"""Int8 for XNNPACK: the quantized programs of a network, lowered as those of other precisions are."""

from __future__ import annotations

from pathlib import Path

from torch import fx

from export.executorch import PROGRAM, Options
from export.executorch_backends import BackendName
from export.lowering import lower
from export.targets import Advance, BuildRequest, ComponentArtefact
from mobilevos.errors import InputError
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.sites import operator_of
from mobilevos.toolkit_noise import copy_graph

__all__ = ["build_int8", "with_own_conversions"]


def build_int8(
    request: BuildRequest[Options], quantized: QuantizedNetwork, folder: Path, advance: Advance
) -> dict[str, ComponentArtefact]:
    """Writes the quantized programs as one `.pte`; see `export.targets.TargetModule.build`.

    XNNPACK recognises a quantized operator by the conversions around it, and computes it in integers.

    Args:
        request: What to build; its own components are not used.
        quantized: For the request's dimensions.
        folder: The bundle to be.
        advance: Called three times.

    Raises:
        InputError: Another backend than XNNPACK is asked for: how it runs these graphs was not looked at.
    """
    if (backend := BackendName(request.options.backend)) is not BackendName.XNNPACK:
        raise InputError(f"--backend {backend} with --precision int8", remedy="leave out one of them")
    inputs = {name: request.inputs(name) for name in quantized.programs}
    programs = {name: with_own_conversions(one) for name, one in quantized.programs.items()}
    program = lower(programs, inputs, advance)
    (folder / PROGRAM).write_bytes(program.buffer)
    return {
        name: ComponentArtefact(
            PROGRAM,
            name,
            program.method_bytes[name],
            program.operators[name],
            details={"weights": "int8, symmetric per channel", "activations": "int8, per tensor"},
        )
        for name in quantized.programs
    }


def with_own_conversions(program: fx.GraphModule) -> fx.GraphModule:
    """A quantized program in which no two operators read the same conversion to float.

    ExecuTorch's layout pass exchanges a conversion for all that read it when one of them needs another layout, without
    looking at the others: in `segment`, the key is an output and is read by the memory read, which then computed with
    frame rows for channels.

    Args:
        program: Left as it is.
    """
    changed = copy_graph(program)
    for node in list(changed.graph.nodes):
        if operator_of(node) == "dequantize_per_tensor":
            for user in list(node.users)[1:]:
                with changed.graph.inserting_after(node):
                    user.replace_input_with(node, changed.graph.node_copy(node))
    changed.recompile()
    return changed
