"""`mobilevos train`: passes Hydra overrides to the training stages."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mobilevos.commands.console import print_line

__all__ = ["train"]

HELP = """Train a network, as Hydra overrides KEY=VALUE say.

Every run writes its configuration, a log (JSONL and TensorBoard), checkpoints and network.safetensors into its
folder. Started again, it goes on from the newest checkpoint.

\b
Stages:
  stage=static    still images turned into short clips;
                  needs data.static=[DIR,...]
  stage=student   video with still images mixed in (the default); needs
                  data.davis.root=DIR, and data.static=[DIR,...] or
                  data.static_share=0

\b
Main keys (`mobilevos train --cfg job` prints all, with their values):
  model                   student_mobilenet_v2[_aspp],
                          student_resnet18[_aspp] or teacher_mobilenet_v2
  output                  the run's folder, runs/STAGE by default
  resume                  false refuses a folder that holds a run
  init                    a network.safetensors to start from
  trunk_weights           ImageNet weights, in torchvision's names
  device                  auto, cpu or cuda
  seed                    of weights and clips
  training.steps          optimizer steps
  training.batch_size     clips per step
  training.learning_rate  of the new layers
  training.threads        CPU threads
  data.crop               side of the training frames, in pixels
  data.frames             frames of a clip
  data.workers            loader processes

\b
Examples:
  mobilevos train stage=static data.static=[ecssd] output=runs/first
  mobilevos train stage=student init=runs/first/network.safetensors \\
      data.davis.root=DAVIS data.static=[ecssd]
  mobilevos train training.steps=100 --cfg job"""


def train(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="What differs from the defaults.")
    ] = None,
    cfg: Annotated[
        Literal["job"] | None,
        typer.Option(metavar="job", help="Print the whole configuration as YAML, and do not train."),
    ] = None,
) -> None:
    """Trains, or prints what would be trained; its help is `HELP`."""
    from mobilevos.training import compose_config, to_yaml  # torch, which --help need not wait for
    from mobilevos.training import train as run

    config = compose_config(overrides or [])
    if cfg is not None:
        print(to_yaml(config), end="")
        return
    print_line(f"network: {run(config)}")
