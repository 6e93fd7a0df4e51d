"""One optimizer step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from mobilevos.data.clips import ClipBatch
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_bytes
from mobilevos.training.checkpoints import Checkpoint
from mobilevos.training.clip_forward import ClipForward
from mobilevos.training.clips import to_device
from mobilevos.training.distributed import Ranks
from mobilevos.training.objectives import Objective
from mobilevos.training.optimisation import learning_rate_factor, set_learning_rate, update_average
from mobilevos.training.quantized import QuantizedClipForward
from mobilevos.training.schema import RunConfig

__all__ = ["Stepper"]

_AUTOCAST = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Stepper:
    """Takes optimizer steps on a run's state.

    Args:
        state: What is trained; its `step` counts.
        objective: What is minimised.
        config: Of the run.
        device: Where.
        ranks: The processes that share each step.
    """

    def __init__(
        self, state: Checkpoint, objective: Objective, config: RunConfig, device: torch.device, ranks: Ranks
    ) -> None:
        self.state, self.objective, self.config, self.device, self.ranks = state, objective, config, device, ranks
        fake = state.fake
        forward = ClipForward(state.network) if fake is None else QuantizedClipForward(state.network, fake)
        if ranks.world > 1 and device.type == "cuda":
            forward = torch.nn.SyncBatchNorm.convert_sync_batchnorm(forward)  # type: ignore[no-untyped-call]
        devices = [ranks.local_rank] if device.type == "cuda" else None
        self.forward = DistributedDataParallel(forward, device_ids=devices) if ranks.world > 1 else forward

    def step(self, batches: Iterator[ClipBatch]) -> dict[str, float]:
        """Takes the next step, on the next `training.accumulate` batches.

        Returns:
            The losses, means over all clips of the step, the gradient's norm, and the learning rate's factor.

        Raises:
            InputError: A loss or the gradient is not finite; the batch lies in the run's folder `failed` then.
        """
        state, training = self.state, self.config.training
        factor = learning_rate_factor(state.step, training)
        set_learning_rate(state.optimizer, factor, state.step)
        state.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, Tensor] = {}
        for part in range(training.accumulate):
            batch = next(batches)
            with self._without_reduction(unless=part == training.accumulate - 1):
                losses = self._losses(batch, part)
                state.scaler.scale(losses["loss"] / training.accumulate).backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                totals[name] = totals.get(name, 0) + value.detach() / training.accumulate
        values = self.ranks.mean(totals)
        self._refuse_not_finite("loss", values["loss"], batch)
        state.scaler.unscale_(state.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(state.network.parameters(), training.gradient_clip))
        if not state.scaler.is_enabled():  # in float16 an overflow now and then is expected: the scaler skips the step
            self._refuse_not_finite("gradient's norm", norm, batch)  # before it reaches the weights and a checkpoint
        state.scaler.step(state.optimizer)
        state.scaler.update()
        update_average(state.average, state.network, training.ema_decay, state.step)
        state.step += 1
        return values | {"gradient_norm": norm, "learning_rate_factor": factor}

    def _losses(self, batch: ClipBatch, part: int) -> dict[str, Tensor]:
        clips = to_device(batch, self.device)
        config = self.config
        # A function of these numbers, so that a resumed run draws what an unbroken one drew.
        entropy = np.random.SeedSequence([config.seed, self.state.step, self.ranks.rank, part])
        generator = torch.Generator(self.device).manual_seed(int(entropy.generate_state(1)[0]))
        dtype = _AUTOCAST[config.training.precision]
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            output = self.forward(clips.frames, clips.first_masks, clips.valid)
            losses = self.objective(output, clips, self.state.step / config.training.steps, generator)
        self._keep_failed(losses["loss"], batch)
        return losses

    def _without_reduction(self, *, unless: bool) -> AbstractContextManager[None]:
        """Gradients of all but the last part stay in their process."""
        if unless or not isinstance(self.forward, DistributedDataParallel):
            return nullcontext()
        return self.forward.no_sync()

    def _keep_failed(self, loss: Tensor, batch: ClipBatch) -> None:
        """Saves the batch of a loss that is not finite, so that it can be looked at and run again."""
        if math.isfinite(float(loss.detach())):
            return
        tensors = {"frames": batch.frames, "labels": batch.labels, "valid": batch.valid}
        atomic_write_bytes(self._failed_file(), save(tensors, {"clips": "\n".join(batch.names)}))

    def _failed_file(self) -> Path:
        name = f"step-{self.state.step + 1:06d}-rank-{self.ranks.rank}.safetensors"
        return Path(self.config.output) / "failed" / name

    def _refuse_not_finite(self, name: str, value: float, batch: ClipBatch) -> None:
        if math.isfinite(value):
            return
        kept = self._failed_file()
        raise InputError(
            f"the {name} of step {self.state.step + 1} is {value}",
            found=f"clips {', '.join(batch.names)}" + (f", saved in {kept}" if kept.exists() else ""),
            remedy="lower training.learning_rate, or look at these clips",
        )
