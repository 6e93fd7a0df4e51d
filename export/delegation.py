"""Where each operator of a lowered ExecuTorch program landed, and why one was left to the slow path."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from torch.fx import GraphModule

from export.operators import LeftOperator, OperatorReport

__all__ = ["delegation_report", "record_refusals"]

_PLUMBING = ("getitem", "alloc", "executorch_call_delegate")
_PARTITIONER = "executorch.backends.xnnpack"


def delegation_report(graph: GraphModule, refusals: Counter[tuple[str, str]]) -> OperatorReport:
    """Counts a lowered graph's operators.

    Args:
        graph: Of the edge program after lowering.
        refusals: What `record_refusals` heard while it was lowered.
    """
    from executorch.devtools.backend_debug import get_delegation_info

    info = get_delegation_info(graph)
    plumbing, left = 0, []
    for name, breakdown in info.delegation_by_operator.items():
        if not breakdown.non_delegated:
            continue
        if name in _PLUMBING:
            plumbing += breakdown.non_delegated
        else:
            left.append(LeftOperator(name, breakdown.non_delegated, _reason(name, refusals)))
    return OperatorReport(info.num_delegated_nodes, info.num_delegated_subgraphs, plumbing, tuple(left))


def _reason(operator: str, refusals: Counter[tuple[str, str]]) -> str:
    reasons = [reason for (name, reason) in refusals if name == operator]
    return "; ".join(dict.fromkeys(reasons)) or "the partitioner left it and gave no reason"


class _RefusalListener(logging.Handler):
    def __init__(self, refusals: Counter[tuple[str, str]]) -> None:
        super().__init__(logging.DEBUG)
        self._refusals = refusals

    def emit(self, record: logging.LogRecord) -> None:
        # ExecuTorch logs its `WhyNoPartition` object itself, which knows the node and the reason.
        node, reason = getattr(record.msg, "node", None), getattr(record.msg, "reason", "")
        if node is not None and reason:
            self._refusals[re.sub(r"_\d+$", "", node.name), reason] += 1


@contextmanager
def record_refusals() -> Iterator[Counter[tuple[str, str]]]:
    """Collects `(operator, reason)` from the XNNPACK partitioner's debug log: nowhere else does it give reasons."""
    refusals: Counter[tuple[str, str]] = Counter()
    listener, logger = _RefusalListener(refusals), logging.getLogger(_PARTITIONER)
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(listener)
    try:
        yield refusals
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate
