"""Networks on disk: what goes in comes out, and nothing else is taken for a network."""

import json
import pickle
import resource
import signal
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mobilevos.errors import InputError
from mobilevos.model.checkpoint import FORMAT, load_network, load_tensors, read_metadata, save_network
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import VARIANTS, build_network, network_config

PROVENANCE = {"stage": "static", "seed": 7, "scores": {"J&F": 61.5}}


@pytest.fixture(scope="module")
def network() -> MemoryNetwork:
    """With batch norm statistics that differ from a new network's."""
    network = build_network("mobilenet_v2", seed=4)
    with torch.no_grad():
        network.encode_query(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    return network


@pytest.fixture(scope="module")
def saved(network: MemoryNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "network.safetensors"
    save_network(network, path, provenance=PROVENANCE)
    return path


def header_of(path: Path) -> tuple[int, dict[str, Any]]:
    """Length and content of a safetensors file's JSON header."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return length, json.loads(content[8 : 8 + length])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_comes_back_as_it_was(variant, tmp_path):
    network = build_network(variant, seed=2)
    save_network(network, tmp_path / "n.safetensors", provenance={})
    loaded = load_network(tmp_path / "n.safetensors", expected_variant=variant)
    assert loaded.config == network_config(variant)
    expected = network.state_dict()
    assert list(loaded.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())


def test_a_loaded_network_is_in_evaluation_mode_and_float32(saved):
    network = load_network(saved)
    assert not any(module.training for module in network.modules())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_half_precision_halves_the_file_and_rounds_once(network, saved, tmp_path):
    half = tmp_path / "half.safetensors"
    save_network(network, half, provenance={}, precision="fp16")
    assert half.stat().st_size < 0.55 * saved.stat().st_size
    assert half.stat().st_size < 6e6
    for name, tensor in load_network(half).state_dict().items():
        original = network.state_dict()[name]
        expected = original.half().float() if original.is_floating_point() else original
        assert tensor.dtype == original.dtype
        assert torch.equal(tensor, expected), name


def test_a_network_is_the_same_file_every_time_whatever_its_memory_format(network, saved, tmp_path):
    other = build_network(network.config, seed=9).to(memory_format=torch.channels_last)
    other.load_state_dict(network.state_dict())
    for number in range(5):
        save_network(other, tmp_path / f"{number}.safetensors", provenance=PROVENANCE)
        assert (tmp_path / f"{number}.safetensors").read_bytes() == saved.read_bytes()


def test_a_provenance_holds_any_text(network, tmp_path):
    provenance = {"data": "Übungsdaten “ECSSD” \\ \n 訓練"}
    save_network(network, tmp_path / "n.safetensors", provenance=provenance)
    assert read_metadata(tmp_path / "n.safetensors")["provenance"] == provenance
    load_network(tmp_path / "n.safetensors")


def test_the_header_tells_what_the_file_is_without_reading_weights(saved):
    metadata = read_metadata(saved)
    assert metadata["provenance"] == PROVENANCE
    assert metadata["network"]["name"] == "mobilenet_v2"
    assert metadata["network"]["memory_channels"] == [256, 64, 32]


def test_an_existing_file_is_kept_unless_it_may_be_replaced(network, tmp_path):
    path = tmp_path / "n.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists already"):
        save_network(network, path, provenance={}, overwrite=False)
    assert path.read_bytes() == b"precious"
    save_network(network, path, provenance={})
    load_network(path)


@pytest.mark.parametrize(("value", "precision"), [(float("nan"), "fp32"), (float("-inf"), "fp32"), (7e4, "fp16")])
def test_a_network_that_could_not_be_loaded_again_is_not_written(value, precision, tmp_path):
    network = build_network("mobilenet_v2")
    network.decoder.head.bias.data.fill_(value)
    with pytest.raises(InputError, match=r"not finite; found decoder\.head\.bias"):
        save_network(network, tmp_path / "n.safetensors", provenance={}, precision=precision)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_the_file_that_was_there(network, saved, tmp_path):
    path = tmp_path / "n.safetensors"
    path.write_bytes(saved.read_bytes())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*n\.safetensors"):
            save_network(network, path, provenance={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == saved.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_another_variant_than_the_expected_one_is_refused_with_its_name(saved):
    with pytest.raises(InputError, match="expected resnet18; found mobilenet_v2; pass --model mobilenet_v2"):
        load_network(saved, expected_variant="resnet18")


def test_a_network_of_a_known_name_and_other_dimensions_is_refused(tmp_path):
    path = tmp_path / "n.safetensors"
    save_network(build_network(replace(network_config("mobilenet_v2"), key_channels=32)), path, provenance={})
    with pytest.raises(InputError, match=r"expected mobilenet_v2; found mobilenet_v2 of other dimensions$"):
        load_network(path, expected_variant="mobilenet_v2")
    assert load_network(path).config.key_channels == 32


Tensors = dict[str, torch.Tensor]
NAME = "decoder.head.weight"


def without(tensors: Tensors) -> None:
    del tensors[NAME]


def with_one_more(tensors: Tensors) -> None:
    tensors["decoder.second_head.weight"] = torch.zeros(3)


def of_another_shape(tensors: Tensors) -> None:
    tensors[NAME] = tensors[NAME][:, 1:].clone()


def of_integers(tensors: Tensors) -> None:
    tensors[NAME] = tensors[NAME].to(torch.int8)


def with_nan(tensors: Tensors) -> None:
    tensors[NAME][0, 3] = float("nan")


def with_infinity(tensors: Tensors) -> None:
    tensors[NAME][0, 3] = float("inf")


def beyond_float32(tensors: Tensors) -> None:
    tensors[NAME] = tensors[NAME].double() + 1e300


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without, rf"\(1 tensors wrong, 0 left over\), first {NAME}; expected float32 \[1, 48, 1, 1\]; found none"),
        (
            with_one_more,
            r"0 tensors wrong, 1 left over.*second_head.weight; expected no such tensor; found float32 \[3",
        ),
        (of_another_shape, r"expected float32 \[1, 48, 1, 1\]; found float32 \[1, 47, 1, 1\]"),
        (of_integers, r"expected float32 \[1, 48, 1, 1\]; found int8 \[1, 48, 1, 1\]"),
        (with_nan, f"not finite; found {NAME}$"),
        (with_infinity, f"not finite; found {NAME}$"),
        (beyond_float32, f"not finite; found {NAME}$"),
    ],
)
def test_tensors_that_are_not_exactly_the_networks_are_refused(
    change: Callable[[Tensors], None], said, saved, tmp_path
):
    tensors = load_file(saved)
    change(tensors)
    _, header = header_of(saved)
    path = tmp_path / "changed.safetensors"
    save_file(tensors, path, header["__metadata__"])
    with pytest.raises(InputError, match=said):
        load_network(path)


def test_the_header_of_one_network_over_the_tensors_of_another_is_refused(saved, tmp_path):
    _, header = header_of(saved)
    path = tmp_path / "swapped.safetensors"
    save_file(build_network("resnet18").state_dict(), path, header["__metadata__"])
    with pytest.raises(InputError, match="does not fit the network"):
        load_network(path)


@pytest.mark.parametrize("keep", [0, 5, 8, 1000, 100_000, -1])
def test_a_truncated_file_is_refused(keep, saved, tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(saved.read_bytes()[:keep])
    for reader in (load_network, load_tensors, read_metadata):
        with pytest.raises(InputError, match="not a readable checkpoint"):
            reader(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(InputError, match="no checkpoint at"):
            load_network(path)


def metadata_of(network: Any, **changed: str) -> dict[str, str]:
    return {"format": FORMAT, "network": json.dumps(network), "provenance": "{}"} | changed


GOOD = json.loads(json.dumps(vars(network_config("mobilenet_v2"))))


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (None, "not a MobileVOS checkpoint; expected format mobilevos-1; found None"),
        ({"format": "pt"}, "not a MobileVOS checkpoint.*found pt"),
        ({"format": FORMAT}, "not a readable checkpoint"),
        (metadata_of(GOOD, provenance="{"), "not a readable checkpoint"),
        (metadata_of(None), "not a readable checkpoint"),
        (metadata_of([1, 2]), "not a readable checkpoint"),
        (metadata_of("mobilenet_v2"), "not a readable checkpoint"),
        (metadata_of({}), "not a readable checkpoint"),
        (metadata_of({**GOOD, "layers": 3}), "not a readable checkpoint.*layers"),
        (metadata_of({**GOOD, "key_channels": "wide"}), "not a readable checkpoint"),
        (metadata_of({**GOOD, "key_channels": -64}), "not a readable checkpoint.*key_channels"),
        (metadata_of({**GOOD, "value_channels": 10**12}), "not a readable checkpoint.*value_channels"),
        (metadata_of({**GOOD, "decoder_blocks": [1]}), "not a readable checkpoint.*decoder_blocks"),
        (metadata_of({**GOOD, "trunk": "vgg"}), "no trunk named 'vgg'"),
    ],
)
def test_a_header_that_is_not_ours_or_makes_no_sense_is_refused(metadata, said, tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata)
    with pytest.raises(InputError, match=said):
        load_network(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), byte=st.integers(0, 255))
def test_a_wrong_byte_in_the_header_never_ends_in_a_traceback(where, byte, saved, tmp_path):
    length, _ = header_of(saved)
    content = bytearray(saved.read_bytes()[: 8 + length])
    content[round(where * (len(content) - 1))] = byte
    path = tmp_path / "header.safetensors"
    path.write_bytes(bytes(content) + saved.read_bytes()[8 + length :])
    try:
        loaded = load_network(path)
    except InputError:
        return
    assert set(loaded.state_dict()) == set(load_file(saved))


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_pickle_is_refused_and_never_run(writer, suffix, tmp_path):
    path, witness = tmp_path / f"evil{suffix}", tmp_path / "it-ran"
    if writer == "torch":
        torch.save(Evil(witness), path)
    else:
        path.write_bytes(pickle.dumps(Evil(witness)))
    for reader in (load_network, load_tensors, read_metadata):
        with pytest.raises(InputError, match="not a readable checkpoint"):
            reader(path)
    assert not witness.exists()


def test_a_harmless_pth_is_refused_too(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "n.pth")
    with pytest.raises(InputError, match=r"not a readable checkpoint; expected a \.safetensors file of this project"):
        load_network(tmp_path / "n.pth")
