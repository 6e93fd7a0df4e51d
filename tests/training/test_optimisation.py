"""Parameter groups, the learning rate's course, frozen statistics and averaged weights."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import build_network
from mobilevos.training.optimisation import (
    add_ranges,
    build_optimizer,
    learning_rate_factor,
    set_learning_rate,
    set_training_mode,
    update_average,
)
from mobilevos.training.schema import QuantizationConfig, RunConfig, TrainingConfig


@pytest.fixture
def network() -> MemoryNetwork:
    return build_network("mobilenet_v2")


class TestLearningRate:
    @given(steps=st.integers(1, 500), warmup=st.integers(0, 600))
    def test_it_rises_to_the_peak_and_falls_to_a_hundredth(self, steps, warmup):
        config = TrainingConfig(steps=steps, warmup=warmup)
        factors = [learning_rate_factor(step, config) for step in range(steps + 1)]
        assert all(0 < factor <= 1 for factor in factors)
        rising, falling = factors[:warmup], factors[warmup:]
        assert rising == sorted(rising)
        assert falling == sorted(falling, reverse=True)
        if warmup < steps:
            assert falling[0] == pytest.approx(1)
            assert factors[-1] == pytest.approx(0.01)

    def test_the_warm_up_is_linear_and_starts_above_zero(self):
        config = TrainingConfig(steps=100, warmup=4)
        assert [learning_rate_factor(step, config) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]

    def test_the_fall_is_a_cosine(self):
        config = TrainingConfig(steps=110, warmup=10)
        assert learning_rate_factor(60, config) == pytest.approx(0.505)
        assert learning_rate_factor(35, config) == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 4)))

    def test_a_step_schedule_drops_once_to_a_tenth(self):
        config = TrainingConfig(steps=10, warmup=2, schedule="step", decay_at=0.6)
        factors = [learning_rate_factor(step, config) for step in range(10)]
        assert factors == [0.5, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1]

    def test_every_group_keeps_its_share(self, network):
        optimizer = build_optimizer(network, TrainingConfig(learning_rate=5e-4, trunk_learning_rate=1e-4))
        set_learning_rate(optimizer, 0.3, step=0)
        set_learning_rate(optimizer, 0.5, step=1)  # of the peak, not of what it was
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([5e-5, 5e-5, 2.5e-4, 2.5e-4])

    def test_ranges_stop_learning_where_they_are_frozen_and_the_rest_goes_on(self, network):
        config = RunConfig(training=TrainingConfig(steps=10), quantization=QuantizationConfig(freeze_at=0.6))
        optimizer = build_optimizer(network, config.training)
        add_ranges(optimizer, torch.nn.Linear(1, 1), config)
        rates = []
        for step in range(10):
            set_learning_rate(optimizer, 1.0, step)
            rates.append([group["lr"] > 0 for group in optimizer.param_groups])
        assert [one[-1] for one in rates] == [True] * 6 + [False] * 4
        assert all(all(one[:-1]) for one in rates)


class TestOptimizer:
    @pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam)])
    def test_every_parameter_is_in_exactly_one_group(self, name, kind, network):
        optimizer = build_optimizer(network, TrainingConfig(optimizer=name))
        assert type(optimizer) is kind
        members = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(members) == sorted(id(p) for p in network.parameters())

    def test_the_trunk_has_its_own_rate_and_only_convolution_weights_decay(self, network):
        config = TrainingConfig(learning_rate=5e-4, trunk_learning_rate=1e-4, weight_decay=0.1)
        optimizer = build_optimizer(network, config)
        found = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
        for name, parameter in network.named_parameters():
            rate = 1e-4 if name.startswith("query_encoder.trunk.") else 5e-4
            decay = 0.1 if parameter.ndim == 4 else 0.0
            assert found[id(parameter)] == (rate, decay), name


@pytest.mark.parametrize(("frozen", "prefix"), [("trunk", "query_encoder.trunk."), ("all", "")])
def test_only_the_frozen_statistics_stay_as_they_are(frozen, prefix, network):
    set_training_mode(network, frozen)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    query = network.encode_query(torch.rand(2, 3, 64, 64))
    mask = torch.rand(2, 1, 64, 64)
    network.decode(network.encode_memory(query, mask, mask), query)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            assert torch.equal(tensor, before[name]) == name.startswith(prefix), name


class TestAverage:
    def test_it_is_an_exponential_moving_average_of_parameters_and_statistics(self, network):
        network = network.decoder
        average, before = copy.deepcopy(network), copy.deepcopy(network)
        generator = torch.Generator().manual_seed(0)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator))
            else:
                tensor.fill_(12)
        update_average(average, network, decay=0.9, step=10_000)
        for name, mean in average.state_dict().items():
            new = network.state_dict()[name]
            expected = 0.9 * before.state_dict()[name].double() + 0.1 * new.double() if mean.dim() else new.double()
            torch.testing.assert_close(mean.double(), expected, atol=1e-6, rtol=1e-5, msg=name)

    @pytest.mark.parametrize(("step", "decay"), [(0, 0.1), (8, 0.5), (90, 0.91), (10**6, 0.998)])
    def test_a_young_average_forgets_faster(self, step, decay):
        average, current = nn.Linear(1, 1), nn.Linear(1, 1)
        average.weight.data.fill_(1)
        current.weight.data.fill_(0)
        update_average(average, current, decay=0.998, step=step)
        assert float(average.weight.detach()) == pytest.approx(decay, rel=1e-6)

    def test_the_network_itself_is_not_changed(self, network):
        before = copy.deepcopy(network.state_dict())
        update_average(build_network("mobilenet_v2", seed=1), network, decay=0.5, step=100)
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
