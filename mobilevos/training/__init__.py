"""Training: `mobilevos train stage=static|teacher|student|distill key=value ...`."""

from mobilevos.training.config import compose_config, to_yaml
from mobilevos.training.schema import RunConfig
from mobilevos.training.trainer import train

__all__ = ["RunConfig", "compose_config", "to_yaml", "train"]
