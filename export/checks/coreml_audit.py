"""What lies in a Core ML bundle: operators, types, and the values that float16 does not hold.

All of it is read from the saved packages, on any machine. Where operators run, only Apple's runtime knows: `placements`
asks it, on a Mac.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from export.activations import Activations
from export.coreml_state import stateful_inputs
from mobilevos.bundle import Bundle
from mobilevos.contract import STATEFUL_STEP
from mobilevos.engines.mil import EVALUATED_BY, Interpreter, MilFunction, MilOperation, read_functions
from mobilevos.engines.mil.toolkit import compute_unit, import_coremltools
from mobilevos.errors import InputError

__all__ = ["ComponentAudit", "ValueRange", "audit_bundle", "audit_function", "placements"]

_LIMITS = torch.finfo(torch.float16)
_LOST_SHARE = 0.5
"""Of a tensor's values that are not zero: where more lie below float16's normal numbers, it is listed."""


@dataclass(frozen=True)
class ValueRange:
    """A tensor that float16 does not hold well.

    Attributes:
        tensor: Its name.
        operator: What makes it; `const` for a weight, empty for an input.
        largest: Its largest magnitude, infinite where a constant overflowed when it was converted.
        below_normal: Share of its values, zeros left out, below the smallest normal number of float16, 6.1e-5: the
            precision of these is lower, and units that flush them make them zero.
    """

    tensor: str
    operator: str
    largest: float
    below_normal: float

    @property
    def overflows(self) -> bool:
        """It is infinite in float16."""
        return self.largest > _LIMITS.max


@dataclass(frozen=True)
class ComponentAudit:
    """One component's program.

    Attributes:
        operators: How often each operator occurs, constants left out.
        dtypes: How many results of operators have each type.
        constants: Weights of a float16 program that float16 does not hold well.
        activations: Results of its operators, computed in float32 on real inputs, that float16 does not hold well.
    """

    operators: dict[str, int]
    dtypes: dict[str, int]
    constants: tuple[ValueRange, ...]
    activations: tuple[ValueRange, ...]

    @property
    def overflows(self) -> tuple[ValueRange, ...]:
        """Everything that is infinite in float16."""
        return tuple(one for one in self.constants + self.activations if one.overflows)

    def to_json(self) -> dict[str, Any]:
        """For reports of other programs."""
        return asdict(self) | {"evaluated": EVALUATED_BY}


def audit_bundle(bundle: Bundle, activations: Activations) -> dict[str, ComponentAudit]:
    """Audits every component of a bundle of target `coreml`.

    Args:
        bundle: Its precision decides whether ranges matter.
        activations: Of the same dimensions, from any engine; the inputs that ranges are judged by.

    Raises:
        InputError: The bundle is of another target, or a package of it is damaged.
    """
    if bundle.target != "coreml":
        raise InputError(f"{bundle.folder} is for another runtime", expected="coreml", found=bundle.target)
    audits = {}
    for component in bundle.manifest["components"]:
        path, name = bundle.artefact(component)
        specs = bundle.artefact_signature(component).inputs
        if component == STATEFUL_STEP:
            tensors = stateful_inputs(activations, bundle.dimensions)
        else:
            tensors = tuple(map(torch.from_numpy, activations[component][0]))
        pairs = zip(specs, tensors, strict=True)
        inputs = {spec.name: tensor * (255 if spec.dtype == "uint8" else 1) for spec, tensor in pairs}
        audits[component] = audit_function(read_functions(path)[name], inputs, str(path))
    return audits


def audit_function(function: MilFunction, inputs: Mapping[str, Tensor], source: str) -> ComponentAudit:
    """Counts a program's operators and types, and finds what float16 does not hold.

    Args:
        function: Of a saved package.
        inputs: Real ones, by name. A function with states starts from fresh ones.
        source: Where it comes from, for messages.

    Raises:
        InputError: The inputs do not fit, or the program cannot be evaluated.
    """
    found: list[ValueRange | None] = []

    def observe(operation: MilOperation, result: Tensor) -> None:
        if operation.output.dtype == torch.float16:
            found.append(_judge(operation.output.name, operation.operator, result))

    interpreter = Interpreter(function, source, rounding=False)
    interpreter(inputs, observe, interpreter.make_state())
    constants = [
        _judge(name, "const", constant)
        for name, constant in function.constants.items()
        if constant.dtype == torch.float16
    ]
    return ComponentAudit(
        operators=dict(Counter(operation.operator for operation in function.operations)),
        dtypes=dict(Counter(str(one.output.dtype).removeprefix("torch.") for one in function.operations)),
        constants=tuple(one for one in constants if one is not None),
        activations=tuple(one for one in found if one is not None),
    )


def _judge(name: str, operator: str, values: Tensor) -> ValueRange | None:
    """A tensor's range, if float16 does not hold it well."""
    magnitudes = values.abs().float()
    magnitudes = magnitudes[magnitudes > 0]
    if not magnitudes.numel():
        return None
    below = float((magnitudes < _LIMITS.smallest_normal).float().mean())
    judged = ValueRange(name, operator, float(magnitudes.max()), below)
    return judged if judged.overflows or below > _LOST_SHARE else None


def placements(bundle: Bundle, component: str) -> dict[str, Counter[str]]:
    """Where Apple's runtime would run a component's operators, by its compute plan. Never run where this is tested.

    Args:
        bundle: Of target `coreml`.
        component: Of the contract.

    Returns:
        By compute device, how often it takes each operator.

    Raises:
        InputError: This is no Mac.
    """
    if platform.system() != "Darwin":
        raise InputError("the compute plan of Core ML", expected="macOS 14.4 or later", found=platform.system())
    ct = import_coremltools()
    path, function = bundle.artefact(component)
    units = compute_unit(bundle.manifest["components"][component]["details"]["compute_units"])
    compiled = ct.utils.compile_model(str(path))  # a path that is not compiled ends the process (coremltools #2757)
    plan = ct.models.compute_plan.MLComputePlan.load_from_path(compiled, units)
    table: dict[str, Counter[str]] = {}
    for operation in plan.model_structure.program.functions[function].block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is not None:  # constants are placed nowhere
            device = type(usage.preferred_compute_device).__name__
            table.setdefault(device, Counter())[operation.operator_name] += 1
    return table
