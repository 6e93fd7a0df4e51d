"""The memory read against plain loops in float64, and its export form against the batched one."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilevos.contract import EMPTY_BIAS
from mobilevos.model.memory_read import (
    dot_product_affinity,
    l2_affinity,
    memory_rows,
    memory_weights,
    query_rows,
    read,
    read_memory,
    read_rows,
)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rows_of(values: Tensor) -> Tensor:
    """`[O, Cv, T, h, w]` as bank rows `[O, T*h*w, Cv]`."""
    return values.flatten(2).transpose(1, 2)


def bank_rows(memory_key: Tensor) -> Tensor:
    """`[1, Ck, T, h, w]` as bank rows `[T*h*w, Ck+1]`."""
    return torch.cat([memory_rows(frame) for frame in memory_key.unbind(2)])


def test_l2_affinity_is_the_scaled_squared_distance_without_the_query_norm():
    query, memory = normal(2, 5, 3), normal(2, 5, 4, seed=1)
    affinity = l2_affinity(query, memory)
    for b in range(2):
        for i in range(3):
            for j in range(4):
                q, k = query[b, :, i].tolist(), memory[b, :, j].tolist()
                distance = sum((x - y) ** 2 for x, y in zip(q, k, strict=True))
                expected = (sum(x * x for x in q) - distance) / math.sqrt(5)
                assert affinity[b, i, j].item() == pytest.approx(expected, abs=1e-12)


def test_dot_product_affinity_is_the_scaled_dot_product():
    query, memory = normal(2, 5, 3), normal(2, 5, 4, seed=1)
    affinity = dot_product_affinity(query, memory)
    for b in range(2):
        for i in range(3):
            for j in range(4):
                products = [x * y for x, y in zip(query[b, :, i].tolist(), memory[b, :, j].tolist(), strict=True)]
                assert affinity[b, i, j].item() == pytest.approx(sum(products) / math.sqrt(5), abs=1e-12)


@pytest.mark.parametrize("top_k", [None, 1, 3, 7, 100])
def test_weights_are_the_softmax_over_the_nearest_positions(top_k):
    affinity = normal(2, 4, 7)
    weights = memory_weights(affinity, top_k)
    for row, weight in zip(affinity.flatten(0, 1).tolist(), weights.flatten(0, 1).tolist(), strict=True):
        kept = set(sorted(range(7), key=lambda j: -row[j])[:top_k])
        total = sum(math.exp(row[j]) for j in kept)
        assert weight == pytest.approx([math.exp(row[j]) / total if j in kept else 0.0 for j in range(7)])


@given(
    scale=st.floats(0, 1e4),
    queries=st.integers(1, 5),
    positions=st.integers(1, 40),
    top_k=st.none() | st.integers(1, 50),
    seed=st.integers(0, 1000),
)
def test_weights_are_a_distribution_for_any_affinity(scale, queries, positions, top_k, seed):
    weights = memory_weights(scale * normal(1, queries, positions, seed=seed, dtype=torch.float32), top_k)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, queries))
    assert (weights > 0).sum(-1).max() <= min(top_k or positions, positions)


def test_top_k_passes_gradients_to_the_nearest_positions_only():
    affinity = normal(1, 2, 6).requires_grad_()
    (memory_weights(affinity, 2) * normal(1, 2, 6, seed=1)).sum().backward()
    nearest = torch.zeros(1, 2, 6).scatter(-1, affinity.detach().topk(2).indices, 1).bool()
    assert affinity.grad is not None
    assert (affinity.grad[nearest] != 0).all()
    assert (affinity.grad[~nearest] == 0).all()


def test_read_sums_the_values_of_every_object_by_weight():
    weights, values = normal(2, 3, 4), normal(2, 2, 5, 4, seed=1)
    readout = read(weights, values)
    assert readout.shape == (2, 2, 5, 3)
    for index in torch.cartesian_prod(*(torch.arange(n) for n in readout.shape)):
        b, o, c, i = index.tolist()
        expected = sum(weights[b, i, j].item() * values[b, o, c, j].item() for j in range(4))
        assert readout[b, o, c, i].item() == pytest.approx(expected, abs=1e-12)


def test_read_memory_composes_the_parts_for_a_batch_of_clips():
    query, memory, values = normal(2, 4, 3, 5), normal(2, 4, 6, 3, 5, seed=1), normal(2, 3, 7, 6, 3, 5, seed=2)
    readout = read_memory(query, memory, values, top_k=9).unflatten(0, (2, 3))
    for b in range(2):
        weights = memory_weights(l2_affinity(query[b : b + 1].flatten(2), memory[b : b + 1].flatten(2)), 9)
        for o in range(3):
            expected = torch.einsum("qn,cn->cq", weights[0], values[b, o].flatten(1)).view(7, 3, 5)
            torch.testing.assert_close(readout[b, o], expected)


def test_memory_rows_hold_the_scaled_key_and_its_squared_norm():
    key = normal(1, 16, 2, 3)
    rows = memory_rows(key)
    assert rows.shape == (6, 17)
    for position, k in enumerate(key[0].flatten(1).T):
        torch.testing.assert_close(rows[position, :-1], 2 * k / 4)
        torch.testing.assert_close(rows[position, -1], -(k @ k) / 4)


def test_query_rows_times_memory_rows_is_the_l2_affinity():
    query, memory = normal(1, 64, 3, 4), normal(1, 64, 3, 4, seed=1)
    expected = l2_affinity(query.flatten(2), memory.flatten(2))[0]
    torch.testing.assert_close(query_rows(query) @ memory_rows(memory).T, expected)


@pytest.mark.parametrize("top_k", [None, 5])
@pytest.mark.parametrize(("objects", "frames"), [(1, 1), (1, 2), (3, 2)])
def test_the_export_form_reads_what_the_batched_form_reads(objects, frames, top_k):
    query = normal(1, 64, 4, 6, dtype=torch.float32)
    memory = normal(1, 64, frames, 4, 6, seed=1, dtype=torch.float32)
    values = normal(1, objects, 8, frames, 4, 6, seed=2, dtype=torch.float32)
    readout = read_rows(query, bank_rows(memory), rows_of(values[0]), top_k)
    assert readout.shape == (objects, 8, 4, 6)
    torch.testing.assert_close(readout, read_memory(query, memory, values, top_k), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_an_empty_row_weighs_exactly_nothing(dtype):
    # Keys far from each other, whose affinities are low, beside rows whose values would show.
    query, memory = 4 * normal(1, 64, 2, 3, dtype=dtype), -4 * normal(1, 64, 2, 3, dtype=dtype)
    values = normal(2, 6, 8, seed=1, dtype=dtype)
    empty = torch.zeros(6, 65, dtype=dtype)
    empty[:, -1] = EMPTY_BIAS
    assert memory_weights(query_rows(query) @ torch.cat([memory_rows(memory), empty]).T)[:, 6:].eq(0).all()
    keys, all_values = torch.cat([memory_rows(memory), empty]), torch.cat([values, values + 1e4], dim=1)
    readout = read_rows(query, keys, all_values)
    assert readout.isfinite().all()
    torch.testing.assert_close(readout, read_rows(query, memory_rows(memory), values))


@pytest.mark.executorch
@pytest.mark.parametrize("objects", [1, 2])
def test_xnnpack_takes_the_read_whole(objects):
    inputs = (
        normal(1, 64, 3, 4, dtype=torch.float32),
        bank_rows(normal(1, 64, 2, 3, 4, seed=1, dtype=torch.float32)),
        normal(objects, 24, 8, seed=2, dtype=torch.float32),
    )
    assert_one_delegate(read_rows, inputs)


@pytest.mark.executorch
def test_xnnpack_takes_the_making_of_memory_rows_whole():
    assert_one_delegate(memory_rows, (normal(1, 64, 3, 4, dtype=torch.float32),))


def assert_one_delegate(function, inputs):
    """Lowers `function` for XNNPACK; nothing may be left outside the delegate, and its numbers must agree."""
    exir = pytest.importorskip("executorch.exir")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.devtools.backend_debug import get_delegation_info
    from executorch.runtime import Runtime

    class Module(torch.nn.Module):
        def forward(self, *inputs: Tensor) -> Tensor:
            return function(*inputs)

    lowered = exir.to_edge_transform_and_lower(
        torch.export.export(Module().eval(), inputs), partitioner=[XnnpackPartitioner()]
    )
    info = get_delegation_info(lowered.exported_program().graph_module)
    left = {name for name, count in info.delegation_by_operator.items() if count.non_delegated}
    assert info.num_delegated_subgraphs == 1
    assert left <= {"getitem"}  # takes the delegate's output out of its tuple; not a kernel
    program = Runtime.get().load_program(lowered.to_executorch().buffer)
    (output,) = program.load_method("forward").execute(list(inputs))
    torch.testing.assert_close(output, function(*inputs), atol=1e-5, rtol=1e-5)
