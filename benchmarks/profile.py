"""`python -m benchmarks.profile`: where a program's time goes, operator by operator."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from benchmarks.bundles import ensure_bundle
from benchmarks.layers import Layer, memory_read_layers, network_layers
from benchmarks.machine import describe_machine
from benchmarks.operators import OperatorTime, OperatorType, by_type, read_etdump, record_etdump
from benchmarks.tables import rich_table
from mobilevos.bundle import Bundle
from mobilevos.commands.entry import run
from mobilevos.contract import COMPONENTS
from mobilevos.engines.executorch import ExecutorchEngine
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text
from mobilevos.frame_size import parse_size
from mobilevos.model.components import build_components, example_inputs
from mobilevos.model.network import MemoryNetwork
from mobilevos.model.variants import parse_network_config
from mobilevos.weights import default_checkpoint

__all__ = ["main", "profile_component"]

WARM_UP = 3

app = typer.Typer(add_completion=False)


def profile_component(bundle: Bundle, component: str, calls: int, etdump: Path) -> tuple[float, list[OperatorTime]]:
    """Traces a component of a bundle.

    Args:
        bundle: Of target `executorch`.
        component: One of the contract's.
        calls: Traced calls, after a warm-up.
        etdump: Where ExecuTorch's trace is to be written.

    Returns:
        Median milliseconds of a call, and its operators in the order of execution.
    """
    network = MemoryNetwork(parse_network_config(bundle.manifest["model"]["network"]))
    module = build_components(network)[component]
    inputs = example_inputs(component, bundle.dimensions, torch.Generator().manual_seed(0))
    layers: list[Layer] = network_layers(module, inputs)
    if component in ("segment", "read_memory"):
        layers += memory_read_layers(bundle.dimensions)
    path, method = bundle.artefact(component)
    record_etdump(path, method, inputs, calls + WARM_UP, etdump)
    return read_etdump(etdump, layers, WARM_UP)


@app.command()
def profile(
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle; by default the shipped student's, exported where it is missing.")
    ] = None,
    size: Annotated[str, typer.Option(help="Frame size HEIGHTxWIDTH of the default bundle.")] = "480x864",
    component: Annotated[str, typer.Option(help=f"One of {', '.join(COMPONENTS)}.")] = "segment",
    calls: Annotated[int, typer.Option(min=1, help="Traced calls.")] = 50,
    threads: Annotated[int, typer.Option(min=1, help="Threads of ExecuTorch's pool.")] = 2,
    rows: Annotated[int, typer.Option(min=1, help="Operators to print.")] = 20,
    output: Annotated[Path, typer.Option(help="Folder of the ETDump and the JSON report.")] = Path("build/benchmarks"),
) -> None:
    """Print a table of a program's operators, the costliest first, and one of their types.

    Times are ExecuTorch's own (ETDump), in the process that also holds PyTorch. Each operator is named as XNNPACK
    names it, with the layer of the network where that can be told.
    """
    if component not in COMPONENTS:
        raise InputError(f"no component named {component!r}", expected=f"one of {', '.join(COMPONENTS)}")
    console = Console()
    opened = Bundle.open(bundle) if bundle else _default_bundle(output / "bundle", parse_size(size), console)
    ExecutorchEngine(opened, threads=threads)  # checks the files, and sets the size of the pool
    etdump = output / f"{component}.etdp"
    with console.status(f"tracing {component}"):
        step_ms, operators = profile_component(opened, component, calls, etdump)
    types = by_type(operators)
    console.print(_operator_table(component, step_ms, operators, rows))
    console.print(_type_table(types))
    report = output / f"profile-{component}.json"
    facts = {"component": component, "calls": calls, "threads": threads, "step_ms_p50": step_ms}
    atomic_write_text(report, json.dumps(facts | _to_json(operators, types), indent=2) + "\n")
    console.print(f"report: {report}, trace: {etdump}", soft_wrap=True, highlight=False)


def _default_bundle(folder: Path, size: tuple[int, int], console: Console) -> Bundle:
    with console.status("exporting the shipped student"):
        return ensure_bundle(folder, default_checkpoint(), size, objects=1)[0]


def _operator_table(component: str, step_ms: float, operators: list[OperatorTime], rows: int) -> Any:
    costliest = sorted(operators, key=lambda one: -one.ms)
    left = sum(not one.delegated for one in operators)
    caption = f"{len(operators)} operators, {left} outside the delegate; a call takes {step_ms:.1f} ms (median)"
    cells = [
        (
            one.operator if one.delegated else f"[red]{one.operator}[/]",
            one.layer.name if one.layer else "",
            f"{one.ms:.2f}",
            f"{100 * one.share:.1f} %",
            f"{one.gflops:.0f}" if one.gflops else "",
        )
        for one in costliest[:rows]
    ]
    headers = ("operator", "layer", "ms p50", "share", "GFLOP/s")
    title = f"{component}: the costliest operators"
    return rich_table(title, headers, cells, text_columns=2, caption=caption)


def _type_table(types: list[OperatorType]) -> Any:
    cells = [
        (
            one.name,
            str(one.count),
            f"{one.ms:.2f}",
            f"{100 * one.share:.1f} %",
            f"{one.gflops:.0f}" if one.gflops else "",
        )
        for one in types
    ]
    return rich_table("by type", ("type", "operators", "ms", "share", "GFLOP/s"), cells)


def _to_json(operators: list[OperatorTime], types: list[OperatorType]) -> dict[str, Any]:
    return {
        "machine": describe_machine(),
        "versions": {"executorch": version("executorch")},
        "operators": [asdict(one) | {"gflops": one.gflops} for one in operators],
        "types": [asdict(one) for one in types],
    }


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.profile`; gives the exit code."""
    return run(app, argv, program="benchmarks.profile")


if __name__ == "__main__":
    sys.exit(main())
