"""The inputs that components are judged by follow the contract and come from a clip."""

from pathlib import Path

import numpy as np
import pytest

from export.activations import record_activations
from mobilevos.contract import EMPTY_BIAS, signatures
from mobilevos.engines.eager import EagerEngine
from mobilevos.model.checkpoint import load_network


@pytest.mark.parametrize("objects", [1, 2])
def test_activations_follow_the_contract(random_checkpoint: Path, objects: int) -> None:
    network = load_network(random_checkpoint)
    dimensions = network.dimensions(64, 96, 2, objects)
    activations = record_activations(EagerEngine(network), dimensions)
    for name, signature in signatures(dimensions).items():
        for specs, arrays in zip((signature.inputs, signature.outputs), activations[name], strict=True):
            assert [(a.shape, a.dtype) for a in arrays] == [(spec.shape, np.dtype(spec.dtype)) for spec in specs], name


def test_they_are_those_of_a_clip(random_checkpoint: Path) -> None:
    network = load_network(random_checkpoint)
    engine, dimensions = EagerEngine(network), network.dimensions(64, 96, 2, 2)
    activations = record_activations(engine, dimensions, seed=3)
    image, keys, values = activations["segment"][0]
    masks, others = activations["encode_memory"][0][3:]
    assert 0 <= image.min() < image.max() <= 1
    assert (masks.sum((1, 2, 3)) > 0).all()
    np.testing.assert_array_equal(others, masks[::-1])  # of two objects, each is the other's others
    half = dimensions.positions
    assert np.abs(values[:, :half]).sum() > 0
    np.testing.assert_array_equal(keys[half:, -1], EMPTY_BIAS)
    assert not values[:, half:].any()


def test_the_same_seed_gives_the_same(random_checkpoint: Path) -> None:
    network = load_network(random_checkpoint)
    engine, dimensions = EagerEngine(network), network.dimensions(64, 96, 2, 1)
    first, same, other = (record_activations(engine, dimensions, seed)["segment"][0][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
