"""Single parts of the runner are those of the library: hashes, the memory bank, soft aggregation, paths."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mobilevos.contract import EMPTY_BIAS
from mobilevos.errors import InputError
from mobilevos.files import resolve_inside
from mobilevos.tracking.aggregation import soft_aggregate, sum_of_others
from mobilevos.tracking.memory_bank import FIRST_AND_LATEST, MemoryBank

pytestmark = [pytest.mark.runner, pytest.mark.executorch]

Probe = Callable[..., Any]

# The probe is one process for all examples.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@shared
@given(pieces=st.lists(st.binary(max_size=200), max_size=5))
def test_sha256_of_bytes_in_pieces_is_hashlibs(probe: Probe, pieces: list[bytes]) -> None:
    assert (
        probe("sha256", pieces=[list(piece) for piece in pieces])["result"]
        == hashlib.sha256(b"".join(pieces)).hexdigest()
    )


@pytest.mark.parametrize("size", [0, 55, 56, 63, 64, 65, 119, 120, 128])
def test_sha256_pads_right_at_the_edges_of_a_block(probe: Probe, size: int) -> None:
    content = bytes(range(size))
    assert probe("sha256", pieces=[list(content)])["result"] == hashlib.sha256(content).hexdigest()


@shared
@given(capacity=st.integers(2, 4), objects=st.integers(1, 3), count=st.integers(1, 6), seed=st.integers(0, 2**31))
def test_the_bank_is_the_librarys_after_any_number_of_writes(
    probe: Probe, capacity: int, objects: int, count: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    key_channels, value_channels = 3, 2
    size = (16 * int(generator.integers(1, 3)), 32)
    positions = size[0] * size[1] // 256
    bank, writes, slots = MemoryBank(capacity, FIRST_AND_LATEST), [], []
    for number in range(count):
        key = generator.standard_normal((positions, key_channels + 1)).astype(np.float32)
        values = generator.standard_normal((objects, positions, value_channels)).astype(np.float32)
        bank.write(key, values)
        slots.append(FIRST_AND_LATEST.slot(number))
        writes.append({"key": key.ravel().tolist(), "values": values.ravel().tolist()})
    dimensions = [*size, capacity, key_channels, value_channels]
    found = probe("bank", dimensions=dimensions, empty_bias=EMPTY_BIAS, writes=writes)["result"]
    assert found["slots"] == slots
    assert np.array_equal(np.float32(found["keys"]), bank.keys.ravel())
    assert np.array_equal(np.float32(found["values"]), bank.values.ravel())


logit_planes = st.integers(1, 4).flatmap(
    lambda objects: arrays.arrays(np.float32, (objects, 1, 2, 3), elements=st.floats(-120, 120, width=32))
)


@shared
@given(logits=logit_planes)
def test_soft_aggregation_is_the_librarys(probe: Probe, logits: Any) -> None:
    found = probe("aggregate", logits=logits.reshape(len(logits), -1).tolist())["result"]
    expected = soft_aggregate(logits)
    np.testing.assert_allclose(found["probabilities"], expected.ravel(), atol=2e-6)
    np.testing.assert_allclose(found["others"], sum_of_others(expected).ravel(), atol=4e-6)


@pytest.mark.parametrize(
    "name", ["a.pte", "sub/a.pte", "", "/etc/passwd", "../a", "a/../../b", "a\\b", "link/a", "a\0b"]
)
def test_a_path_leaves_its_folder_where_the_library_says_so(probe: Probe, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    answer = probe("resolve", folder=str(tmp_path / "in"), name=name)
    try:
        expected = resolve_inside(tmp_path / "in", name)
    except InputError:
        assert "leaves its folder" in answer["error"]
    else:
        assert answer["result"] == str(expected)
