"""The options of the export commands, as dataclasses: those of every target, and how a target's own are added."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from export.parity import GATES, SUMS_IN_HALF_DB
from mobilevos.bundle import EXPORTS
from mobilevos.commands.observer_option import ObserverOption
from mobilevos.quantization.specification import DEFAULT_OBSERVER

__all__ = ["CommonOptions", "precision_option", "take", "with_options"]

OptionsT = TypeVar("OptionsT")


def precision_option(precisions: Iterable[str]) -> Any:
    """The annotation of `--precision`, for one or more targets.

    Args:
        precisions: That are offered, in order; one may come twice.
    """
    return Annotated[str, typer.Option(metavar="|".join(dict.fromkeys(precisions)), help="Arithmetic of the artefact.")]


@dataclass(frozen=True)
class CommonOptions:
    """What every target's command line takes."""

    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint of `mobilevos train`; the shipped student by default.")
    ] = None
    model: Annotated[str | None, typer.Option(help="The network that the checkpoint must hold, e.g. mobilenet_v2.")] = (
        None
    )
    size: Annotated[str, typer.Option(help="Frame size HEIGHTxWIDTH; raised to multiples of 16.")] = "480x864"
    memory_frames: Annotated[int, typer.Option(min=1, help="Frames that the memory bank holds.")] = 2
    objects: Annotated[int, typer.Option(min=1, help="Objects per call; more are run in turns.")] = 1
    precision: Annotated[str, typer.Option(help="Arithmetic of the artefact.")] = "fp32"
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="For int8: a DAVIS tree or a folder of images to find the ranges of activations on; those that the "
            "checkpoint was trained with when not given.",
        ),
    ] = None
    calibration_frames: Annotated[int, typer.Option(min=1, metavar="N", help="Frames of it to look at.")] = 64
    observer: ObserverOption = DEFAULT_OBSERVER.value
    keep_float: Annotated[
        str, typer.Option(metavar="LAYERS", help="For int8: layers to keep in float, e.g. decoder.head,decoder.to4.")
    ] = ""
    keep_float_worst: Annotated[
        int, typer.Option(min=0, metavar="K", help="For int8: also keep the K layers in float that it costs most in.")
    ] = 0
    sensitivity: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Which those are: from `python -m export.quantization sensitivity --json FILE`; measured on "
            "--calibration when not given.",
        ),
    ] = None
    output: Annotated[
        Path | None, typer.Option(help=f"The bundle's folder; {EXPORTS}/<target> by default.", show_default=False)
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing bundle.")] = False
    json: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None
    least_sqnr: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="DB",
            help="For fp16 and int8: what every component must keep of the reference, in the place of the "
            f"{GATES['fp16'].limit:g} and {GATES['int8'].limit:g} dB of the precision. ExecuTorch in fp16 needs "
            f"{SUMS_IN_HALF_DB} where the processor adds in float16, as phones' do.",
        ),
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if an operator is left beside the accelerator.")
    ] = False


def with_options(command: Callable[..., None], *kinds: type[Any], **own: Any) -> Callable[..., None]:
    """Gives a function of `**values` the signature that typer reads: every field of the dataclasses as an option.

    Args:
        command: Takes the values by their field's name; `take` sorts them.
        kinds: Dataclasses whose fields all have a default and are `Annotated[type, typer.Option(...)]`.
        own: Annotations in the place of those of fields.
    """
    parameters = []
    for kind in kinds:
        hints = get_type_hints(kind, include_extras=True) | own
        parameters += [
            inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
            for one in fields(kind)
        ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command


def take(kind: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """The dataclass filled with what the command line gave for its fields."""
    return kind(**{one.name: values[one.name] for one in fields(kind)})  # type: ignore[arg-type]
