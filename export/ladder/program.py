"""The first two rungs as traces: a component as PyTorch runs it, and its exported program, node by node."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import StackSummary
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.fx.proxy import TracerBase
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import mobilevos
from export.ladder.trace import INPUT, Trace, TraceRecorder, record_inputs
from mobilevos.engines.engine import Array

__all__ = ["export_program", "run_program", "source_of", "trace_eager", "trace_program"]

_FRAME = re.compile(r'File "(?P<path>[^"]+)", line (?P<line>\d+)')


def export_program(module: nn.Module, inputs: tuple[Tensor, ...], *, core: bool = True) -> ExportedProgram:
    """A component's program without operators in place, which is what the toolkits start from.

    Args:
        module: A component of the contract in evaluation mode, batch norm folded.
        inputs: Whose shapes become the program's.
        core: Whether it is decomposed into core ATen operators; otherwise they are those that the module calls.
    """
    with warnings.catch_warnings(), _frames_of_every_function():
        warnings.simplefilter("ignore")  # PyTorch's, about its own use of PyTorch
        exported = torch.export.export(module, inputs)
        program: ExportedProgram = exported.run_decompositions(None if core else {})
        return program


@contextmanager
def _frames_of_every_function() -> Iterator[None]:
    """Lets an operator's stack name the function that wrote it.

    PyTorch keeps the frames that are called `forward` alone: a function that a module calls would be hidden behind the
    line of the module.
    """

    def below_the_first_forward(tracer: TracerBase, stack: StackSummary) -> StackSummary:
        frames = [index for index, frame in enumerate(stack) if frame.name == "forward"]
        return StackSummary.from_list(stack[frames[0] :] if frames else [])

    kept = TracerBase._filter_traceback_frames
    TracerBase._filter_traceback_frames = below_the_first_forward  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        TracerBase._filter_traceback_frames = kept  # type: ignore[method-assign]


def run_program(program: ExportedProgram, inputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """An exported program's outputs, in the contract's order.

    Args:
        program: Of a component.
        inputs: In the contract's order.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return tuple(tensor.contiguous().numpy() for tensor in tree_leaves(program.module()(*inputs)))


def trace_program(program: ExportedProgram, inputs: tuple[Tensor, ...]) -> Trace:
    """Runs an exported program node by node.

    Args:
        program: Of a component.
        inputs: In the contract's order.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module = program.module()
        assert isinstance(module, fx.GraphModule)
        interpreter = _RecordingInterpreter(module)
        interpreter.run(*inputs)
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    return interpreter.recorder.trace([node.name for node in output.all_input_nodes])


class _RecordingInterpreter(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.recorder = TraceRecorder()

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.op == "placeholder":
            self.recorder.add(n.name, INPUT, (), value)
        elif n.op == "call_function":
            names = (node.name for node in n.all_input_nodes)
            self.recorder.add(n.name, str(n.target), names, value, source_of(n))
        return value


def source_of(node: fx.Node) -> str:
    """The module and the line of the network that made a node, e.g. `network.decoder.fuse, mobilevos/model/x.py:8`.

    Args:
        node: Of an exported program. The line is the innermost outside PyTorch: where a layer of it is called.
    """
    modules = list(node.meta.get("nn_module_stack", {}).values())
    module = modules[-1][0] if modules else ""
    frames = [match.groups() for match in _FRAME.finditer(node.meta.get("stack_trace") or "")]
    own = [(path, line) for path, line in frames if not Path(path).is_relative_to(_TORCH)]
    line = f"{_short(Path(own[-1][0]))}:{own[-1][1]}" if own else ""
    return ", ".join(part for part in (module, line) if part)


_TORCH = Path(torch.__file__).parent


def _short(path: Path) -> str:
    """A path from the folder of its package on: what is the same on every machine."""
    for root in (_TORCH.parent, Path(mobilevos.__file__).parents[1]):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name


def trace_eager(module: nn.Module, inputs: tuple[Tensor, ...]) -> Trace:
    """Runs a component in PyTorch and notes what each of its kernels gives.

    Args:
        module: A component of the contract, in evaluation mode.
        inputs: In the contract's order.
    """
    given = tuple(tensor.clone() for tensor in inputs)  # each an object of its own, to be told by
    mode = _RecordingMode(given)
    with torch.no_grad(), mode:
        outputs = module(*given)
    return mode.recorder.trace([mode.name_of(tensor) for tensor in tree_leaves(outputs)])


class _RecordingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that reaches PyTorch's dispatcher, and holds all tensors, so that each keeps its `id`."""

    def __init__(self, inputs: tuple[Tensor, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = TraceRecorder()
        self._tensors: list[Tensor] = list(inputs)
        self._names = {id(tensor): f"input_{index}" for index, tensor in enumerate(inputs)}
        record_inputs(self.recorder, self._names.values(), inputs)

    def name_of(self, tensor: Tensor) -> str:
        """Of the step that made a tensor last; empty for a constant."""
        return self._names.get(id(tensor), "")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        taken = [self.name_of(one) for one in tree_leaves((args, kwargs or {})) if isinstance(one, Tensor)]
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                name = f"{func.overloadpacket.__name__}_{len(self._tensors)}"
                self._tensors.append(tensor)
                self._names[id(tensor)] = name
                self.recorder.add(name, str(func), taken, tensor)
        return made
