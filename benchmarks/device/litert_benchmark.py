"""LiteRT on a phone, by LiteRT's own `benchmark_model` where the user has it: latency of each component alone.

Checked: that every component of the bundle loads and runs on the phone, and how long a call takes on random input.
Not checked: masks, J&F and the whole loop, because that program runs no tracker and gives no outputs back. No row made
here stands beside one of the loop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone import PhoneFacts
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.prepared import PROGRAMS, Advance, prepared_phone
from benchmarks.device.remote_process import Looks, RemoteProcess
from benchmarks.device.thermal import CoolDown, ThermalState, read_thermal
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text, sha256_of

__all__ = ["CHECKED", "NOT_CHECKED", "LitertJob", "parse_latency", "run_litert_benchmark"]

CHECKED = "each signature loads and runs on the phone; latency of single calls on random input"
NOT_CHECKED = "masks, J&F and the whole loop: benchmark_model runs no tracker and gives no outputs back"

_PROGRAM = "benchmark_model"
_STALLED_S = 600.0  # it says nothing while it measures
_MACHINES = {"x86_64": 0x3E, "arm64-v8a": 0xB7}  # e_machine of an ELF file
_STATISTICS = {
    "count": "count",
    "min": "min_ms",
    "median": "p50_ms",
    "avg": "mean_ms",
    "std": "std_ms",
    "max": "max_ms",
}


@dataclass(frozen=True)
class LitertJob:
    """What is to be timed.

    Attributes:
        bundle: A TFLite one, verified.
        program: The user's `benchmark_model`, for the phone's ABI.
        threads: None for the program's own choice.
        runs: Calls of each signature at least.
        seconds: Seconds of each signature at least.
        looks: How it is looked at while it runs.
        cool_down: What has to be waited for before it.
    """

    bundle: Bundle
    program: Path
    threads: int | None = None
    runs: int = 128
    seconds: float = 10.0
    looks: Looks = field(default_factory=lambda: Looks(stalled_s=_STALLED_S))
    cool_down: CoolDown = field(default_factory=CoolDown)

    def files(self, facts: PhoneFacts) -> dict[str, Path]:
        """What goes to a phone, by name there.

        Raises:
            InputError: The bundle is for another runtime, or the program for another processor.
        """
        if self.bundle.target != "tflite":
            raise InputError(f"{self.bundle.folder} is of another runtime", expected="tflite", found=self.bundle.target)
        _check_machine(self.program, facts.abi)
        artefacts = {self.bundle.artefact(component)[0] for component in self.bundle.manifest["components"]}
        return {
            f"{PROGRAMS}/{self.program.name}": self.program,
            **{f"bundle/{artefact.name}": artefact for artefact in sorted(artefacts)},
        }

    def command(self, remote: str, component: str) -> list[str]:
        """What times one component, in a run's folder on a phone."""
        artefact, signature = self.bundle.artefact(component)
        threads = [] if self.threads is None else [f"--num_threads={self.threads}"]
        return [
            f"{remote}/{PROGRAMS}/{self.program.name}",
            f"--graph={remote}/bundle/{artefact.name}",
            f"--signature_to_run_for={signature}",
            f"--num_runs={self.runs}",
            f"--min_secs={self.seconds:g}",
            "--use_xnnpack=true",
            *threads,
        ]


def run_litert_benchmark(
    phone: PhoneShell,
    job: LitertJob,
    output: Path,
    *,
    at_rest: ThermalState | None = None,
    advance: Advance = lambda stage, steps: None,
) -> dict[str, Any]:
    """Times each component of a TFLite bundle on a phone.

    Args:
        phone: Where.
        job: What.
        output: JSON file to write.
        at_rest: How warm the phone was before the first of several runs; as it is now by default.
        advance: Is told how far it is.

    Returns:
        What was written: `signatures` with milliseconds of each, `checked` and `not_checked`, the phone and its heat.

    Raises:
        DeviceError: The phone does not fit or is full, the program failed, or the connection was lost.
        InputError: The program's words are not understood, or the output cannot be written.
    """
    signatures, states = {}, []
    with prepared_phone(
        phone, job.files, written_bytes=0, rule=job.cool_down, at_rest=at_rest, advance=advance
    ) as ready:
        for component in job.bundle.manifest["components"]:
            advance(f"timing {component}", 0)
            process = RemoteProcess(phone, ready.folder, job.looks)
            process.start(job.command(ready.folder, component))
            for _ in process.lines():
                pass
            # Its log goes to one or the other, as it was built.
            said = phone.retried(lambda: phone.shell(f"cd {ready.folder} && cat stdout stderr")).out
            signatures[component] = parse_latency(said.splitlines())
            states.append(phone.retried(lambda: read_thermal(phone)))
    bundle = {"precision": job.bundle.precision, "bundle_sha256": sha256_of(job.bundle.folder / MANIFEST)}
    facts = {"format": 1, "engine": "litert", "program": _PROGRAM, "program_sha256": sha256_of(job.program), **bundle}
    result = facts | {
        "threads": job.threads,
        "checked": CHECKED,
        "not_checked": NOT_CHECKED,
        "signatures": signatures,
        "phone": asdict(ready.facts),
        "thermal": ready.thermal(states, []),
    }
    atomic_write_text(output, json.dumps(result, indent=1) + "\n")
    return result


def parse_latency(lines: Sequence[str]) -> dict[str, float]:
    """Reads what `benchmark_model` says at its end.

    Args:
        lines: Its output; the statistics line counts that comes last, the ones before are of the warm-up.

    Returns:
        Milliseconds by statistic, `count` calls, `init_ms` and `first_ms`, and `memory_mb` where it says so.

    Raises:
        InputError: It said no such thing.
    """
    text = "\n".join(lines)
    number = r"([\d.]+(?:e[+-]?\d+)?)"
    statistics = re.findall(r"count=\d+ first=.*$", text, re.MULTILINE)
    summary = re.search(rf"Inference timings in us: Init: {number}, First inference: {number},", text)
    if not statistics or summary is None:
        last = lines[-1] if lines else "nothing"
        raise InputError("benchmark_model gave no latency", expected="its statistics", found=last[:200])
    said = dict(re.findall(rf"(\w+)={number}", statistics[-1]))
    result = {name: float(said[key]) / 1000 for key, name in _STATISTICS.items() if key in said}
    result |= {"count": float(said["count"]), "init_ms": float(summary[1]) / 1000, "first_ms": float(summary[2]) / 1000}
    memory = re.search(rf"emory footprint[^\n]*\(MB\):[^\n]*overall={number}", text)
    return result | ({"memory_mb": float(memory[1])} if memory else {})


def _check_machine(program: Path, abi: str) -> None:
    """Refuses an ELF file of another processor; a phone would say no more than `not executable`."""
    try:
        with program.open("rb") as file:
            head = file.read(20)
    except OSError as error:
        raise InputError(f"cannot read {program}", found=error.strerror or str(error)) from error
    machine = int.from_bytes(head[18:20], "little")
    if head.startswith(b"\x7fELF") and machine != _MACHINES[abi]:
        names = {number: name for name, number in _MACHINES.items()}
        found = names.get(machine, f"machine {machine}")
        raise DeviceError(Failure.UNSUITABLE, f"{program} does not run on the phone", expected=abi, found=found)
