"""Training: `mobilevos train stage=static|student key=value ...`."""

from mobilevos.training.config import RunConfig, compose_config, to_yaml
from mobilevos.training.trainer import train

__all__ = ["RunConfig", "compose_config", "to_yaml", "train"]
