"""Components are compared with what the reference gave, and a wrong one is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from export.activations import Activations, record_activations
from export.measurement import measure
from export.operators import OperatorReport
from export.targets import ComponentArtefact
from mobilevos.contract import COMPONENTS
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Array, Engine, Query
from mobilevos.errors import InputError
from mobilevos.model.variants import build_network

ARTEFACTS = {name: ComponentArtefact(name, name, 7, OperatorReport(5, 1, 0, ())) for name in COMPONENTS}


class Offset(EagerEngine):
    """An engine that adds a fraction of its root mean square to one component's first output."""

    def __init__(self, component: str, offset: float) -> None:
        super().__init__(build_network("mobilenet_v2"))
        self.component, self.offset = component, offset

    def _off(self, component: str, array: Array) -> Array:
        return array + self.offset * np.sqrt(np.square(array).mean()) if component == self.component else array

    def encode_query(self, image: Array) -> Query:
        query = super().encode_query(image)
        return replace(query, key=self._off("encode_query", query.key))

    def encode_memory(self, query: Query, masks: Array, others: Array) -> tuple[Array, Array]:
        key, value = super().encode_memory(query, masks, others)
        return self._off("encode_memory", key), value

    def read_memory(self, query: Query, memory_keys: Array, memory_values: Array) -> Array:
        return self._off("read_memory", super().read_memory(query, memory_keys, memory_values))

    def decode(self, readout: Array, query: Query) -> Array:
        return self._off("decode", super().decode(readout, query))

    def segment(self, image: Array, memory_keys: Array, memory_values: Array) -> tuple[Array, Query]:
        logits, query = super().segment(image, memory_keys, memory_values)
        return self._off("segment", logits), query


@pytest.fixture(scope="module")
def reference() -> Engine:
    return EagerEngine(build_network("mobilenet_v2"))


@pytest.fixture(scope="module")
def activations(reference: Engine) -> Activations:
    return record_activations(reference, build_network("mobilenet_v2").dimensions(32, 48, 2, 1))


def test_the_reference_equals_itself(reference: Engine, activations: Activations) -> None:
    reports = measure(reference, reference, activations, ARTEFACTS, "fp32")
    assert list(reports) == list(COMPONENTS)
    for report in reports.values():
        assert report.measured is not None
        assert report.measured.difference.max_abs == 0
        assert report.measured.latency_ms > 0
        assert (report.size_bytes, report.operators.delegated) == (7, 5)


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(
    ("precision", "offset", "words"),
    [
        ("fp32", 0.01, r"expected a difference of at most 5e-05 of its range; found \d"),
        (
            "fp16",
            0.1,
            r"expected a signal to noise ratio of at least 50 dB; found \d+\.\d dB; pass --precision fp32, or",
        ),
    ],
)
def test_a_component_that_computes_something_else_is_refused_by_name(
    reference: Engine, activations: Activations, component: str, precision: str, offset: float, words: str
) -> None:
    with pytest.raises(InputError, match=f"component {component} does not compute what the reference.*{words}"):
        measure(reference, Offset(component, offset), activations, ARTEFACTS, precision)


def test_a_ratio_that_was_asked_for_stands_in_the_place_of_the_precisions(
    reference: Engine, activations: Activations
) -> None:
    noisy = Offset("decode", 0.1)
    measure(reference, noisy, activations, ARTEFACTS, "fp16", least_sqnr_db=0)
    with pytest.raises(InputError, match=r"at least 90 dB; found \d+\.\d dB; pass --precision fp32$"):
        measure(reference, noisy, activations, ARTEFACTS, "fp16", least_sqnr_db=90)


def test_what_float16_explains_passes_there_alone(reference: Engine, activations: Activations) -> None:
    slightly = Offset("decode", 1e-3)
    measure(reference, slightly, activations, ARTEFACTS, "fp16")
    with pytest.raises(InputError, match="component decode"):
        measure(reference, slightly, activations, ARTEFACTS, "fp32")
