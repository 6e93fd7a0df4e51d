"""Running every component of a fresh bundle beside the reference: the same inputs, numbers compared, calls timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from export.activations import Activations, in_c_order
from export.parity import GATES, SUMS_IN_HALF_DB, Difference, Gate, compare, gate_of
from export.report import ComponentReport, Measured
from export.targets import ComponentArtefact
from mobilevos.contract import STATEFUL_STEP
from mobilevos.engines.bundle_engine import BundleEngine
from mobilevos.engines.engine import Array, Engine, Query
from mobilevos.errors import InputError

__all__ = ["call_component", "expected_outputs", "measure"]

_WARM_UPS = 2
_TIMED_CALLS = 10
_ENOUGH_SECONDS = 3.0
"""After which a slow engine is called no further; three calls are timed in any case."""


def measure(
    reference: Engine,
    engine: Engine,
    activations: Activations,
    artefacts: Mapping[str, ComponentArtefact],
    precision: str,
    least_sqnr_db: float | None = None,
    *,
    gated: bool = True,
) -> dict[str, ComponentReport]:
    """Compares an engine's components with recorded outputs, and times them in turn with the reference's.

    Args:
        reference: To be timed beside the engine.
        engine: Over the fresh bundle.
        activations: Inputs and expected outputs of each component.
        artefacts: What was built: these are called, in their order.
        precision: Of the artefacts; decides what difference passes.
        least_sqnr_db: In the place of the precision's own; see `gate_of`.
        gated: Whether a difference that does not pass is an error.

    Raises:
        InputError: A component's numbers are further off than its precision explains.
    """
    reports, own, gate = {}, in_c_order(activations), gate_of(precision, least_sqnr_db)
    for name, artefact in artefacts.items():
        expected = expected_outputs(name, activations)
        difference = _worst(expected, call_component(engine, name, activations), gate)
        if gated:
            _check(name, difference, gate, precision)
        eager_ms, latency_ms = _time_in_turn(
            partial(call_component, reference, name, activations), partial(call_component, engine, name, own)
        )
        measured = Measured(difference, latency_ms, eager_ms)
        reports[name] = ComponentReport(artefact.operators, artefact.size_bytes, measured)
    return reports


def _worst(expected: tuple[Array, ...], actual: tuple[Array, ...], gate: Gate) -> Difference:
    """Of the outputs."""
    pairs = zip(expected, actual, strict=True)
    return gate.worst(compare(np.ascontiguousarray(e), a) for e, a in pairs)


def _check(component: str, worst: Difference, gate: Gate, precision: str) -> None:
    if not gate.passes(worst):
        raise InputError(
            f"component {component} does not compute what the reference computes",
            expected=gate.wanted,
            found=gate.value(worst),
            remedy=_remedy(gate, precision),
        )


def _remedy(gate: Gate, precision: str) -> str:
    if precision == "fp32":
        return ""
    if gate == GATES["fp16"]:
        return f"pass --precision fp32, or --least-sqnr {SUMS_IN_HALF_DB} where the processor adds in float16"
    return "pass --precision fp32"


def call_component(engine: Engine, component: str, activations: Activations) -> tuple[Array, ...]:
    """Calls a component through the engine protocol.

    Args:
        engine: Any. One that has no stateful step takes its call as that of `segment`, which gives the same.
        component: Of the contract.
        activations: Which hold its inputs.

    Returns:
        Its outputs, in the contract's order.
    """
    inputs = activations[_without_state(component)][0]
    if component == "segment" and isinstance(engine, BundleEngine):  # whose fused step may be the stateful one
        return tuple(engine.run_component(component, len(inputs[2]), *inputs))
    if component == "encode_query":
        query = engine.encode_query(*inputs)
        assert query.feature4 is not None
        return query.key, query.feature16, query.feature8, query.feature4
    if component == "encode_memory":
        key, feature16, feature8, masks, others = inputs
        return engine.encode_memory(Query(key, feature16, feature8, None), masks, others)
    if component == "read_memory":
        key, keys, values = inputs
        return (engine.read_memory(Query(key, key, key, None), keys, values),)
    if component == "decode":
        readout, *features = inputs
        return (engine.decode(readout, Query(readout[:1], features[0], features[1], features[2])),)
    logits, query = engine.segment(*inputs)
    return logits, query.key, query.feature16, query.feature8


def expected_outputs(component: str, activations: Activations) -> tuple[Array, ...]:
    """What `call_component` is to give.

    Args:
        component: Of the contract.
        activations: Recorded from the reference.
    """
    return activations[_without_state(component)][1]


def _without_state(component: str) -> str:
    """The component of the same inputs and outputs, as the loop sees it, that is given the whole bank."""
    return "segment" if component == STATEFUL_STEP else component


def _time_in_turn(*calls: Callable[[], object]) -> list[float]:
    """Median milliseconds of each call, the calls taking turns so that a noisy machine is unfair to none."""
    times: list[list[float]] = [[] for _ in calls]
    started = time.perf_counter()
    for turn in range(_WARM_UPS + _TIMED_CALLS):
        for call, spent in zip(calls, times, strict=True):
            start = time.perf_counter_ns()
            call()
            if turn >= _WARM_UPS:
                spent.append((time.perf_counter_ns() - start) / 1e6)
        if len(times[0]) >= 3 and time.perf_counter() - started > _ENOUGH_SECONDS:
            break
    return [statistics.median(spent) for spent in times]
