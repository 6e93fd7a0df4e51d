"""`python -m benchmarks.mutations`: damaged bundles, by the thousand: is every one refused, and does this process live?

Two regimes. As an accident leaves a bundle, its manifest is intact, and the SHA-256 of a file no longer fits. As an
attacker leaves it, the hashes are made to fit; then it is opened as every stranger's is, in a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.bundles import ensure_bundle
from benchmarks.machine import describe_machine
from benchmarks.mutants import Mutants, Victim
from benchmarks.tables import markdown_table, rich_table
from export.targets import TARGETS
from mobilevos.bundle import Bundle
from mobilevos.commands.entry import run
from mobilevos.errors import InputError
from mobilevos.files import atomic_write_text
from mobilevos.weights import default_checkpoint

__all__ = ["OUTCOMES", "Results", "accidents", "attacks", "damage_target", "main", "to_json", "to_markdown", "to_table"]

SIZE = (64, 96)

OUTCOMES = ("refused", "process ended", "ran", "escaped")
"""Of a mutant: one line; one line, and the process that opened it is dead; masks; anything else."""

Advance = Callable[[], None]
"""Called after each mutant."""

app = typer.Typer(add_completion=False)


@dataclass
class Results:
    """What became of one target's mutants in one regime.

    Attributes:
        target: A name of `TARGETS`.
        regime: `accident` or `attack`.
        outcomes: How many of each kind ended how, by kind and outcome.
        lines: The last line of each kind and outcome, as an example.
        seconds: In all.
    """

    target: str
    regime: str
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    lines: dict[tuple[str, str], str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, kind: str, outcome: str, line: str) -> None:
        """Counts a mutant. A refusal must be one line."""
        outcome = "escaped" if "\n" in line else outcome
        self.outcomes[kind, outcome] += 1
        self.lines[kind, outcome] = line

    def total(self, outcome: str) -> int:
        """Mutants of all kinds that ended so."""
        return sum(count for (_, found), count in self.outcomes.items() if found == outcome)


def accidents(target: str, mutants: Mutants, count: int, seed: int, advance: Advance = lambda: None) -> Results:
    """Opens bundles whose manifest no longer fits; the hashes are all that can tell."""
    results, start = Results(target, "accident"), perf_counter()
    for kind in mutants.accidents(count, seed):
        try:
            Bundle.open(mutants.folder)
        except InputError as error:
            results.add(kind, "refused", str(error))
        except Exception as error:  # what this benchmark looks for
            results.add(kind, "escaped", repr(error))
        else:
            results.add(kind, "ran", "")
        advance()
    results.seconds = perf_counter() - start
    return results


def attacks(target: str, mutants: Mutants, count: int, seed: int, advance: Advance = lambda: None) -> Results:
    """Opens and runs bundles whose manifest was made to fit."""
    results, start = Results(target, "attack"), perf_counter()
    victim = Victim(TARGETS[target].engine)
    for kind in mutants.attacks(count, seed):
        try:
            results.add(kind, *victim.outcome(mutants.folder))
        except Exception as error:  # what this benchmark looks for
            results.add(kind, "escaped", repr(error))
        advance()
    victim.close()
    results.seconds = perf_counter() - start
    return results


_HEADERS = ("target", "manifest", "mutants", *OUTCOMES)


def _rows(all_results: Sequence[Results]) -> list[list[str]]:
    """One for each target and regime."""
    return [
        [one.target, one.regime, str(sum(one.outcomes.values())), *(str(one.total(outcome)) for outcome in OUTCOMES)]
        for one in all_results
    ]


def to_markdown(all_results: Sequence[Results]) -> str:
    """For documents."""
    return markdown_table(_HEADERS, _rows(all_results))


def to_table(all_results: Sequence[Results]) -> Table:
    """For the terminal."""
    return rich_table(
        "Damaged bundles",
        _HEADERS,
        _rows(all_results),
        text_columns=2,
        caption="accident: the manifest is intact; attack: its hashes were made to fit. What ran had edited weights, "
        "or bytes that the runtime does not read: no hash tells that from a bundle as its author meant it.",
    )


def to_json(all_results: Sequence[Results], seed: int) -> dict[str, Any]:
    """The same by kind of damage, with an example of each refusal."""
    return {
        "machine": describe_machine(),
        "seed": seed,
        "results": [
            {
                "target": one.target,
                "regime": one.regime,
                "seconds": round(one.seconds, 1),
                "outcomes": {outcome: one.total(outcome) for outcome in OUTCOMES},
                "kinds": [
                    {"kind": kind, "outcome": outcome, "count": count, "example": one.lines[kind, outcome]}
                    for (kind, outcome), count in sorted(one.outcomes.items())
                ],
            }
            for one in all_results
        ],
    }


@app.command()
def mutations(
    target: Annotated[str, typer.Option(help="What to damage.", metavar="|".join(("all", *TARGETS)))] = "all",
    count: Annotated[int, typer.Option(min=1, help="Mutants of each target whose manifest is intact.")] = 1000,
    attacked: Annotated[
        int, typer.Option("--attacks", min=1, help="Mutants of each target whose manifest was made to fit.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Of the damage.")] = 0,
    checkpoint: Annotated[Path | None, typer.Option(help="The network; the shipped student by default.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the good bundles.")] = Path("build/mutations"),
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Every kind of damage.")] = None,
) -> None:
    """Damage small bundles in every way known, and see that each is refused in one line, or runs, and no more.

    Exits with 1 if anything else ever happens.
    """
    if target not in ("all", *TARGETS):
        raise InputError(f"no target named {target!r}", expected=f"all, {', '.join(TARGETS)}")
    console, all_results = Console(), []
    for name in TARGETS if target == "all" else (target,):
        source = checkpoint or default_checkpoint()
        all_results += damage_target(name, source, output / name, (count, attacked), seed, console)
    console.print(to_table(all_results))
    atomic_write_text(output / "mutations.md", to_markdown(all_results))
    if json_file is not None:
        atomic_write_text(json_file, json.dumps(to_json(all_results, seed), indent=2) + "\n")
    if any(one.total("escaped") for one in all_results) or any(
        one.total("ran") for one in all_results if one.regime == "accident"
    ):
        raise typer.Exit(1)


def damage_target(
    target: str, checkpoint: Path, folder: Path, counts: tuple[int, int], seed: int, console: Console
) -> list[Results]:
    """Both regimes of one target, on a small bundle.

    Args:
        target: A name of `TARGETS`.
        checkpoint: The network.
        folder: Of the good bundle, which is exported where it is missing.
        counts: Accidents and attacks.
        seed: Of the damage.
        console: For the progress bar.
    """
    with console.status(f"exporting to {target}, unless a current bundle is there"):
        source, _ = ensure_bundle(folder, checkpoint, SIZE, objects=1, target=target)
    with TemporaryDirectory() as damaged, Progress(console=console, transient=True) as bar:
        mutants = Mutants(source.folder, Path(damaged) / "bundle")
        task = bar.add_task(target, total=sum(counts))
        regimes = zip((accidents, attacks), counts, strict=True)
        return [regime(target, mutants, count, seed, lambda: bar.advance(task)) for regime, count in regimes]


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m benchmarks.mutations`; gives the exit code."""
    return run(app, argv, program="benchmarks.mutations")


if __name__ == "__main__":
    sys.exit(main())
