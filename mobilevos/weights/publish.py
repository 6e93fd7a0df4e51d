"""`python -m mobilevos.weights.publish`: from a training run to the shipped weights and their model card.

    python -m mobilevos.weights.publish weights runs/student/network.safetensors
    mobilevos evaluate davis DAVIS --json scores.json
    python -m benchmarks.robustness --json robustness.json
    python -m mobilevos.weights.publish card scores.json --robustness robustness.json \\
        --ablation runs/ablation/ablation.json --other "the teacher=teacher_scores.json"

The student that was trained for int8 goes the same way:

    python -m mobilevos.weights.publish int8 runs/qat/network.safetensors
    mobilevos calibrate DAVIS --output calibrated.safetensors
    python -m export all --precision int8 --output build/int8
    python -m benchmarks.int8_ladder build/int8/* --davis DAVIS --calibrated calibrated.safetensors --threads 1
    python -m export.quantization sensitivity --calibration DAVIS --davis DAVIS --json build/sensitivity.json
    python -m mobilevos.weights.publish card --int8-ladder build/int8_ladder/ladder.json \\
        --int8-ablation runs/ablation_qat/ablation.json --int8-sensitivity build/sensitivity.json

No figure of the card is written by hand: what it shows lies beside it as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text, sha256_of
from mobilevos.weights import default_checkpoint
from mobilevos.weights.card import EVIDENCE, ShippedFile, render_card

__all__ = ["evidence_file", "read_evidence", "shipped_card"]

FOLDER = Path(str(files("mobilevos.weights")))
TEMPLATE = "MODEL_CARD.template.md"
CARD = "MODEL_CARD.md"
FLOAT_FILE, INT8_FILE = "mobilenet_v2.safetensors", "mobilenet_v2_int8.safetensors"

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=__doc__)


def evidence_file(name: str) -> Path:
    """Where what the card shows is kept, by its name in `EVIDENCE`."""
    return FOLDER / f"mobilenet_v2.{name}.json"


def read_evidence() -> dict[str, dict[str, Any]]:
    """What the shipped card shows."""
    return {name: json.loads(evidence_file(name).read_text()) for name in EVIDENCE}


@app.command()
def weights(checkpoint: Annotated[Path, typer.Argument(help="A run's network.safetensors.")]) -> None:
    """Store a trained network in float16 as the shipped weights."""
    from mobilevos.model.checkpoint import load_network, read_metadata, save_network

    network = load_network(checkpoint, expected_variant="mobilenet_v2")
    provenance = read_metadata(checkpoint)["provenance"]
    save_network(network, FOLDER / FLOAT_FILE, provenance=provenance, precision="fp16")


@app.command()
def int8(checkpoint: Annotated[Path, typer.Argument(help="The network.safetensors of a run of stage=qat.")]) -> None:
    """Store a network that was trained for int8, with its ranges, as the shipped int8 weights."""
    from mobilevos.model.checkpoint import load_network, read_metadata, save_network

    network, stored = load_network(checkpoint, expected_variant="mobilenet_v2"), read_metadata(checkpoint)
    if stored["quantization"] is None:
        raise InputError(f"{checkpoint} was not trained for int8", expected="a network of stage=qat")
    save_network(
        network,
        FOLDER / INT8_FILE,
        provenance=stored["provenance"],
        precision="int8",
        quantization=stored["quantization"],
    )


@app.command()
def card(
    scores: Annotated[
        Path | None, typer.Argument(help="What `mobilevos evaluate davis --json` wrote; else as it is.")
    ] = None,
    other: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SCORES", help="Scores of a network to compare with; else those shown are kept."),
    ] = None,
    robustness: Annotated[
        Path | None, typer.Option(help="What `python -m benchmarks.robustness --json` wrote; else as it is.")
    ] = None,
    ablation: Annotated[
        Path | None, typer.Option(help="The ablation.json of `python -m benchmarks.ablation`; else as it is.")
    ] = None,
    int8_ladder: Annotated[
        Path | None, typer.Option(help="The ladder.json of `python -m benchmarks.int8_ladder`; else as it is.")
    ] = None,
    int8_ablation: Annotated[
        Path | None, typer.Option(help="The ablation.json of its `--study qat`; else as it is.")
    ] = None,
    int8_sensitivity: Annotated[
        Path | None,
        typer.Option(help="What `python -m export.quantization sensitivity --davis --json` wrote; else as it is."),
    ] = None,
) -> None:
    """Write the model card of the shipped weights, and keep what it shows beside it."""
    given: dict[str, dict[str, Any]] = {}
    if scores is not None:
        given["scores"] = _of_shipped(scores)
    if other is not None:
        given["others"] = {"networks": [_other(text) for text in other]}
    if robustness is not None:
        given["robustness"] = _of_shipped(robustness)
    for name, study in (("ablation", ablation), ("int8_ablation", int8_ablation)):
        if study is not None:
            given[name] = _study(study)
    if int8_ladder is not None:
        given["int8_ladder"] = _of_shipped_int8(int8_ladder)
    if int8_sensitivity is not None:
        given["int8_sensitivity"] = _ranking(int8_sensitivity)
    for name, report in given.items():
        atomic_write_text(evidence_file(name), json.dumps(report, indent=2) + "\n")
    atomic_write_text(FOLDER / CARD, shipped_card())


def shipped_card() -> str:
    """The card of what is shipped, from what was measured of it."""
    from mobilevos.model.checkpoint import read_metadata

    def shipped(name: str, weights: str) -> ShippedFile:
        return ShippedFile(FOLDER / name, weights, read_metadata(FOLDER / name)["provenance"])

    files = shipped(FLOAT_FILE, "float16"), shipped(INT8_FILE, "int8")
    return render_card((FOLDER / TEMPLATE).read_text(), read_evidence(), *files)


def _other(text: str) -> dict[str, Any]:
    name, _, file = text.partition("=")
    report = json.loads(Path(file).read_text())
    kept = {key: report["scores"][key] for key in ("j_and_f", "j", "f")}
    sha256 = report["weights"]["checkpoint_sha256"]
    return {"name": name, "checkpoint_sha256": sha256, "memory": report["memory"], "scores": kept}


def _of_shipped(file: Path) -> dict[str, Any]:
    """A report about the shipped weights, without paths of the machine that made it."""
    report: dict[str, Any] = json.loads(file.read_text())
    shipped = default_checkpoint()
    if report["weights"]["checkpoint_sha256"] != sha256_of(shipped):
        raise InputError(f"{file} is about another checkpoint", expected=f"the shipped {shipped.name}")
    report["checkpoint_sha256"] = report.pop("weights")["checkpoint_sha256"]
    report.get("dataset", {}).pop("root", None)
    return report


def _study(file: Path) -> dict[str, Any]:
    """An ablation with what all its runs share, without folders of the machine that made it."""
    report = json.loads(file.read_text())
    kept = {key: report[key] for key in ("settings", "results", "verdict")}
    return {"overrides": [re.sub(r"[^=,\[\]]*/", "", one) for one in report["overrides"]], **kept}


def _ranking(file: Path) -> dict[str, Any]:
    """A ranking of the layers of the shipped student in float, with what keeping the worst in float gains in J&F."""
    ranking: dict[str, Any] = json.loads(file.read_text())
    if ranking["checkpoint_sha256"] != sha256_of(FOLDER / FLOAT_FILE):
        raise InputError(f"{file} is about another checkpoint", expected=f"the shipped {FLOAT_FILE}")
    if not ranking["closed_loop"]:
        raise InputError(f"{file} has no scores", expected="a ranking that was made with --davis DAVIS")
    return ranking


def _of_shipped_int8(file: Path) -> dict[str, Any]:
    """A ladder whose reference is the shipped int8 student, and whose parent is the shipped one in float."""
    ladder: dict[str, Any] = json.loads(file.read_text())
    for kind, name in (("float", FLOAT_FILE), ("reference", INT8_FILE)):
        rung = next(one for one in ladder["rungs"] if one["kind"] == kind)
        if rung["provenance"]["weights"]["checkpoint_sha256"] != sha256_of(FOLDER / name):
            raise InputError(f"{file} is about another checkpoint", expected=f"the shipped {name}")
    return ladder


if __name__ == "__main__":
    from mobilevos.commands.entry import run

    sys.exit(run(app, program="python -m mobilevos.weights.publish"))
