"""`mobilevos calibrate`: ranges for int8 without training, stored with the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobilevos.commands.console import counted, frame_progress, print_line
from mobilevos.commands.observer_option import ObserverOption, parse_observer
from mobilevos.commands.outputs import check_outputs
from mobilevos.files import sha256_of
from mobilevos.quantization.specification import DEFAULT_OBSERVER, Specification
from mobilevos.weights import default_checkpoint

__all__ = ["EXAMPLES", "calibrate"]

EXAMPLES = """\b
Examples:
  mobilevos calibrate DAVIS --output calibrated.safetensors
  mobilevos calibrate frames/ --checkpoint runs/student/network.safetensors \\
      --observer percentile --output calibrated.safetensors"""


def calibrate(
    frames: Annotated[Path, typer.Argument(help="A DAVIS tree, or a folder of images.", metavar="DIR")],
    output: Annotated[Path, typer.Option(help="The .safetensors file to write.", metavar="FILE", show_default=False)],
    checkpoint: Annotated[
        Path | None, typer.Option(help="The network; the shipped student when not given.", metavar="FILE")
    ] = None,
    observer: ObserverOption = DEFAULT_OBSERVER.value,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Frames to look at.")] = 64,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH to which they are resized.")] = "480x864",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
) -> None:
    """Find the range of every activation on real frames, for int8 without training (post-training quantization).

    The result is the same network with the ranges beside it: `python -m export.executorch --precision int8` and
    `mobilevos evaluate davis DAVIS --engine int8-reference` take it. `mobilevos train stage=qat` finds better ones.
    """
    source = checkpoint or default_checkpoint()
    check_outputs(files=[output], inputs=[source], overwrite=overwrite)
    from mobilevos.frame_size import parse_size
    from mobilevos.model.checkpoint import load_network, read_metadata, save_network  # torch, which --help is without
    from mobilevos.quantization.calibration import calibrate as find_ranges
    from mobilevos.quantization.calibration_set import open_calibration_set
    from mobilevos.quantization.stored import StoredQuantization

    specification = Specification(parse_observer(observer))
    calibration = open_calibration_set(frames, count)
    for warning in calibration.warnings:
        print_line(f"warning: {warning}")
    network = load_network(source)
    dimensions = network.dimensions(*parse_size(size), memory_frames=2, objects=1)
    with frame_progress("calibrating", calibration.frames) as advance:
        ranges = find_ranges(network, dimensions, specification, calibration, lambda seen: advance(1))
    stored = StoredQuantization(specification, ranges, calibration.description)
    provenance = {
        **read_metadata(source)["provenance"],
        "calibrated_from_sha256": sha256_of(source),
        "calibration_frames": calibration.frames,
    }
    save_network(network, output, provenance=provenance, quantization=stored.to_json(), overwrite=overwrite)
    print_line(f"ranges of {counted(len(ranges), 'activation')} from {counted(calibration.frames, 'frame')}: {output}")
