"""Reading a run's folder back: its log, validations, configuration and weights, whichever of them are there."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilevos.errors import InputError
from mobilevos.files import sha256_of

__all__ = ["Measures", "RunRecord", "Series", "Validated", "read_run"]

Measures = tuple[float, ...]
"""Seven: J&F, then mean, recall and decay of J, then of F."""


@dataclass(frozen=True)
class Series:
    """One value of the log over the run.

    Attributes:
        steps: Ascending, counted from 1.
        values: One for each step, finite; steps where it was not (an overflow in float16) are left out.
    """

    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Validated:
    """One validation.

    Attributes:
        step: After which it was made.
        overall: Of all objects.
        sequences: Of each sequence, by its name.
        score: As `DatasetScore.to_json` gave it.
        picture: A PNG of the tracked sequences; None if it is missing.
    """

    step: int
    overall: Measures
    sequences: dict[str, Measures]
    score: dict[str, Any]
    picture: Path | None

    @property
    def j_and_f(self) -> float:
        """J&F of all objects, 0..1."""
        return self.overall[0]


@dataclass(frozen=True)
class RunRecord:
    """What a run's folder holds. Any part may be missing.

    Attributes:
        name: Of the folder.
        series: By their names in the log.
        validations: By step.
        provenance: Versions, seed and hashes of the run's inputs.
        config: The resolved configuration as YAML.
        weights: SHA-256 of each trained network, by file name.
    """

    name: str
    series: dict[str, Series]
    validations: tuple[Validated, ...]
    provenance: dict[str, Any]
    config: str
    weights: dict[str, str]


def read_run(folder: Path) -> RunRecord:
    """Reads a folder that `train` wrote, or is still writing.

    Raises:
        InputError: There is no such folder, or a file in it is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"no run at {folder}", expected="the folder that mobilevos train wrote")
    config, provenance = folder / "config.yaml", folder / "run.json"
    validations = [_validated(path) for path in (folder / "validation").glob("step-*.json")]
    return RunRecord(
        name=folder.resolve().name,
        series=_series(folder / "log.jsonl"),
        validations=tuple(sorted(validations, key=lambda one: one.step)),
        provenance=_read_object(provenance) if provenance.exists() else {},
        config=config.read_text(errors="replace") if config.exists() else "",
        weights={path.name: sha256_of(path) for path in sorted(folder.glob("*.safetensors"))},
    )


def _series(log: Path) -> dict[str, Series]:
    points: dict[str, list[tuple[int, float]]] = {}
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        try:
            entry = json.loads(line)
            step = int(entry.pop("step"))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a line that was cut off by a kill
        for name, value in entry.items():
            if isinstance(value, int | float) and math.isfinite(value):
                points.setdefault(name, []).append((step, float(value)))
    return {name: Series(*(tuple(column) for column in zip(*pairs, strict=True))) for name, pairs in points.items()}


def _validated(path: Path) -> Validated:
    score, picture = _read_object(path), path.with_suffix(".png")
    try:
        step = int(score.pop("step"))
        sequences = {name: _measures(one) for name, one in score["sequences"].items()}
        return Validated(step, _measures(score), sequences, score, picture if picture.exists() else None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} holds no validation", found=repr(error), remedy="delete it") from error


def _measures(score: dict[str, Any]) -> Measures:
    shares = [score[measure][kind] for measure in ("j", "f") for kind in ("mean", "recall", "decay")]
    return tuple(float(share) for share in (score["j_and_f"], *shares))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is damaged", expected="JSON", found=str(error), remedy="delete it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged", expected="a JSON object", found=type(content).__name__)
    return content
