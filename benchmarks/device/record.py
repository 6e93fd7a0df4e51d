"""A run record that came from a device: refused in one line where it is not what a runner writes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

import benchmarks
from benchmarks.run_record import FORMAT, RUN, RunRecord, read_masks, read_run
from mobilevos.errors import InputError

__all__ = ["check_record", "read_device_record"]

_SCHEMA = Path(benchmarks.__file__).with_name("run_record.schema.json")


def read_device_record(folder: Path) -> RunRecord:
    """The run record of a folder, valid against `run_record.schema.json`, with masks of the size that it names.

    Args:
        folder: Holds `run.json` and `masks.u8`.

    Raises:
        InputError: With the first thing that is wrong.
    """
    path = folder / RUN
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON", found=str(error)[:200]) from error
    check_record(content, path)
    record = read_run(folder)
    read_masks(folder, record)
    return record


def check_record(content: Any, source: Path) -> None:
    """Checks a run record against the schema.

    Args:
        content: What a JSON file held, whatever it was.
        source: The file, for the message.

    Raises:
        InputError: With the first thing that is wrong.
    """
    if isinstance(content, dict) and content.get("format") != FORMAT:
        found = repr(content.get("format"))[:40]
        raise InputError(f"{source} is of another version", expected=f"format {FORMAT}", found=found)
    try:
        error = jsonschema.exceptions.best_match(_validator().iter_errors(content))
    except RecursionError as deep:
        raise InputError(f"{source} is not a run record", found="too deep a nesting") from deep
    if error is not None:
        raise InputError(f"{source} is not a run record", found=f"{error.json_path}: {error.message[:200]}")


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
