"""The named networks: their sizes, and that a seed fixes them."""

from dataclasses import replace
from importlib.resources import files

import pytest
import torch

from mobilevos.errors import InputError
from mobilevos.model.variants import VARIANTS, build_network, network_config, parse_network_config

PARAMETERS = {
    "mobilenet_v2": 1.9e6,
    "mobilenet_v2_aspp": 2.5e6,
    "resnet18": 8.1e6,
    "resnet18_aspp": 8.6e6,  # the paper states no number: this one is ours
    "teacher_mobilenet_v2": 8.9e6,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_the_parameters_that_are_stated(variant):
    count = sum(parameter.numel() for parameter in build_network(variant).parameters())
    assert count == pytest.approx(PARAMETERS[variant], rel=0.05)


def test_every_yaml_file_is_a_variant_and_every_variant_has_one():
    names = {file.name.removesuffix(".yaml") for file in (files("mobilevos.config") / "model").iterdir()}
    assert {name.removeprefix("student_") for name in names if name != "__init__.py"} == set(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_configuration_knows_its_name_and_is_a_value(variant):
    config = network_config(variant)
    assert config.name == variant
    assert config == replace(config)
    assert {config: variant}[replace(config)] == variant  # hashable: its lists are tuples


def test_aspp_is_all_that_the_aspp_students_add():
    for name in ("mobilenet_v2", "resnet18"):
        with_aspp = network_config(f"{name}_aspp")
        assert with_aspp.aspp_channels > 0
        assert replace(with_aspp, name=name, aspp_channels=0) == network_config(name)


def test_only_the_teacher_reads_its_nearest_positions_alone():
    assert {name for name in VARIANTS if network_config(name).top_k} == {"teacher_mobilenet_v2"}


def test_an_unknown_variant_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"'resnet50'.*mobilenet_v2, mobilenet_v2_aspp"):
        network_config("resnet50")


def test_the_values_of_a_configuration_are_checked_as_it_is_parsed():
    values = vars(network_config("resnet18"))
    assert parse_network_config({**values, "memory_channels": list(values["memory_channels"])}) == network_config(
        "resnet18"
    )
    with pytest.raises(InputError, match=r"memory_channels.*three numbers"):
        parse_network_config({**values, "memory_channels": [1, 2]})


def test_a_seed_fixes_the_weights_and_leaves_the_callers_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two, other = (build_network("mobilenet_v2", seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    convolutions = [name for name in one if one[name].ndim == 4]
    assert len(convolutions) > 50
    assert not any(torch.equal(one[name], other[name]) for name in convolutions)


@pytest.mark.data
def test_the_trunk_starts_from_imagenet_and_the_rest_from_the_seed(data_root):
    weights = data_root / "weights" / "mobilenet_v2_imagenet_fp16.safetensors"
    pretrained = build_network("mobilenet_v2", trunk_weights=weights, seed=1).state_dict()
    random = build_network("mobilenet_v2", seed=1).state_dict()
    differing = {name for name in random if not torch.equal(random[name], pretrained[name])}
    assert differing
    assert all(name.startswith("query_encoder.trunk.") for name in differing)
    assert {name for name in random if random[name].ndim == 4 and ".trunk." in name} <= differing
