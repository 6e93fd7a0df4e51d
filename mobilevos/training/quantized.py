"""What `stage=qat` adds to a run: ranges that learn, and a forward pass that rounds as int8 does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.progress import Progress
from torch import Tensor, nn

from mobilevos.errors import InputError
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.calibration import calibrate
from mobilevos.quantization.calibration_set import open_calibration_set
from mobilevos.quantization.fake_quantized import (
    FakeQuantizedNetwork,
    LearnedRanges,
    TrainingGraphs,
    trace_training_graphs,
)
from mobilevos.quantization.folded_weights import folded_weights
from mobilevos.quantization.ranges import Range
from mobilevos.quantization.specification import Observer, Specification
from mobilevos.quantization.stored import StoredQuantization
from mobilevos.training.clip_forward import ClipOutput, run_clip
from mobilevos.training.schema import QuantizationConfig, RunConfig

__all__ = ["FakeQuantization", "QuantizedClipForward", "build_fake_quantization", "calibrate_run"]


@dataclass(frozen=True)
class FakeQuantization:
    """Of a run.

    Attributes:
        specification: What is quantized.
        graphs: Of the network at the training crop, with `ranges` in them.
        ranges: State of the run.
    """

    specification: Specification
    graphs: TrainingGraphs
    ranges: LearnedRanges

    def stored(self) -> StoredQuantization:
        """As it goes into a checkpoint of the network."""
        return StoredQuantization(self.specification, self.ranges.ranges(), "learnt in training")


def build_fake_quantization(network: MemoryNetwork, config: RunConfig) -> FakeQuantization:
    """Traces the network; its ranges mean nothing until they are calibrated or loaded.

    Raises:
        InputError: ExecuTorch, whose quantizer is used, is not installed, or a layer does not exist.
    """
    quantization = config.quantization
    specification = Specification(Observer(quantization.observer), tuple(quantization.float_layers))
    graphs = trace_training_graphs(network, config.data.crop, specification)
    ranges = LearnedRanges(dict.fromkeys(sorted(graphs.sites), Range(1.0, 0)), graphs.learnt)
    graphs.round_by(ranges)
    return FakeQuantization(specification, graphs, ranges)


def calibrate_run(network: MemoryNetwork, fake: FakeQuantization, config: RunConfig) -> None:
    """Sets the ranges that a fresh run starts from, found on real frames.

    Raises:
        InputError: The frames cannot be calibrated on.
    """
    quantization = config.quantization
    frames = open_calibration_set(_calibration_folder(quantization, config), quantization.frames)
    dimensions = network.dimensions(*quantization.size, memory_frames=2, objects=1)
    with Progress(transient=True) as progress:
        for warning in frames.warnings:
            progress.console.print(f"warning: {warning}", soft_wrap=True, markup=False, highlight=False)
        task = progress.add_task("calibrating", total=frames.frames)
        show = partial(progress.update, task)
        ranges = calibrate(network, dimensions, fake.specification, frames, lambda frame: show(completed=frame))
    fake.ranges.start_from(ranges)


def _calibration_folder(quantization: QuantizationConfig, config: RunConfig) -> Path:
    folder = quantization.calibration or config.data.davis.root
    if not folder:
        raise InputError(
            "stage=qat without frames to calibrate on",
            remedy="give quantization.calibration=DIR or data.davis.root=DIR",
        )
    return Path(folder)


class QuantizedClipForward(nn.Module):
    """`run_clip` over the network as int8 will compute it. See `ClipForward`."""

    def __init__(self, network: MemoryNetwork, fake: FakeQuantization) -> None:
        super().__init__()
        self.network, self.ranges = network, fake.ranges
        self._graphs = fake.graphs

    def forward(self, frames: Tensor, first_masks: Tensor, valid: Tensor) -> ClipOutput:
        """See `run_clip`."""
        quantized = FakeQuantizedNetwork(self._graphs, folded_weights(self.network))
        return run_clip(quantized, frames, first_masks, valid)
