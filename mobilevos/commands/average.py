"""`mobilevos average`: the mean of several trained networks, as one network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobilevos.commands.console import counted, print_line
from mobilevos.commands.outputs import check_outputs

__all__ = ["EXAMPLES", "average"]

EXAMPLES = """\b
Examples:
  mobilevos average runs/a/network.safetensors runs/b/network.safetensors \\
      --output soup.safetensors"""


def average(
    checkpoints: Annotated[
        list[Path], typer.Argument(help="Two or more networks of one kind.", metavar="FILE...", show_default=False)
    ],
    output: Annotated[Path, typer.Option(help="The .safetensors file to write.", metavar="FILE", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
) -> None:
    """Average the weights of trained networks (a model soup).

    Worth a try with runs that started from the same weights and differ in their seed, learning rate or losses: score
    the result before it is used. The header of the result lists the SHA-256 of each file.
    """
    check_outputs(files=[output], inputs=checkpoints, overwrite=overwrite)
    from mobilevos.model.checkpoint import save_network  # torch, which --help need not wait for
    from mobilevos.training.averaging import average_checkpoints

    network, provenance = average_checkpoints(checkpoints)
    save_network(network, output, provenance=provenance, overwrite=overwrite)
    print_line(f"mean of {counted(len(checkpoints), 'network')} ({network.config.name}): {output}")
