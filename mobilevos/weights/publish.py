"""`python -m mobilevos.weights.publish`: from a training run to the shipped weights and their model card.

    python -m mobilevos.weights.publish weights runs/student/network.safetensors
    mobilevos evaluate davis DAVIS --json scores.json
    python -m benchmarks.robustness --json robustness.json
    python -m mobilevos.weights.publish card scores.json --robustness robustness.json \\
        --ablation runs/ablation/ablation.json --other "the teacher=teacher_scores.json"

No figure of the card is written by hand: what it shows lies beside it as JSON.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text, sha256_of
from mobilevos.weights import default_checkpoint
from mobilevos.weights.card import EVIDENCE, render_card

__all__ = ["evidence_file", "read_evidence"]

FOLDER = Path(str(files("mobilevos.weights")))
TEMPLATE = "MODEL_CARD.template.md"
CARD = "MODEL_CARD.md"

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
    save_network(network, FOLDER / "mobilenet_v2.safetensors", provenance=provenance, half=True)


@app.command()
def card(
    scores: Annotated[Path, typer.Argument(help="What `mobilevos evaluate davis --json` wrote.")],
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
) -> None:
    """Write the model card of the shipped weights, and keep what it shows beside it."""
    from mobilevos.model.checkpoint import read_metadata

    shipped = default_checkpoint()
    given: dict[str, dict[str, Any]] = {"scores": _of_shipped(scores)}
    if other is not None:
        given["others"] = {"networks": [_other(text) for text in other]}
    if robustness is not None:
        given["robustness"] = _of_shipped(robustness)
    if ablation is not None:
        given["ablation"] = {key: json.loads(ablation.read_text())[key] for key in ("settings", "results", "verdict")}
    for name, report in given.items():
        atomic_write_text(evidence_file(name), json.dumps(report, indent=2) + "\n")
    provenance = read_metadata(shipped)["provenance"]
    text = (FOLDER / TEMPLATE).read_text()
    atomic_write_text(FOLDER / CARD, render_card(text, provenance, read_evidence(), shipped))


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


if __name__ == "__main__":
    from mobilevos.commands.entry import run

    sys.exit(run(app, program="python -m mobilevos.weights.publish"))
