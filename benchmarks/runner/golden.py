"""`python -m benchmarks.runner.golden BUNDLE --runner DIR`: does a runner reproduce the bundle's golden clip?

The runner reads a clip folder and writes masks and a trace; here the one is made of the bundle's golden clip, and the
other is held against its trace. So it is proven wherever the runner ran: here, under an emulator, on a phone.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.clip_folder import ClipFolder, write_clip
from benchmarks.runner.payload import Payload, payload
from mobilevos.bundle import Bundle
from mobilevos.commands.entry import run
from mobilevos.errors import InputError
from mobilevos.golden import ClosedLoop, GoldenTrace, compare_traces, read_golden, read_trace_steps

__all__ = ["judge_output", "main", "reproduce_golden", "write_golden_clip"]

app = typer.Typer(add_completion=False)


def write_golden_clip(bundle: Bundle, folder: Path) -> ClipFolder:
    """Writes a bundle's golden clip as a clip folder.

    Raises:
        InputError: The bundle has none, or the folder cannot be written.
    """
    clip = read_golden(bundle)[0].clip
    return write_clip(folder, clip.frames, clip.given, clip.memory_every)


def judge_output(bundle: Bundle, output: Path) -> ClosedLoop:
    """Holds what a runner wrote on a bundle's golden clip, with `--trace`, against the bundle's trace.

    Raises:
        InputError: The output is damaged or of another clip, or its loop made other calls.
    """
    reference, tolerances = read_golden(bundle)
    record = json.loads((output / "run.json").read_bytes())
    shape = (len(reference.clip.frames), *reference.clip.frames[0].shape[:2])
    masks = np.fromfile(output / "masks.u8", np.uint8)
    if masks.size != np.prod(shape):
        raise InputError(f"{output / 'masks.u8'} is of another clip", expected=f"{np.prod(shape)} bytes")
    steps = read_trace_steps(output, list(masks.reshape(shape)))
    engine = {"engine": f"{record['engine']}-{record['precision']}", "versions": record["versions"]}
    return compare_traces(reference, GoldenTrace(reference.clip, engine["engine"], steps), engine, tolerances)


def reproduce_golden(runner: Payload, bundle: Bundle, *, emulator: Sequence[str] = ()) -> ClosedLoop:
    """Lets a runner track a bundle's golden clip on this machine, and judges it.

    Args:
        runner: To be proven.
        bundle: Of target `executorch`, with a golden clip.
        emulator: Command that runs programs of the runner's architecture; none for this machine's own.

    Raises:
        InputError: The runner fails, or does what the trace does not.
    """
    with TemporaryDirectory() as temporary:
        clip, output = Path(temporary, "clip"), Path(temporary, "output")
        write_golden_clip(bundle, clip)
        folders = ["--bundle", bundle.folder, "--clip", clip, "--output", output, "--trace"]
        finished = subprocess.run(
            [*emulator, *runner.command, *map(str, folders)], capture_output=True, text=True, check=False
        )
        if finished.returncode:
            found = finished.stderr.strip().splitlines()[-1:] or [f"exit code {finished.returncode}"]
            raise InputError("the runner failed", found=found[0])
        return judge_output(bundle, output)


@app.command()
def golden(
    bundle: Annotated[Path, typer.Argument(help="A bundle of target executorch.")],
    runner: Annotated[Path, typer.Option(help="A folder that `benchmarks.runner.build` made.")],
    emulator: Annotated[str, typer.Option(help="Runs it, as 'qemu-aarch64-static -cpu cortex-a76'.")] = "",
) -> None:
    """Let a runner track a bundle's golden clip here, and compare its masks and tensors with the reference's."""
    console = Console()
    with console.status("tracking the golden clip"):
        loop = reproduce_golden(payload(runner), Bundle.open(bundle), emulator=shlex.split(emulator))
    for check in loop.checks:
        console.print(f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.found} (wanted {check.wanted})")
    if not loop.passed:
        raise InputError("the runner does not reproduce the golden clip")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.runner.golden`; gives the exit code."""
    return run(app, argv, program="benchmarks.runner.golden")


if __name__ == "__main__":
    sys.exit(main())
