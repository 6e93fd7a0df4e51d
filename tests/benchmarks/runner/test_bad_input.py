"""What the runner cannot use is one line and exit code 2, and nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilevos.files import sha256_of

pytestmark = [pytest.mark.runner, pytest.mark.executorch]

Refused = Callable[..., str]


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A copy to be damaged, of what a device is given: no golden clip."""
    ignored = shutil.ignore_patterns("golden", "parity")
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle", ignore=ignored))


def change(path: Path, *keys: Any, to: Any) -> None:
    """Changes one value in a JSON file."""
    document = json.loads(path.read_text())
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    path.write_text(json.dumps(document))


def rewrite_program(bundle: Path, content: bytes) -> None:
    """Another program, whose checksum fits."""
    path = bundle / "mobilevos.pte"
    path.write_bytes(content)
    facts = {"bytes": len(content), "sha256": sha256_of(path)}
    change(bundle / "manifest.json", "files", "mobilevos.pte", to=facts)


# The bundle


def test_what_a_device_is_given_is_enough(runner: Callable[..., Any], bundle: Path, clip: Path) -> None:
    assert runner(bundle, clip).code == 0


def test_one_flipped_bit_of_the_weights(refused: Refused, bundle: Path, clip: Path) -> None:
    content = bytearray((bundle / "mobilevos.pte").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "mobilevos.pte").write_bytes(content)
    assert "mobilevos.pte is damaged or was exchanged; expected" in refused(bundle, clip)


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (["schema"], 2, "schema; expected 1; found 2"),
        (["target"], "tflite", "target; expected executorch"),
        (["not_executed"], "it is for a GPU", "no CPU runs; found it is for a GPU"),
        (["objects"], 2, "do not follow the contract"),
        (["objects"], 0, "expected a whole number in 1.."),
        (["memory", "frames"], 3, "do not follow the contract"),
        (["memory", "empty_bias"], "low", "expected a number"),
        (["input", "height"], 65, "expected a multiple of 16"),
        (["input", "height"], 1e300, "expected a whole number in"),
        (["components", "segment", "inputs", 0, "dtype"], "float16", "expected float32 at the boundary"),
        (["components", "segment", "inputs", 0, "shape", 2], 32, "do not follow the contract"),
        (["components", "segment", "method"], "fly", "method 'fly' is missing"),
        (["components", "segment", "method"], "decode", "does not follow the contract of segment"),
        (["components", "segment", "artefact"], {"inputs": [], "outputs": []}, "expected the contract's own tensors"),
        (["components", "segment", "file"], "../mobilevos.pte", "leaves its folder"),
        (["components", "segment", "file"], "/etc/passwd", "leaves its folder"),
        (["components", "segment", "file"], "absent.pte", "lacks 'absent.pte'"),
        (["components"], [], "lacks 'decode'"),
        (["files"], {}, "lacks 'mobilevos.pte'"),
        (["files", "mobilevos.pte", "sha256"], "0" * 64, "SHA-256 000000000000..."),
    ],
)
def test_a_manifest_that_says_something_else(
    refused: Refused, bundle: Path, clip: Path, keys: list[Any], value: Any, words: str
) -> None:
    change(bundle / "manifest.json", *keys, to=value)
    assert words in refused(bundle, clip)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"null"])
def test_a_manifest_that_is_none(refused: Refused, bundle: Path, clip: Path, content: bytes) -> None:
    (bundle / "manifest.json").write_bytes(content)
    assert "manifest.json" in refused(bundle, clip)


def test_no_bundle_at_all(refused: Refused, tmp_path: Path, clip: Path) -> None:
    assert "is not a bundle; expected manifest.json" in refused(tmp_path / "absent", clip)


@pytest.mark.parametrize("head", [b"", b"short", b"\0\0\0\0ET11" + bytes(64), b"\0\0\0\0\xff\xfe\xfd\xfc" + bytes(64)])
def test_a_program_without_its_identifier(refused: Refused, bundle: Path, clip: Path, head: bytes) -> None:
    rewrite_program(bundle, head)
    assert "is not an ExecuTorch program; expected the identifier ET12" in refused(bundle, clip)


@pytest.mark.parametrize("kept", [8, 64, 100_000])
def test_a_program_that_is_cut(refused: Refused, bundle: Path, clip: Path, kept: int) -> None:
    rewrite_program(bundle, (bundle / "mobilevos.pte").read_bytes()[:kept])
    line = refused(bundle, clip)
    assert "is not a readable program" in line or "cannot be loaded" in line


def test_a_link_that_leads_out_of_the_bundle(refused: Refused, bundle: Path, clip: Path, tmp_path: Path) -> None:
    (bundle / "mobilevos.pte").rename(tmp_path / "outside.pte")
    (bundle / "mobilevos.pte").symlink_to(tmp_path / "outside.pte")
    assert "leaves its folder" in refused(bundle, clip)


# The clip


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (["format"], 2, "format; expected 1"),
        (["frames"], 8, "frames.rgb is not of the size that clip.json says"),
        (["frames"], 0, "expected a whole number"),
        (["height"], 63, "frames.rgb is not of the size"),
        (["width"], 1e9, "expected a whole number"),
        (["memory_every"], 0, "expected a whole number"),
        (["given"], [], "holds no objects"),
        (["given", 0, "frame"], 7, "expected a whole number in 0..6"),
        (["given", 0, "file"], "../given.u8", "leaves its folder"),
        (["given", 0, "file"], "absent.u8", "cannot read"),
        (["given", 0, "file"], "frames.rgb", "is not of the size"),
        (["given"], [{"frame": 0, "file": "given-00000.u8"}] * 2, "expected one mask a frame"),
    ],
)
def test_a_clip_that_is_described_wrongly(
    refused: Refused, small_bundle: Path, clip: Path, keys: list[Any], value: Any, words: str
) -> None:
    change(clip / "clip.json", *keys, to=value)
    assert words in refused(small_bundle, clip)


def test_a_first_mask_without_objects(refused: Refused, small_bundle: Path, clip: Path) -> None:
    (clip / "given-00000.u8").write_bytes(bytes(64 * 96))
    assert "the first given mask holds no objects" in refused(small_bundle, clip)


def test_frames_of_a_size_that_the_bundle_does_not_take(refused: Refused, small_bundle: Path, clip: Path) -> None:
    for keys, value in ((["height"], 96), (["width"], 64)):
        change(clip / "clip.json", *keys, to=value)
    line = refused(small_bundle, clip)
    assert "cannot take frames of 96x64, which pad to 96x64; expected 64x96" in line


# The command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fast"], "--fast is no option"),
        (["twice"], "twice is no option"),
        (["--steps"], "--steps lacks its value"),
        (["--steps", "many"], "cannot use --steps"),
        (["--steps", "1.5"], "expected a whole number"),
        (["--seconds", "nan"], "cannot use --seconds"),
        (["--threads", "0"], "cannot use --threads; expected a whole number of 1 to"),
        (["--warm-up", "-1"], "cannot use --warm-up"),
        (["--bundle", ""], "must be given"),
    ],
)
def test_options_that_are_none(
    refused: Refused, small_bundle: Path, clip: Path, arguments: list[str], words: str
) -> None:
    assert words in refused(small_bundle, clip, *arguments)


def test_an_output_that_cannot_be_written(refused: Refused, small_bundle: Path, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot write" in refused(small_bundle, clip, output=tmp_path / "file" / "output")


def test_a_record_that_is_there_stays_when_a_run_fails(
    runner: Callable[..., Any], small_bundle: Path, clip: Path
) -> None:
    first = runner(small_bundle, clip)
    before = {path.name: path.read_bytes() for path in first.output.iterdir()}
    change(clip / "clip.json", "format", to=2)
    assert runner(small_bundle, clip).code == 2
    assert {path.name: path.read_bytes() for path in first.output.iterdir()} == before
