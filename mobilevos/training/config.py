"""Composing the configuration of a run with Hydra, and telling runs apart."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import cast

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mobilevos.errors import InputError
from mobilevos.training.limits import check_limits
from mobilevos.training.schema import ModelConfig, RunConfig, ValidationConfig

__all__ = ["compose_config", "config_hash", "to_yaml"]


def compose_config(overrides: Sequence[str]) -> RunConfig:
    """The run that Hydra overrides (`stage=static training.steps=100 model=student_resnet18`) describe.

    Raises:
        InputError: A key that does not exist (with the nearest that does), a value of the wrong type or out of range.
    """
    store = ConfigStore.instance()
    store.store(name="run_schema", node=RunConfig)
    spelt = ["resume=true" if override == "resume=auto" else override for override in overrides]
    try:
        with initialize_config_module("mobilevos.config", version_base="1.3"):
            composed = compose("config", overrides=spelt)
        config = cast(RunConfig, OmegaConf.to_object(composed))
        config.model = _model(composed.model)
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:  # Hydra's own: `stage=[null]`
        raise _explain(error) from error
    check_limits(config)
    return config


def _model(values: DictConfig) -> ModelConfig:
    return cast(ModelConfig, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(ModelConfig), values)))


def _explain(error: Exception) -> InputError:
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    key = str(getattr(cause, "full_key", "") or "")
    model = OmegaConf.create({"model": OmegaConf.structured(ModelConfig)})
    known = _keys(OmegaConf.structured(RunConfig)) + _keys(model)
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
    """SHA-256 of everything that shapes the result: where it is written, watched and how fast it is made do not."""
    data = replace(config.data, workers=0)
    training = replace(config.training, threads=0, log_every=1, checkpoint_every=1)
    shaping = replace(
        config, output="", resume=True, device="", data=data, training=training, validation=ValidationConfig()
    )
    return hashlib.sha256(to_yaml(shaping).encode()).hexdigest()
