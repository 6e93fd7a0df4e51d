"""TorchScript archives run without this project's code, and say nothing of the machine that made them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS, signature
from mobilevos.engines import open_engine

BundleOf = Callable[[str], Path]

RUN = """
import sys
import numpy, torch
inputs = [torch.from_numpy(array) for array in numpy.load(sys.argv[2]).values()]
logits, *_ = torch.jit.load(sys.argv[1])(*inputs)
assert not {"mobilevos", "export", "torchvision"} & set(sys.modules)
numpy.save(sys.argv[3], logits.numpy())
"""


@pytest.fixture(scope="module")
def bundle(bundle_of: BundleOf) -> Bundle:
    return Bundle.open(bundle_of("torchscript"))


@pytest.mark.slow
def test_the_fused_step_runs_where_the_project_is_not(bundle: Bundle, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    inputs = [generator.random(spec.shape, np.float32) for spec in signature("segment", bundle.dimensions).inputs]
    np.savez(tmp_path / "inputs.npz", *inputs)
    # Isolated: neither this folder nor PYTHONPATH is where modules are looked for.
    command = [sys.executable, "-I", "-W", "ignore", "-c", RUN, bundle.artefact("segment")[0]]
    done = subprocess.run(
        [*command, tmp_path / "inputs.npz", tmp_path / "logits.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected, _ = open_engine("torchscript", bundle=bundle.folder).segment(*inputs)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_archive_names_no_source_file(bundle: Bundle, component: str) -> None:
    here = str(Path(__file__).parents[2]).encode()
    with zipfile.ZipFile(bundle.artefact(component)[0]) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert not name.endswith(".debug_pkl")
            assert here not in archive.read(name), name


def test_the_manifest_says_that_another_export_gives_other_bytes(bundle: Bundle) -> None:
    artefacts = {name: facts for name, facts in bundle.manifest["files"].items() if name.endswith(".pt")}
    assert len(artefacts) == len(COMPONENTS)
    assert all(facts["varies"] for facts in artefacts.values())
