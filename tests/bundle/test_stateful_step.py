"""The component that a bundle may have beside those of the contract."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from written_bundle import DIMENSIONS, PROGRAM

from mobilevos.bundle import MANIFEST, Bundle, component_table, validate_manifest
from mobilevos.contract import STATEFUL_STEP, signature
from mobilevos.errors import InputError


def with_state(manifest: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    table = component_table(DIMENSIONS, [STATEFUL_STEP])[STATEFUL_STEP]
    tensors = json.loads(json.dumps(table))
    changed["components"][STATEFUL_STEP] = {"file": PROGRAM, "method": STATEFUL_STEP, **tensors}
    return changed


def test_a_stateful_step_may_be_there_with_its_states(manifest: dict[str, Any], folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps(with_state(manifest)))
    bundle = Bundle.open(folder)
    assert bundle.artefact_signature(STATEFUL_STEP) == signature(STATEFUL_STEP, DIMENSIONS)


@pytest.mark.parametrize("states", [None, [], "fewer", "another type", "another shape"])
def test_but_not_with_other_states(manifest: dict[str, Any], states: Any) -> None:
    changed = with_state(manifest)
    entry = changed["components"][STATEFUL_STEP]
    if states is None:
        del entry["states"]
    elif states == "fewer":
        entry["states"].pop()
    elif states == "another type":
        entry["states"][0]["dtype"] = "float32"
    elif states == "another shape":
        entry["states"][0]["shape"][0] += 1
    else:
        entry["states"] = states
    with pytest.raises(InputError, match=r"does not follow the contract|is not a bundle manifest") as caught:
        validate_manifest(changed, Path(MANIFEST))
    assert "\n" not in str(caught.value)


def test_a_component_of_the_contract_has_no_states(manifest: dict[str, Any]) -> None:
    changed = with_state(manifest)
    changed["components"]["segment"]["states"] = changed["components"][STATEFUL_STEP]["states"]
    with pytest.raises(InputError, match="component segment does not follow the contract"):
        validate_manifest(changed, Path(MANIFEST))
