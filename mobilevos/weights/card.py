"""The model card of the shipped weights: a text, and what was measured. No figure of it is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from mobilevos.files import sha256_of

__all__ = ["EVIDENCE", "render_card"]

EVIDENCE = ("scores", "others", "ablation", "robustness")
"""What a card is made of, beside its text: each a JSON file beside the weights."""


def render_card(
    template: str, provenance: dict[str, Any], evidence: dict[str, dict[str, Any]], checkpoint: Path
) -> str:
    """The card: a text with the checkpoint's facts and tables of what was measured filled in.

    Args:
        template: Text with the fields `{facts}`, `{scores}`, `{others}`, `{ablation}`, `{verdict}` and
            `{robustness}`.
        provenance: From the checkpoint's header.
        evidence: What `mobilevos evaluate davis --json`, `python -m benchmarks.ablation` and
            `python -m benchmarks.robustness --json` wrote, by the names of `EVIDENCE`.
        checkpoint: The shipped file.
    """
    facts = {
        "file": f"`{checkpoint.name}`, {checkpoint.stat().st_size / 1e6:.1f} MB, float16 safetensors",
        "SHA-256": f"`{sha256_of(checkpoint)}`",
        **{key: f"`{value}`" for key, value in provenance.items() if value is not None},
    }
    return template.format(
        facts=_table(("", ""), [(key, str(value)) for key, value in facts.items()]),
        scores=_scores(evidence["scores"]["scores"]),
        others=_others(evidence["scores"]["scores"], evidence["others"]["networks"]),
        ablation=_ablation(evidence["ablation"]["results"]),
        verdict=evidence["ablation"]["verdict"],
        robustness=_robustness(evidence["robustness"]["results"]),
    )


def _table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """In Markdown; all but the first column are numbers."""
    lines = [headers, ("---", *("---:" for _ in headers[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _scores(scores: dict[str, Any]) -> str:
    headers = ("sequence", "J&F", "J mean", "J recall", "J decay", "F mean", "F recall", "F decay")
    rows = []
    for name, one in [*scores["sequences"].items(), (f"**all {len(scores['sequences'])}**", scores)]:
        values = [one["j_and_f"]] + [one[measure][kind] for measure in "jf" for kind in ("mean", "recall", "decay")]
        rows.append((name, *map(_percent, values)))
    return _table(headers, rows)


def _others(shipped: dict[str, Any], networks: list[dict[str, Any]]) -> str:
    rows = [
        (name, *map(_percent, (one["j_and_f"], one["j"]["mean"], one["f"]["mean"])))
        for name, one in [("the shipped student", shipped), *((one["name"], one["scores"]) for one in networks)]
    ]
    return _table(("network", "J&F", "J", "F"), rows)


def _ablation(results: list[dict[str, Any]]) -> str:
    alone = fmean(results[0]["j_and_f"])
    seeds = range(len(results[0]["j_and_f"]))
    rows = []
    for one in results:
        mean = fmean(one["j_and_f"])
        rows.append((one["name"], *map(_percent, one["j_and_f"]), _percent(mean), f"{100 * (mean - alone):+.1f}"))
    return _table(("losses", *(f"seed {seed}" for seed in seeds), "mean", "against alone"), rows)


def _robustness(results: list[dict[str, Any]]) -> str:
    rows = []
    for one in results:
        condition, values = one["condition"], one["j_and_f"]
        rows.append(
            (
                f"{condition['name']} {condition['strength']}".removesuffix(" -"),
                _percent(fmean(values)),
                _percent(min(values)),
                f"{100 * (fmean(values) - fmean(results[0]['j_and_f'])):+.1f}",
            )
        )
    return _table(("clips", "J&F", "worst clip", "against plain"), rows)
