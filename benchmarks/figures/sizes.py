"""The table of sizes: every target's artefacts in int8 beside those in float32."""

from __future__ import annotations

from benchmarks.bundles import ensure_bundle
from benchmarks.figures.figure import SIZE, Content, Figure, Measurement, Setting
from benchmarks.jobs import Workload, bundle_folder
from benchmarks.tables import markdown_table
from mobilevos.bundle import Bundle
from mobilevos.errors import InputError
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

__all__ = ["SIZES"]

_TARGETS = ("executorch", "coreml", "tflite", "onnx")
_COMPONENTS = ("encode_query", "encode_memory", "decode")
_ALL = "all artefacts"


def measure(setting: Setting) -> Measurement:
    """See `Figure.measure`.

    Raises:
        InputError: A target's toolkit is not installed, or no weights for int8 are there.
    """
    in_int8 = default_int8_checkpoint()
    if in_int8 is None:
        raise InputError("no weights with ranges for int8")
    sources = {"fp32": default_checkpoint(), "int8": in_int8}
    sizes: dict[str, dict[str, dict[str, int]]] = {}
    for target in _TARGETS:
        sizes[target] = {}
        for precision, source in sources.items():
            folder = bundle_folder(setting.bundles, target, precision, Workload(SIZE))
            with setting.console.status(f"{target} {precision}: looking for its bundle"):
                bundle, _ = ensure_bundle(folder, source, SIZE, objects=1, target=target, precision=precision)
            sizes[target][precision] = _bytes(bundle)
    return Measurement({"bytes": sizes})


def _bytes(bundle: Bundle) -> dict[str, int]:
    components = bundle.manifest["components"]
    return {name: int(components[name]["size_bytes"]) for name in _COMPONENTS} | {_ALL: bundle.artefact_bytes}


def markdown(content: Content) -> str:
    """See `Figure.markdown`."""
    rows = []
    for target, sizes in content["bytes"].items():
        large, small = sizes["fp32"], sizes["int8"]
        encoders = sum(small[name] for name in _COMPONENTS[:2]) / sum(large[name] for name in _COMPONENTS[:2])
        alone = [f"{small[name] / large[name]:.3f}" for name in _COMPONENTS]
        megabytes = [f"{size[_ALL] / 1e6:.2f}" for size in (large, small)]
        rows.append([target, *alone, f"{encoders:.3f}", *megabytes])
    headers = ("int8 / float32", *_COMPONENTS, "both encoders", "float32, MB", "int8, MB")
    return markdown_table(headers, rows)


SIZES = Figure("sizes", measure, markdown)
