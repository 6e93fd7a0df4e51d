"""`python -m mobilevos.weights.publish`: from a training run to the shipped weights and their model card.

    python -m mobilevos.weights.publish weights runs/student/network.safetensors
    mobilevos evaluate davis DAVIS --json scores.json
    python -m mobilevos.weights.publish card scores.json

No figure of the card is written by hand: its source is `scores.json`, which lies beside it.
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

__all__ = ["render_card"]

FOLDER = Path(str(files("mobilevos.weights")))
SCORES = "mobilenet_v2.scores.json"
CARD = "MODEL_CARD.md"

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=__doc__)


def render_card(template: str, provenance: dict[str, Any], scores: dict[str, Any], checkpoint: Path) -> str:
    """The model card: a text with the checkpoint's facts and its scores filled in.

    Args:
        template: Text with the fields `{facts}` and `{scores}`.
        provenance: From the checkpoint's header.
        scores: What `mobilevos evaluate davis --json` wrote.
        checkpoint: The shipped file.
    """
    facts = {
        "file": f"`{checkpoint.name}`, {checkpoint.stat().st_size / 1e6:.1f} MB, float16 safetensors",
        "SHA-256": f"`{sha256_of(checkpoint)}`",
        **{key: f"`{value}`" for key, value in provenance.items() if value is not None},
    }
    lines = ["| sequence | J&F | J mean | J recall | J decay | F mean | F recall | F decay |", "|---" * 8 + "|"]
    measured = scores["scores"]
    for name, row in [*measured["sequences"].items(), (f"**all {len(measured['sequences'])}**", measured)]:
        cells = [row["j_and_f"]] + [row[measure][kind] for measure in "jf" for kind in ("mean", "recall", "decay")]
        lines.append(f"| {name} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + " |")
    return template.format(
        facts="\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items())]),
        scores="\n".join(lines),
    )


@app.command()
def weights(checkpoint: Annotated[Path, typer.Argument(help="A run's network.safetensors.")]) -> None:
    """Store a trained network in float16 as the shipped weights."""
    from mobilevos.model.checkpoint import load_network, read_metadata, save_network

    network = load_network(checkpoint, expected_variant="mobilenet_v2")
    provenance = read_metadata(checkpoint)["provenance"]
    save_network(network, FOLDER / "mobilenet_v2.safetensors", provenance=provenance, half=True)


@app.command()
def card(scores: Annotated[Path, typer.Argument(help="What `mobilevos evaluate davis --json` wrote.")]) -> None:
    """Write the model card of the shipped weights, and keep the scores beside it."""
    from mobilevos.model.checkpoint import read_metadata

    shipped = default_checkpoint()
    report = json.loads(scores.read_text())
    if report["weights"]["checkpoint_sha256"] != sha256_of(shipped):
        raise InputError(f"{scores} scores another checkpoint", expected=f"the shipped {shipped.name}")
    dataset = {key: report["dataset"][key] for key in ("name", "split", "resolution")}
    kept = {key: report[key] for key in ("mobilevos", "engine", "versions", "memory", "scores")}
    report = {**kept, "dataset": dataset, "checkpoint_sha256": sha256_of(shipped)}  # no path of this machine
    text = (FOLDER / "MODEL_CARD.template.md").read_text()
    atomic_write_text(FOLDER / SCORES, json.dumps(report, indent=2) + "\n")
    atomic_write_text(FOLDER / CARD, render_card(text, read_metadata(shipped)["provenance"], report, shipped))


if __name__ == "__main__":
    from mobilevos.commands.entry import run

    sys.exit(run(app, program="python -m mobilevos.weights.publish"))
