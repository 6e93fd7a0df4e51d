"""The layers most worth keeping in float, from a ranking that was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mobilevos.errors import InputError

__all__ = ["read_worst", "worst_of"]


def worst_of(ranked: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The first of a ranking.

    Raises:
        InputError: It has fewer.
    """
    if count > len(ranked):
        raise InputError(
            f"--keep-float-worst {count}", expected=f"at most {len(ranked)} layers", remedy="pass --precision fp32"
        )
    return ranked[:count]


def read_worst(path: Path, count: int, checkpoint_sha256: str) -> tuple[str, ...]:
    """The worst layers that a file of `python -m export.quantization sensitivity --json` names.

    Args:
        path: Of the file.
        count: How many.
        checkpoint_sha256: Of the network that is exported.

    Raises:
        InputError: It cannot be read, holds something else or fewer layers, or was measured on another network.
    """
    ranking = _ranking(path)
    if ranking["checkpoint_sha256"] != checkpoint_sha256:
        raise InputError(
            f"{path} was measured on another network",
            expected=f"SHA-256 {checkpoint_sha256[:12]}...",
            found=f"{str(ranking['checkpoint_sha256'])[:12]}...",
            remedy="measure this checkpoint with `python -m export.quantization sensitivity`",
        )
    return worst_of(tuple(str(one["layer"]) for one in ranking["layers"]), count)


def _ranking(path: Path) -> dict[str, Any]:
    try:
        ranking = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON", found=str(error)[:100]) from error
    layers = ranking.get("layers") if isinstance(ranking, dict) else None
    ranked = isinstance(layers, list) and all(isinstance(one, dict) and "layer" in one for one in layers)
    if not ranked or "checkpoint_sha256" not in ranking:
        raise InputError(
            f"{path} holds no ranking of layers",
            remedy="make one with `python -m export.quantization sensitivity --json FILE`",
        )
    assert isinstance(ranking, dict)
    return ranking
