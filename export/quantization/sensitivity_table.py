"""The ranking of layers on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from export.quantization.sensitivity import Loss, Sensitivity

__all__ = ["sensitivity_table"]

_CAPTION = (
    "ranked by what is left of the logits with this layer alone in int8; kept: all in int8 and this layer in float, "
    "and what that gains; dB: of the worst output of its component / of the logits; IoU: with the masks of float"
)


def sensitivity_table(found: Sensitivity, rows: int) -> Table:
    """The layers most worth keeping in float.

    Args:
        found: What was measured.
        rows: How many to show.
    """
    table = Table(
        title=f"layers by what int8 costs in them ({found.pairs} pairs of frames, {found.size[0]}x{found.size[1]})",
        caption=_CAPTION,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("")
    table.add_column("layer", overflow="fold")
    for column in ("alone dB", "IoU", "kept dB", "IoU", "gain dB"):
        table.add_column(column, justify="right")
    for rank, one in enumerate(found.layers[:rows], 1):
        table.add_row(str(rank), escape(one.layer), *_texts(one.alone), *_texts(one.restored), f"{one.gain_db:+.2f}")
    table.add_section()
    for component, loss in found.whole.items():
        table.add_row("", f"all in int8: {component}", "", "", *_texts(loss), "")
    return table


def _texts(loss: Loss) -> tuple[str, str]:
    return f"{loss.component_db:.1f} / {loss.logits_db:.1f}", f"{loss.iou:.4f}"
