"""A bundle's manifest as a page for people: tables of what it is, its components, their tensors and its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mobilevos.bundle import Bundle
from mobilevos.commands.console import counted
from mobilevos.contract import TensorSpec

__all__ = ["bundle_page"]


def bundle_page(bundle: Bundle) -> Iterator[RenderableType]:
    """The parts of the page, from the general to the particular.

    A manifest may come from anywhere: what it says is shown as plain text, without control characters.

    Args:
        bundle: Checked against the schema and the contract.
    """
    yield _facts(bundle)
    yield _components(bundle)
    yield from _left_operators(bundle.manifest)
    yield from _details(bundle.manifest)
    yield _tensors(bundle)
    yield _files(bundle.manifest["files"])


def _facts(bundle: Bundle) -> Table:
    m, table = bundle.manifest, Table(title=_plain(bundle.folder), box=None, show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    model, frame, memory = m["model"], m["input"], m["memory"]
    rows = {
        "target": f"{m['target']}, {m['precision']}",
        "options": _pairs(m.get("options", {})) or "none",
        "network": _pairs({"variant": model["variant"], **model["network"]}),
        "checkpoint": model["checkpoint_sha256"] or "none",
        "provenance": _pairs(model["provenance"]) or "none",
        "frame": f"{frame['height']}x{frame['width']} (height x width), RGB in 0..1, {frame['padding']}",
        "normalisation": frame["normalisation"],
        "memory": f"{counted(memory['frames'], 'frame')}, {memory['policy']}, one every {memory['every']}; "
        f"keys of {memory['key_channels']} and values of {memory['value_channels']} channels",
        "objects": f"{m['objects']} per call" + (", or any other number" if bundle.dynamic_objects else ""),
        "golden clip": _golden(m),
        "closed loop": _closed_loop(m),
        "least SQNR": "that of its precision" if bundle.least_sqnr_db is None else f"{bundle.least_sqnr_db:g} dB",
        "versions": _pairs(m["versions"]),
    }
    for name, value in rows.items():
        table.add_row(name, _plain(value))
    return table


def _golden(manifest: Mapping[str, Any]) -> str:
    golden = manifest.get("golden")
    if golden is None:
        return "none"
    objects = ", ".join(f"object {name} from frame {first}" for name, first in golden["objects"].items())
    return f"{counted(golden['frames'], 'frame')} of seed {golden['seed']}, {objects}; by {golden['reference']}"


def _closed_loop(manifest: Mapping[str, Any]) -> str:
    loop = manifest.get("parity", {}).get("closed_loop")
    if loop is None:
        return "not executed"
    evaluated = f"; {loop['engine']['evaluated']}" if "evaluated" in loop["engine"] else ""
    if loop["worst_iou"] is None:
        return f"no mask judged: none of {loop['tolerances']['pixels']:,} pixels or more{evaluated}"
    return (
        f"worst IoU {loop['worst_iou']:.4f} (frame {loop['worst_frame']}) of {loop['judged_masks']} masks on "
        f"{loop['judged_frames']} of {len(loop['frames'])} frames{evaluated}"
    )


def _components(bundle: Bundle) -> Table:
    table = _table("components", "component", "file", "program")
    for column in ("nodes", "outside", "calls", "max abs", "SQNR dB", "MB"):
        table.add_column(column, justify="right", overflow="fold")
    for name, entry in bundle.manifest["components"].items():
        operators, parity, size = entry.get("operators"), entry.get("parity"), entry.get("size_bytes")
        landed = ["?"] * 3
        if operators is not None:
            outside = sum(left["count"] for left in operators["left"])
            placed = operators.get("placed", True)
            landed = [str(operators["delegated"]), str(outside) if placed else "?", str(operators["subgraphs"])]
        near = ["?"] * 2
        if parity is not None:
            near = [_number(parity["max_abs"], ".1e"), _number(parity["sqnr_db"], ".0f")]
        megabytes = "?" if size is None else f"{size / 1e6:.2f}"
        table.add_row(name, _plain(entry["file"]), _plain(entry["method"]), *landed, *near, megabytes)
    table.caption = (
        "nodes: operators on the accelerator; outside: all others, ? where the runtime places them on the device; "
        "SQNR: inf where equal"
    )
    return table


def _left_operators(manifest: Mapping[str, Any]) -> Iterator[Table]:
    """The operators beside the accelerator, if there are any."""
    table = _table("operators beside the accelerator", "component", "operator", "count", "reason")
    for name, entry in manifest["components"].items():
        for left in entry.get("operators", {}).get("left", []):
            table.add_row(name, _plain(left["operator"]), str(left["count"]), _plain(left["reason"]))
    if table.row_count:
        yield table


def _details(manifest: Mapping[str, Any]) -> Iterator[Table]:
    """What the target has to say of a component beyond that, if it has."""
    table = _table("details", "component", "of its target")
    for name, entry in manifest["components"].items():
        if entry.get("details"):
            table.add_row(name, _plain(_pairs(entry["details"])))
    if table.row_count:
        yield table


def _tensors(bundle: Bundle) -> Table:
    table = _table("tensors of the artefacts", "component", "side", "tensor", "layout", "shape", "dtype")
    for name in bundle.manifest["components"]:
        signature = bundle.artefact_signature(name)
        for side, specs in (("in", signature.inputs), ("state", signature.states), ("out", signature.outputs)):
            for spec in specs:
                table.add_row(name, side, *_tensor(spec))
        table.add_section()
    return table


def _tensor(spec: TensorSpec) -> list[Text]:
    return [_plain(value) for value in (spec.name, spec.layout, "x".join(map(str, spec.shape)), spec.dtype)]


def _files(listed: Mapping[str, Mapping[str, Any]]) -> Table:
    """The files, of which the many images of a clip are one line for each folder."""
    table = _table("files", "file", "SHA-256", "")
    table.add_column("bytes", justify="right", overflow="fold")
    for folder, group in groupby(sorted(listed), key=_image_folder):
        names = list(group)
        total = sum(listed[name]["bytes"] for name in names)
        if folder:
            table.add_row(_plain(f"{folder}/"), counted(len(names), "image"), "", f"{total:,}")
            continue
        for name in names:
            facts = listed[name]
            varies = "varies" if facts.get("varies") else ""
            table.add_row(_plain(name), f"{facts['sha256'][:16]}...", varies, f"{facts['bytes']:,}")
    table.add_section()
    total = sum(facts["bytes"] for facts in listed.values())
    table.add_row("total", counted(len(listed), "file"), "", f"{total:,}")
    if any(facts.get("varies") for facts in listed.values()):
        table.caption = "varies: another export of the same may give other bytes"
    return table


def _image_folder(name: str) -> str:
    """The folder of an image of the golden clip; empty for other files."""
    folder, _, file = name.rpartition("/")
    return folder if folder.startswith("golden/") and file.endswith(".png") else ""


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _number(value: float | None, form: str) -> str:
    return "inf" if value is None else format(value, form)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _plain(value: object) -> Text:
    """Text that is neither markup nor a command to the terminal."""
    text = str(value)
    return Text(text if text.isprintable() else repr(text)[1:-1])
