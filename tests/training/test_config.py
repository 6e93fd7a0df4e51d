"""A run's configuration: composed from YAML, overridden, checked, and written back."""

import copy
import math
from importlib.resources import files
from operator import attrgetter

import pytest
from omegaconf import OmegaConf

from mobilevos.errors import InputError
from mobilevos.model.variants import VARIANTS, network_config
from mobilevos.training import compose_config, to_yaml
from mobilevos.training.config import config_hash
from mobilevos.training.limits import CHOICES, LIMITS, PAIRS, check_limits
from mobilevos.training.schema import ModelConfig, RunConfig
from mobilevos.training.stages import STAGES as IMPLEMENTED

STAGES = sorted(file.name.removesuffix(".yaml") for file in (files("mobilevos.config") / "stage").iterdir())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_composes_to_the_network_that_the_library_builds(variant):
    name = variant if variant.startswith("teacher") else f"student_{variant}"
    assert compose_config([f"model={name}"]).model.network == network_config(variant)


def test_the_phone_student_is_the_default():
    assert compose_config([]).model.network == network_config("mobilenet_v2")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_selects_its_values(stage):
    values = OmegaConf.create((files("mobilevos.config") / "stage" / f"{stage}.yaml").read_text())
    values.pop("defaults", None)
    config = OmegaConf.create(to_yaml(compose_config([f"stage={stage}"])))
    assert config.stage == stage
    assert OmegaConf.merge(config, values) == config


def test_the_stages_differ():
    assert set(STAGES) == set(IMPLEMENTED)
    static, student, teacher = (compose_config([f"stage={stage}"]) for stage in ("static", "student", "teacher"))
    assert teacher.model.network == network_config("teacher_mobilenet_v2")
    assert (static.data.static_share, student.data.static_share) == (1.0, 0.3)
    assert (static.output, student.output) == ("runs/static", "runs/student")


@pytest.mark.parametrize("order", [1, -1])
def test_what_the_user_gives_wins_over_the_stage_in_any_order(order):
    overrides = ["stage=static", "training.steps=7", "losses.hardest=0.9", "data.static_share=0.5"]
    config = compose_config(overrides[::order])
    assert (config.training.steps, config.losses.hardest, config.data.static_share) == (7, 0.9, 0.5)
    assert config.stage == "static"


def test_a_part_of_the_network_can_be_overridden():
    config = compose_config(["model=student_resnet18", "model.key_channels=32", "model.decoder_blocks=[1,1,1]"])
    assert config.model.key_channels == 32
    assert config.model.decoder_blocks == (1, 1, 1)
    assert config.model.trunk == "resnet18"


def test_values_have_the_types_that_are_declared():
    config = compose_config(["data.static=[a,b]", "data.davis.skip=[2,9]", "training.learning_rate=1e-3", "init=x.st"])
    assert config.data.static == ["a", "b"]
    assert list(config.data.davis.skip) == [2, 9]
    assert config.training.learning_rate == 0.001
    assert config.init == "x.st"
    assert isinstance(config.training.steps, int)


@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("training.step=5", "training.steps"),
        ("training.lerning_rate=1", "training.learning_rate"),
        ("data.davis.rot=x", "data.davis.root"),
        ("model.key_chanels=3", "model.key_channels"),
        ("sede=1", "seed"),
        ("losses.dise=1", "losses.dice"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(override, nearest):
    with pytest.raises(InputError, match=f"the nearest key is {nearest}$"):
        compose_config([override])


@pytest.mark.parametrize(
    "override",
    [
        "training.steps=many",
        "training.steps=1.5",
        "training.learning_rate=fast",
        "resume=maybe",
        "data.static=one",
        "data.davis.skip=[a,b]",
        "data=none",
        "model.memory_channels=[1,x,2]",
        "model=student_vgg",
        "stage=dreaming",
        "training.steps",
        "data.static=[a",
        "stage=3",
        "=3",
        "",
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_one_line(override):
    with pytest.raises(InputError) as refusal:
        compose_config([override])
    assert "\n" not in str(refusal.value)


@pytest.fixture(scope="module")
def composed() -> RunConfig:
    return compose_config([])


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, least - 1) for key, (least, _) in LIMITS.items() if key not in PAIRS]
    + [(key, most + 1) for key, (_, most) in LIMITS.items() if most < 1000]
    + [("training.learning_rate", math.nan), ("losses.dice", math.inf), ("data.crop", 250)]
    + [(key, pair) for key in PAIRS for pair in ([-1, 1], [1], [1, 1, 1])]
    + [(key, "else") for key in CHOICES]
    + [("training.accumulate", 3)],
)
def test_a_number_that_no_run_can_use_is_refused(key, value, composed):
    config = copy.deepcopy(composed)
    section, _, name = key.rpartition(".")
    setattr(attrgetter(section)(config) if section else config, name, value)
    with pytest.raises(InputError, match=f"configuration key '{key}'; expected"):
        check_limits(config)


@pytest.mark.parametrize("override", ["training.steps=0", "data.crop=250", "model.key_channels=0", "losses.dice=nan"])
def test_numbers_are_checked_as_a_configuration_is_composed(override):
    with pytest.raises(InputError, match=override.partition("=")[0]):
        compose_config([override])


def test_the_limits_themselves_are_allowed():
    overrides = [f"{key}={least}" for key, (least, _) in LIMITS.items() if key not in PAIRS]
    assert compose_config(overrides).data.crop == 32


def read_back(text: str) -> RunConfig:
    values = OmegaConf.create(text)
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(RunConfig), values))
    assert isinstance(config, RunConfig)
    config.model = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(ModelConfig), values.model))
    return config


@pytest.mark.parametrize("stage", STAGES)
def test_the_yaml_of_a_run_reads_back_as_the_same_run(stage):
    config = compose_config([f"stage={stage}", "model=student_resnet18_aspp", "data.static=[a b]", "seed=3"])
    text = to_yaml(config)
    assert "${" not in text
    assert read_back(text) == config
    assert to_yaml(read_back(text)) == text


class TestConfigHash:
    """The hash tells runs apart that give other weights, and no others."""

    def test_it_is_the_same_wherever_and_however_fast_a_run_is_made(self):
        base = config_hash(compose_config([]))
        for override in ("output=elsewhere", "resume=false", "device=cpu", "data.workers=0", "training.threads=1"):
            assert config_hash(compose_config([override])) == base, override
        for override in ("training.log_every=1", "training.checkpoint_every=7"):
            assert config_hash(compose_config([override])) == base, override

    @pytest.mark.parametrize(
        "override",
        [
            "seed=1",
            "stage=static",
            "model=student_resnet18",
            "model.key_channels=32",
            "init=x",
            "data.static=[a]",
            "data.crop=64",
            "training.steps=9",
            "training.batch_size=2",
            "training.ema_decay=0.9",
            "losses.dice=0",
        ],
    )
    def test_it_is_another_for_another_run(self, override):
        assert config_hash(compose_config([override])) != config_hash(compose_config([]))
