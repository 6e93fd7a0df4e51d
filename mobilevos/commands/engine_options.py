"""The options by which every command names the engine and the memory of its tracking."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.engines import ENGINES, open_engine
from mobilevos.engines.engine import Engine
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.tracking import Tracker
from mobilevos.tracking.memory_bank import POLICIES
from mobilevos.weights import default_checkpoint

__all__ = [
    "BundleOption",
    "CheckpointOption",
    "EngineOption",
    "MemoryEveryOption",
    "MemoryOption",
    "ResizeOption",
    "ThreadsOption",
    "TrackingSetup",
]

EngineOption = Annotated[str, typer.Option(help="What runs the network.", metavar="|".join(ENGINES))]
BundleOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the exported network, for every engine but eager.",
        metavar="DIR",
    ),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        help="Weights for the eager engine; the shipped ones when not given.",
        metavar="FILE",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="CPU threads of the engine; its own choice when not given."),
]
MemoryEveryOption = Annotated[
    int,
    typer.Option(min=1, help="Frames from one memorised frame to the next.", metavar="N"),
]
MemoryOption = Annotated[
    str,
    typer.Option(
        help="Which memorised frames are kept: the first and the latest, or, for teachers, all.",
        metavar="|".join(POLICIES),
    ),
]
ResizeOption = Annotated[
    bool,
    typer.Option(
        "--resize",
        help="Resize frames to the size that the engine was exported for; masks keep the original size.",
    ),
]


@dataclass(frozen=True)
class TrackingSetup:
    """Everything that decides what masks come out of a clip. It can be sent to another process.

    Attributes:
        engine: A name from `ENGINES`.
        checkpoint: Of the eager engine; None for the shipped weights.
        bundle: Of the other engines.
        threads: CPU threads; None for the engine's own choice.
        memory_every: Frames from one memorised frame to the next.
        resize: Whether frames are resized to the engine's size.
        memory: A name from `POLICIES`.

    Raises:
        InputError: `memory` is no such name.
    """

    engine: str = "eager"
    checkpoint: Path | None = None
    bundle: Path | None = None
    threads: int | None = None
    memory_every: int = 5
    resize: bool = False
    memory: str = "bounded"

    def __post_init__(self) -> None:
        if self.memory not in POLICIES:
            raise InputError(f"--memory {self.memory}", expected=" or ".join(POLICIES))

    def open_engine(self) -> Engine:
        """Opens the engine.

        Raises:
            InputError: No such engine, or its checkpoint, bundle or runtime is missing or damaged.
        """
        return open_engine(self.engine, checkpoint=self.checkpoint, bundle=self.bundle, threads=self.threads)

    def tracker(self, engine: Engine) -> Tracker:
        """A tracker over this setup's engine, which a caller may have wrapped.

        Raises:
            InputError: The engine takes fewer memory frames than the tracker keeps.
        """
        policy = POLICIES[self.memory]
        return Tracker(engine, memory_every=self.memory_every, policy=policy, resize=self.resize)

    def provenance(self, engine: Engine) -> dict[str, Any]:
        """What is to be known to get the same masks again, as a dictionary that `json` takes."""
        return {
            "mobilevos": version("mobilevos"),
            **engine.describe(),
            "weights": self._weights(),
            "threads": self.threads,
            "memory": {"policy": self.memory, "every": self.memory_every},
            "resize": self.resize,
        }

    def _weights(self) -> dict[str, Any]:
        if self.bundle is None:
            checkpoint = self.checkpoint or default_checkpoint()
            return {"checkpoint": str(checkpoint), "checkpoint_sha256": sha256_of(checkpoint)}
        model = Bundle.open(self.bundle, verify=False).manifest["model"]
        return {
            "bundle": str(self.bundle),
            "manifest_sha256": sha256_of(self.bundle / MANIFEST),
            "variant": model["variant"],
            "checkpoint_sha256": model["checkpoint_sha256"],
        }
