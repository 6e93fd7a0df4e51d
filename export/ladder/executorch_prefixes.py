"""Bisecting an ExecuTorch program, whose delegate lets nothing be seen between its inputs and its outputs.

The exported program is cut after a node, and what comes before is lowered anew, as the export lowers a component, with
every tensor that the rest would need as an output. The first cut at which one of them is wrong ends with the culprit;
about log2(nodes) lowerings find it. They start from the network, so damage of the file is out of their reach: then the
whole program agrees, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import redirect_stderr
from io import StringIO

from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from export.ladder.bisection import Verdict
from export.ladder.matching import nearest_difference
from export.ladder.program import source_of
from export.ladder.trace import Trace
from export.lowering import lower
from export.parity import Difference, Gate
from mobilevos.engines.engine import Array

__all__ = ["LOWERED_AGAIN", "bisect_by_prefixes", "run_lowered"]

LOWERED_AGAIN = "lowered again from the network, it agrees: the bundle holds another program"
"""Of a component that goes wrong in the bundle alone."""

RunPrefix = Callable[[nn.Module, tuple[Tensor, ...]], Sequence[Tensor]]
"""Converts a module, runs it and gives its outputs."""


def run_lowered(module: nn.Module, inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
    """Lowers a module to XNNPACK and runs it once."""
    buffer = lower({"forward": module}, {"forward": inputs}).buffer
    from executorch.runtime import Runtime

    with redirect_stderr(StringIO()):  # the runtime's remarks on the processor
        outputs: Sequence[Tensor] = Runtime.get().load_program(buffer).load_method("forward").execute(inputs)
    return outputs


def bisect_by_prefixes(
    component: str,
    reference: Trace,
    program: ExportedProgram,
    inputs: tuple[Tensor, ...],
    gate: Gate,
    run: RunPrefix = run_lowered,
) -> Verdict:
    """Finds the first node of a program that, once converted, differs from the reference by more than the gate.

    Args:
        component: Of the contract, for the verdict.
        reference: What is right, on the same inputs.
        program: As it is lowered: `export_program` without core ATen operators.
        inputs: In the contract's order.
        gate: Of the precision in which the program is converted.
        run: How a prefix is converted and run.
    """
    prefixes = _Prefixes(reference, program, inputs, gate, run)
    good, bad = -1, len(prefixes.nodes) - 1
    if not prefixes.wrong(bad):
        return Verdict(component, remark=LOWERED_AGAIN)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if prefixes.wrong(middle) else (middle, bad)
    node = prefixes.nodes[bad]
    return Verdict(
        component,
        str(node.target),
        node.name,
        source_of(node),
        before=prefixes.worst(good, {one.name for one in node.all_input_nodes}) if good >= 0 else None,
        after=prefixes.worst(bad, {node.name}),
        remark="found by lowering the program's beginnings one by one",
    )


class _Prefixes:
    """The beginnings of a program, each by the index of the node that it ends with, and how far off each is."""

    def __init__(
        self, reference: Trace, program: ExportedProgram, inputs: tuple[Tensor, ...], gate: Gate, run: RunPrefix
    ) -> None:
        module = program.module()
        assert isinstance(module, fx.GraphModule)
        self._reference, self._module, self._inputs, self._gate, self._run = reference, module, inputs, gate, run
        self._known: dict[int, dict[str, Difference]] = {}
        self.nodes = [node for node in module.graph.nodes if node.op == "call_function" and _is_real(node)]

    def wrong(self, index: int) -> bool:
        """Whether a tensor that lives on after a node differs by more than the gate."""
        return not all(self._gate.passes(one) for one in self._differences(index).values())

    def worst(self, index: int, names: Collection[str]) -> Difference | None:
        """The worst of some tensors' differences, of those that live on after a node and have a counterpart."""
        differences = self._differences(index)
        known = [differences[name] for name in names if name in differences]
        return self._gate.worst(known) if known else None

    def _differences(self, index: int) -> dict[str, Difference]:
        if index not in self._known:
            live = self._live(index)
            outputs = self._run(self._cut(live), self._inputs)
            pairs = zip(live, outputs, strict=True)
            found = {node.name: _nearest(self._reference, output.float().numpy()) for node, output in pairs}
            self._known[index] = {name: one for name, one in found.items() if one is not None}
        return self._known[index]

    def _live(self, index: int) -> list[fx.Node]:
        """Tensors made up to a node that are an output or are used after it."""
        done = set(self.nodes[: index + 1])
        return [node for node in self.nodes[: index + 1] if any(user not in done for user in node.users)]

    def _cut(self, live: list[fx.Node]) -> nn.Module:
        """The program up to its last live tensor; the live tensors are its outputs."""
        graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
        for node in self._module.graph.nodes:
            if node.op != "call_module":  # the exporter's check of its own inputs
                copies[node] = graph.node_copy(node, copies.__getitem__)
            if node is live[-1]:
                break
        graph.output(tuple(copies[node] for node in live))
        graph.eliminate_dead_code()
        return fx.GraphModule(self._module, graph).eval()


def _is_real(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.is_floating_point()


def _nearest(reference: Trace, value: Array) -> Difference | None:
    """Its difference from whatever step of the reference it is nearest to."""
    differences = (nearest_difference(step.value, value) for step in reference.steps)
    return max((one for one in differences if one is not None), key=lambda one: one.sqnr_db, default=None)
