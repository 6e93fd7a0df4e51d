"""Where the fused step's time goes, operator by operator."""

from __future__ import annotations

from benchmarks.bundles import ensure_bundle
from benchmarks.figures.figure import SIZE, Content, Figure, Measurement, Setting, wrapped
from benchmarks.jobs import Workload, bundle_folder
from benchmarks.operators import by_type
from benchmarks.profile import profile_component
from benchmarks.tables import markdown_table
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.weights import default_checkpoint

__all__ = ["PROFILE"]

_COMPONENT = "segment"
_CALLS = 50
_ROWS = 6
_TYPES = 4


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`."""
    folder = bundle_folder(setting.bundles, "executorch", "fp32", Workload(SIZE))
    bundle, _ = ensure_bundle(folder, default_checkpoint(), SIZE, objects=1)
    ExecutorchEngine(bundle, threads=setting.threads)  # sets the size of the pool
    trace = setting.output / f"{_COMPONENT}.etdp"
    step_ms, operators = profile_component(bundle, _COMPONENT, _CALLS, trace)
    costliest = sorted(operators, key=lambda one: -one.ms)[:_ROWS]
    content: Content = {
        "step_ms": step_ms,
        "threads": setting.threads,
        "operators": len(operators),
        "outside": sum(not one.delegated for one in operators),
        "costliest": [
            {
                "operator": one.operator,
                "layer": one.layer.name if one.layer else "",
                "ms": one.ms,
                "share": one.share,
                "gflops": one.gflops,
            }
            for one in costliest
        ],
        "types": [{"name": one.name, "share": one.share} for one in by_type(operators)[:_TYPES]],
    }
    return Measurement(content)


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    rows = [
        [
            f"{one['layer'] or '-'}, {one['operator']}",
            f"{one['ms']:.2f}",
            f"{100 * one['share']:.1f} %",
            f"{one['gflops']:.0f}" if one["gflops"] else "",
        ]
        for one in content["costliest"]
    ]
    types = ", ".join(f"{one['name']} {100 * one['share']:.0f} %" for one in content["types"])
    text = (
        f"{content['operators']} operators, {content['outside']} outside the delegate; a call takes "
        f"{content['step_ms']:.1f} ms with {content['threads']} threads. By type: {types}."
    )
    return f"{markdown_table(('layer, operator', 'ms', 'share', 'GFLOP/s'), rows)}\n{wrapped(text)}"


PROFILE = Figure("profile", measure, markdown)
