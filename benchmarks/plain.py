"""`python -m benchmarks.plain`: each bundle beside what its toolkit makes of the same module by its plain recipe.

The recipe is the one in each toolkit's own introduction: export the module as it is, call the converter, run the
result. What this project does besides (folding batch norm, products that the delegate takes, freezing, threads that
stop with their call, and an engine that checks what it hands on) must pay, or at least not cost.

Two copies of one plain conversion differ by a percent or two, by where their memory happens to lie. So everything is
loaded anew several times, the plain conversion twice each time, and a bundle counts as slower where it is so by more
than what the two copies differ.
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
from itertools import permutations
from pathlib import Path
from time import perf_counter_ns, sleep
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import track as progress
from torch import Tensor, nn

from benchmarks.bundles import ensure_bundle
from benchmarks.jobs import Workload, bundle_folder
from benchmarks.machine import describe_machine
from benchmarks.noise import Interval, median_interval
from benchmarks.run_command import FOLDER, names
from benchmarks.tables import rich_table
from export.activations import Activations, in_c_order, record_activations
from export.executorch_backends import quiet_lowering
from export.measurement import call_component
from mobilevos.bundle import Bundle
from mobilevos.commands.console import print_line
from mobilevos.commands.entry import run
from mobilevos.contract import COMPONENTS
from mobilevos.engines import engine_class, engine_for_target
from mobilevos.engines.eager import EagerEngine
from mobilevos.engines.native_stderr import capture_native_stderr
from mobilevos.files import atomic_write_text
from mobilevos.frame_size import parse_size
from mobilevos.model.checkpoint import load_network
from mobilevos.model.components import build_components
from mobilevos.toolkit_noise import import_litert_torch, quiet_imports
from mobilevos.weights import default_checkpoint

__all__ = ["PLAIN", "Comparison", "compare", "compare_targets", "main"]

Call = Callable[[], object]
Load = Callable[[], Call]

_WARM_UPS = 3
_ROUNDS = 3
"""Each loads everything anew."""
_SETTLE_SECONDS = 0.06
"""Pause before each call: ONNX Runtime's threads, by default, spin for 50 ms after theirs, on cores that it needs."""

app = typer.Typer(add_completion=False)


def _executorch(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Load:
    quiet_imports()
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.extension.pybindings import _C

    with quiet_lowering():
        program = torch.export.export(module, inputs)
        buffer = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer
    content = bytes(buffer)

    def load() -> Call:
        loaded = _C._load_for_executorch_from_buffer(content)  # in the pool that the bundle's engine has sized

        def call() -> object:
            assert content, "the runtime reads the program where it lies, and does not keep it"
            return loaded.run_method("forward", inputs)

        return call

    return load


def _tflite(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Load:
    litert_torch = import_litert_torch()
    from ai_edge_litert.interpreter import Interpreter

    litert_torch.progress.config.show_progress = False
    with capture_native_stderr():
        model = litert_torch.convert(module, inputs).model_content()

    def load() -> Call:
        with capture_native_stderr():
            runner = Interpreter(model_content=model, num_threads=threads).get_signature_runner()
        names = sorted(runner.get_input_details(), key=lambda name: int(name.rpartition("_")[2]))
        given = dict(zip(names, (tensor.numpy() for tensor in inputs), strict=True))
        return lambda: runner(**given)

    return load


def _onnx(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Load:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, quiet_lowering():
        path = Path(folder) / "plain.onnx"
        torch.onnx.export(module, inputs, path, dynamo=True, external_data=False, verbose=False)
        content = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads

    def load() -> Call:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        given = {one.name: tensor.numpy() for one, tensor in zip(session.get_inputs(), inputs, strict=True)}
        return lambda: session.run(None, given)

    return load


def _torchscript(module: nn.Module, inputs: tuple[Tensor, ...], threads: int) -> Load:
    torch.set_num_threads(threads)

    def load() -> Call:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]

        def call() -> object:
            with torch.inference_mode():
                return traced(*inputs)

        return call

    return load


PLAIN: dict[str, Callable[[nn.Module, tuple[Tensor, ...], int], Load]] = {
    "executorch": _executorch,
    "tflite": _tflite,
    "onnx": _onnx,
    "torchscript": _torchscript,
}
"""By target: takes a module, its inputs and a number of threads, gives what loads the converted module.

Core ML is missing: it does not run on every host, and its interpreter's time says nothing about it.
"""


@dataclass(frozen=True)
class Comparison:
    """A bundle's component beside two copies of the plain conversion of the same module.

    Attributes:
        bundle_ms: Median time of the bundle's, in milliseconds.
        plain_ms: The same for a copy of the plain conversion.
        ratio: Median over the turns of the bundle's time to the mean of the two copies', with its interval.
        twins: Median over the turns of the second copy's time to the first's, with its interval.
    """

    bundle_ms: float
    plain_ms: float
    ratio: Interval
    twins: Interval

    @property
    def slower(self) -> bool:
        """Whether even the low end of the ratio's interval is above what two copies of one conversion differ."""
        return self.ratio.low > max(self.twins.high, 1 / self.twins.low)


def compare(load_bundle: Load, load_plain: Load, turns: int) -> Comparison:
    """Times a bundle's call and two copies of the plain one in turn, so that what disturbs one disturbs all.

    Args:
        load_bundle: Gives the bundle's call.
        load_plain: The plain one's.
        turns: Timed calls of each; raised to a multiple of the orders in which three can take turns, in each round.
    """
    orders = list(permutations(range(3)))
    of_round = -(-turns // (_ROUNDS * len(orders))) * len(orders)
    times: tuple[list[float], ...] = ([], [], [])
    for _ in range(_ROUNDS):
        calls = load_bundle(), load_plain(), load_plain()
        for turn in range(-_WARM_UPS, of_round):
            for place in orders[turn % len(orders)]:
                spent = _milliseconds(calls[place])
                if turn >= 0:
                    times[place].append(spent)
    bundle, plain, twin = times
    ratios = [2 * one / (other + another) for one, other, another in zip(bundle, plain, twin, strict=True)]
    twins = [another / other for other, another in zip(plain, twin, strict=True)]
    medians = statistics.median(bundle), statistics.median(plain)
    return Comparison(*medians, median_interval(ratios), median_interval(twins))


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
        modules = build_components(load_network(checkpoint))
        results[name] = {}
        for component in progress(components, name, console=console, transient=True):
            arrays = activations[component][0]
            inputs = tuple(torch.from_numpy(array).clone(memory_format=torch.contiguous_format) for array in arrays)
            load_plain = PLAIN[name](modules[component], inputs, threads)
            load_bundle = partial(_own_call, bundle, component, activations, threads)
            results[name][component] = compare(load_bundle, load_plain, turns)
    return results


def _own_call(bundle: Bundle, component: str, activations: Activations, threads: int) -> Call:
    engine = engine_class(engine_for_target(bundle.target))(bundle, threads=threads)
    return partial(call_component, engine, component, activations)


def _milliseconds(call: Call) -> float:
    sleep(_SETTLE_SECONDS)
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

    The exit code is 1 where a bundle is slower than plain by more than two copies of one plain conversion differ.
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
            f"{one.twins.low:.2f}..{one.twins.high:.2f}",
        )
        for name, component, one in found
    ]
    headers = ("target", "component", "bundle, ms", "plain, ms", "ratio", "95 %", "two copies")
    console.print(rich_table(f"{size}, {turns} calls in turn, {threads} threads", headers, rows, text_columns=2))
    report: dict[str, Any] = {"machine": describe_machine(), "size": size, "threads": threads, "turns": turns}
    report["targets"] = {
        name: {component: asdict(one) for component, one in of_target.items()} for name, of_target in results.items()
    }
    atomic_write_text(output / "plain.json", json.dumps(report, indent=2) + "\n")
    print_line(str(output / "plain.json"))
    slower = [f"{name} {component}" for name, component, one in found if one.slower]
    if slower:
        print_line(f"slower than plain by more than two copies of it differ: {', '.join(slower)}")
        raise typer.Exit(1)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.plain`; gives the exit code: 1 if a bundle is slower, 2 for bad input."""
    return run(app, argv, program="benchmarks.plain")


if __name__ == "__main__":
    sys.exit(main())
