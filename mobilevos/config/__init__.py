"""Hydra's YAML files: `config.yaml` and what it is composed of. `mobilevos.training.config` types them."""
