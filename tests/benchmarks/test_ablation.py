"""The ablation of the distillation losses: one budget, the same seeds, an honest verdict."""

import pytest

from benchmarks.ablation import STUDIES, Result, table_rows, verdict
from mobilevos.training import compose_config


def test_settings_differ_in_their_losses_alone():
    shared = ["training.steps=5", "training.learning_rate=1e-4", "data.crop=64", "data.davis.skip=[1,2]"]
    configs = {name: compose_config([*setting, *shared]) for name, setting in STUDIES["distill"].settings.items()}
    alone = configs["student alone"]
    assert alone.stage == "student"
    for name, config in configs.items():
        assert (config.training, config.data, config.model) == (alone.training, alone.data, alone.model), name
        assert config.losses.hardest == alone.losses.hardest
    taught = [config.losses for name, config in configs.items() if name != "student alone"]
    assert len({(one.logit, one.representation, one.omega, one.sampling) for one in taught}) == len(taught)


def test_arms_of_quantization_aware_training_differ_in_their_teacher_alone():
    study = STUDIES["qat"]
    shared = ["init=a.safetensors", "training.steps=5"]
    configs = {name: compose_config(study.overrides(name, shared)) for name in study.settings}
    assert {config.stage for config in configs.values()} == {"qat"}
    untrained = configs.pop("post-training")
    assert (untrained.training.learning_rate, untrained.quantization.learning_rate) == (0, 0)
    assert {config.training.steps for config in configs.values()} == {5}
    teachers = {(config.losses.logit > 0, config.losses.representation > 0) for config in configs.values()}
    assert teachers == {(False, False), (True, False), (False, True), (True, True)}


@pytest.mark.parametrize(("second", "word"), [(0.62, "more"), (0.505, "less")])
def test_the_verdict_knows_the_noise(second, word):
    results = [Result("student alone", (0.50, 0.51), 10), Result("logit", (second, second + 0.01), 10)]
    assert word in verdict(results)
    assert "`logit`" in verdict(results)


def test_rows_give_the_mean_the_difference_and_every_seed():
    results = [Result("student alone", (0.50, 0.52), 10), Result("logit", (0.54, 0.53), 10)]
    assert table_rows(results) == [
        ("student alone", "51.00", "+0.00", "50.00 52.00", "2.00"),
        ("logit", "53.50", "+2.50", "54.00 53.00", "1.00"),
    ]
