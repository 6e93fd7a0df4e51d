"""`mobilevos average`: several networks in, their mean out, and nothing written where something is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilevos.files import sha256_of
from mobilevos.model.checkpoint import load_network, read_metadata, save_network
from mobilevos.model.variants import build_network

Command = Callable[..., Any]
Refused = Callable[..., str]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two students of one kind."""
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for seed, path in enumerate(paths):
        save_network(build_network("mobilenet_v2", seed=seed), path, provenance={})
    return paths


def test_the_mean_is_written_with_the_hashes_of_what_went_in(
    mobilevos: Command, files: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "soup.safetensors"
    outcome = mobilevos("average", *files, "--output", output)
    assert (outcome.code, outcome.out) == (0, f"mean of 2 networks (mobilenet_v2): {output}\n")
    soup, a, b = (load_network(path).decoder.head.weight for path in (output, *files))
    assert (soup - (a + b) / 2).abs().max() < 1e-7
    assert read_metadata(output)["provenance"]["averaged_sha256"] == [sha256_of(path) for path in files]


def test_what_cannot_be_averaged_is_refused_and_nothing_written(
    refused: Refused, files: list[Path], tmp_path: Path
) -> None:
    other, output = tmp_path / "other.safetensors", tmp_path / "soup.safetensors"
    save_network(build_network("mobilenet_v2_aspp"), other, provenance={})
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(files[0].read_bytes()[:-1000])
    to = ("--output", output)
    assert "expected two or more networks; found 1" in refused("average", files[0], *to)
    assert "other.safetensors is another network than" in refused("average", files[0], other, *to)
    assert "damaged.safetensors is not a readable checkpoint" in refused("average", files[0], damaged, *to)
    assert "no checkpoint at nowhere" in refused("average", files[0], "nowhere", *to)
    assert "found the path of an input" in refused("average", *files, "--output", files[0], "--overwrite")
    assert not output.exists()


def test_an_existing_file_is_replaced_only_when_asked(
    mobilevos: Command, refused: Refused, files: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "soup.safetensors"
    output.write_bytes(b"precious")
    assert "pass --overwrite" in refused("average", *files, "--output", output)
    assert output.read_bytes() == b"precious"
    assert mobilevos("average", *files, "--output", output, "--overwrite").code == 0
    assert load_network(output).config.name == "mobilenet_v2"
