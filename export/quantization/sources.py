"""Where the ranges of an export come from: frames, or the checkpoint's own training."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from export.options import CommonOptions
from export.quantization.measuring import measure_on
from export.quantization.section import INT8, INT8_WEIGHTS
from export.quantization.worst_layers import read_worst, worst_of
from mobilevos.commands.observer_option import parse_observer
from mobilevos.contract import Dimensions
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.calibration import calibrate
from mobilevos.quantization.calibration_set import open_calibration_set
from mobilevos.quantization.specification import Specification
from mobilevos.quantization.stored import StoredQuantization, load_stored

__all__ = ["check_quantization_options", "find_quantization"]


def check_quantization_options(options: CommonOptions, arithmetic: str) -> None:
    """Refuses options that are about int8 where nothing is quantized, or kernels alone.

    Args:
        options: The common ones.
        arithmetic: That they and the target's own come to; see `arithmetic_of`.

    Raises:
        InputError: They come with another precision, or one of them without what it needs.
    """
    given = {
        "--calibration": options.calibration,
        "--keep-float": options.keep_float,
        "--keep-float-worst": options.keep_float_worst,
        "--sensitivity": options.sensitivity,
    }
    for name, value in given.items():
        if value and options.precision != INT8:
            raise InputError(f"{name} with --precision {options.precision[:20]}", remedy=f"pass --precision {INT8}")
        if value and arithmetic == INT8_WEIGHTS:
            raise InputError(f"{name} with --weights-only", expected="every kernel in 8 bits, and no ranges to find")
    defaults = CommonOptions()
    for name, changed in {
        "--calibration-frames": options.calibration_frames != defaults.calibration_frames,
        "--observer": options.observer != defaults.observer,
    }.items():
        if changed and options.calibration is None:
            raise InputError(f"{name} without --calibration", remedy="pass --calibration DIR")
    if options.sensitivity is not None and not options.keep_float_worst:
        raise InputError("--sensitivity without --keep-float-worst", remedy="pass --keep-float-worst K")
    if options.keep_float_worst and options.sensitivity is None and options.calibration is None:
        raise InputError(
            "--keep-float-worst has nothing to measure on",
            remedy="pass --sensitivity FILE, or --calibration DIR",
        )


def find_quantization(
    options: CommonOptions, checkpoint: Path, network: MemoryNetwork, dimensions: Dimensions, console: Console
) -> StoredQuantization:
    """The ranges that the options and the checkpoint give, with what is to stay in float.

    Args:
        options: Of an export in int8.
        checkpoint: Of the network.
        network: To calibrate, if that is asked for.
        dimensions: Of the export; frames are resized to them.
        console: For the progress bar and a warning.

    Raises:
        InputError: There are none, the frames cannot be calibrated on, or a layer to keep in float does not exist.
    """
    stored = _find(options, checkpoint, network, dimensions, console)
    if not options.keep_float_worst:
        return stored
    worst = _worst(options, checkpoint, network, dimensions, stored, console)
    console.print(f"kept in float: {', '.join(worst)}", soft_wrap=True, markup=False, highlight=False)
    return _keeping(stored, worst)


def _keeping(stored: StoredQuantization, layers: tuple[str, ...]) -> StoredQuantization:
    kept = tuple(dict.fromkeys((*stored.specification.float_layers, *layers)))
    return replace(stored, specification=replace(stored.specification, float_layers=kept))


def _worst(
    options: CommonOptions,
    checkpoint: Path,
    network: MemoryNetwork,
    dimensions: Dimensions,
    stored: StoredQuantization,
    console: Console,
) -> tuple[str, ...]:
    """The layers of `--keep-float-worst`: as a file says, or measured on the frames of the calibration."""
    if options.sensitivity is not None:
        return read_worst(options.sensitivity, options.keep_float_worst, sha256_of(checkpoint))
    assert options.calibration is not None
    found = measure_on(options.calibration, network, dimensions, stored, checkpoint, console)
    return worst_of(tuple(one.layer for one in found.layers), options.keep_float_worst)


def _find(
    options: CommonOptions, checkpoint: Path, network: MemoryNetwork, dimensions: Dimensions, console: Console
) -> StoredQuantization:
    """Without what is to be measured."""
    float_layers = _float_layers(options.keep_float, network)
    if options.calibration is None:
        stored = load_stored(checkpoint)
        if stored is None:
            raise InputError(
                f"{checkpoint.name} was not trained for quantization",
                expected="ranges of its activations",
                remedy="pass --calibration DIR, with frames to find them on",
            )
        return _keeping(stored, float_layers)
    frames = open_calibration_set(options.calibration, options.calibration_frames)
    for warning in frames.warnings:
        console.print(f"warning: {warning}", soft_wrap=True, markup=False, highlight=False)
    specification = Specification(parse_observer(options.observer), float_layers)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("calibrating", total=frames.frames)
        ranges = calibrate(
            network, dimensions, specification, frames, lambda seen: progress.update(task, completed=seen)
        )
    return StoredQuantization(specification, ranges, frames.description)


def _float_layers(text: str, network: MemoryNetwork) -> tuple[str, ...]:
    layers = tuple(part.strip() for part in text.split(",") if part.strip())
    known = [name for name, _ in network.named_modules() if name]
    for layer in layers:
        if layer not in known:
            near = difflib.get_close_matches(layer, known, n=1, cutoff=0.5)
            raise InputError(
                f"--keep-float {layer[:80]}: no such layer", remedy=f"the nearest is {near[0]}" if near else ""
            )
    return layers
