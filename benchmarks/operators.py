"""Per-operator times of a lowered program, from an ETDump of ExecuTorch's own tracer."""

from __future__ import annotations

import os
import re
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from benchmarks.layers import Layer, assign_layers
from mobilevos.toolkit_noise import quiet_imports

__all__ = ["OperatorTime", "OperatorType", "by_type", "read_etdump", "record_etdump"]

_STEP = "Method::execute"


@dataclass(frozen=True)
class OperatorTime:
    """One operator of a program.

    Attributes:
        operator: XNNPACK's name of it, or the kernel's if it was left outside the delegate.
        delegated: Whether XNNPACK ran it.
        layer: What it is in the network, where that is known.
        ms: Median milliseconds of a call.
        share: Of the sum of all operators, 0..1.
    """

    operator: str
    delegated: bool
    layer: Layer | None
    ms: float
    share: float

    @property
    def gflops(self) -> float | None:
        """Rate in GFLOP/s, two for each multiply-accumulate; None where none are known."""
        return 2 * self.layer.macs / self.ms / 1e6 if self.layer and self.layer.macs and self.ms else None


@dataclass(frozen=True)
class OperatorType:
    """All operators of one type.

    Attributes:
        name: Of the type.
        count: Operators.
        ms: Their milliseconds together.
        share: Of the sum of all operators, 0..1.
        gflops: Their rate together; None if one of them has no known layer, or none counts arithmetic.
    """

    name: str
    count: int
    ms: float
    share: float
    gflops: float | None


def record_etdump(program: Path, method: str, inputs: Sequence[Tensor], calls: int, output: Path) -> None:
    """Calls a program's method with tracing on and writes the ETDump to `output`.

    Tracing costs a few microseconds an operator.
    """
    quiet_imports()
    from executorch.runtime import Runtime

    loaded = Runtime.get().load_program(program, enable_etdump=True, debug_buffer_size=0)
    called = loaded.load_method(method)
    assert called is not None, f"{program} has no method {method}"
    for _ in range(calls):
        called.execute(inputs)
    output.parent.mkdir(parents=True, exist_ok=True)
    loaded.write_etdump_result_to_file(str(output), os.devnull)


def read_etdump(path: Path, layers: Sequence[Layer], warm_up: int) -> tuple[float, list[OperatorTime]]:
    """Reads an ETDump.

    Args:
        path: The file.
        layers: Of the traced method, in the order in which they run.
        warm_up: First calls to leave out.

    Returns:
        Median milliseconds of the whole method, and every operator in the order of execution.
    """
    quiet_imports()
    from executorch.devtools import Inspector

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the trace holds no tensors, which nobody asked it for
        blocks = Inspector(etdump_path=str(path)).event_blocks
    times: list[tuple[str, bool, float]] = []
    step = 0.0
    for block in blocks:
        for event in block.events:
            if event.perf_data is None or len(event.perf_data.raw) <= warm_up:
                continue  # loading, which happens once
            ms = statistics.median(event.perf_data.raw[warm_up:])
            if event.name == _STEP:
                step = ms
            elif event.is_delegated_op or event.name.startswith("native_call_"):
                times.append((event.name, bool(event.is_delegated_op), ms))
    total = sum(ms for _, _, ms in times) or 1.0
    assigned = assign_layers([name for name, _, _ in times], layers)
    return step, [
        OperatorTime(name, delegated, layer, ms, ms / total)
        for (name, delegated, ms), layer in zip(times, assigned, strict=True)
    ]


def by_type(operators: Sequence[OperatorTime]) -> list[OperatorType]:
    """Operators grouped by type, the costliest first."""
    groups: dict[str, list[OperatorTime]] = {}
    for one in operators:
        groups.setdefault(re.sub(r" #\d+$", "", one.operator), []).append(one)
    types = [_type(name, group) for name, group in groups.items()]
    return sorted(types, key=lambda one: -one.ms)


def _type(name: str, group: list[OperatorTime]) -> OperatorType:
    ms = sum(one.ms for one in group)
    macs = [one.layer.macs if one.layer else 0 for one in group]
    return OperatorType(
        name, len(group), ms, sum(one.share for one in group), 2 * sum(macs) / ms / 1e6 if all(macs) and ms else None
    )
