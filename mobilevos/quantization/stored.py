"""What a checkpoint holds of its network's quantization, beside the weights: the ranges and how they are meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilevos.errors import InputError
from mobilevos.model.checkpoint import read_metadata
from mobilevos.quantization.ranges import Range, parse_ranges, ranges_to_json
from mobilevos.quantization.specification import Observer, Specification

__all__ = ["StoredQuantization", "load_stored"]


@dataclass(frozen=True)
class StoredQuantization:
    """Of a network that was calibrated or trained for int8.

    Attributes:
        specification: What is quantized.
        ranges: By site.
        source: Where they come from, for people.
    """

    specification: Specification
    ranges: dict[str, Range]
    source: str

    def to_json(self) -> dict[str, Any]:
        """As it lies in a checkpoint's header."""
        return {
            "observer": self.specification.observer.value,
            "float_layers": list(self.specification.float_layers),
            "ranges": ranges_to_json(self.ranges),
            "source": self.source,
        }


def load_stored(path: Path | str) -> StoredQuantization | None:
    """Reads it from a checkpoint; None if the network was neither calibrated nor trained for int8.

    Raises:
        InputError: Not a checkpoint of this project, or damaged; a layer with an unusable range is named.
    """
    stored = read_metadata(path)["quantization"]
    if stored is None:
        return None
    try:
        specification = Specification(Observer(stored["observer"]), tuple(map(str, stored["float_layers"])))
        ranges, source = stored["ranges"], str(stored["source"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} holds a damaged quantization", found=repr(error)[:80]) from error
    return StoredQuantization(specification, parse_ranges(ranges), source)
