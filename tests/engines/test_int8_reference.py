"""PyTorch's int8 reference behind the engine protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilevos.data.synthetic import SyntheticClip
from mobilevos.engines import open_engine
from mobilevos.engines.int8_reference import Int8ReferenceEngine
from mobilevos.errors import InputError
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.component_engine import ComponentEngine
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.stored import StoredQuantization
from mobilevos.tracking import Tracker

pytestmark = pytest.mark.executorch


@pytest.fixture(scope="module")
def engine(student: MemoryNetwork, quantized_student: QuantizedNetwork) -> Int8ReferenceEngine:
    stored = StoredQuantization(quantized_student.specification, dict(quantized_student.ranges), "a clip")
    return Int8ReferenceEngine(student, stored)


def test_it_computes_what_the_quantized_programs_compute(
    engine: Int8ReferenceEngine, quantized_student: QuantizedNetwork, small_dimensions
) -> None:
    clip = SyntheticClip(0, 4, (32, 48), objects=2)
    programs = ComponentEngine(quantized_student.programs, small_dimensions, "programs")
    trackers = [Tracker(one, memory_every=2) for one in (engine, programs)]
    for index, frame in enumerate(clip):
        given = clip.mask(0) if index == 0 else None
        one, other = (tracker.step(frame, given).probabilities for tracker in trackers)
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_another_frame_size_gets_programs_of_its_own(engine: Int8ReferenceEngine) -> None:
    query = engine.encode_query(np.zeros((1, 3, 48, 32), np.float32))
    assert query.key.shape[2:] == (3, 2)


def test_a_checkpoint_without_ranges_is_refused(random_checkpoint: Path) -> None:
    with pytest.raises(InputError, match="was not trained for quantization"):
        open_engine("int8-reference", checkpoint=random_checkpoint)
