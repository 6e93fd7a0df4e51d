"""`mobilevos train`: passes Hydra overrides to the training stages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mobilevos.commands.console import print_line
from mobilevos.commands.data_check import run_data_check
from mobilevos.errors import InputError

__all__ = ["train"]

HELP = """Train a network, as Hydra overrides KEY=VALUE say.

Every run writes its configuration, a log (JSONL and TensorBoard), checkpoints, network.safetensors and report.html into
its folder. Started again, it goes on from the newest checkpoint. `torchrun --nproc-per-node 8 -m mobilevos train ...`
shares a run among processes.

\b
Stages:
  stage=static    still images turned into short clips;
                  needs data.static=[DIR,...]
  stage=teacher   the light teacher, on video with still images mixed in
  stage=student   a student alone, on the same (the default); needs
                  data.davis.root=DIR (or another video data set), and
                  data.static=[DIR,...] or data.static_share=0
  stage=distill   a student with a teacher;
                  needs model.teacher.checkpoint=FILE as well
  stage=qat       a student in int8 arithmetic, with a teacher;
                  needs init=FILE and model.teacher.checkpoint=FILE as well

\b
Presets:
  preset=here     small data, one machine without a GPU (the default)
  preset=paper    the schedule of STCN and MobileVOS
  preset=smoke    a minute on a CPU: that it runs, not that it learns

\b
Main keys (`mobilevos train --cfg job` prints all, with their values):
  model                     student_mobilenet_v2[_aspp],
                            student_resnet18[_aspp] or teacher_mobilenet_v2
  model.teacher.checkpoint  stcn.pth, or the network.safetensors of a teacher
  output                    the run's folder, runs/STAGE by default
  resume                    auto; false refuses a folder that holds a run
  init                      a network.safetensors to start from
  encoder                   one whose query encoder alone to start from
  trunk_weights             ImageNet weights, in torchvision's names
  device                    auto, cpu or cuda
  seed                      of weights and clips
  training.steps            optimizer steps
  training.batch_size       clips per step, of all processes together
  training.accumulate       parts in which each process runs its share
  training.learning_rate    of the new layers
  training.precision        fp32, bf16 or fp16
  training.threads          CPU threads
  losses.representation     weight of the teacher's representation loss
  losses.omega              its target: 0 labels alone, 1 the teacher alone
  losses.logit              weight of the teacher's logit loss
  data.davis.root           DAVIS, year data.davis.year
  data.youtube_vos.root     YouTube-VOS
  data.bl30k.root           BL30K
  data.crop                 side of the training frames, in pixels
  data.frames               frames of a clip
  data.workers              loader processes
  quantization.calibration  frames for the first ranges of stage=qat;
                            data.davis.root by default
  quantization.observer     minmax, moving_average, percentile or mse
  quantization.freeze_at    fraction of the run after which ranges stay
  validation.root           a DAVIS tree to track now and then
  validation.every          steps between validations

\b
Examples:
  mobilevos train stage=static data.static=[ecssd] output=runs/first
  mobilevos train stage=student init=runs/first/network.safetensors \\
      data.davis.root=DAVIS data.static=[ecssd]
  mobilevos train training.steps=100 --cfg job
  mobilevos train data.davis.root=DAVIS data.static=[ecssd] --check-data"""


def train(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="What differs from the defaults.")
    ] = None,
    cfg: Annotated[
        Literal["job"] | None,
        typer.Option(metavar="job", help="Print the whole configuration as YAML, and do not train."),
    ] = None,
    check_data: Annotated[
        bool,
        typer.Option("--check-data", help="Read all data of the run, say what is wrong with it, and do not train."),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="With --check-data: write what was found to this file.")
    ] = None,
) -> None:
    """Trains, or prints what would be trained; its help is `HELP`."""
    from mobilevos.training import compose_config, to_yaml  # torch, which --help need not wait for
    from mobilevos.training import train as run
    from mobilevos.training.distributed import Ranks

    if json_file is not None and not check_data:
        raise InputError("--json without --check-data", remedy="a run writes its own report.json")
    config = compose_config(overrides or [])
    if cfg is not None:
        print(to_yaml(config), end="")
        return
    if check_data:
        if not run_data_check(config, json_file):
            raise typer.Exit(2)
        return
    result = run(config)
    if Ranks.from_environment().first:
        print_line(f"network: {result}")
