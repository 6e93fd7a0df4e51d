"""Every rung of the int8 ladder tracked, scored and measured once: what is done is read the next time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.accuracy_rungs import Kind, Rung
from benchmarks.component_sqnr import Yardstick
from benchmarks.machine import describe_machine
from benchmarks.provenance import provenance
from mobilevos.bundle import Bundle
from mobilevos.commands.console import frame_progress
from mobilevos.commands.engine_options import TrackingSetup
from mobilevos.commands.tracked_evaluation import track_and_score
from mobilevos.contract import COMPONENTS, STRIDE
from mobilevos.data.masks import read_mask
from mobilevos.data.sequence import Sequence
from mobilevos.evaluation.agreement import Agreement, frame_iou, summarise
from mobilevos.files import atomic_write_text
from mobilevos.weights import default_checkpoint

__all__ = ["Entrant", "agreement_with", "climb"]

_IDS = (1,)  # the sequences of DAVIS 2016 have one object


@dataclass(frozen=True)
class Entrant:
    """What is put on a rung.

    Attributes:
        name: Of the rung, for people and for its folder.
        kind: See `Rung`.
        setup: Engine, weights and memory.
    """

    name: str
    kind: Kind
    setup: TrackingSetup

    @property
    def bundle(self) -> Bundle | None:
        """Of a runtime."""
        return None if self.setup.bundle is None else Bundle.open(self.setup.bundle, verify=False)


def climb(entrants: list[Entrant], sequences: list[Sequence], folder: Path) -> list[Rung]:
    """Tracks, scores and measures what is not yet, and compares masks with the reference's.

    A rung whose weights and versions are those of its last run is read from there, so that a stopped ladder goes on
    where it was.

    Args:
        entrants: One of kind `float` and one of kind `reference` among them.
        sequences: Each of one object.
        folder: Takes masks, scores and ratios of every rung.

    Raises:
        InputError: An engine, a bundle or a sequence cannot be used.
    """
    parent = next(one.setup for one in entrants if one.kind == "float")
    height, width = (-(-side // STRIDE) * STRIDE for side in sequences[0].frames[0].shape[:2])
    yardstick = Yardstick(parent.checkpoint or default_checkpoint(), (height, width), parent.threads)
    reports = {one.name: _report(one, sequences, folder / one.name, yardstick) for one in entrants}
    reference = next(one.name for one in entrants if one.kind == "reference")
    rungs = []
    for one in entrants:
        report, bundle = reports[one.name], one.bundle
        compared = one.kind == "runtime"
        agreement = agreement_with(folder / reference / "masks", folder / one.name / "masks", sequences)
        rungs.append(
            Rung(
                name=one.name,
                kind=one.kind,
                target="" if bundle is None else bundle.target,
                sequences={name: score["j_and_f"] for name, score in report["scores"]["sequences"].items()},
                j_and_f=report["scores"]["j_and_f"],
                agreement=agreement if compared else None,
                sqnr_db={} if one.kind == "float" else report["sqnr"]["db"],
                size_bytes=None if bundle is None else bundle.artefact_bytes,
                provenance={**report["provenance"], "made": report["made"]},
            )
        )
    return rungs


def _report(entrant: Entrant, sequences: list[Sequence], folder: Path, yardstick: Yardstick) -> dict[str, Any]:
    """Ratios, scores and provenance, from the last run as far as it was the same."""
    path, bundle = folder / "scores.json", entrant.bundle
    engine = entrant.setup.open_engine()
    report: dict[str, Any] = {"provenance": _without_paths(entrant.setup.provenance(engine))}
    if path.is_file():
        last: dict[str, Any] = json.loads(path.read_text())
        report = last if last["provenance"] == report["provenance"] else report
    conditions = yardstick.conditions(engine)
    if entrant.kind != "float" and report.get("sqnr", {}).get("against") != conditions:
        components = COMPONENTS if bundle is None else bundle.manifest["components"]
        report["sqnr"] = {"against": conditions, "db": yardstick.measure(engine, components)}
        _keep(report, path)
    del engine
    if "made" not in report or list(report["scores"]["sequences"]) != [one.name for one in sequences]:
        frames = sum(len(one.frames) for one in sequences)
        with frame_progress(entrant.name, frames) as advance:
            masks = folder / "masks"
            tracked = track_and_score(sequences, entrant.setup, masks=masks, overwrite=True, advance=advance)
        report |= {"scores": tracked.scores.to_json(), "made": provenance(describe_machine())}
        _keep(report, path)
    return report


def _keep(report: dict[str, Any], path: Path) -> None:
    atomic_write_text(path, json.dumps(report, indent=2) + "\n")


def _without_paths(provenance: dict[str, Any]) -> dict[str, Any]:
    """Without folders of the machine: hashes tell what was run."""
    weights = {key: value for key, value in provenance["weights"].items() if key not in ("checkpoint", "bundle")}
    kept = {key: value for key, value in provenance.items() if not isinstance(value, Path)}
    without: dict[str, Any] = json.loads(json.dumps(kept | {"weights": weights}))
    return without


def agreement_with(reference: Path, masks: Path, sequences: list[Sequence]) -> Agreement:
    """IoU of two folders of masks, over all frames of all sequences but their given first.

    Args:
        reference: Holds `SEQUENCE/FRAME.png`.
        masks: Likewise.
        sequences: Whose frames are compared; the worst is named `SEQUENCE:FRAME`.
    """
    ious, frames = [], []
    for one in sequences:
        for name in one.frames.names[1:]:
            found, expected = (read_mask(folder / one.name / f"{name}.png") for folder in (masks, reference))
            ious.append(frame_iou(found, expected, _IDS))
            frames.append(f"{one.name}:{name}")
    return summarise(ious, frames)
