"""The keys of a training run, typed. Their values live in `mobilevos/config/*.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from omegaconf import MISSING

from mobilevos.model.network import NetworkConfig
from mobilevos.quantization.specification import DEFAULT_OBSERVER

__all__ = [
    "QAT",
    "Bl30kConfig",
    "DataConfig",
    "DavisConfig",
    "LossConfig",
    "ModelConfig",
    "QuantizationConfig",
    "RunConfig",
    "TeacherConfig",
    "TrainingConfig",
    "ValidationConfig",
    "YouTubeVosConfig",
]


QAT = "qat"
"""The stage in whose runs the network is fake-quantized."""


@dataclass
class DavisConfig:
    """A DAVIS 2016 or 2017 tree.

    Attributes:
        root: Its folder; empty for none.
        year: 2016 (one object a sequence) or 2017.
        skip: Frames (low, high) between two of a clip, grown from the first to the second over the run.
        share: Weight of these clips among those of all video.
    """

    root: str = ""
    year: int = 2016
    skip: tuple[int, int] = (1, 5)
    share: float = 1.0


@dataclass
class YouTubeVosConfig:
    """A YouTube-VOS tree; every 5th frame is annotated, and only those are used.

    Attributes:
        root: Its folder; empty for none.
        skip: Annotated frames (low, high) between two of a clip, grown over the run.
        share: Weight of these clips among those of all video.
    """

    root: str = ""
    skip: tuple[int, int] = (1, 3)
    share: float = 1.0


@dataclass
class Bl30kConfig:
    """A BL30K tree (synthetic video, Cheng et al., 2021).

    Attributes:
        root: Its folder; empty for none.
        skip: Frames (low, high) between two of a clip, grown over the run.
        share: Weight of these clips among those of all video.
    """

    root: str = ""
    skip: tuple[int, int] = (1, 9)
    share: float = 1.0


@dataclass
class DataConfig:
    """Where clips come from, and their share of the batches.

    Attributes:
        static: Folders of still images (`images/*.jpg`, `masks/*.png`).
        davis: The DAVIS training split.
        youtube_vos: The YouTube-VOS training split.
        bl30k: BL30K.
        static_share: Share of clips made from still images, 0..1; the rest is video.
        crop: Side of the square training frames, pixels, a multiple of 16.
        frames: Frames of a clip.
        max_objects: Objects tracked in a clip at most.
        workers: Loader processes of each training process.
    """

    static: list[str] = field(default_factory=list)
    davis: DavisConfig = field(default_factory=DavisConfig)
    youtube_vos: YouTubeVosConfig = field(default_factory=YouTubeVosConfig)
    bl30k: Bl30kConfig = field(default_factory=Bl30kConfig)
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
        hardest_ramp: Fractions (from, to) of the run between which it goes from 1 to `hardest`.
        dice: Weight of the Dice loss.
        representation: Weight of the representation loss, which lies in 0..log2(N)/N for N `pixels`; only
            `stage=distill` and `stage=qat` have a teacher to use it.
        omega: The representation loss's target, from 0 (labels alone: supervised contrastive) to 1 (the teacher's
            features alone).
        logit: Weight of the logit loss; of the same stages.
        temperature: Of the logit loss.
        scale_by_temperature: Multiplies the logit loss by its temperature squared.
        pixels: Pixels of each object and frame that the representation loss compares.
        sampling: Where both losses look: `boundary` or `uniform`.
        boundary_radius: Pixels by which a boundary is widened, at the resolution of each loss.
    """

    poly_epsilon: float = 1.0
    hardest: float = 0.25
    hardest_ramp: tuple[float, float] = (0.2, 0.5)
    dice: float = 0.5
    representation: float = 10.0
    omega: float = 0.5
    logit: float = 1.0
    temperature: float = 2.0
    scale_by_temperature: bool = True
    pixels: int = 256
    sampling: str = "boundary"
    boundary_radius: int = 2


@dataclass
class TrainingConfig:
    """How a stage trains.

    Attributes:
        steps: Optimizer steps.
        batch_size: Clips per step, of all processes and accumulated parts together.
        accumulate: Parts in which each process runs its share of a step's clips, to save memory.
        optimizer: `adamw` (decoupled weight decay) or `adam`.
        learning_rate: Peak rate of the new layers.
        trunk_learning_rate: Peak rate of the ImageNet trunk.
        weight_decay: Of convolution weights.
        warmup: Steps of linear warm-up.
        schedule: What follows: `cosine` to 1 % of the peak, or `step`, a tenth of the peak from `decay_at` on.
        decay_at: Fraction of the run at which `schedule=step` drops, 0..1.
        gradient_clip: Largest gradient norm.
        ema_decay: Decay per step of the averaged weights, which are what a run yields.
        frozen_norm: Batch norms whose statistics stay as they are: `trunk` (a few clips are too few to re-estimate
            ImageNet's) or `all` (then a step does not depend on how its clips are spread over processes).
        precision: `fp32`, or `bf16` and `fp16` for automatic mixed precision.
        compile: Compiles the encoders with torch.compile.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between log lines.
        threads: CPU threads; 0 leaves PyTorch's choice.
    """

    steps: int = 1000
    batch_size: int = 4
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 5e-4
    trunk_learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    warmup: int = 100
    schedule: str = "cosine"
    decay_at: float = 0.8
    gradient_clip: float = 3.0
    ema_decay: float = 0.998
    frozen_norm: str = "trunk"
    precision: str = "fp32"
    compile: bool = False
    checkpoint_every: int = 200
    log_every: int = 10
    threads: int = 0


@dataclass
class QuantizationConfig:
    """How `stage=qat` prepares a network for int8; see `mobilevos.quantization.specification`.

    Attributes:
        calibration: A DAVIS tree or a folder of images on which the ranges are found that the run starts from; empty
            for `data.davis.root`.
        frames: How many frames of it are taken.
        size: To which they are resized, height and width in pixels, multiples of 16.
        observer: `minmax`, `moving_average`, `percentile` or `mse`.
        learning_rate: Peak rate of the logarithm of each range.
        freeze_at: Fraction of the run after which ranges stay as they are, 0..1; 0 keeps those of the calibration.
        float_layers: Layers that are not quantized, by path, e.g. `decoder.head`.
    """

    calibration: str = ""
    frames: int = 64
    size: tuple[int, int] = (480, 864)
    observer: str = DEFAULT_OBSERVER.value
    learning_rate: float = 1e-3
    freeze_at: float = 0.7
    float_layers: list[str] = field(default_factory=list)


@dataclass
class ValidationConfig:
    """Sequences of DAVIS that are tracked with the averaged weights now and then, and at the end of the run.

    The best network by their J&F is kept as `best.safetensors`.

    Attributes:
        root: A DAVIS tree; empty for none.
        year: 2016 or 2017.
        split: `train` or `val`.
        sequences: Names; empty for all of the split.
        every: Steps between validations; 0 for none but the last.
        frames: Frames of each sequence that are tracked at most; 0 for all.
        resize: Shorter side of the frames, in pixels; 0 leaves them as they are.
        memory: `bounded` (the first frame and the latest) or `unbounded`.
    """

    root: str = ""
    year: int = 2016
    split: str = "val"
    sequences: list[str] = field(default_factory=list)
    every: int = 0
    frames: int = 0
    resize: int = 0
    memory: str = "bounded"


@dataclass
class TeacherConfig:
    """The teacher of `stage=distill` and `stage=qat`.

    Attributes:
        checkpoint: A `network.safetensors` of this project, or the published `stcn.pth`; empty for none.
        top_k: Memory positions that STCN reads; 0 for all.
    """

    checkpoint: str = ""
    top_k: int = 20


@dataclass(frozen=True)
class ModelConfig(NetworkConfig):
    """The network that is trained, and its teacher.

    Attributes:
        teacher: The teacher.
    """

    teacher: TeacherConfig = field(default_factory=TeacherConfig)

    @property
    def network(self) -> NetworkConfig:
        """The network alone, as checkpoints hold it."""
        return NetworkConfig(**{one.name: getattr(self, one.name) for one in fields(NetworkConfig)})


@dataclass
class RunConfig:
    """One training run.

    Attributes:
        stage: A name of `mobilevos.training.stages.STAGES`.
        preset: `here` (small data, one machine), `paper` (STCN's schedule) or `smoke` (a minute on a CPU).
        seed: Fixes weights, clips and their order.
        output: The run's folder.
        resume: Goes on from the newest checkpoint in `output` where there is one (`auto` says the same as `true`).
        init: A checkpoint whose weights the run starts from; empty for none.
        encoder: A checkpoint of any network with the same trunk and key, whose query encoder the run starts from.
        trunk_weights: ImageNet weights of the trunk, a file with torchvision's names; empty for none.
        device: `auto`, `cpu` or `cuda`.
        model: The network, a `ModelConfig` once composed.
        data: The clips.
        training: The optimisation.
        losses: The losses.
        quantization: Of `stage=qat`.
        validation: The sequences that are tracked to see how far the run has come.
    """

    stage: str = "student"
    preset: str = "here"
    seed: int = 0
    output: str = "runs/${stage}"
    resume: bool = True
    init: str = ""
    encoder: str = ""
    trunk_weights: str = ""
    device: str = "auto"
    model: Any = MISSING
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    quantization: QuantizationConfig = field(default_factory=QuantizationConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
