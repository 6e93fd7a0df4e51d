"""From a network to a bundle with its proof: the same way for every target."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from export.bundle import BundleFacts, make_manifest, write_manifest
from export.closed_loop import CURVE, check_closed_loop, tolerances, write_curve
from export.measurement import measure
from export.parity import GATES
from export.quantization.section import INT8, INT8_WEIGHTS, arithmetic_of, quantization_section
from export.quantization.unquantized import refuse_unquantized
from export.reference import Reference, WeightOnlyReference
from export.report import ComponentReport, ExportReport
from export.targets import Advance, BuildRequest, ComponentArtefact, Target
from mobilevos.bundle import Bundle
from mobilevos.contract import Dimensions
from mobilevos.engines import engine_class
from mobilevos.errors import InputError
from mobilevos.files import atomic_folder
from mobilevos.golden import ClosedLoop, closed_loop, golden_section, write_golden
from mobilevos.made_here import record_made_here
from mobilevos.model.components import build_components
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.stored import StoredQuantization
from mobilevos.tracking.memory_bank import FIRST_AND_LATEST, bank_capacity

__all__ = ["export_bundle", "stages"]


def stages(target: Target, precision: str) -> int:
    """Calls of `advance` in `export_bundle`."""
    return target.stages + (4 if precision == INT8 else 3)


def export_bundle(
    target: Target,
    network: MemoryNetwork,
    dimensions: Dimensions,
    output: Path,
    *,
    precision: str = "fp32",
    options: Any = None,
    checkpoint_sha256: str | None = None,
    provenance: dict[str, Any] | None = None,
    overwrite: bool = False,
    quantization: StoredQuantization | None = None,
    reference: Reference | None = None,
    least_sqnr_db: float | None = None,
    gated: bool = True,
    advance: Advance = lambda stage: None,
) -> ExportReport:
    """Builds a target's artefacts, checks them against the reference, and writes the bundle as a whole.

    Every component is called once on real activations; then the bundle tracks the golden clip on its own masks.

    Args:
        target: A row of `TARGETS`.
        network: A student (no target takes a top-k read).
        dimensions: Frame size, memory capacity, objects per call.
        output: The bundle's folder.
        precision: One of the target's own.
        options: The target's own `Options`; None for their defaults.
        checkpoint_sha256: Of the network's checkpoint.
        provenance: Of the network's checkpoint.
        overwrite: Whether an existing `output` may be replaced.
        quantization: The network's ranges, for `int8`, unless the options leave activations in float.
        reference: The same network at the same dimensions, where several exports share its runs; `quantization` is
            its own then.
        least_sqnr_db: What each component must keep of the reference, in decibels, in the place of what its precision
            asks for; recorded in the manifest.
        gated: Whether numbers that are off are an error. A bundle that was written without is for looking at its fault.
        advance: Called when a stage begins; there are `stages(target, precision)`.

    Raises:
        InputError: The toolkit is missing, `output` exists, the network cannot be exported, or a component's numbers,
            or the masks of the closed loop, are off by more than the precision explains: no bundle is written then.
    """
    started = time.perf_counter()
    target.require_toolkit()
    _check(target, network, dimensions, precision)
    reference = Reference(network, dimensions, quantization) if reference is None else reference
    options = target.load().Options() if options is None else options
    if arithmetic_of(precision, asdict(options)) == INT8_WEIGHTS:
        reference = WeightOnlyReference(reference.network, dimensions)
    else:
        _check_ranges(precision, reference)
    _check_least_sqnr(_judged_as(reference, precision), least_sqnr_db)
    with atomic_folder(output, overwrite=overwrite) as folder, torch.no_grad():
        advance("recording activations")
        # The engine lays the weights of the network out channels-last, which some toolkits do not take.
        components = build_components(fold_batch_norm(reference.network).to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]
        request = BuildRequest(components, dimensions, precision, reference.activations, options)
        artefacts = _build(target, request, reference, folder, advance)
        facts = BundleFacts(
            target.name,
            precision,
            network.config,
            dimensions,
            checkpoint_sha256,
            provenance or {},
            _versions(target),
            artefacts,
            asdict(options),
            quantization=quantization_section(reference) if precision == INT8 else None,
            least_sqnr_db=least_sqnr_db,
        )
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        loop: ClosedLoop | None
        if facts.not_executed:
            reports, loop = _write_unproven(folder, facts, reference, advance)
        else:
            reports, loop = _prove(folder, facts, target, reference, advance, gated=gated)
    if gated:
        record_made_here(output)
    accelerator = artefacts["segment"].details.get("backend", target.accelerator)
    seconds = time.perf_counter() - started
    return ExportReport(
        target.title,
        accelerator,
        precision,
        str(output),
        size,
        seconds,
        reports,
        loop,
        facts.not_executed,
        reference.int8_sqnr_db if precision == INT8 else None,
    )


def _build(
    target: Target, request: BuildRequest[Any], reference: Reference, folder: Path, advance: Advance
) -> dict[str, ComponentArtefact]:
    if request.precision == INT8:
        advance("quantizing")
        quantized = None if isinstance(reference, WeightOnlyReference) else reference.quantized
        return target.load_int8().build_int8(request, quantized, folder, advance)
    return target.load().build(request, folder, advance)


def _prove(
    folder: Path, facts: BundleFacts, target: Target, reference: Reference, advance: Advance, *, gated: bool
) -> tuple[dict[str, ComponentReport], ClosedLoop]:
    """Runs the fresh bundle beside the reference, and writes the proof and the manifest that holds it.

    The manifest is written last: without it nothing opens what a killed export leaves.

    Raises:
        InputError: The bundle does not compute what the reference computes, or not in int8 what it should.
    """
    bundle = Bundle.of(folder, make_manifest(folder, facts))
    advance("comparing with the reference")
    if facts.precision == INT8 and gated:
        refuse_unquantized(bundle, reference)
    engine, judged = engine_class(target.engine)(bundle), _judged_as(reference, facts.precision)
    reports = measure(
        reference.eager, engine, reference.activations, facts.components, judged, facts.least_sqnr_db, gated=gated
    )
    advance("tracking the golden clip")
    loop = closed_loop(reference.golden, engine, tolerances(judged, facts.target))
    if gated:
        check_closed_loop(loop, judged)
    write_golden(folder, reference.golden)
    write_curve(loop, folder / CURVE)
    proven = replace(
        facts,
        parity={name: one.measured.difference for name, one in reports.items() if one.measured is not None},
        golden=golden_section(reference.golden, loop.tolerances),
        closed_loop=loop,
        memory_every=reference.golden.clip.memory_every,
    )
    write_manifest(folder, proven)
    return reports, loop


def _judged_as(reference: Reference, precision: str) -> str:
    """By whose gates a bundle passes: one with kernels alone in 8 bits stands beside the same kernels, in float32."""
    return "fp32" if isinstance(reference, WeightOnlyReference) else precision


def _write_unproven(
    folder: Path, facts: BundleFacts, reference: Reference, advance: Advance
) -> tuple[dict[str, ComponentReport], None]:
    """Writes the manifest of a bundle that cannot run here, and the golden clip to prove it with elsewhere."""
    advance("leaving out the comparison: not executed")
    advance("recording the golden clip")
    write_golden(folder, reference.golden)
    section = golden_section(reference.golden, tolerances(facts.precision, facts.target))
    write_manifest(folder, replace(facts, golden=section, memory_every=reference.golden.clip.memory_every))
    return {name: ComponentReport(one.operators, one.size_bytes, None) for name, one in facts.components.items()}, None


def _check(target: Target, network: MemoryNetwork, dimensions: Dimensions, precision: str) -> None:
    if precision not in target.precisions:
        raise InputError(
            f"{target.title} is not exported in {precision[:20]!r}",
            remedy=f"pass --precision {' or '.join(target.precisions)}",
        )
    if network.config.top_k is not None:
        raise InputError(
            f"{network.config.name} reads the memory with top-k",
            expected="a student",
            remedy="no mobile delegate takes it",
        )
    bank_capacity(dimensions.memory_frames, FIRST_AND_LATEST)


def _check_least_sqnr(judged: str, least_sqnr_db: float | None) -> None:
    if least_sqnr_db is not None and GATES[judged].measure != "sqnr_db":
        raise InputError(
            f"--least-sqnr {least_sqnr_db:g}",
            expected="fp16 or int8: what is in float32 is judged by its largest difference",
            remedy="leave it out",
        )


def _check_ranges(precision: str, reference: Reference) -> None:
    if (precision == INT8) == (reference.quantization is not None):
        return
    if precision == INT8:
        raise InputError(
            "this checkpoint was not trained for quantization",
            expected="ranges of its activations",
            remedy="pass --calibration DIR, with frames to find them on",
        )
    raise InputError("ranges were given, and nothing is to be quantized", remedy=f"pass --precision {INT8}")


def _versions(target: Target) -> dict[str, str]:
    return {name: version(name) for name in ("mobilevos", "torch", *target.packages.values())}
