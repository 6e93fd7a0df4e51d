"""Mutants of a bundle, and a victim that opens them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.damage import FILE_DAMAGE, MANIFEST_DAMAGE, PACKAGE_DAMAGE, Damage
from mobilevos.bundle import MANIFEST, Bundle
from mobilevos.contract import signatures
from mobilevos.engines.engine_process import EngineProcess
from mobilevos.errors import InputError
from mobilevos.files import sha256_of

__all__ = ["Mutants", "Victim"]

SECONDS = 60.0
"""Longest wait for the other process."""


class Mutants:
    """Mutants of a bundle, one after another in one working copy.

    Args:
        source: The good bundle, which stays as it is.
        copy: Where to put the working copy; must not exist.
    """

    def __init__(self, source: Path, copy: Path) -> None:
        self._source = source
        self.folder = Path(shutil.copytree(source, copy))
        self._manifest = Bundle.open(source).manifest
        roots = {component["file"] for component in self._manifest["components"].values()}
        self._files = [name for name in self._manifest["files"] if any(_is_in(name, root) for root in roots)]
        packages = any((source / root).is_dir() for root in roots)
        self._damage: dict[str, Damage] = FILE_DAMAGE | (PACKAGE_DAMAGE if packages else {})

    def accidents(self, count: int, seed: int) -> Iterator[str]:
        """Damages the copy `count` times, the manifest intact; gives the kind of each while it lasts."""
        yield from self._each(list(self._damage), count, seed)

    def attacks(self, count: int, seed: int) -> Iterator[str]:
        """The same with the manifest made to fit, and manifests that lie."""
        yield from self._each([*self._damage, *MANIFEST_DAMAGE], count, seed, sealed=True)

    def _each(self, kinds: Sequence[str], count: int, seed: int, *, sealed: bool = False) -> Iterator[str]:
        for index in range(count):
            rng = np.random.default_rng([seed, index])
            kind = kinds[index % len(kinds)]
            manifest = json.loads(json.dumps(self._manifest))
            if kind in MANIFEST_DAMAGE:
                touched: set[str] = set()
                MANIFEST_DAMAGE[kind](manifest, rng)
            else:
                touched = self._damage[kind](self.folder, self._files, rng)
                while not self._differ(touched):  # zeros over zeros, or two files that are the same
                    touched |= self._damage[kind](self.folder, self._files, rng)
            if sealed:
                self._seal(manifest, touched)
            try:
                yield kind
            finally:
                self._mend(touched)

    def _seal(self, manifest: dict[str, Any], touched: set[str]) -> None:
        """Lists what lies there, as an attacker would."""
        for name in touched:
            path = self.folder / name
            if path.is_file():
                manifest["files"][name] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
            elif not path.is_symlink():
                del manifest["files"][name]
        (self.folder / MANIFEST).write_text(json.dumps(manifest))

    def _differ(self, touched: set[str]) -> bool:
        for name in touched:
            path, good = self.folder / name, self._source / name
            if path.is_symlink() or not path.is_file() or not good.is_file():
                return True
            if path.read_bytes() != good.read_bytes():
                return True
        return False

    def _mend(self, touched: set[str]) -> None:
        for name in sorted(touched | {MANIFEST}):  # a package before what lies in it
            path = self.folder / name
            if path.is_symlink() or path.is_file():
                path.unlink()
            if (self._source / name).is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._source / name, path)


class Victim:
    """Opens bundles as every stranger's is opened, and runs each component once. A process that ended is replaced.

    Args:
        engine: A name from `mobilevos.engines.BUNDLE_ENGINES`.
        seconds: Longest wait for the other process.
    """

    def __init__(self, engine: str, seconds: float = SECONDS) -> None:
        self._engine, self._seconds = engine, seconds
        self._process = EngineProcess(seconds=seconds)

    def outcome(self, folder: Path) -> tuple[str, str]:
        """`refused`, `process ended` or `ran`, and the line with which it was refused."""
        try:
            bundle = Bundle.open(folder)
            self._run(bundle)
        except InputError as error:
            if self._process.alive:
                return "refused", str(error)
            self.close()
            self._process = EngineProcess(seconds=self._seconds)
            return "process ended", str(error)
        return "ran", ""

    def close(self) -> None:
        """Ends the process."""
        self._process.close()

    def _run(self, bundle: Bundle) -> None:
        self._process.open(self._engine, bundle.folder, threads=1)
        rng = np.random.default_rng(0)
        for one in signatures(bundle.dimensions).values():
            inputs = [rng.random(spec.shape, np.float32) for spec in one.inputs]
            self._process.call(one, bundle.dimensions.objects, inputs)


def _is_in(name: str, root: str) -> bool:
    return name == root or name.startswith(f"{root}/")
