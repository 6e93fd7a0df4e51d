"""Whatever a user says of a run, it is a configuration or is refused in one line."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mobilevos.errors import InputError
from mobilevos.training.config import compose_config, config_hash, to_yaml
from mobilevos.training.limits import LIMITS
from mobilevos.training.schema import RunConfig

KEYS = st.sampled_from(
    [
        "stage",
        "model",
        "seed",
        "output",
        "device",
        "init",
        "data.crop",
        "data.static",
        "data.davis.skip",
        "hydra",
        *LIMITS,
    ]
)
VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=12),
    st.sampled_from(
        ["", "null", "[]", "{}", "[1,2]", "{a:1}", "${seed}", "${oc.env:HOME}", "${oc.decode:1}", "${nothing}", "???"]
    ),
)
# Hydra takes some 50 ms to compose a configuration.
few = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def compose(overrides: list[str]) -> None:
    try:
        config = compose_config(overrides)
    except InputError as error:
        line = str(error)
        assert "\n" not in line
    else:
        assert isinstance(config, RunConfig)
        assert len(config_hash(config)) == 64


@few
@given(st.lists(st.text(max_size=20), max_size=3))
def test_any_words(overrides: list[str]) -> None:
    compose(overrides)


@few
@given(st.lists(st.tuples(st.sampled_from(["", "+", "++", "~"]), KEYS, VALUES), min_size=1, max_size=3))
def test_any_value_of_any_key(overrides: list[tuple[str, str, str]]) -> None:
    compose([f"{sign}{key}={value}" for sign, key, value in overrides])


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2)
)


@few
@given(st.dictionaries(KEYS.map(lambda key: key.partition(".")[0]), TREES, max_size=2))
def test_any_tree_of_values(tree: dict[str, Any]) -> None:
    compose([f"{key}={_spelt(value)}" for key, value in tree.items()])


def _spelt(value: Any) -> str:
    """A value as Hydra's grammar writes it, more or less."""
    if isinstance(value, list):
        return f"[{','.join(map(_spelt, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_spelt(inner)}' for key, inner in value.items())}}}"
    return "null" if value is None else str(value)


def test_a_configuration_read_back_runs_nothing() -> None:
    text = to_yaml(compose_config([]))
    assert "!!python" not in text
    assert OmegaConf.to_container(OmegaConf.create(text))
