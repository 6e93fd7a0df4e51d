"""A runner that can be copied anywhere: a folder of the program, its libraries and a launcher, and their hashes.

mobilevos-runner      launcher, a POSIX shell script
lib/                  the program and the shared libraries that it needs; for arm64 the loader and libc too
payload.json          architecture, command and SHA-256 of every file
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mobilevos.errors import InputError
from mobilevos.files import atomic_folder, resolve_inside, sha256_of

__all__ = ["LAUNCHER", "PAYLOAD", "Payload", "payload", "write_payload"]

PAYLOAD, LAUNCHER, PROGRAM = "payload.json", "mobilevos-runner", "lib/mobilevos-runner"
_FORMAT = 1
_LOADER = "ld-linux-aarch64.so.1"
_FOLDER = "{folder}"

_SCRIPT = """\
#!/bin/sh
# Starts the runner from wherever its folder lies.
here=$(cd "$(dirname "$0")" && pwd)
exec {command} "$@"
"""


@dataclass(frozen=True)
class Payload:
    """A runner to be run here, or copied to a device with all its files.

    Attributes:
        folder: Where it lies.
        arch: `host`, `arm64` or `android`.
        executorch: Version of the runtime in it; empty if it was built from source.
        files: SHA-256 of each file by its name in the folder, `payload.json` left out.
        template: The command, with `{folder}` for the folder.
    """

    folder: Path
    arch: str
    executorch: str
    files: dict[str, str]
    template: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The start of the command that runs it where it lies; under an emulator, behind the emulator's."""
        return self.command_in(self.folder.resolve())

    def command_in(self, folder: PurePath | str) -> list[str]:
        """The start of the command that runs it once it was copied to `folder`, e.g. of a phone."""
        return [part.replace(_FOLDER, str(folder)) for part in self.template]


def payload(folder: Path) -> Payload:
    """The runner that `build_runner` left in `folder`, with every file verified.

    Raises:
        InputError: There is none, or a file is missing or damaged.
    """
    path = folder / PAYLOAD
    try:
        facts = json.loads(path.read_bytes())
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']!r:.20}")
        found = Payload(
            folder,
            str(facts["arch"]),
            str(facts["executorch"]),
            {str(name): str(sha256) for name, sha256 in facts["files"].items()},
            tuple(map(str, facts["command"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "make one with `python -m benchmarks.runner.build`"
        raise InputError(
            f"{folder} holds no runner", expected=PAYLOAD, found=repr(error)[:80], remedy=remedy
        ) from error
    for name, sha256 in found.files.items():
        file = resolve_inside(folder, name)
        if not file.is_file() or sha256_of(file) != sha256:
            raise InputError(f"{file} is missing or damaged", remedy="build the runner again")
    return found


def write_payload(folder: Path, arch: str, executorch: str, program: Path, libraries: Sequence[Path]) -> Payload:
    """Writes a payload, as a whole or not at all, in the place of what lies there.

    Args:
        folder: To write.
        arch: As in `Payload`.
        executorch: As in `Payload`.
        program: The runner.
        libraries: That it needs beside it. If the dynamic loader is one of them, it starts the program.

    Raises:
        InputError: The folder cannot be written.
    """
    command = [f"{_FOLDER}/{PROGRAM}"]
    if any(library.name == _LOADER for library in libraries):
        command = [f"{_FOLDER}/lib/{_LOADER}", "--library-path", f"{_FOLDER}/lib", *command]
    with atomic_folder(folder, overwrite=True) as temporary:
        (temporary / "lib").mkdir()
        shutil.copy(program, temporary / PROGRAM)
        for library in libraries:
            shutil.copy(library, temporary / "lib" / library.name)
        launcher = temporary / LAUNCHER
        words = " ".join(f'"{part.replace(_FOLDER, "$here")}"' for part in command)
        launcher.write_text(_SCRIPT.format(command=words))
        launcher.chmod(0o755)
        files = sorted(path for path in temporary.rglob("*") if path.is_file())
        facts = {
            "format": _FORMAT,
            "arch": arch,
            "executorch": executorch,
            "command": command,
            "files": {path.relative_to(temporary).as_posix(): sha256_of(path) for path in files},
        }
        (temporary / PAYLOAD).write_text(json.dumps(facts, indent=2) + "\n")
    return payload(folder)
