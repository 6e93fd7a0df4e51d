"""The Core ML engine: says what evaluates its programs, and trusts no package."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.engines.coreml import CoreMLEngine
from mobilevos.engines.mil import EVALUATED_BY
from mobilevos.engines.mil.toolkit import compute_unit
from mobilevos.errors import InputError
from mobilevos.files import sha256_of

pytestmark = [
    pytest.mark.coreml,
    pytest.mark.skipif(sys.platform == "darwin", reason="there Apple's runtime evaluates the programs"),
]

MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


@pytest.fixture
def copy(bundle_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A bundle to damage."""
    return Path(shutil.copytree(bundle_of("coreml"), tmp_path / "bundle"))


def seal(bundle: Path) -> None:
    """Makes the manifest's checksums fit whatever the files hold."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    for name, facts in manifest["files"].items():
        facts |= {"sha256": sha256_of(bundle / name), "bytes": (bundle / name).stat().st_size}
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def edit(bundle: Path, component: str, **changes: Any) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["components"][component] |= changes
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def refused(bundle: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        CoreMLEngine(Bundle.open(bundle))
    assert "\n" not in str(caught.value)


def test_reports_say_that_it_is_not_apples_runtime(bundle_of: Callable[[str], Path]) -> None:
    engine = CoreMLEngine(Bundle.open(bundle_of("coreml")))
    assert engine.info.name == "coreml-fp32 (MIL interpreter)"
    facts = engine.describe()
    assert facts["engine"] == engine.info.name
    assert facts["evaluated"] == EVALUATED_BY == "evaluated by the MIL interpreter, not by Apple's runtime"
    assert facts["versions"]["coremltools"]


def test_a_bundle_of_another_runtime(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps(manifest | {"target": "onnx"}))
    refused(copy, "is for another runtime; expected coreml; found onnx")


def test_damage_that_the_checksum_tells(copy: Path) -> None:
    model = copy / "decode.mlpackage" / MODEL
    model.write_bytes(model.read_bytes()[:-1])
    refused(copy, "is damaged or was exchanged")


def test_a_truncated_model_with_the_right_checksum(copy: Path) -> None:
    model = copy / "decode.mlpackage" / MODEL
    model.write_bytes(model.read_bytes()[:5000])
    seal(copy)
    refused(copy, "is not a readable Core ML model|is not an ML program")


def test_the_weights_of_another_component(copy: Path) -> None:
    shutil.copy(copy / "encode_query.mlpackage" / WEIGHTS, copy / "decode.mlpackage" / WEIGHTS)
    seal(copy)
    refused(copy, "decode.mlpackage is not a sound program")


def test_a_manifest_that_leads_outside_its_package(copy: Path) -> None:
    source = copy / "decode.mlpackage" / "Manifest.json"
    source.write_text(source.read_text().replace("com.apple.CoreML/weights", "../../segment.mlpackage/Data"))
    seal(copy)
    refused(copy, "leaves its folder")


def test_a_file_that_the_manifest_does_not_name(copy: Path) -> None:
    (copy / "decode.mlpackage" / "Data" / "more").write_text("")
    refused(copy, "more")


def test_a_function_that_is_not_there(copy: Path) -> None:
    edit(copy, "decode", method="decode")
    refused(copy, "has no function 'decode' for decode")


def test_a_package_of_another_component(copy: Path) -> None:
    edit(copy, "decode", file="read_memory.mlpackage")
    refused(copy, r"does not follow the contract of decode; expected readout float32\[1, .*found key float32\[1, 64")


def test_an_image_where_the_program_takes_an_array(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    component = manifest["components"]["encode_query"]
    image = component["inputs"][0] | {"dtype": "uint8", "layout": "RGB image"}
    edit(copy, "encode_query", artefact={"inputs": [image], "outputs": component["outputs"]})
    refused(copy, r"expected image float32\[1, 3, 64, 96\] image")


def test_compute_units_are_known_by_swifts_names() -> None:
    assert compute_unit("cpuAndNeuralEngine").name == "CPU_AND_NE"
    with pytest.raises(InputError, match="compute units 'tpu'; expected one of all, cpuAndGPU"):
        compute_unit("tpu")
