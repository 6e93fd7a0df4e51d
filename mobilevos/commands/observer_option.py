"""The option by which commands name how ranges for int8 are found."""

from __future__ import annotations

from typing import Annotated

import typer

from mobilevos.errors import InputError
from mobilevos.quantization.specification import Observer

__all__ = ["ObserverOption", "parse_observer"]

ObserverOption = Annotated[
    str, typer.Option(metavar="|".join(Observer), help="How a range is found from what was seen.")
]


def parse_observer(name: str) -> Observer:
    """The observer of that name.

    Raises:
        InputError: There is none.
    """
    try:
        return Observer(name)
    except ValueError:
        raise InputError(f"--observer {name[:40]}", expected=" or ".join(Observer)) from None
