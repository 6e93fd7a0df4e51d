"""What every timed loop writes, whoever runs it: a Python worker, the C++ runner, a phone.

A folder with `run.json` and `masks.u8`, the masks of the last complete pass over the clip (uint8 `[T, H, W]`, C
order, object ids). The format is described by `run_record.schema.json`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text

__all__ = ["FORMAT", "MASKS", "RUN", "RunRecord", "Step", "read_masks", "read_run", "write_run"]

FORMAT = 1
RUN, MASKS = "run.json", "masks.u8"


@dataclass(frozen=True)
class Step:
    """One step of the loop.

    Attributes:
        frame: Index in the clip.
        lap: Pass over the clip, from 0 (`pass` in the file). Each begins with an empty memory.
        warm_up: Whether it is left out of the statistics.
        step_ms: Milliseconds of the whole step: padding, engine, soft aggregation, labels, memory.
        components: Milliseconds in each component that it called.
        rss_bytes: Resident memory of the process after it.
        pss_bytes: The same with shared pages divided by the number of their users; None where the kernel does not say.
    """

    frame: int
    lap: int
    warm_up: bool
    step_ms: float
    components: dict[str, float]
    rss_bytes: int
    pss_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file, and in a line of an interleaved run."""
        facts = asdict(self)
        return {"frame": facts.pop("frame"), "pass": facts.pop("lap"), **facts}

    @classmethod
    def from_json(cls, facts: Any) -> Step:
        """Reads it back.

        Raises:
            ValueError: It is no step.
        """
        try:
            pss = facts["pss_bytes"]
            return cls(
                int(facts["frame"]),
                int(facts["pass"]),
                bool(facts["warm_up"]),
                float(facts["step_ms"]),
                {str(name): float(value) for name, value in facts["components"].items()},
                int(facts["rss_bytes"]),
                None if pss is None else int(pss),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no step: {error!r:.80}") from error

    @property
    def memory_bytes(self) -> int:
        """PSS where there is one, else RSS."""
        return self.rss_bytes if self.pss_bytes is None else self.pss_bytes

    @property
    def timed(self) -> bool:
        """Whether it counts: after the warm-up, and a step that segments. Frame 0 is given, and memorised only."""
        return not self.warm_up and self.frame > 0


@dataclass(frozen=True)
class RunRecord:
    """A whole run.

    Attributes:
        engine: Name of the engine.
        precision: Of its arithmetic.
        bundle_sha256: Of the bundle's `manifest.json`; None where a checkpoint was run.
        versions: Of the runtime's parts.
        threads: CPU threads of the engine.
        affinity: Cores that the process may use.
        height: Of a frame, in pixels.
        width: Of a frame, in pixels.
        frames: Of the clip.
        memory_every: Frames from one memorised frame to the next.
        objects: That are tracked.
        load_ms: From opening to ready, before the first step.
        steps: In order; those of the warm-up first.
        peak_rss_bytes: Largest resident memory of the process.
        peak_pss_bytes: Largest of the steps' PSS; None where the kernel does not say.
        thermal: Facts that a device's driver adds.
        torch_loaded: Whether PyTorch was in the process; None where a runner does not say.
    """

    engine: str
    precision: str
    bundle_sha256: str | None
    versions: dict[str, str]
    threads: int
    affinity: list[int]
    height: int
    width: int
    frames: int
    memory_every: int
    objects: int
    load_ms: float
    steps: list[Step]
    peak_rss_bytes: int
    peak_pss_bytes: int | None
    thermal: dict[str, Any] = field(default_factory=dict)
    torch_loaded: bool | None = None

    @property
    def timed(self) -> list[Step]:
        """The steps that count."""
        return [step for step in self.steps if step.timed]


def write_run(folder: Path, record: RunRecord) -> None:
    """Writes `run.json`, whole or not at all.

    Raises:
        InputError: It cannot be written.
    """
    facts = {"format": FORMAT, **asdict(record), "steps": [step.to_json() for step in record.steps]}
    if record.torch_loaded is None:
        del facts["torch_loaded"]
    atomic_write_text(folder / RUN, json.dumps(facts, indent=1) + "\n")


def read_run(folder: Path) -> RunRecord:
    """Reads and checks `run.json`.

    Raises:
        InputError: It is missing, or not as the format says.
    """
    path = folder / RUN
    try:
        facts = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON", found=str(error)) from error
    try:
        if facts.pop("format") != FORMAT:
            raise ValueError("another format")
        return RunRecord(**facts | {"steps": [Step.from_json(step) for step in facts["steps"]]})
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is no run record of format {FORMAT}", found=repr(error)[:120]) from error


def read_masks(folder: Path, record: RunRecord) -> NDArray[np.uint8]:
    """The masks of the run's last complete pass, `[T, H, W]`, object ids.

    Raises:
        InputError: There are none, or not as many as the record says.
    """
    path = folder / MASKS
    shape = (record.frames, record.height, record.width)
    try:
        masks = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    if masks.size != record.frames * record.height * record.width:
        expected = f"{shape[0]} masks of {shape[1]}x{shape[2]}"
        raise InputError(f"{path} is of another size", expected=expected, found=f"{masks.size} bytes")
    return masks.reshape(shape)
