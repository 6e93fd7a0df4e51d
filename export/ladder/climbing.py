"""Climbing the ladder: running every rung on real activations, and bisecting the first that fails."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from export.activations import record_activations
from export.half_precision import in_precision
from export.ladder.bisection import Verdict, bisect
from export.ladder.converted import TRACEABLE, trace_converted
from export.ladder.program import export_program, run_program, trace_eager, trace_program
from export.ladder.rungs import Ladder, Rung
from export.ladder.trace import Trace
from export.measurement import call_component
from export.parity import GATES, Difference, compare, gate_of
from export.quantization.section import INT8
from export.targets import TARGETS, Advance
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.engines import engine_class
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork

__all__ = ["NOT_WATCHED", "STAGES", "climb"]

STAGES = 2 * len(COMPONENTS) + 1
"""Calls of `advance` in `climb` where every rung passes. Each component that is bisected is one more."""


NOT_WATCHED = "not bisected: the bundle comes from elsewhere, and its operators can be watched in this process alone"
"""Of a component of a stranger's bundle, whose graph no toolkit is given here."""


def climb(
    bundle: Bundle, network: MemoryNetwork, advance: Advance = lambda stage: None, *, isolated: bool = False
) -> Ladder:
    """Compares every rung with the reference on real activations, and bisects the first that fails.

    Args:
        bundle: Opened, made of this network.
        network: The reference.
        advance: Called with a description when a stage begins; see `STAGES`.
        isolated: Whether the bundle is a stranger's: it runs in a process of its own, and is not bisected.

    Raises:
        InputError: The target's toolkit is missing, the bundle does not fit its engine or the network, or is in int8.
    """
    _check(bundle, network)
    if bundle.precision == INT8:
        raise InputError(
            f"{bundle.folder} computes in int8, and the ladder's rungs in float",
            remedy="`python -m export.quantization report` shows each of its layers beside the int8 reference",
        )
    climber = _Climber(bundle, network, advance, isolated=isolated)
    program = Rung("exported program", "torch.export in core ATen operators, in PyTorch", "fp32", climber.programs())
    converted = climber.converted()
    rungs = (
        Rung("eager", "the network in PyTorch", "fp32"),
        program,
        converted,
        Rung("device", "the bundle on a phone", bundle.precision, executed=False),
    )
    verdicts: tuple[Verdict, ...] = ()
    if program.failed:
        verdicts = tuple(climber.bisect_program(component) for component in program.failed)
    elif converted.failed:
        verdicts = tuple(climber.bisect_converted(component) for component in converted.failed)
    return Ladder(str(bundle.folder), bundle.target, rungs, verdicts)


def _check(bundle: Bundle, network: MemoryNetwork) -> None:
    TARGETS[bundle.target].require_toolkit()
    d = bundle.dimensions
    if network.dimensions(d.height, d.width, d.memory_frames, d.objects) != d:
        raise InputError(f"{bundle.folder} was made of another network", found=network.config.name)


class _Climber:
    """What the rungs share: the reference's activations, and the components that were exported."""

    def __init__(self, bundle: Bundle, network: MemoryNetwork, advance: Advance, *, isolated: bool) -> None:
        self._bundle, self._network, self._advance, self._isolated = bundle, network, advance, isolated
        advance("recording activations")
        folded = fold_batch_norm(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._components = build_components(folded)
        self._activations = record_activations(EagerEngine(network), bundle.dimensions)
        self._programs: dict[str, ExportedProgram] = {}

    def programs(self) -> dict[str, Difference]:
        """Each component's exported program against the reference."""
        return {name: self._program(name) for name in self._components}

    def _program(self, component: str) -> Difference:
        self._advance(f"running the exported program of {component}")
        inputs = self._inputs(component)
        self._programs[component] = export_program(self._components[component], inputs)
        return self._difference(component, run_program(self._programs[component], inputs), "fp32")

    def converted(self) -> Rung:
        """The bundle against the reference."""
        bundle, name = self._bundle, "converted graph"
        if reason := bundle.not_executed:
            return Rung(name, reason, bundle.precision, executed=False)
        engine = engine_class(TARGETS[bundle.target].engine)(bundle, isolated=self._isolated)
        differences = {}
        for component in self._components:
            self._advance(f"running the converted graph of {component}")
            outputs = call_component(engine, component, self._activations)
            differences[component] = self._difference(component, outputs, bundle.precision)
        evaluator = engine.describe().get("evaluated", f"the bundle in {engine.runtime.title}")
        return Rung(name, str(evaluator), bundle.precision, differences, least_sqnr_db=bundle.least_sqnr_db)

    def bisect_program(self, component: str) -> Verdict:
        """PyTorch's own kernels against the nodes of the exported program."""
        self._advance(f"bisecting the exported program of {component}")
        eager = trace_eager(build_components(self._network)[component], self._inputs(component))
        return bisect(component, eager, self._trace(component), GATES["fp32"])

    def bisect_converted(self, component: str) -> Verdict:
        """The nodes of the exported program against the converted graph."""
        if self._isolated:
            return Verdict(component, remark=NOT_WATCHED)
        self._advance(f"bisecting the converted graph of {component}")
        reference, gate = self._trace(component), gate_of(self._bundle.precision, self._bundle.least_sqnr_db)
        if self._bundle.target in TRACEABLE:
            subject = trace_converted(self._bundle, component, self._activations[component][0])
            return bisect(component, reference, subject, gate)
        from export.ladder.executorch_prefixes import bisect_by_prefixes

        module = in_precision({component: self._components[component]}, self._bundle.precision)[component]
        inputs = self._inputs(component)
        return bisect_by_prefixes(component, reference, export_program(module, inputs, core=False), inputs, gate)

    def _trace(self, component: str) -> Trace:
        """Of the exported program; made when it is wanted, for it holds every activation."""
        return trace_program(self._programs[component], self._inputs(component))

    def _inputs(self, component: str) -> tuple[Tensor, ...]:
        arrays = self._activations[component][0]
        return tuple(torch.from_numpy(array).clone(memory_format=torch.contiguous_format) for array in arrays)

    def _difference(self, component: str, outputs: tuple[Array, ...], precision: str) -> Difference:
        """The worst output's."""
        pairs = zip(self._activations[component][1], outputs, strict=True)
        return GATES[precision].worst(compare(np.ascontiguousarray(right), own) for right, own in pairs)
