"""`python -m benchmarks.plain`: each bundle beside what its toolkit makes of the same module by its plain recipe.

The recipe is the one in each toolkit's own introduction: export the module as it is, call the converter, run the
result. What this project does besides (folding batch norm, products that the delegate takes, freezing, no spinning
threads) must pay, or at least not cost.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter_ns, sleep
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import track as progress
from torch import Tensor, nn

from benchmarks.bundles import ensure_bundle
from benchmarks.interleaving import SETTLE_SECONDS
from benchmarks.jobs import Workload, bundle_folder
from benchmarks.machine import describe_machine
from benchmarks.noise import Interval, median_interval
from benchmarks.run_command import FOLDER, names
from benchmarks.tables import rich_table
from export.activations import in_c_order, record_activations
from export.executorch_backends import quiet_lowering
from export.measurement import call_component
from export.targets import TARGETS
from mobilevos.commands.console import print_line
from mobilevos.commands.entry import run
from mobilevos.contract import COMPONENTS
from mobilevos.engines import engine_class
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.native_stderr import capture_native_stderr
from mobilevos.files import atomic_write_text
from mobilevos.frame_size import parse_size
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.toolkit_noise import import_litert_torch, quiet_imports
from mobilevos.weights import default_checkpoint

__all__ = ["MARGIN", "PLAIN", "Comparison", "compare", "compare_targets", "main"]

Call = Callable[[], object]
_WARM_UPS = 3

MARGIN = 0.05
"""Of its plain conversion's time, what a bundle's engine may take on top: it copies and checks what it hands on."""

app = typer.Typer(add_completion=False)


def _executorch(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Call:
    quiet_imports()
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.extension.pybindings import _C

    with quiet_lowering():
        program = torch.export.export(module, inputs)
        buffer = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer
    content = bytes(buffer)
    loaded = _C._load_for_executorch_from_buffer(content)  # in the pool that the bundle's engine has sized

    def call() -> object:
        assert content, "the runtime reads the program where it lies, and does not keep it"
        return loaded.run_method("forward", inputs)

    return call


def _tflite(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Call:
    litert_torch = import_litert_torch()
    from ai_edge_litert.interpreter import Interpreter

    litert_torch.progress.config.show_progress = False
    with capture_native_stderr():
        model = litert_torch.convert(module, inputs).model_content()
        runner = Interpreter(model_content=model, num_threads=threads).get_signature_runner()
    names = sorted(runner.get_input_details(), key=lambda name: int(name.rpartition("_")[2]))
    given = dict(zip(names, (tensor.numpy() for tensor in inputs), strict=True))
    return lambda: runner(**given)


def _onnx(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Call:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, quiet_lowering():
        path = Path(folder) / "plain.onnx"
        torch.onnx.export(module, inputs, path, dynamo=True, external_data=False, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = {one.name: tensor.numpy() for one, tensor in zip(session.get_inputs(), inputs, strict=True)}
    return lambda: session.run(None, given)


def _torchscript(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Call:
    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]

    def call() -> object:
        with torch.inference_mode():
            return traced(*inputs)

    return call


PLAIN: dict[str, Callable[[nn.Module, tuple[Tensor, ...], int], Call]] = {
    "executorch": _executorch,
    "tflite": _tflite,
    "onnx": _onnx,
    "torchscript": _torchscript,
}
"""By target: takes a module, its inputs and a number of threads, gives a call of the converted module.

Core ML is missing: it does not run on every host, and its interpreter's time says nothing about it.
"""


@dataclass(frozen=True)
class Comparison:
    """A bundle's component beside the plain conversion of the same module.

    Attributes:
        bundle_ms: Median time of the bundle's, in milliseconds.
        plain_ms: The same for the plain conversion.
        ratio: Median over the turns of the first to the second, with its interval.
    """

    bundle_ms: float
    plain_ms: float
    ratio: Interval

    @property
    def slower(self) -> bool:
        """Whether even the low end of the interval is above what the engine may take."""
        return self.ratio.low > 1 + MARGIN


def compare(bundle: Call, plain: Call, turns: int) -> Comparison:
    """Times two calls in turn, so that what disturbs one disturbs both; every other turn runs backwards."""
    first: list[float] = []
    second: list[float] = []
    for turn in range(_WARM_UPS + turns):
        pair = [(bundle, first), (plain, second)]
        for call, times in reversed(pair) if turn % 2 else pair:
            times.append(_milliseconds(call))
    first, second = first[_WARM_UPS:], second[_WARM_UPS:]
    ratios = [one / other for one, other in zip(first, second, strict=True)]
    return Comparison(statistics.median(first), statistics.median(second), median_interval(ratios))


def compare_targets(
    checkpoint: Path,
    targets: Sequence[str],
    components: Sequence[str],
    size: tuple[int, int],
    turns: int,
    threads: int,
    bundles: Path,
    console: Console,
) -> dict[str, dict[str, Comparison]]:
    """Components of each target's bundle beside their plain conversions, on the same real activations.

    Args:
        checkpoint: The network.
        targets: Names of `PLAIN`.
        components: Names of the contract's.
        size: Height and width of the padded frame.
        turns: Timed calls of each.
        threads: Of every runtime.
        bundles: Folder of the bundles; what is missing is exported.
        console: For the progress bar.

    Returns:
        By target and component.
    """
    network = load_network(checkpoint)
    activations = in_c_order(record_activations(EagerEngine(network), network.dimensions(*size, 2, 1)))
    results: dict[str, dict[str, Comparison]] = {}
    for name in targets:
        with console.status(f"{name}: looking for its bundle"):
            folder = bundle_folder(bundles, name, "fp32", Workload(size))
            bundle, _ = ensure_bundle(folder, checkpoint, size, objects=1, target=name)
        engine = engine_class(TARGETS[name].engine)(bundle, threads=threads)
        modules = build_components(load_network(checkpoint))
        results[name] = {}
        for component in progress(components, name, console=console, transient=True):
            arrays = activations[component][0]
            inputs = tuple(torch.from_numpy(array).clone(memory_format=torch.contiguous_format) for array in arrays)
            plain = PLAIN[name](modules[component], inputs, threads)
            own = partial(call_component, engine, component, activations)
            results[name][component] = compare(own, plain, turns)
    return results


def _milliseconds(call: Call) -> float:
    sleep(SETTLE_SECONDS)
    start = perf_counter_ns()
    call()
    return (perf_counter_ns() - start) / 1e6


@app.command()
def plain(
    checkpoint: Annotated[Path | None, typer.Option(help="The network; the shipped student by default.")] = None,
    targets: Annotated[str, typer.Option(metavar="NAMES", help=f"Some of {','.join(PLAIN)}.")] = ",".join(PLAIN),
    components: Annotated[str, typer.Option(metavar="NAMES", help=f"Some of {','.join(COMPONENTS)}.")] = "segment",
    size: Annotated[str, typer.Option(help="Frame size HEIGHTxWIDTH.")] = "480x864",
    turns: Annotated[int, typer.Option(min=3, help="Timed calls of each.")] = 60,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every runtime.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder of the bundles and the report.")] = FOLDER,
) -> None:
    """Compare components of each bundle with the plain conversion of the same modules by the same toolkit.

    The exit code is 1 where a bundle is slower than the noise and its engine's copies and checks explain.
    """
    console, source = Console(), checkpoint or default_checkpoint()
    chosen = names(targets, tuple(PLAIN), "--targets")
    parts = names(components, COMPONENTS, "--components")
    results = compare_targets(source, chosen, parts, parse_size(size), turns, threads, output / "bundles", console)
    found = [(name, component, one) for name, parts in results.items() for component, one in parts.items()]
    rows = [
        (
            name,
            component,
            f"{one.bundle_ms:.1f}",
            f"{one.plain_ms:.1f}",
            f"[red]{one.ratio.value:.2f}[/]" if one.slower else f"{one.ratio.value:.2f}",
            f"{one.ratio.low:.2f}..{one.ratio.high:.2f}",
        )
        for name, component, one in found
    ]
    headers = ("target", "component", "bundle, ms", "plain, ms", "ratio", "95 %")
    console.print(rich_table(f"{size}, {turns} calls in turn, {threads} threads", headers, rows, text_columns=2))
    report: dict[str, Any] = {"machine": describe_machine(), "size": size, "threads": threads, "turns": turns}
    report["targets"] = {
        name: {component: asdict(one) for component, one in of_target.items()} for name, of_target in results.items()
    }
    atomic_write_text(output / "plain.json", json.dumps(report, indent=2) + "\n")
    print_line(str(output / "plain.json"))
    slower = [f"{name} {component}" for name, component, one in found if one.slower]
    if slower:
        print_line(f"slower than plain by more than {100 * MARGIN:.0f} %, beyond the noise: {', '.join(slower)}")
        raise typer.Exit(1)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.plain`; gives the exit code: 1 if a bundle is slower, 2 for bad input."""
    return run(app, argv, program="benchmarks.plain")


if __name__ == "__main__":
    sys.exit(main())
