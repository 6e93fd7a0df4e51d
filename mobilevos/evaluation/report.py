"""Scores as a table for people."""

from __future__ import annotations

from rich.table import Table

from mobilevos.evaluation.scores import DatasetScore, SequenceScore

__all__ = ["score_table"]


def score_table(scores: DatasetScore) -> Table:
    """A table of all sequences with the data set below, in percent; recall and decay as DAVIS reports them.

    YouTube-VOS's J and F over seen and unseen categories stand in the caption, where they are known.
    """
    table = Table(caption=_caption(scores), show_footer=True)
    footer = _row("", scores)
    table.add_column("Sequence", footer=f"all {len(scores.sequences)}", no_wrap=True)
    headers = ("Objects", "J&F", "J mean", "recall", "decay", "F mean", "recall", "decay")
    for header, total in zip(headers, footer[1:], strict=True):
        table.add_column(header, footer=total, justify="right")
    for sequence in scores.sequences:
        table.add_row(*_row(sequence.name, sequence))
    return table


def _row(name: str, score: SequenceScore | DatasetScore) -> tuple[str, ...]:
    j, f = score.j, score.f
    shares = (score.j_and_f, j.mean, j.recall, j.decay, f.mean, f.recall, f.decay)
    return name, str(len(score.objects)), *(_percent(share) for share in shares)


def _caption(scores: DatasetScore) -> str | None:
    categories = scores.categories
    if categories is None:
        return None
    seen = f"seen J {_percent(categories.j_seen)} F {_percent(categories.f_seen)}"
    unseen = f"unseen J {_percent(categories.j_unseen)} F {_percent(categories.f_unseen)}"
    return f"G {_percent(categories.g)}: {seen}, {unseen}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
