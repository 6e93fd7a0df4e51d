"""`python -m export.executorch`: a checkpoint to one multi-method `.pte` for XNNPACK, in a bundle, with proof."""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from export.activations import Activations, record_activations
from export.bundle import BundleFacts, write_manifest
from export.components import build_components
from export.folding import fold_batch_norm
from export.lowering import LOWERING_STAGES, LoweredProgram, lower
from export.parity import FP32_GATE, Difference, compare
from export.report import ComponentReport, ExportReport, report_table
from mobilevos.bundle import Bundle
from mobilevos.commands.entry import run
from mobilevos.contract import COMPONENTS, STRIDE, Dimensions
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.engine import Array, Engine, Query
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.errors import InputError
from mobilevos.files import atomic_folder, atomic_write_text, sha256_of
from mobilevos.model.checkpoint import load_network, read_metadata
from mobilevos.model.network import MemoryNetwork
from mobilevos.weights import default_checkpoint

__all__ = ["STAGES", "export_executorch", "parse_size"]

PROGRAM = "mobilevos.pte"

STAGES = LOWERING_STAGES + 1
"""Calls of `advance` in `export_executorch`."""

_TIMED_CALLS = 10

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def export_executorch(
    network: MemoryNetwork,
    dimensions: Dimensions,
    output: Path,
    *,
    checkpoint_sha256: str | None = None,
    provenance: dict[str, Any] | None = None,
    overwrite: bool = False,
    advance: Callable[[str], None] = lambda stage: None,
) -> ExportReport:
    """Lowers a network, checks every component against the reference, and writes the bundle as a whole.

    Args:
        network: A student (a top-k read cannot be delegated).
        dimensions: Frame size, memory capacity, objects per call.
        output: The bundle's folder.
        checkpoint_sha256: Of the network's checkpoint.
        provenance: Of the network's checkpoint.
        overwrite: Whether an existing `output` may be replaced.
        advance: Called when a stage begins; there are `STAGES`.

    Raises:
        InputError: `output` exists, the network cannot be exported, or a component's numbers are off by more
            than float32 arithmetic explains: no bundle is written then.
    """
    started = time.perf_counter()
    if find_spec("executorch") is None:
        raise InputError("ExecuTorch is not installed", remedy="pip install 'mobilevos[executorch]'")
    if network.config.top_k is not None:
        raise InputError(
            f"{network.config.name} reads the memory with top-k",
            expected="a student",
            remedy="no mobile delegate takes it",
        )
    versions = {name: version(name) for name in ("mobilevos", "torch", "executorch")}
    with atomic_folder(output, overwrite=overwrite) as folder:
        program = lower(build_components(fold_batch_norm(network)), dimensions, advance)
        (folder / PROGRAM).write_bytes(program.buffer)
        facts = {
            name: {"file": PROGRAM, "method": name, "operators": program.operators[name].to_json()}
            for name in COMPONENTS
        }

        def describe() -> None:
            write_manifest(
                folder,
                BundleFacts(
                    "executorch",
                    "fp32",
                    network.config,
                    dimensions,
                    checkpoint_sha256,
                    provenance or {},
                    versions,
                    facts,
                ),
            )

        describe()
        advance("comparing with the reference")
        components = _check(network, dimensions, folder, program)
        for name, component in components.items():
            facts[name]["parity"] = component.difference.to_json()
        describe()
    return ExportReport(str(output), len(program.buffer), time.perf_counter() - started, components)


def _check(
    network: MemoryNetwork, dimensions: Dimensions, folder: Path, program: LoweredProgram
) -> dict[str, ComponentReport]:
    """Runs every component on real activations against the reference, both in turn."""
    eager, engine = EagerEngine(network), ExecutorchEngine(Bundle.open(folder))
    activations = record_activations(eager, dimensions)
    reports = {}
    for name in COMPONENTS:
        difference = _worst_difference(activations[name][1], _call(engine, name, activations))
        if not difference.relative <= FP32_GATE:
            raise InputError(
                f"component {name} does not compute what the reference computes",
                expected=f"a difference of at most {FP32_GATE:.0e} of its range",
                found=f"{difference.relative:.1e}",
            )
        eager_ms, latency_ms = _time_in_turn(
            partial(_call, eager, name, activations),
            partial(_call, engine, name, activations),
        )
        reports[name] = ComponentReport(
            program.operators[name], difference, latency_ms, eager_ms, program.method_bytes[name]
        )
    return reports


def _call(engine: Engine, component: str, activations: Activations) -> tuple[Array, ...]:
    """Calls a component through the engine protocol, with the contract's inputs and outputs."""
    inputs = activations[component][0]
    if component == "encode_query":
        query = engine.encode_query(*inputs)
        assert query.feature4 is not None
        return query.key, query.feature16, query.feature8, query.feature4
    if component == "encode_memory":
        key, feature16, feature8, masks, others = inputs
        return engine.encode_memory(Query(key, feature16, feature8, None), masks, others)
    if component == "read_memory":
        key, keys, values = inputs
        return (engine.read_memory(Query(key, key, key, None), keys, values),)
    if component == "decode":
        readout, *features = inputs
        return (engine.decode(readout, Query(readout[:1], features[0], features[1], features[2])),)
    logits, query = engine.segment(*inputs)
    return logits, query.key, query.feature16, query.feature8


def _worst_difference(references: tuple[Array, ...], actuals: tuple[Array, ...]) -> Difference:
    pairs = zip(references, actuals, strict=True)
    return max((compare(np.ascontiguousarray(r), a) for r, a in pairs), key=lambda difference: difference.relative)


def _time_in_turn(*calls: Callable[[], object]) -> list[float]:
    """Median milliseconds of each call, the calls taking turns so that a noisy machine is unfair to none."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(_TIMED_CALLS + 2):
        for call, spent in zip(calls, times, strict=True):
            start = time.perf_counter_ns()
            call()
            if turn >= 2:
                spent.append((time.perf_counter_ns() - start) / 1e6)
    return [statistics.median(spent) for spent in times]


def parse_size(text: str) -> tuple[int, int]:
    """`480x864` to `(480, 864)`: rows and columns of the frame, each raised to the next multiple of 16.

    Raises:
        InputError: Not two positive whole numbers of at most five digits.
    """
    match = re.fullmatch(r"0*([1-9]\d{0,4})x0*([1-9]\d{0,4})", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise InputError(f"--size {text[:40]!r}", expected="HEIGHTxWIDTH in pixels, as 480x864")
    height, width = (-(-int(side) // STRIDE) * STRIDE for side in match.groups())
    return height, width


@app.command()
def export(
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint of `mobilevos train`; the shipped student by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The network that the checkpoint must hold, e.g. mobilenet_v2.")
    ] = None,
    size: Annotated[str, typer.Option(help="Frame size HEIGHTxWIDTH; raised to multiples of 16.")] = "480x864",
    memory_frames: Annotated[int, typer.Option(min=1, help="Frames that the memory bank holds.")] = 2,
    objects: Annotated[int, typer.Option(min=1, help="Objects per call; more are run in turns.")] = 1,
    output: Annotated[Path, typer.Option(help="The bundle's folder.")] = Path("build/bundles/executorch"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing bundle.")] = False,
    json_report: Annotated[
        Path | None, typer.Option("--json", help="Also write the report as JSON to this file.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if an operator is left outside the delegate.")
    ] = False,
) -> None:
    """Lower a student to one multi-method ExecuTorch program (XNNPACK) and write it as a bundle.

    Each component (encode_query, encode_memory, read_memory, decode, and segment, the fused step) is lowered,
    run here against PyTorch on real activations, timed, and reported: operators delegated and left outside
    with the reason, largest difference, signal to noise ratio, size and latency on this host.

    Example: python -m export.executorch --size 480x864 --output build/bundles/student
    """
    console = Console()
    height, width = parse_size(size)
    source = checkpoint or default_checkpoint()
    network = load_network(source, expected_variant=model)
    dimensions = network.dimensions(height, width, memory_frames, objects)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=STAGES)

        def advance(stage: str) -> None:
            progress.update(task, description=stage, advance=1)

        report = export_executorch(
            network,
            dimensions,
            output,
            checkpoint_sha256=sha256_of(source),
            provenance=read_metadata(source)["provenance"],
            overwrite=overwrite,
            advance=advance,
        )
    console.print(report_table(report))
    if json_report is not None:
        atomic_write_text(json_report, json.dumps(report.to_json(), indent=2) + "\n")
    if strict and not report.all_delegated:
        raise typer.Exit(1)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m export.executorch`; gives the exit code."""
    with torch.no_grad():
        return run(app, argv, program="python -m export.executorch")


if __name__ == "__main__":
    sys.exit(main())
