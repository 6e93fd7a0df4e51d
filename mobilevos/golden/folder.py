"""The folder `golden/` of a bundle: the clip and the reference's trace, for readers that know PNG and JSON alone.

    golden/clip/00000.png ... 00029.png     frames, RGB
    golden/given/00000.png, 00010.png       masks that are given, a palette PNG of object ids; 0 is background
    golden/masks/00000.png ... 00029.png    the reference's masks, likewise
    golden/tensors.f32                      tensors of the trace: float32, little-endian, C order, one after another
    golden/trace.json                       the steps, as `mobilevos/golden.schema.json` has them

All images have the size of the bundle's frames. To reproduce the trace, a loop in any language does for each step:

1. Divide the frame by 255 and, if none of the objects is known yet, call `encode_query`. With one group of objects call
   `segment` with that group's memory. With several call `encode_query`, `read_memory` with each group's memory, and
   `decode` with all readouts, the groups in turn. Objects that are first given at the same frame are a group.
2. Aggregate the logits softly over the background and all objects (`mobilevos.tracking.aggregation`). Where a mask is
   given, its objects have probability 1 in it, and everything else has 0 there. A pixel's mask is the most probable of
   the background and the objects, in this order the first of equals.
3. On a frame with a given mask, and on each frame whose index is a multiple of the manifest's `memory.every`, call
   `encode_memory` for all objects, `others` being the sum of the other objects' probabilities, and write its rows into
   each group's bank: the first into slot 0, all later ones into slot 1.

The trace says which programs are called, for which objects, what the loop's own inputs sum up to, what is left of each
output (`mobilevos.golden.recording.reduced`), and which slot is written. The manifest's `golden` section says how far
from it a loop may be.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from numpy.typing import NDArray

from mobilevos.bundle import Bundle
from mobilevos.data.frames import read_image
from mobilevos.data.masks import read_mask, write_mask
from mobilevos.engines.engine import Array
from mobilevos.errors import InputError
from mobilevos.files import resolve_inside
from mobilevos.golden.clip import GoldenClip
from mobilevos.golden.replay import Tolerances
from mobilevos.golden.trace import Call, GoldenTrace, Step, Write
from mobilevos.visualization import write_image

__all__ = ["GOLDEN", "golden_section", "read_golden", "read_trace_steps", "write_golden"]

GOLDEN = "golden"
"""Name of the folder, and of the manifest's section."""

_TENSORS, _TRACE = "tensors.f32", "trace.json"


def golden_section(trace: GoldenTrace, tolerances: Tolerances) -> dict[str, Any]:
    """What the manifest says of the golden clip.

    Args:
        trace: As it is written into the folder.
        tolerances: For whoever reproduces it.
    """
    clip = trace.clip
    first = {str(int(i)): frame for frame, given in sorted(clip.given.items()) for i in np.unique(given) if i}
    return {
        "trace": f"{GOLDEN}/{_TRACE}",
        "tensors": f"{GOLDEN}/{_TENSORS}",
        "frames": len(clip.frames),
        "objects": first,
        "seed": clip.seed,
        "reference": trace.engine,
        "tolerances": asdict(tolerances),
    }


def write_golden(bundle: Path, trace: GoldenTrace) -> None:
    """Writes a bundle's folder `golden`.

    Args:
        bundle: The bundle's folder.
        trace: Of the reference.
    """
    folder = bundle / GOLDEN
    tensors = bytearray()
    steps = []
    for index, (frame, step) in enumerate(zip(trace.clip.frames, trace.steps, strict=True)):
        name, given = f"{index:05d}.png", trace.clip.given.get(index)
        write_image(folder / "clip" / name, frame)
        write_mask(folder / "masks" / name, step.labels)
        if given is not None:
            write_mask(folder / "given" / name, given)
        steps.append(
            {
                "frame": f"clip/{name}",
                "given": None if given is None else f"given/{name}",
                "mask": f"masks/{name}",
                "calls": [_call_to_json(call, tensors) for call in step.calls],
                "writes": [{"group": one.group, "slot": one.slot, "ids": list(one.ids)} for one in step.writes],
            }
        )
    (folder / _TENSORS).write_bytes(tensors)
    (folder / _TRACE).write_text(json.dumps({"schema": 1, "steps": steps}, indent=1) + "\n")


def _call_to_json(call: Call, tensors: bytearray) -> dict[str, Any]:
    """A call, whose tensors are appended to `tensors`."""
    kept = []
    for name, tensor in call.tensors.items():
        kept.append({"name": name, "shape": list(tensor.shape), "offset": len(tensors)})
        tensors += tensor.astype("<f4").tobytes()
    return {
        "component": call.component,
        "group": call.group,
        "ids": list(call.ids),
        "sums": {name: list(values) for name, values in call.sums.items()},
        "tensors": kept,
    }


def read_golden(bundle: Bundle) -> tuple[GoldenTrace, Tolerances]:
    """Reads a bundle's golden clip, with the reference's trace and how far from it an engine may be.

    Raises:
        InputError: The bundle has none, or it is damaged.
    """
    section = bundle.manifest.get(GOLDEN)
    if section is None:
        raise InputError(f"{bundle.folder} has no golden clip", remedy="export the bundle again")
    path = _listed(bundle, section["trace"])
    trace = _read_json(path)
    tensors = _read_bytes(_listed(bundle, section["tensors"]))
    size = (bundle.dimensions.height, bundle.dimensions.width)
    frames, given, steps = [], {}, []
    for index, entry in enumerate(trace["steps"]):
        frames.append(_of_size(read_image(_listed(bundle, f"{GOLDEN}/{entry['frame']}")), size, path))
        if entry["given"] is not None:
            given[index] = _of_size(read_mask(_listed(bundle, f"{GOLDEN}/{entry['given']}")), size, path)
        labels = _of_size(read_mask(_listed(bundle, f"{GOLDEN}/{entry['mask']}")), size, path)
        steps.append(_step_from_json(entry, tensors, labels, path))
    clip = GoldenClip(tuple(frames), given, int(bundle.manifest["memory"]["every"]), int(section["seed"]))
    return GoldenTrace(clip, section["reference"], tuple(steps)), Tolerances(**section["tolerances"])


def read_trace_steps(folder: Path, masks: Sequence[NDArray[np.uint8]]) -> tuple[Step, ...]:
    """Reads a trace that another loop wrote in the form of a golden one, with empty names of images.

    Args:
        folder: Holds `trace.json` and `tensors.f32`.
        masks: That came out, each `[H, W]`, object ids.

    Raises:
        InputError: One is missing or damaged, or the trace has another number of steps.
    """
    path = folder / _TRACE
    steps, tensors = _read_json(path)["steps"], _read_bytes(folder / _TENSORS)
    if len(steps) != len(masks):
        raise InputError(f"{path} is of another clip", expected=f"{len(masks)} steps", found=str(len(steps)))
    return tuple(_step_from_json(step, tensors, labels, path) for step, labels in zip(steps, masks, strict=True))


def _step_from_json(entry: dict[str, Any], tensors: bytes, labels: NDArray[np.uint8], source: Path) -> Step:
    calls = tuple(_call_from_json(call, tensors, source) for call in entry["calls"])
    writes = tuple(Write(one["group"], one["slot"], tuple(one["ids"])) for one in entry["writes"])
    return Step(calls, writes, labels)


def _call_from_json(entry: dict[str, Any], tensors: bytes, source: Path) -> Call:
    kept: dict[str, Array] = {}
    for one in entry["tensors"]:
        count, offset = prod(one["shape"]), one["offset"]
        if offset + 4 * count > len(tensors):
            raise InputError(
                f"{source}: tensor {one['name']!r} lies outside its file", remedy="export the bundle again"
            )
        kept[one["name"]] = np.frombuffer(tensors, "<f4", count, offset).reshape(one["shape"]).astype(np.float32)
    sums = {name: tuple(values) for name, values in entry["sums"].items()}
    return Call(entry["component"], entry["group"], tuple(entry["ids"]), sums, kept)


def _listed(bundle: Bundle, name: str) -> Path:
    """A file of the bundle, which must be one of those that its manifest names and so has a checksum."""
    if name not in bundle.manifest["files"]:
        raise InputError(f"{bundle.folder}: its golden clip names an unlisted file", found=repr(name[:80]))
    return resolve_inside(bundle.folder, name)


def _of_size(picture: NDArray[np.uint8], size: tuple[int, int], source: Path) -> NDArray[np.uint8]:
    if picture.shape[:2] != size:
        expected, found = (f"{height}x{width}" for height, width in (size, picture.shape[:2]))
        raise InputError(f"{source}: an image is not of the bundle's frame size", expected=expected, found=found)
    return picture


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error


def _read_json(path: Path) -> Any:
    try:
        trace = json.loads(_read_bytes(path))
        error = jsonschema.exceptions.best_match(_validator().iter_errors(trace))
    except (ValueError, RecursionError) as damage:
        raise InputError(f"{path} is not JSON", found=str(damage)) from damage
    if error is not None:
        raise InputError(f"{path} is not a golden trace", found=f"{error.json_path}: {error.message[:200]}")
    return trace


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((files("mobilevos") / "golden.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)
