"""Walking an exported program with the operator rules, before anything is converted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from export.checks.rules import ACCELERATORS, RULES, Rule, Severity
from export.ladder.program import export_program, source_of

__all__ = ["Finding", "check_components", "check_program", "find"]


@dataclass(frozen=True)
class Finding:
    """Operators of a component that a rule warns of.

    Attributes:
        accelerator: That does them badly.
        component: Of the contract.
        operator: In core ATen, e.g. `aten.topk.default`.
        count: How often, at this place of the source.
        severity: What happens.
        source: Module and line of the network that made it.
        rule: Name of the rule.
        reason: Why.
        rewrite: What works instead.
        reference: Where the rule comes from.
    """

    accelerator: str
    component: str
    operator: str
    count: int
    severity: Severity
    source: str
    rule: str
    reason: str
    rewrite: str
    reference: str

    def to_json(self) -> dict[str, Any]:
        """For reports of other programs."""
        return asdict(self)


def check_components(
    components: Mapping[str, nn.Module], inputs: Mapping[str, tuple[Tensor, ...]], targets: Iterable[str]
) -> list[Finding]:
    """Exports components and walks them with the rules of some targets.

    Args:
        components: By name, in evaluation mode.
        inputs: Of each component; their shapes become the program's.
        targets: Of `ACCELERATORS`.
    """
    accelerators = [name for target in targets for name in ACCELERATORS[target]]
    programs = {name: export_program(module, inputs[name]) for name, module in components.items()}
    return [
        finding
        for accelerator in accelerators
        for name, program in programs.items()
        for finding in check_program(program, accelerator, name)
    ]


def check_program(program: ExportedProgram, accelerator: str, component: str = "") -> list[Finding]:
    """What one accelerator will do badly in a program, in the program's order.

    Args:
        program: In core ATen operators.
        accelerator: Of `ACCELERATORS`.
        component: The program's name, for the findings.
    """
    _note_constants(program)
    rules = [rule for rule in RULES if accelerator in rule.accelerators]
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    hits = [(rule, str(node.target), source_of(node)) for node in nodes for rule in rules if find(rule, node)]
    return [_finding(*hit, hits.count(hit), accelerator, component) for hit in dict.fromkeys(hits)]


def find(rule: Rule, node: fx.Node) -> bool:
    """Whether a rule applies to a node."""
    return (not rule.operators or str(node.target) in rule.operators) and rule.condition(node)


def _finding(rule: Rule, operator: str, source: str, count: int, accelerator: str, component: str) -> Finding:
    return Finding(
        accelerator,
        component,
        operator,
        count,
        rule.severity,
        source,
        rule.name,
        rule.reason,
        rule.rewrite,
        rule.source,
    )


def _note_constants(program: ExportedProgram) -> None:
    """Leaves each constant tensor with the node that stands for it, for the conditions to look at."""
    signature = program.graph_signature
    names = {**signature.inputs_to_lifted_tensor_constants, **signature.inputs_to_buffers}
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in names:
            value = program.constants.get(names[node.name], program.state_dict.get(names[node.name]))
            if isinstance(value, torch.Tensor):
                node.meta["constant"] = value
