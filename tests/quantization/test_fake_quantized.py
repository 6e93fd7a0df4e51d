"""What training sees is what the export makes: the same sites, the same numbers."""

from __future__ import annotations

import pytest
import torch

from mobilevos.contract import Dimensions
from mobilevos.errors import InputError
from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.fake_quantized import (
    FakeQuantizedNetwork,
    LearnedRanges,
    TrainingGraphs,
    trace_training_graphs,
)
from mobilevos.quantization.folded_weights import folded_weights
from mobilevos.quantization.program import QuantizedNetwork
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Specification

pytestmark = pytest.mark.executorch

CROP = 32


@pytest.fixture(scope="module")
def graphs(student: MemoryNetwork) -> TrainingGraphs:
    return trace_training_graphs(student, CROP, Specification())


@pytest.fixture
def quantized(graphs: TrainingGraphs, student: MemoryNetwork, student_ranges: dict[str, Range]) -> FakeQuantizedNetwork:
    ranges = LearnedRanges(student_ranges, graphs.learnt)
    graphs.round_by(ranges)
    return FakeQuantizedNetwork(graphs, folded_weights(student))


def image(batch: int, height: int = CROP, width: int = CROP) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_training_rounds_at_the_sites_of_the_export(
    graphs: TrainingGraphs, quantized_student: QuantizedNetwork
) -> None:
    assert graphs.sites == set(quantized_student.ranges)


def test_masks_keep_the_range_that_the_contract_gives_them(graphs: TrainingGraphs) -> None:
    assert graphs.sites - graphs.learnt == {"masks", "others", "memory_encoder/cat.0"}


@torch.no_grad()
def test_training_computes_what_the_exported_program_computes(
    student: MemoryNetwork,
    student_ranges: dict[str, Range],
    quantized_student: QuantizedNetwork,
    small_dimensions: Dimensions,
) -> None:
    height, width = small_dimensions.height, small_dimensions.width
    assert (height, width) == (32, 48)
    at_size = trace_training_graphs(student, 48, Specification())
    at_size.round_by(LearnedRanges(student_ranges, at_size.learnt))
    frame = image(1, 48, 48)
    found = FakeQuantizedNetwork(at_size, folded_weights(student)).encode_query(frame)
    from mobilevos.quantization.program import quantize

    square = student.dimensions(48, 48, 2, 1)
    (program,) = quantize(
        student, square, quantized_student.specification, student_ranges, ["encode_query"]
    ).programs.values()
    for expected, one in zip(program(frame), found, strict=True):
        # Equal but for ties, where a sum that lies half-way between two steps is rounded to the other.
        assert (expected - one).abs().gt(1e-4 * expected.abs().amax()).float().mean() < 0.02


@pytest.mark.parametrize("batch", [1, 3])
def test_any_number_of_pairs_of_clip_and_object_is_taken(quantized: FakeQuantizedNetwork, batch: int) -> None:
    query = quantized.encode_query(image(batch))
    assert query.key.shape[0] == batch
    masks = torch.rand(batch, 1, CROP, CROP)
    value = quantized.encode_memory(query, masks, 1 - masks)
    readout = quantized.read_memory(query.key, query.key[:, :, None], value[:, None, :, None])
    _, logits = quantized.decode_with_features(readout, query)
    assert logits.shape == (batch, 1, CROP, CROP)


def test_weights_and_ranges_get_a_gradient(
    graphs: TrainingGraphs, student: MemoryNetwork, student_ranges: dict[str, Range]
) -> None:
    ranges = LearnedRanges(student_ranges, graphs.learnt)
    graphs.round_by(ranges)
    student.zero_grad(set_to_none=True)
    network = FakeQuantizedNetwork(graphs, folded_weights(student))
    query: QueryFeatures = network.encode_query(image(2))
    sum(feature.square().sum() for feature in query).backward()  # type: ignore[union-attr]
    reached = {name for name, parameter in student.named_parameters() if parameter.grad is not None}
    student.zero_grad(set_to_none=True)
    assert {name for name, _ in student.named_parameters() if name.startswith("query_encoder")} <= reached
    site = "query_encoder.trunk.features.1.conv.0.0"
    gradient = ranges[site].log_factor.grad
    assert gradient is not None
    assert float(gradient) != 0


def test_a_site_without_a_range_is_named(graphs: TrainingGraphs, student_ranges: dict[str, Range]) -> None:
    ranges = LearnedRanges(student_ranges, graphs.learnt)
    with pytest.raises(InputError, match=r"decoder\.head has no range"):
        ranges.start_from({site: one for site, one in student_ranges.items() if site != "decoder.head"})


def test_ranges_are_read_back_as_they_were_set(graphs: TrainingGraphs, student_ranges: dict[str, Range]) -> None:
    found = LearnedRanges(student_ranges, graphs.learnt).ranges()
    assert found.keys() == student_ranges.keys()
    for site, one in student_ranges.items():
        assert found[site] == Range(pytest.approx(one.scale, rel=1e-6), one.zero_point)  # type: ignore[arg-type]
