"""Ranges travel in the header of the network's checkpoint."""

import json
from pathlib import Path
from typing import Any

import pytest

from mobilevos.errors import InputError
from mobilevos.model.checkpoint import save_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Observer, Specification
from mobilevos.quantization.stored import StoredQuantization, load_stored

STORED = StoredQuantization(
    Specification(Observer.MINMAX, ("decoder.head",)), {"readout": Range(0.25, -3)}, "3 frames of walk"
)


def test_they_come_back_as_they_were(student: MemoryNetwork, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_network(student, path, provenance={}, quantization=STORED.to_json())
    assert load_stored(path) == STORED


def test_a_network_that_knows_nothing_of_int8_has_none(random_checkpoint: Path) -> None:
    assert load_stored(random_checkpoint) is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"observer": "guess"}, "damaged quantization"),
        ({"ranges": {"readout": {"scale": 0, "zero_point": 0}}}, "readout.*scale above 0"),
        ({"ranges": {"readout": {"scale": float("inf"), "zero_point": 0}}}, "readout.*scale above 0"),
        ({"ranges": {"readout": {"scale": 1.0, "zero_point": 300}}}, "readout.*zero_point"),
        ({"ranges": 3}, "table by layer"),
        ({"float_layers": 3}, "damaged quantization"),
    ],
)
def test_what_is_damaged_is_named(damage: dict[str, Any], said: str, student: MemoryNetwork, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    stored = json.loads(json.dumps(STORED.to_json())) | damage
    save_network(student, path, provenance={}, quantization=stored)
    with pytest.raises(InputError, match=said):
        load_stored(path)
