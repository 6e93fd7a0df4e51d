"""A run from its configuration to a trained network: what every stage shares."""

from __future__ import annotations

import copy
import json
import os
import platform
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import torch

from mobilevos.data.clips import ClipBatch, ClipDataset, training_loader
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Engine
from mobilevos.engines.int8_reference import Int8ReferenceEngine
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text, sha256_of
from mobilevos.model.checkpoint import save_network
from mobilevos.training.checkpoints import Checkpoint, load_checkpoint, newest_checkpoint, save_checkpoint
from mobilevos.training.config import to_yaml
from mobilevos.training.data_check import check_data
from mobilevos.training.distributed import Ranks, join_ranks
from mobilevos.training.journal import Journal
from mobilevos.training.quantized import calibrate_run
from mobilevos.training.report import write_report
from mobilevos.training.sampling import part_size, sample_batches
from mobilevos.training.schema import QAT, RunConfig
from mobilevos.training.sources import build_source
from mobilevos.training.stages import STAGES
from mobilevos.training.state import initial_state
from mobilevos.training.step import Stepper
from mobilevos.training.validation import Validation, validation_sequences

__all__ = ["train"]


def train(config: RunConfig) -> Path:
    """Runs a stage to its end, going on from the newest checkpoint where there is one.

    Under `torchrun` every process calls it; together they take the steps of one run.

    Returns:
        The trained network, `network.safetensors` in the run's folder.

    Raises:
        InputError: Data, weights or checkpoints are missing or damaged; the loss is not finite.
    """
    stage = _stage(config)
    stage.check(config)
    source = build_source(config)
    check_data(config, quick=True).refuse()
    device = _device(config.device)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    torch.manual_seed(config.seed)
    sequences = validation_sequences(config.validation)
    part_size(config.training.batch_size, config.training.accumulate, Ranks.from_environment())
    with join_ranks(cuda=device.type == "cuda") as ranks:
        if device.type == "cuda" and ranks.world > 1:
            device = torch.device("cuda", ranks.local_rank)
        objective = stage.objective(config, device)
        state = initial_state(config, device)
        run = _Run(config, state, ranks)
        run.begin()
        batches = sample_batches(
            state.step, config.training.steps, config.training.batch_size, config.training.accumulate, ranks
        )
        loader = training_loader(ClipDataset(source, config.seed), batches, config.data.workers)
        validation = Validation(sequences, config.validation, run.folder, ranks)
        run.steps(Stepper(state, objective, config, device, ranks), loader, validation, str(device))
        return run.end()


class _Run:
    """A run's folder, and what is written there when."""

    def __init__(self, config: RunConfig, state: Checkpoint, ranks: Ranks) -> None:
        self.config, self.state, self.ranks = config, state, ranks
        self.folder = Path(config.output)
        self.provenance = _provenance(config, state.config_hash, ranks)

    def begin(self) -> None:
        """Goes on from the newest checkpoint, and says what the run is."""
        newest = newest_checkpoint(self.folder / "checkpoints")
        if newest is not None:
            if not self.config.resume:
                raise InputError(
                    f"{self.folder} holds a run already", remedy="give another output=FOLDER or resume=true"
                )
            load_checkpoint(self.state, newest)
        elif self.state.fake is not None:
            calibrate_run(self.state.network, self.state.fake, self.config)
        self.ranks.wait()  # no process may write while another still looks for a checkpoint
        if self.ranks.first:
            atomic_write_text(self.folder / "config.yaml", to_yaml(self.config))
            atomic_write_text(self.folder / "run.json", json.dumps(self.provenance, indent=2) + "\n")

    def steps(self, stepper: Stepper, batches: Iterator[ClipBatch], validation: Validation, device: str) -> None:
        """All steps that are left, with checkpoints and validations between them."""
        training, state = self.config.training, self.state
        images = training.batch_size * self.config.data.frames
        written = Journal(self.folder, training.steps, state.step, training.log_every) if self.ranks.first else None
        with written or nullcontext():
            while state.step < training.steps:
                values = stepper.step(batches)
                last = state.step == training.steps
                if written:
                    written.step(state.step, values, images)
                if last or state.step % training.checkpoint_every == 0:
                    self._save()
                if validation.due(state.step, last=last):
                    self._validate(validation, device)

    def end(self) -> Path:
        """Writes the result and the report."""
        result = self.folder / "network.safetensors"
        if self.ranks.first:
            save_network(self.state.average, result, provenance=self.provenance, quantization=self._quantization())
            write_report(self.folder)
        self.ranks.wait()
        return result

    def _save(self) -> None:
        if self.ranks.first:
            save_checkpoint(self.state, self.folder / "checkpoints", self.provenance)
        self.ranks.wait()

    def _validate(self, validation: Validation, device: str) -> None:
        best = validation.best(before=self.state.step)
        score = validation.run(self._engine(device), self.state.step)
        if self.ranks.first and score > best:
            facts = {**self.provenance, "step": self.state.step, "validation_j_and_f": score}
            best_file = self.folder / "best.safetensors"
            save_network(self.state.average, best_file, provenance=facts, quantization=self._quantization())

    def _quantization(self) -> dict[str, Any] | None:
        return None if self.state.fake is None else self.state.fake.stored().to_json()

    def _engine(self, device: str) -> Engine:
        """Of the averaged weights, in the arithmetic that is trained for."""
        average, fake = self.state.average, self.state.fake
        if fake is None:
            # A copy, because an engine moves its network, and because compiled parts are for training's shapes.
            return EagerEngine(copy.deepcopy(average), device=device)
        return Int8ReferenceEngine(average, fake.stored())


def _stage(config: RunConfig) -> Any:
    if config.stage not in STAGES:
        raise InputError(f"no stage named {config.stage!r}", expected=f"one of {', '.join(STAGES)}")
    return STAGES[config.stage]


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"device={name}", expected="auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda", found="no CUDA device", remedy="give device=cpu")
    return torch.device(name)


def _provenance(config: RunConfig, config_sha256: str, ranks: Ranks) -> dict[str, Any]:
    files = {
        "init": config.init,
        "encoder": config.encoder,
        "trunk_weights": config.trunk_weights,
        "teacher": config.model.teacher.checkpoint if config.stage in ("distill", QAT) else "",
    }
    return {
        "stage": config.stage,
        "preset": config.preset,
        "seed": config.seed,
        "steps": config.training.steps,
        "config_sha256": config_sha256,
        **{f"{name}_sha256": sha256_of(file) if file else None for name, file in files.items()},
        "processes": ranks.world,
        "mobilevos": version("mobilevos"),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "cpu_threads": torch.get_num_threads(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
