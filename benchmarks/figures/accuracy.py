"""The table of accuracy: DAVIS 2016 with PyTorch, and with every target's engine on its bundle in float32."""

from __future__ import annotations

from benchmarks.bundles import ensure_bundle
from benchmarks.figures.figure import SIZE, Content, Figure, Measurement, Setting, wrapped
from benchmarks.jobs import REFERENCE, Workload, bundle_folder
from benchmarks.tables import markdown_table
from export.targets import TARGETS
from mobilevos.commands.console import frame_progress
from mobilevos.commands.engine_options import TrackingSetup
from mobilevos.commands.tracked_evaluation import track_and_score
from mobilevos.data.davis import Davis
from mobilevos.errors import InputError
from mobilevos.weights import default_checkpoint

__all__ = ["ACCURACY", "TOLERANCE"]

TOLERANCE = 0.001
"""Most that an engine's J&F may differ from PyTorch's, in 0..1: a tenth of a point, as tables have it."""


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`.

    Raises:
        InputError: No DAVIS was given or it cannot be read, or a target's toolkit is not installed.
    """
    if setting.davis is None:
        raise InputError("accuracy is measured on DAVIS 2016", remedy="--davis ROOT, or choose others by --only")
    dataset = Davis(setting.davis)
    sequences = dataset.sequences()
    frames = sum(len(one.frames) for one in sequences)
    engines = {}
    for name, setup in _setups(setting).items():
        with frame_progress(f"{name} on DAVIS 2016", frames) as advance:
            tracked = track_and_score(sequences, setup, workers=setting.threads, advance=advance)
        scores, note = tracked.scores, tracked.provenance.get("evaluated", "")
        engines[name] = {"j_and_f": scores.j_and_f, "j": scores.j.mean, "f": scores.f.mean, "note": note}
    of = {"resolution": dataset.resolution, "sequences": len(sequences), "frames": frames}
    return Measurement(of | {"engines": engines})


def _setups(setting: Setting) -> dict[str, TrackingSetup]:
    """PyTorch, and each target's engine with its bundle, by the engine's name."""
    setups, source = {REFERENCE: TrackingSetup()}, default_checkpoint()
    for name, target in TARGETS.items():
        folder = bundle_folder(setting.bundles, name, "fp32", Workload(SIZE))
        with setting.console.status(f"{name}: looking for its bundle"):
            ensure_bundle(folder, source, SIZE, objects=1, target=name)
        setups[target.engine] = TrackingSetup(bundle=folder)
    return setups


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    engines = content["engines"]
    rows = [[name, *(f"{100 * one[score]:.2f}" for score in ("j_and_f", "j", "f"))] for name, one in engines.items()]
    table = markdown_table(("float32", "J&F", "J", "F"), rows)
    notes = [f" `{name}`: {one['note']}." for name, one in engines.items() if one["note"]]
    text = (
        f"The shipped student on the {content['sequences']} DAVIS 2016 validation sequences at hand "
        f"({content['resolution']}, {content['frames']:,} frames, first-frame mask), each engine fed its own masks."
    )
    return f"{table}\n{wrapped(text + ''.join(notes))}"


ACCURACY = Figure("accuracy", measure, markdown)
