"""What a long clip, an object, a pixel and a memory frame cost."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures.figure import Content, Figure, Measurement, Setting, wrapped
from benchmarks.growth import growth
from benchmarks.jobs import REFERENCE, Workload
from benchmarks.long_command import LongPlan, measure_sweeps, track_long_clips
from benchmarks.long_report import growth_plot, sweep_plot
from benchmarks.sweeps import SWEEPS, cost_of_one
from benchmarks.tables import markdown_table

__all__ = ["GROWTH"]

_TARGETS = (REFERENCE, "executorch", "litert")
_FRAMES, _CLIP = 1000, Workload((96, 160), objects=2)
_STEPS = 32


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`."""
    plan = LongPlan(
        targets=_TARGETS,
        precision="fp32",
        frames=_FRAMES,
        clip=_CLIP,
        sweeps=tuple(SWEEPS),
        steps=_STEPS,
        threads=setting.threads,
        bundles=setting.bundles,
    )
    setting.output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=setting.output, prefix=".long-") as folder:
        runs = track_long_clips(plan, Path(folder), setting.console)
        sweeps = measure_sweeps(plan, Path(folder), setting.console)
    content: Content = {"frames": plan.frames, "threads": plan.threads, "long": {}, "sweeps": {}}
    for name, run in runs.items():
        found = growth(run)
        content["long"][name] = {"memory_ratio": found.memory_ratio, "time_ratio": found.time_ratio}
    for name, points in sweeps.items():
        lines = {}
        for target in dict.fromkeys(one.target for one in points):
            start, slope = cost_of_one([one for one in points if one.target == target])
            lines[target] = {"start_ms": start, "slope_ms": slope}
        content["sweeps"][name] = lines
    pictures = {f"{name}.svg": sweep_plot(name, points) for name, points in sweeps.items()}
    return Measurement(content, {"long.svg": growth_plot(runs), **pictures})


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    sweeps = content["sweeps"]
    rows = [
        [
            target,
            f"{long['memory_ratio']:.3f}",
            f"{long['time_ratio']:.3f}",
            *(f"{lines[target]['slope_ms']:.1f}" for lines in sweeps.values()),
        ]
        for target, long in content["long"].items()
    ]
    height, width = _CLIP.size
    costs = [f"{SWEEPS[name].unit}, ms" for name in sweeps]
    table = markdown_table((f"{content['frames']:,} frames", "memory", "time", *costs), rows)
    text = (
        f"The {content['frames']:,} frames are of {height}x{width}, with {_CLIP.objects} objects. "
        "Memory: resident at the end over that after the first hundred frames. Time: a step's at the end over that at "
        "the start, both relative to a young process beside it. Then what one more costs, at 480x864 and "
        f"{content['threads']} threads: the slope over 1 to 8 objects, 240p to 720p, 2 to 8 memory frames (of "
        "`read_memory` alone)."
    )
    names = ["long", *sweeps]
    pictures = "\n".join(f'<img src="benchmarks/figures/{name}.svg" width="49%" alt="{name}">' for name in names)
    return f"{table}\n{wrapped(text)}\n{pictures}\n"


GROWTH = Figure("growth", measure, markdown)
