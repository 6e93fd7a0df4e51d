"""The configuration of a training run, typed. Its values live in `mobilevos/config/*.yaml`."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mobilevos.errors import InputError
from mobilevos.model.network import NetworkConfig
from mobilevos.model.variants import parse_network_config
from mobilevos.training.limits import check_limits

__all__ = ["DataConfig", "LossConfig", "RunConfig", "TrainingConfig", "compose_config", "config_hash", "to_yaml"]


@dataclass
class DavisConfig:
    """A DAVIS 2016 or 2017 tree.

    Attributes:
        root: Its folder; empty for none.
        year: 2016 (one object a sequence) or 2017.
        skip: Frames (low, high) between two of a clip, grown from the first to the second over the run.
    """

    root: str = ""
    year: int = 2016
    skip: tuple[int, int] = (1, 5)


@dataclass
class DataConfig:
    """Where clips come from, and their share of the batches.

    Attributes:
        static: Folders of still images (`images/*.jpg`, `masks/*.png`).
        davis: The DAVIS training split.
        static_share: Share of clips made from still images, 0..1; the rest is video.
        crop: Side of the square training frames, pixels, a multiple of 16.
        frames: Frames of a clip.
        max_objects: Objects tracked in a clip at most.
        workers: Loader processes.
    """

    static: list[str] = field(default_factory=list)
    davis: DavisConfig = field(default_factory=DavisConfig)
    static_share: float = 1.0
    crop: int = 256
    frames: int = 3
    max_objects: int = 2
    workers: int = 1


@dataclass
class LossConfig:
    """Weights and constants of the losses.

    Attributes:
        poly_epsilon: Weight of poly-1's `1 - p_t`.
        hardest: Fraction of pixels that counts at the end of the run (bootstrapping), 0..1.
        dice: Weight of the Dice loss.
    """

    poly_epsilon: float = 1.0
    hardest: float = 0.25
    dice: float = 0.5


@dataclass
class TrainingConfig:
    """How a stage trains.

    Attributes:
        steps: Optimizer steps.
        batch_size: Clips per step.
        learning_rate: Peak rate of the new layers.
        trunk_learning_rate: Peak rate of the ImageNet trunk, whose batch norm statistics stay as they are.
        weight_decay: Decoupled weight decay (AdamW) of convolution weights.
        warmup: Steps of linear warm-up; a cosine to 1 % of the peak follows.
        gradient_clip: Largest gradient norm.
        ema_decay: Decay per step of the averaged weights, which are what a run yields.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between log lines.
        threads: CPU threads; 0 leaves PyTorch's choice.
    """

    steps: int = 1000
    batch_size: int = 4
    learning_rate: float = 5e-4
    trunk_learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    warmup: int = 100
    gradient_clip: float = 3.0
    ema_decay: float = 0.998
    checkpoint_every: int = 200
    log_every: int = 10
    threads: int = 0


@dataclass
class RunConfig:
    """One training run.

    Attributes:
        stage: `static` (still images) or `student` (video, with stills mixed in).
        seed: Fixes weights, clips and their order.
        output: The run's folder.
        resume: Goes on from the newest checkpoint in `output` where there is one.
        init: A checkpoint whose weights the run starts from; empty for none.
        trunk_weights: ImageNet weights of the trunk, a file with torchvision's names; empty for none.
        device: `auto`, `cpu` or `cuda`.
        model: The network, a `NetworkConfig` once composed.
        data: The clips.
        training: The optimisation.
        losses: The losses.
    """

    stage: str = "student"
    seed: int = 0
    output: str = "runs/${stage}"
    resume: bool = True
    init: str = ""
    trunk_weights: str = ""
    device: str = "auto"
    model: Any = MISSING
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    losses: LossConfig = field(default_factory=LossConfig)


def compose_config(overrides: Sequence[str]) -> RunConfig:
    """The run that Hydra overrides (`stage=static training.steps=100 model=student_resnet18`) describe.

    Raises:
        InputError: A key that does not exist (with the nearest that does), a value of the wrong type or out of range.
    """
    store = ConfigStore.instance()
    store.store(name="run_schema", node=RunConfig)
    try:
        with initialize_config_module("mobilevos.config", version_base="1.3"):
            composed = compose("config", overrides=list(overrides))
        config = cast(RunConfig, OmegaConf.to_object(composed))
        config.model = parse_network_config(config.model)
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # Hydra's own ValueError: `stage=3`
        raise _explain(error) from error
    check_limits(config)
    return config


def _explain(error: Exception) -> InputError:
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    key = str(getattr(cause, "full_key", "") or "")
    known = _keys(OmegaConf.structured(RunConfig)) + [f"model.{name}" for name in NetworkConfig.__dataclass_fields__]
    near = difflib.get_close_matches(key or lines[0], known, n=1, cutoff=0.5)
    return InputError(
        f"configuration key {key!r}" if key else "configuration",
        found=lines[0],
        remedy=f"the nearest key is {near[0]}" if near and near[0] != key else "",
    )


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name in node:
        path = f"{prefix}{name!s}"
        child = None if OmegaConf.is_missing(node, name) else OmegaConf.select(node, str(name))
        keys += [path] + (_keys(child, f"{path}.") if isinstance(child, DictConfig) else [])
    return keys


def to_yaml(config: RunConfig) -> str:
    """The resolved configuration as YAML."""
    plain = OmegaConf.create(asdict(config))
    return OmegaConf.to_yaml(plain, resolve=True)


def config_hash(config: RunConfig) -> str:
    """SHA-256 of everything that shapes the result: where it is written and how fast it is made do not."""
    data = replace(config.data, workers=0)
    training = replace(config.training, threads=0, log_every=1, checkpoint_every=1)
    shaping = replace(config, output="", resume=True, device="", data=data, training=training)
    return hashlib.sha256(to_yaml(shaping).encode()).hexdigest()
