"""What the demo shows: the table, the contact sheet, and both for machines."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.agreement import Agreement
from benchmarks.in_turn import Contestant
from benchmarks.machine import describe_machine
from benchmarks.tables import rich_table
from mobilevos.contract import COMPONENTS
from mobilevos.visualization import contact_sheet, write_image

__all__ = ["CAPTION", "ContactSheet", "DemoReport", "EngineResult", "report_table", "to_json"]

Picture = NDArray[np.uint8]

_COLUMNS = 6
_UNKNOWN_LENGTH = 60

CAPTION = (
    "Median milliseconds. step: all of a frame, from pixels to labels. segment: the step's encode_query, read_memory "
    "and decode, which ExecuTorch runs as one fused program; their own times are from a short second pass that calls "
    "them one by one. IoU: of the masks with those of the first engine. Model: of eager its checkpoint, float16 as "
    "shipped; of the others the exported program, weights included. int8 is the student after training for it: "
    "other weights, so its masks differ from those in float32 by more than rounding."
)


@dataclass(frozen=True)
class EngineResult:
    """One engine on the demo's clip.

    Attributes:
        name: Of the engine.
        versions: Of its parts.
        j_and_f: Against the ground truth, 0..1; None where there is none.
        step_ms: Median of whole tracker steps, in milliseconds.
        components_ms: Median of each component, in milliseconds.
        agreement: With the reference's masks; None for the reference.
        model_bytes: Size of its model file.
    """

    name: str
    versions: dict[str, str]
    j_and_f: float | None
    step_ms: float
    components_ms: dict[str, float]
    agreement: Agreement | None
    model_bytes: int

    @classmethod
    def of(
        cls,
        contestant: Contestant,
        single: Contestant,
        j_and_f: float | None,
        agreement: Agreement | None,
        model_bytes: int,
    ) -> EngineResult:
        """Evaluates an engine.

        Args:
            contestant: As it tracked the whole clip.
            single: The same engine with every component called alone, on some frames.
            j_and_f: See the class.
            agreement: See the class.
            model_bytes: See the class.
        """
        fused = {name: contestant.engine.timings[name] for name in ("segment", "encode_memory")}
        times = single.engine.timings | fused
        return cls(
            contestant.name,
            contestant.engine.info.versions,
            j_and_f,
            _median(contestant.step_ms),
            {name: _median(times[name]) for name in COMPONENTS},
            agreement,
            model_bytes,
        )


def _median(times: Sequence[float]) -> float:
    """Without the first call, which pays for loading, unless there is no other; 0 without any."""
    return statistics.median(times[1:] or times or [0.0])


@dataclass(frozen=True)
class DemoReport:
    """A whole demo.

    Attributes:
        clip: Its name.
        size: Height and width, in pixels.
        frames: Number of frames.
        ids: The objects.
        threads: Of every engine.
        engines: The reference first.
        bundle_reused: Whether the export of an earlier run was still current.
        seconds: Time of the whole demo.
        output: Folder of what was written.
    """

    clip: str
    size: tuple[int, int]
    frames: int
    ids: list[int]
    threads: int
    engines: tuple[EngineResult, ...]
    bundle_reused: bool
    seconds: float
    output: str


def report_table(report: DemoReport) -> Table:
    """For the terminal: a column per engine."""
    height, width = report.size
    title = f"{report.clip}: {report.frames} frames of {width}x{height}, objects {', '.join(map(str, report.ids))}"
    engines = report.engines
    rows = [
        ("J&F", *("-" if one.j_and_f is None else f"{100 * one.j_and_f:.1f}" for one in engines)),
        ("step, ms", *(f"{one.step_ms:.1f}" for one in engines)),
        *((f"{name}, ms", *(f"{one.components_ms[name]:.1f}" for one in engines)) for name in COMPONENTS),
        ("IoU, mean", *(f"{one.agreement.mean:.4f}" if one.agreement else "-" for one in engines)),
        ("IoU, worst frame", *(_worst(one.agreement) for one in engines)),
        ("model, MB", *(f"{one.model_bytes / 1e6:.2f}" for one in engines)),
    ]
    return rich_table(title, ("", *(one.name for one in engines)), rows)


def _worst(agreement: Agreement | None) -> str:
    return f"{agreement.worst:.4f} (frame {agreement.worst_frame})" if agreement else "-"


def to_json(report: DemoReport) -> dict[str, Any]:
    """For machines."""
    return asdict(report) | {"machine": describe_machine(), "explanation": CAPTION}


class ContactSheet:
    """Collects pictures evenly over a clip, a row per engine.

    Args:
        length: Frames of the clip, as far as is known.
        titles: Of the rows.
    """

    def __init__(self, length: int | None, titles: Sequence[str]) -> None:
        last = (length or _UNKNOWN_LENGTH) - 1
        self._wanted = set(np.linspace(0, last, _COLUMNS).round().astype(int).tolist())
        self._titles = titles
        self._indices: list[int] = []
        self._pictures: list[Sequence[Picture]] = []

    def add(self, index: int, pictures: Sequence[Picture]) -> None:
        """Keeps frame `index`, `[H, W, 3]` of each row, if it is one of the chosen."""
        if index in self._wanted:
            self._indices.append(index)
            self._pictures.append(pictures)

    def write(self, path: Path) -> None:
        """Writes the sheet as a PNG."""
        rows = dict(zip(self._titles, zip(*self._pictures, strict=True), strict=True))
        write_image(path, contact_sheet(rows, [f"frame {index}" for index in self._indices]))
