"""The report names what a delegate left, and why."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from export.delegation import delegation_report, record_refusals

pytestmark = pytest.mark.executorch

PARTITIONER = "executorch.backends.xnnpack.partition.config"


class PartlyDelegated(nn.Module):
    """What a memory read looks like when nobody thought of phones."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        highest, _ = torch.topk(x, 2, dim=2)
        return torch.softmax(x, 1), highest, x.sum(1), torch.softmax(torch.bmm(x, x.transpose(1, 2)), -1)


@pytest.fixture(scope="module")
def report():
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(PartlyDelegated(), (torch.rand(1, 4, 4),))
    with record_refusals() as refusals:
        edge = to_edge_transform_and_lower({"read": program}, partitioner=[XnnpackPartitioner()])
    return delegation_report(edge.exported_program("read").graph_module, refusals)


def test_what_the_delegate_takes_is_counted(report) -> None:
    assert report.delegated >= 2  # the matrix product and the softmax over the last dimension
    assert report.subgraphs == 1


def test_what_it_leaves_is_named(report) -> None:
    assert {(one.operator, one.count) for one in report.left} == {
        ("aten_topk_default", 1),
        ("aten__softmax_default", 1),
        ("aten_sum_dim_int_list", 1),
    }


def test_the_reason_is_the_partitioners_own_where_it_gives_one(report) -> None:
    reasons = {one.operator: one.reason for one in report.left}
    assert "dim must be the last dim, got dim = 1" in reasons["aten__softmax_default"]
    assert reasons["aten_topk_default"] == "the partitioner left it and gave no reason"


def test_plumbing_is_counted_apart(report) -> None:
    assert report.plumbing >= 1  # top-k's pair is taken apart
    assert not any("getitem" in one.operator for one in report.left)


def test_the_report_is_plain_data(report) -> None:
    assert report.to_json()["left"][0].keys() == {"operator", "count", "reason"}


def test_listening_leaves_the_log_as_it_was() -> None:
    logger = logging.getLogger("executorch.backends.xnnpack")
    before = (logger.level, logger.propagate, list(logger.handlers))
    with pytest.raises(KeyError), record_refusals():
        raise KeyError
    assert (logger.level, logger.propagate, list(logger.handlers)) == before
