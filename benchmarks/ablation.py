"""`python -m benchmarks.ablation`: what each loss of the distillation is worth, at one budget and on the same seeds."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.tables import markdown_table, rich_table
from mobilevos.commands.entry import run
from mobilevos.errors import InputError
from mobilevos.files import atomic_file, atomic_write_text

__all__ = ["SETTINGS", "Result", "run_ablation", "table_rows", "verdict"]

_DISTILL = "stage=distill"
_NO_LOGIT, _NO_REPRESENTATION = "losses.logit=0", "losses.representation=0"

SETTINGS: dict[str, tuple[str, ...]] = {
    "student alone": ("stage=student",),
    "logit": (_DISTILL, _NO_REPRESENTATION),
    "representation, omega 0": (_DISTILL, _NO_LOGIT, "losses.omega=0"),
    "representation, omega 0.5": (_DISTILL, _NO_LOGIT, "losses.omega=0.5"),
    "representation, omega 1": (_DISTILL, _NO_LOGIT, "losses.omega=1"),
    "both, omega 0.5": (_DISTILL, "losses.omega=0.5"),
    "both, omega 0.5, random pixels": (_DISTILL, "losses.omega=0.5", "losses.sampling=uniform"),
}
"""Name -> Hydra overrides. Pixels are sampled at boundaries but for the last."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Result:
    """One setting.

    Attributes:
        name: A key of `SETTINGS`.
        j_and_f: J&F of each seed's network, 0..1.
        steps: Optimizer steps of each run.
    """

    name: str
    j_and_f: tuple[float, ...]
    steps: int

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.j_and_f)

    @property
    def spread(self) -> float:
        """Largest difference between two seeds."""
        return max(self.j_and_f) - min(self.j_and_f)


def run_ablation(overrides: list[str], seeds: list[int], folder: Path) -> list[Result]:
    """Trains and validates every setting on every seed. Runs that are done are read, not repeated.

    Args:
        overrides: What all runs share: data, start, teacher, budget, and `validation.root`.
        seeds: Of weights and clips.
        folder: Takes one run folder for each.

    Raises:
        InputError: As `train`, or the overrides name no validation.
    """
    from mobilevos.training import compose_config, train

    results = []
    for name, setting in SETTINGS.items():
        scores, steps = [], 0
        for seed in seeds:
            output = folder / f"{name.replace(', ', '-').replace(' ', '-')}-seed-{seed}"
            # The shared overrides come last: stages differ in their schedules, and an ablation must not.
            config = compose_config([*setting, *overrides, f"seed={seed}", f"output={output}"])
            if not config.validation.root:
                raise InputError("an ablation without validation", remedy="give validation.root=DAVIS")
            train(config)
            steps = config.training.steps
            scores.append(_score(output, steps))
        results.append(Result(name, tuple(scores), steps))
    return results


def _score(run_folder: Path, steps: int) -> float:
    return float(json.loads((run_folder / f"validation/step-{steps:06d}.json").read_text())["j_and_f"])


HEADERS = ("losses", "J&F", "against alone", "seeds", "spread")


def table_rows(results: list[Result]) -> list[tuple[str, ...]]:
    """J&F in percent: mean, difference from the student alone, each seed's, and how far the seeds lie apart."""
    alone = results[0].mean
    return [
        (
            one.name,
            f"{100 * one.mean:.2f}",
            f"{100 * (one.mean - alone):+.2f}",
            " ".join(f"{100 * score:.2f}" for score in one.j_and_f),
            f"{100 * one.spread:.2f}",
        )
        for one in results
    ]


def verdict(results: list[Result]) -> str:
    """What the table says, measured by how far two seeds of one setting lie apart."""
    alone, best = results[0], max(results[1:], key=lambda one: one.mean)
    gain, noise = 100 * (best.mean - alone.mean), 100 * statistics.fmean(one.spread for one in results)
    how = "more" if gain > noise else "less"
    return (
        f"The best with a teacher is `{best.name}`, {gain:+.2f} J&F against the student alone; "
        f"that is {how} than two seeds of one setting differ on average ({noise:.2f})."
    )


@app.command()
def ablation(
    overrides: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE", help="Hydra overrides that all runs share; see mobilevos train.")
    ],
    seeds: Annotated[int, typer.Option(min=2, help="Seeds 0 to N-1.")] = 2,
    output: Annotated[Path, typer.Option(help="Takes the runs, ablation.json, ablation.md and ablation.png.")] = Path(
        "runs/ablation"
    ),
) -> None:
    """Train a student with and without each loss of a teacher, at one budget, and compare their J&F.

    Runs that are done are not repeated: a stopped ablation goes on where it was.

    Example: python -m benchmarks.ablation init=student.safetensors model.teacher.checkpoint=teacher.safetensors
    data.davis.root=DAVIS data.static=[STILLS] training.steps=150 validation.root=DAVIS validation.resize=240
    """
    results = run_ablation(overrides, list(range(seeds)), output)
    rows = table_rows(results)
    title = f"{results[0].steps} steps, {seeds} seeds"
    Console().print(rich_table(title, HEADERS, rows, caption=verdict(results)))
    report: dict[str, Any] = {"overrides": overrides, "settings": SETTINGS, "verdict": verdict(results)}
    report["results"] = [asdict(one) for one in results]
    atomic_write_text(output / "ablation.json", json.dumps(report, indent=2) + "\n")
    atomic_write_text(output / "ablation.md", f"{markdown_table(HEADERS, rows)}\n{title}. {verdict(results)}\n")
    _plot(results, title, output / "ablation.png")


def _plot(results: list[Result], title: str, path: Path) -> None:
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    names = [one.name for one in reversed(results)]
    for place, one in enumerate(reversed(results)):
        axes.plot([100 * score for score in one.j_and_f], [place] * len(one.j_and_f), "o", color="C0", alpha=0.6)
        axes.plot(100 * one.mean, place, "|", color="C1", markersize=18, markeredgewidth=3)
    axes.axvline(100 * results[0].mean, color="grey", linewidth=0.8, linestyle="--")
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="J&F: each seed, and their mean", title=title)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.ablation`; gives the exit code."""
    return run(app, argv, program="benchmarks.ablation")


if __name__ == "__main__":
    sys.exit(main())
