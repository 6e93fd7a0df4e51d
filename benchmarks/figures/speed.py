"""The table of speed: every engine in the tracking loop, with the J&F of that very run."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clips import synthetic_clip
from benchmarks.figures.figure import SIZE, Content, Figure, Measurement, Setting, wrapped
from benchmarks.jobs import REFERENCE
from benchmarks.plots import pareto_plot
from benchmarks.results import SKIPPED, Result
from benchmarks.run_command import measure_and_report
from benchmarks.session import Plan
from benchmarks.tables import markdown_table
from mobilevos.contract import COMPONENTS
from mobilevos.errors import InputError

__all__ = ["SPEED", "content_of", "row_of"]

_TARGETS = (REFERENCE, "executorch", "litert", "onnx", "torchscript")
_FRAMES = 60
_STEP = "whole step"
_PICTURE = "speed.svg"
_READ_WITH_CARE = (
    "J&F, here and in the picture, is of the synthetic clip that the engines are timed on, and no score on DAVIS; the "
    "model card has those. Model size in the picture: of eager its float16 checkpoint, of the others the programs that "
    "the loop runs, weights included."
)


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`; everything on the clip of the quick look, in float32 and int8.

    Raises:
        InputError: An engine cannot be measured, or its result does not count.
    """
    plan = Plan(
        targets=_TARGETS,
        precisions=("fp32", "int8"),
        clips=(synthetic_clip(_FRAMES, SIZE, objects=1),),
        threads=(setting.threads,),
        protocol=setting.protocol,
        output=setting.output,
        bundles=setting.bundles,
    )
    results = [one for one in measure_and_report(plan, setting.console) if one.status != SKIPPED]
    return Measurement(content_of(results), {_PICTURE: pareto_plot(results)})


def content_of(results: Sequence[Result]) -> Content:
    """What the table shows of a run whose reference comes first.

    Raises:
        InputError: A result does not count, or the machine's limit was not measured.
    """
    reference = results[0]
    work = reference.work
    if work is None or work.limit_gflops is None:
        raise InputError("the machine's limit was not measured", remedy="run on the host")
    return {
        "protocol": reference.protocol["name"],
        "steps": int(reference.protocol["steps"]),
        "seconds": reference.protocol["seconds"],
        "threads": reference.threads,
        "processor": str(reference.provenance["machine"]["processor"]),
        "frame_gmacs": work.frame_gmacs,
        "segment_gmacs": work.gmacs["segment"],
        "limit_gflops": work.limit_gflops,
        "notes": {one.name: one.note for one in results if one.note},
        "engines": [row_of(one, reference) for one in results],
    }


def row_of(result: Result, reference: Result) -> Content:
    """One engine; ratios of the whole step are those of steps on the same frame.

    Raises:
        InputError: The result does not count, or components are missing from it.
    """
    p50, base = _medians(result), _medians(reference)
    ratio = {name: p50[name] / base[name] for name in p50}
    if result.ratio is not None:
        ratio[_STEP] = result.ratio.value
    return {
        "name": result.name,
        "p50_ms": {name: round(value, 3) for name, value in p50.items()},
        "ratio": {name: round(value, 4) for name, value in ratio.items()},
        "share_of_limit": result.work.share_of_limit if result.work else None,
        "j_and_f": result.quality.j_and_f if result.quality else None,
        "model_bytes": result.model_bytes,
    }


def _medians(result: Result) -> dict[str, float]:
    timing = result.timing
    if result.reasons or timing is None:
        raise InputError(f"{result.name} cannot be shown", found=f"{result.status}: {'; '.join(result.reasons)}")
    times = {**timing.single, **timing.components}
    if missing := [name for name in COMPONENTS if name not in times]:
        raise InputError(f"{result.name} cannot be shown", found=f"no times of {', '.join(missing)}")
    return {name: times[name].p50 for name in COMPONENTS} | {_STEP: timing.step.p50}


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    engines = content["engines"]
    parts = (*COMPONENTS, _STEP)
    rows = []
    for place, one in enumerate(engines):
        cells = [f"{one['p50_ms'][part]:.1f}" + (f" ({one['ratio'][part]:.2f})" if place else "") for part in parts]
        quality = "" if one["j_and_f"] is None else f"{100 * one['j_and_f']:.1f}"
        rows.append([one["name"], *cells, quality])
    table = markdown_table(("p50, ms (ratio)", *parts, "J&F"), rows)
    shares = [f"{one['name']} {100 * one['share_of_limit']:.0f} %" for one in engines if one["share_of_limit"]]
    notes = "".join(f" {name}: {note}." for name, note in content["notes"].items())
    text = (
        f"At least {content['steps']:,} steps and {content['seconds']:g} s of each engine, a quarter of that with each "
        f"component called alone; {content['threads']} threads of an {content['processor']}, each engine in a process "
        f"of its own.{notes} An average frame has "
        f"{content['frame_gmacs']:.2f} GMACs, the fused step {content['segment_gmacs']:.2f}. Matrix-product limit in "
        f"float32 {content['limit_gflops']:.0f} GFLOP/s, of which, in int8 too, an average frame reaches: "
        f"{', '.join(shares)}. {_READ_WITH_CARE}"
    )
    picture = f"![J&F of the synthetic clip against latency and size](benchmarks/figures/{_PICTURE})\n"
    return f"{table}\n{wrapped(text)}\n{picture}"


SPEED = Figure("speed", measure, markdown)
