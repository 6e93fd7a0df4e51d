"""Naming the operator at which a graph leaves its reference.

Both graphs run on the same inputs with every value kept. A tensor of one agrees if the other holds it too (`matching`).
From an output that is wrong, the search goes back through the tensors that agree with none, up to operators all of
whose inputs agree: there the numbers part. It is done in both graphs, for each knows another half of the answer: the
converted graph its operator, the exported program the line of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from export.ladder.matching import counterparts, nearest_difference
from export.ladder.trace import Step, Trace
from export.parity import Difference, Gate

__all__ = ["FUSIONS", "Verdict", "bisect"]

FUSIONS = "with every value kept, its graph agrees: what the runtime makes of the graph as a whole does not"
"""Of a component whose graph is right when it is run step by step."""


@dataclass(frozen=True)
class Verdict:
    """Where a component goes wrong.

    Attributes:
        component: Of the contract.
        operator: The first that differs by more than the gate, in the words of its format; empty if it is none.
        tensor: What that operator makes, as its graph calls it.
        source: The module and the line of the network that it comes from.
        before: The operator's inputs against the reference, the worst of them; None where it takes none that has a
            counterpart.
        after: Its output against the reference's; None if the reference has no tensor of that size there.
        remark: What else there is to say; where no operator is named, why.
    """

    component: str
    operator: str = ""
    tensor: str = ""
    source: str = ""
    before: Difference | None = None
    after: Difference | None = None
    remark: str = ""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        ends = {"before": self.before, "after": self.after}
        return asdict(self) | {name: None if one is None else one.to_json() for name, one in ends.items()}


def bisect(component: str, reference: Trace, subject: Trace, gate: Gate) -> Verdict:
    """Finds the first operator of a graph whose output differs from the reference's by more than the gate.

    A converter's own padding before an operator counts as part of it. Of an operator that a converter took apart, the
    first part is named: the parts have no counterparts, so that nothing tells them apart.

    Args:
        component: Of the contract, for the verdict.
        reference: What is right.
        subject: What is wrong, on the same inputs, with the same outputs in the same order.
        gate: Of the subject's precision.
    """
    wrong = [
        (right, own)
        for right, own in zip(reference.outputs, subject.outputs, strict=True)
        if not _same(reference.step(right), subject.step(own), gate)
    ]
    if not wrong:
        return Verdict(component, remark=FUSIONS)
    agreeing = counterparts(reference, subject, gate)
    found = frozenset[str]().union(*agreeing.values())
    lost = _lost(reference, found, [right for right, _ in wrong])
    strays = _lost(subject, [name for name, others in agreeing.items() if others], [own for _, own in wrong])
    origin, entry = _pair(_entries(lost), _entries(strays), agreeing)
    named = _comparable(strays, entry, origin)
    return Verdict(
        component,
        named.operator,
        named.name,
        origin.source or named.source,
        before=_before(reference, subject, entry, agreeing, gate),
        after=_after(reference, origin, named),
    )


def _same(reference: Step, subject: Step, gate: Gate) -> bool:
    difference = nearest_difference(reference.value, subject.value)
    return difference is not None and gate.passes(difference)


def _lost(trace: Trace, agreeing: Collection[str], outputs: Collection[str]) -> list[Step]:
    """Steps that a wrong output depends on through nothing but steps that do not agree, in the trace's order."""
    reached = set(outputs)
    for step in reversed(trace.steps):
        if step.name in reached:
            reached.update(name for name in step.inputs if name not in agreeing)
    return [step for step in trace.steps if step.name in reached]


def _entries(lost: list[Step]) -> list[Step]:
    """Those among them all of whose inputs agree."""
    names = {step.name for step in lost}
    return [step for step in lost if names.isdisjoint(step.inputs)]


def _pair(lost: list[Step], strays: list[Step], agreeing: Mapping[str, frozenset[str]]) -> tuple[Step, Step]:
    """The first place where both graphs part from what agrees: one step of each that take the same tensor.

    Either graph may have further entries where the other fused something away, which lead nowhere.
    """
    for origin in lost:
        for entry in strays:
            if any(not agreeing[name].isdisjoint(origin.inputs) for name in entry.inputs):
                return origin, entry
    return lost[0], strays[0]


def _comparable(strays: list[Step], entry: Step, origin: Step) -> Step:
    """The first step from the entry on that makes as many values as its origin in the reference."""
    reached = {entry.name}
    for step in strays:
        if step is entry or not reached.isdisjoint(step.inputs):
            reached.add(step.name)
            if step.value.size == origin.value.size:
                return step
    return entry


def _before(
    reference: Trace, subject: Trace, entry: Step, agreeing: Mapping[str, frozenset[str]], gate: Gate
) -> Difference | None:
    inputs = [subject.step(name) for name in entry.inputs]
    pairs = [(reference.step(min(agreeing[one.name])), one) for one in inputs if agreeing[one.name]]
    differences = [nearest_difference(right.value, own.value) for right, own in pairs]
    return gate.worst(one for one in differences if one is not None) if pairs else None


def _after(reference: Trace, origin: Step, named: Step) -> Difference | None:
    """Against the origin or what follows it directly, for an activation may be part of the operator: the nearer."""
    differences = [nearest_difference(step.value, named.value) for step in _with_consumers(reference, origin)]
    known = [one for one in differences if one is not None]
    return max(known, key=lambda one: one.sqnr_db) if known else None


def _with_consumers(trace: Trace, origin: Step) -> Iterator[Step]:
    yield origin
    yield from (step for step in trace.steps if origin.name in step.inputs)
