"""The model card of the shipped weights: a text, and what was measured. No figure of it is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from statistics import fmean
from typing import Any

from mobilevos.files import sha256_of

__all__ = ["EVIDENCE", "ShippedFile", "render_card"]

EVIDENCE = ("scores", "others", "ablation", "robustness", "int8_ladder", "int8_ablation", "int8_sensitivity")
"""What a card is made of, beside its text: each a JSON file beside the weights."""

_SHOWN_LAYERS = 10
"""Of the ranking by what int8 costs."""


@dataclass(frozen=True)
class ShippedFile:
    """A checkpoint that the card is about.

    Attributes:
        path: Of the file.
        weights: How its weights are stored, for people.
        provenance: From its header.
    """

    path: Path
    weights: str
    provenance: dict[str, Any]

    @property
    def facts(self) -> str:
        """A table of what is known of it."""
        rows = {
            "file": f"`{self.path.name}`, {self.path.stat().st_size / 1e6:.1f} MB, {self.weights} safetensors",
            "SHA-256": f"`{sha256_of(self.path)}`",
            **{key: f"`{value}`" for key, value in self.provenance.items() if value is not None},
        }
        return _table(("", ""), [(key, str(value)) for key, value in rows.items()])


def render_card(template: str, evidence: dict[str, dict[str, Any]], checkpoint: ShippedFile, int8: ShippedFile) -> str:
    """The card: a text with the checkpoints' facts and tables of what was measured filled in.

    Args:
        template: Text with the fields `{facts}`, `{scores}`, `{others}`, `{ablation}`, `{verdict}`, `{robustness}`,
            `{int8_facts}`, `{int8_ladder}`, `{int8_sqnr}`, `{int8_gates}`, `{int8_ablation}`, `{int8_verdict}`,
            `{int8_recipe}`, `{int8_layers}` and `{int8_kept_in_float}`.
        evidence: What `mobilevos evaluate davis --json`, `python -m benchmarks.ablation`,
            `python -m benchmarks.robustness --json`, `python -m benchmarks.int8_ladder` and
            `python -m export.quantization sensitivity --davis --json` wrote, by the names of `EVIDENCE`.
        checkpoint: The student in float.
        int8: The student that was trained for int8.
    """
    return template.format(
        facts=checkpoint.facts,
        scores=_scores(evidence["scores"]["scores"]),
        others=_others(evidence["scores"]["scores"], evidence["others"]["networks"]),
        ablation=_ablation(evidence["ablation"]["results"], "against alone"),
        verdict=evidence["ablation"]["verdict"],
        robustness=_robustness(evidence["robustness"]["results"]),
        int8_facts=int8.facts,
        int8_ladder=_ladder(evidence["int8_ladder"]["rungs"]),
        int8_sqnr=_sqnr(evidence["int8_ladder"]["rungs"]),
        int8_gates=_gates(evidence["int8_ladder"]["gates"]),
        int8_ablation=_ablation(evidence["int8_ablation"]["results"], "against post-training"),
        int8_verdict=evidence["int8_ablation"]["verdict"],
        int8_recipe=_recipe(evidence["int8_ablation"]),
        int8_layers=_layers(evidence["int8_sensitivity"]),
        int8_kept_in_float=_kept_in_float(evidence["int8_sensitivity"]["closed_loop"]),
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
    rows = [("the shipped student", shipped), *((one["name"], one["scores"]) for one in networks)]
    return _table(("network", "J&F", "J", "F"), [_score_row(*row) for row in rows])


def _ablation(results: list[dict[str, Any]], against_first: str) -> str:
    first = fmean(results[0]["j_and_f"])
    seeds = range(len(results[0]["j_and_f"]))
    rows = []
    for one in results:
        mean = fmean(one["j_and_f"])
        rows.append((one["name"], *map(_percent, one["j_and_f"]), _percent(mean), f"{100 * (mean - first):+.1f}"))
    return _table(("losses", *(f"seed {seed}" for seed in seeds), "mean", against_first), rows)


def _recipe(ablation: dict[str, Any]) -> str:
    """Where the shipped recipe, which is the stage as it is, stands among the settings, and what their runs shared."""
    means = {one["name"]: fmean(one["j_and_f"]) for one in ablation["results"]}
    shipped = next(name for name, changed in ablation["settings"].items() if changed == ["stage=qat"])
    best = max(means, key=lambda name: means[name])
    standing = "the best of these"
    if best != shipped:
        standing = f"not the best of these: {_percent(means[shipped])} beside {_percent(means[best])} of `{best}`"
    overrides = " ".join(ablation.get("overrides", ()))
    shared = f"All runs shared `{overrides}`." if overrides else "What else their runs shared was not recorded."
    return f"The shipped student's recipe is `{shipped}`, {standing}. {shared}"


def _ladder(rungs: list[dict[str, Any]]) -> str:
    parent = rungs[0]["j_and_f"]
    rows = []
    for one in rungs:
        agreement, size = one["agreement"], one["size_bytes"]
        rows.append(
            (
                one["name"],
                f"{100 * one['j_and_f']:.2f}",
                f"{100 * (one['j_and_f'] - parent):+.2f}",
                "" if agreement is None else f"{agreement['mean']:.4f}",
                "" if agreement is None else f"{agreement['worst']:.3f}",
                "" if size is None else f"{size / 1e6:.1f}",
            )
        )
    return _table(("rung", "J&F", "against float32", "mean IoU", "worst frame", "MB"), rows)


def _sqnr(rungs: list[dict[str, Any]]) -> str:
    """In dB, a line for each rung that was measured; null stands for outputs that are equal."""
    measured = {one["name"]: one["sqnr_db"] for one in rungs if one["sqnr_db"]}
    if not measured:
        return "Not measured yet."
    components = list(dict.fromkeys(component for ratios in measured.values() for component in ratios))
    rows = [(name, *(_decibels(ratios.get(one, nan)) for one in components)) for name, ratios in measured.items()]
    return _table(("rung", *components), rows)


def _decibels(value: float | None) -> str:
    if value is None:
        return "equal"
    return "" if isnan(value) else f"{value:.1f}"


def _gates(gates: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"- {one['rung']}: {one['what']} {one['found']} (limit {one['limit']}): "
        f"{'kept' if one['passed'] else '**not kept**'}"
        for one in gates
    )


def _layers(sensitivity: dict[str, Any]) -> str:
    """The layers that cost most, and all together."""
    rows = [
        (f"`{one['layer']}`", *_loss(one["alone"]), *_loss(one["restored"]))
        for one in sensitivity["layers"][:_SHOWN_LAYERS]
    ]
    whole = sensitivity["whole"]
    rows.append(("all", *_loss(next(iter(whole.values()))), "", ""))  # logits and masks are the same of each component
    return _table(("layer", "alone in int8, dB", "IoU", "alone in float, dB", "IoU"), rows)


def _loss(loss: dict[str, float]) -> tuple[str, str]:
    return f"{loss['logits_db']:.1f}", f"{loss['iou']:.4f}"


def _kept_in_float(scores: dict[str, Any]) -> str:
    return _table(("network", "J&F", "J", "F"), [_score_row(name, one) for name, one in scores.items()])


def _score_row(name: str, scores: dict[str, Any]) -> tuple[str, ...]:
    return (name, *map(_percent, (scores["j_and_f"], scores["j"]["mean"], scores["f"]["mean"])))


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
