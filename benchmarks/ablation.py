"""`python -m benchmarks.ablation`: what each loss of a teacher is worth, at one budget and on the same seeds."""

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

__all__ = ["STUDIES", "Result", "Study", "run_ablation", "table_rows", "verdict"]

_DISTILL, _QAT = "stage=distill", "stage=qat"
_NO_LOGIT, _NO_REPRESENTATION = "losses.logit=0", "losses.representation=0"
_UNTRAINED = (
    "training.steps=1",
    "training.learning_rate=0",
    "training.trunk_learning_rate=0",
    "quantization.learning_rate=0",
)


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        title: What is trained.
        settings: Name -> Hydra overrides; the first is what the others are measured against.
        untrained: Settings whose network stays as it is, whatever the budget.
    """

    title: str
    settings: dict[str, tuple[str, ...]]
    untrained: tuple[str, ...] = ()

    def overrides(self, name: str, shared: list[str]) -> list[str]:
        """Of a run. What all share comes last: stages differ in their schedules, and an ablation must not."""
        return [*self.settings[name], *shared, *(_UNTRAINED if name in self.untrained else ())]


STUDIES = {
    "distill": Study(
        "a student with and without a teacher",
        {
            "student alone": ("stage=student",),
            "logit": (_DISTILL, _NO_REPRESENTATION),
            "representation, omega 0": (_DISTILL, _NO_LOGIT, "losses.omega=0"),
            "representation, omega 0.5": (_DISTILL, _NO_LOGIT, "losses.omega=0.5"),
            "representation, omega 1": (_DISTILL, _NO_LOGIT, "losses.omega=1"),
            "both, omega 0.5": (_DISTILL, "losses.omega=0.5"),
            "both, omega 0.5, random pixels": (_DISTILL, "losses.omega=0.5", "losses.sampling=uniform"),
        },
    ),
    "qat": Study(
        "a student in int8",
        {
            "post-training": (_QAT, _NO_LOGIT, _NO_REPRESENTATION),
            "trained without a teacher": (_QAT, _NO_LOGIT, _NO_REPRESENTATION),
            "trained, logit": (_QAT, _NO_REPRESENTATION),
            "trained, representation": (_QAT, _NO_LOGIT),
            "trained, both": (_QAT,),
        },
        untrained=("post-training",),
    ),
}
"""By the name that `--study` gives. Pixels are sampled at boundaries but where a setting says otherwise."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Result:
    """One setting.

    Attributes:
        name: Of the setting.
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


def run_ablation(study: Study, overrides: list[str], seeds: list[int], folder: Path) -> list[Result]:
    """Trains and validates every setting on every seed. Runs that are done are read, not repeated.

    Args:
        study: A value of `STUDIES`.
        overrides: What all runs share: data, start, teacher, budget, and `validation.root`.
        seeds: Of weights and clips.
        folder: Takes one run folder for each.

    Raises:
        InputError: As `train`, or the overrides name no validation.
    """
    from mobilevos.training import compose_config, train

    results = []
    for name in study.settings:
        scores, steps = [], 0
        for seed in seeds:
            output = folder / f"{name.replace(', ', '-').replace(' ', '-')}-seed-{seed}"
            config = compose_config([*study.overrides(name, overrides), f"seed={seed}", f"output={output}"])
            if not config.validation.root:
                raise InputError("an ablation without validation", remedy="give validation.root=DAVIS")
            train(config)
            steps = max(steps, config.training.steps)
            scores.append(_score(output, config.training.steps))
        results.append(Result(name, tuple(scores), steps))
    return results


def _score(run_folder: Path, steps: int) -> float:
    return float(json.loads((run_folder / f"validation/step-{steps:06d}.json").read_text())["j_and_f"])


HEADERS = ("losses", "J&F", "against the first", "seeds", "spread")


def table_rows(results: list[Result]) -> list[tuple[str, ...]]:
    """J&F in percent: mean, difference from the first setting, each seed's, and how far the seeds lie apart."""
    first = results[0].mean
    return [
        (
            one.name,
            f"{100 * one.mean:.2f}",
            f"{100 * (one.mean - first):+.2f}",
            " ".join(f"{100 * score:.2f}" for score in one.j_and_f),
            f"{100 * one.spread:.2f}",
        )
        for one in results
    ]


def verdict(results: list[Result]) -> str:
    """What the table says, measured by how far two seeds of one setting lie apart."""
    first, best = results[0], max(results[1:], key=lambda one: one.mean)
    gain, noise = 100 * (best.mean - first.mean), 100 * statistics.fmean(one.spread for one in results)
    how = "more" if gain > noise else "less"
    return (
        f"The best is `{best.name}`, {gain:+.2f} J&F against `{first.name}`; "
        f"that is {how} than two seeds of one setting differ on average ({noise:.2f})."
    )


@app.command()
def ablation(
    overrides: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE", help="Hydra overrides that all runs share; see mobilevos train.")
    ],
    study: Annotated[str, typer.Option(metavar="|".join(STUDIES), help="What is compared.")] = "distill",
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
    if study not in STUDIES:
        raise InputError(f"--study {study}", expected=" or ".join(STUDIES))
    chosen = STUDIES[study]
    results = run_ablation(chosen, overrides, list(range(seeds)), output)
    rows = table_rows(results)
    title = f"{chosen.title}: {max(one.steps for one in results)} steps, {seeds} seeds"
    Console().print(rich_table(title, HEADERS, rows, caption=verdict(results)))
    report: dict[str, Any] = {"overrides": overrides, "settings": chosen.settings, "verdict": verdict(results)}
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
