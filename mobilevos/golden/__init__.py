"""The golden clip of a bundle: what the reference computes on it step by step, and whether an engine does the same."""

from mobilevos.golden.clip import GoldenClip, synthetic_clip
from mobilevos.golden.folder import GOLDEN, golden_section, read_golden, read_trace_steps, write_golden
from mobilevos.golden.recording import record
from mobilevos.golden.replay import Check, ClosedLoop, Tolerances, closed_loop, compare_traces
from mobilevos.golden.trace import GoldenTrace

__all__ = [
    "GOLDEN",
    "Check",
    "ClosedLoop",
    "GoldenClip",
    "GoldenTrace",
    "Tolerances",
    "closed_loop",
    "compare_traces",
    "golden_section",
    "read_golden",
    "read_trace_steps",
    "record",
    "synthetic_clip",
    "write_golden",
]
