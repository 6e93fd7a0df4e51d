"""The checkpoint of a bundle is found by the hash in its manifest."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_bundle import rewrite, write_bundle

from export.made_of import network_of
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.weights import default_checkpoint, default_int8_checkpoint


def bundle_of_checkpoint(folder: Path, checkpoint: Path) -> Bundle:
    """A bundle that says that it was made of a checkpoint; its artefacts are of no meaning."""
    folder.mkdir()
    write_bundle(folder)
    rewrite(folder, lambda manifest: manifest["model"].update(checkpoint_sha256=sha256_of(checkpoint)))
    return Bundle.open(folder)


def test_the_shipped_student_that_fits_is_found(tmp_path: Path) -> None:
    int8 = default_int8_checkpoint()
    assert int8 is not None
    for path in (default_checkpoint(), int8):
        bundle = bundle_of_checkpoint(tmp_path / path.stem, path)
        found, given = network_of([bundle], None), network_of([bundle], path)
        for one, other in zip(found.parameters(), given.parameters(), strict=True):
            assert (one == other).all()


def test_another_checkpoint_is_refused(tmp_path: Path, random_checkpoint: Path) -> None:
    bundle = bundle_of_checkpoint(tmp_path / "bundle", random_checkpoint)
    with pytest.raises(InputError, match=r"was not made of a shipped student; expected .*pass --checkpoint FILE"):
        network_of([bundle], None)
    with pytest.raises(InputError, match=r"was not made of .*mobilenet_v2\.safetensors"):
        network_of([bundle], default_checkpoint())


def test_bundles_of_different_checkpoints_are_not_of_one_network(tmp_path: Path) -> None:
    int8 = default_int8_checkpoint()
    assert int8 is not None
    bundles = [bundle_of_checkpoint(tmp_path / path.stem, path) for path in (default_checkpoint(), int8)]
    with pytest.raises(InputError, match="are of different checkpoints"):
        network_of(bundles, None)


@pytest.mark.parametrize("content", [None, b"no checkpoint"])
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    bundle, wrong = bundle_of_checkpoint(tmp_path / "bundle", default_checkpoint()), tmp_path / "wrong.safetensors"
    if content is not None:
        wrong.write_bytes(content)
    with pytest.raises(InputError, match=r"wrong\.safetensors"):
        network_of([bundle], wrong)
