"""The options by which every command names the engine and the memory of its tracking."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from mobilevos.bundle import EXPORTS, MANIFEST, Bundle
from mobilevos.engines import BUNDLE_ENGINES, ENGINES, INT8_REFERENCE, engine_class, open_engine
from mobilevos.engines.engine import Engine
from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.tracking import Tracker
from mobilevos.tracking.memory_bank import POLICIES
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = [
    "BundleOption",
    "CheckpointOption",
    "EngineOption",
    "IsolatedOption",
    "MemoryEveryOption",
    "MemoryOption",
    "ResizeOption",
    "ThreadsOption",
    "TrackingSetup",
    "VerifyOption",
]

EngineOption = Annotated[
    str | None,
    typer.Option(
        help="What runs the network; the bundle's own engine, or without a bundle eager, when not given.",
        metavar="|".join(ENGINES),
    ),
]
BundleOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the exported network, for every engine but those of PyTorch; "
        f"{EXPORTS}/<target> when an engine is given alone.",
        show_default=False,
        metavar="DIR",
    ),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        help="Weights for the engines of PyTorch; the shipped ones when not given.",
        metavar="FILE",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="CPU threads of the engine; its own choice when not given."),
]
VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify/--no-verify",
        help="Compare the bundle's files with the SHA-256 in its manifest.",
    ),
]
IsolatedOption = Annotated[
    bool | None,
    typer.Option(
        "--isolated/--no-isolated",
        help="Run the bundle in a process of its own, which may crash; so does one that was not exported here, or is "
        "not verified, when not given.",
        show_default=False,
    ),
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


def _exported_bundle(engine: str) -> Path:
    target = engine_class(engine).runtime.target
    if not (EXPORTS / target / MANIFEST).is_file():
        raise InputError(
            f"the {engine} engine runs a bundle, and {EXPORTS / target} holds none",
            remedy=f"make one with `python -m export.{target}`, or pass --bundle FOLDER",
        )
    return EXPORTS / target


@dataclass(frozen=True)
class TrackingSetup:
    """Everything that decides what masks come out of a clip. It can be sent to another process.

    Attributes:
        engine: A name from `ENGINES`; None for the bundle's own, or without a bundle `eager`.
        checkpoint: Of the eager engine; None for the shipped weights.
        bundle: Of the other engines; None for the one that `python -m export` left in `EXPORTS`.
        threads: CPU threads; None for the engine's own choice.
        memory_every: Frames from one memorised frame to the next.
        resize: Whether frames are resized to the engine's size.
        memory: A name from `POLICIES`.
        verify: Whether the bundle's files are compared with their SHA-256.
        isolated: Whether the bundle runs in a process of its own; None decides by who made it.

    Raises:
        InputError: `memory` is no such name, the engine runs bundles and there is none, or something is said of a
            bundle and nothing runs one.
    """

    engine: str | None = None
    checkpoint: Path | None = None
    bundle: Path | None = None
    threads: int | None = None
    memory_every: int = 5
    resize: bool = False
    memory: str = "bounded"
    verify: bool = True
    isolated: bool | None = None

    def __post_init__(self) -> None:
        if self.bundle is None and self.engine in BUNDLE_ENGINES:
            object.__setattr__(self, "bundle", _exported_bundle(self.engine))
        if self.bundle is None and (self.isolated is not None or not self.verify):
            raise InputError("--no-verify and --isolated are about a bundle", remedy="pass --bundle FOLDER, or neither")
        if self.memory not in POLICIES:
            raise InputError(f"--memory {self.memory}", expected=" or ".join(POLICIES))

    def open_engine(self) -> Engine:
        """Opens the engine.

        Raises:
            InputError: No such engine, or its checkpoint, bundle or runtime is missing or damaged.
        """
        return open_engine(
            self.engine,
            checkpoint=self.checkpoint,
            bundle=self.bundle,
            threads=self.threads,
            verify=self.verify,
            isolated=self.isolated,
        )

    def warn_if_unverified(self) -> None:
        """Says on stderr that masks may be wrong without anybody noticing."""
        if not self.verify:
            print(
                f"mobilevos: warning: {self.bundle} is not verified: its masks may be wrong without an error",
                file=sys.stderr,
            )

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
            shipped = default_int8_checkpoint() if self.engine == INT8_REFERENCE else None
            checkpoint = self.checkpoint or shipped or default_checkpoint()
            return {"checkpoint": str(checkpoint), "checkpoint_sha256": sha256_of(checkpoint)}
        model = Bundle.open(self.bundle, verify=False).manifest["model"]
        return {
            "bundle": str(self.bundle),
            "verified": self.verify,
            "manifest_sha256": sha256_of(self.bundle / MANIFEST),
            "variant": model["variant"],
            "checkpoint_sha256": model["checkpoint_sha256"],
        }
