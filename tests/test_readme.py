"""The README says of the formats what the table of formats says."""

from __future__ import annotations

import re
from pathlib import Path

from export.targets import TARGETS

README = (Path(__file__).parents[1] / "README.md").read_text()


def rows() -> dict[str, list[str]]:
    """The table of the section on export: cells by target."""
    section = README.partition("## Export\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {one[0].strip("`"): one[1:] for one in cells[2:]}


def test_every_target_has_its_row() -> None:
    assert list(rows()) == list(TARGETS)


def test_a_row_names_the_precisions_and_the_engine() -> None:
    for name, (_, _, precisions, engine) in rows().items():
        assert tuple(re.findall(r"fp\d+|int\d+", precisions)) == TARGETS[name].precisions
        assert engine.startswith(f"`{TARGETS[name].engine}`")


def test_every_command_that_it_shows_exists() -> None:
    for module in set(re.findall(r"python -m ((?:export|benchmarks)(?:\.\w+)*)", README)):
        path = Path(__file__).parents[1] / Path(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
