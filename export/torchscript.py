"""`python -m export.torchscript`: one traced and frozen `.pt` per component, which loads without this project's code.

PyTorch has deprecated TorchScript in favour of `torch.export`; it stays the one format that LibTorch runs on its own.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from export.half_precision import in_precision
from export.operators import OperatorReport
from export.targets import Advance, BuildRequest, ComponentArtefact, NoOptions

__all__ = ["Options", "build"]

Options = NoOptions

_WRITTEN_BY_ITSELF = frozenset({"version", ".data/serialization_id"})
"""Records that PyTorch's writer adds to every archive."""


def build(request: BuildRequest[NoOptions], folder: Path, advance: Advance) -> dict[str, ComponentArtefact]:
    """See `export.targets.TargetModule`. Each file holds its own weights."""
    artefacts = {}
    for name, module in in_precision(request.components, request.precision).items():
        advance(f"tracing {name}")
        path = folder / f"{name}.pt"
        operators = _trace(module, request.inputs(name), path)
        # PyTorch numbers the classes of a process, and the number is part of their names in the archive.
        artefacts[name] = ComponentArtefact(path.name, "forward", path.stat().st_size, operators, varying=(path.name,))
    return artefacts


def _trace(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> OperatorReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated, and that shapes become constants: they shall
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        frozen = torch.jit.freeze(traced)
        archive = BytesIO()
        torch.jit.save(frozen, archive)
    _write_without_sources(archive, path)
    kinds = Counter(node.kind() for node in frozen.inlined_graph.nodes())
    computing = sum(count for kind, count in kinds.items() if kind.startswith("aten::"))
    return OperatorReport(computing, 1, kinds.total() - computing, ())


def _write_without_sources(archive: BytesIO, path: Path) -> None:
    """Leaves out which line of which file made which operator: paths of this machine, a third of the records."""
    archive.seek(0)
    reader, writer = torch._C.PyTorchFileReader(archive), torch._C.PyTorchFileWriter(str(path))
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in _WRITTEN_BY_ITSELF:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()


if __name__ == "__main__":
    from export.command import main

    sys.exit(main("torchscript"))
