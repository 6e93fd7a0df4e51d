"""The runner, built once, and what it is run on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clip_folder import write_clip
from benchmarks.runner.build import Arch, build_program, build_runner
from benchmarks.runner.payload import Payload, payload
from benchmarks.runner.sdk import host_sdk

CACHE = Path(__file__).resolve().parents[3] / "build" / "runner"
"""Build trees outlive a test run: the next one compiles what has changed."""

SIZE = (64, 96)
"""Of the frames of `small_bundle`."""

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    code: int
    out: str
    err: str
    output: Path

    @property
    def record(self) -> dict[str, Any]:
        """Its `run.json`."""
        record: dict[str, Any] = json.loads((self.output / "run.json").read_bytes())
        return record

    @property
    def masks(self) -> Frame:
        """Its `masks.u8`, `[T, H, W]`."""
        shape = [self.record[side] for side in ("frames", "height", "width")]
        return np.fromfile(self.output / "masks.u8", np.uint8).reshape(shape)


Runner = Callable[..., Outcome]


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    """The runner for this machine."""
    return payload(build_runner("host", tmp_path_factory.mktemp("runner") / "host", cache=CACHE))


@pytest.fixture(scope="session")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    """The runner for arm64."""
    return payload(build_runner("arm64", tmp_path_factory.mktemp("runner") / "arm64", cache=CACHE))


@pytest.fixture
def runner(host: Payload, tmp_path: Path) -> Runner:
    """Runs it on a bundle and a clip, on one thread, with more arguments and lines of standard input."""

    def run(bundle: Path, clip: Path, *arguments: object, lines: str = "", output: Path | None = None) -> Outcome:
        output = output or tmp_path / "output"
        folders = ["--bundle", bundle, "--clip", clip, "--output", output, "--threads", 1]
        command = [*host.command, *map(str, folders), *map(str, arguments)]
        finished = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=120)
        return Outcome(finished.returncode, finished.stdout, finished.stderr, output)

    return run


@pytest.fixture
def refused(runner: Runner) -> Callable[..., str]:
    """Runs what must end with exit code 2, one line and nothing written; gives the line."""

    def run(*arguments: Any, **options: Any) -> str:
        outcome = runner(*arguments, **options)
        assert outcome.code == 2, outcome
        assert outcome.err.startswith("mobilevos-runner: error: ")
        assert outcome.err.count("\n") == 1
        assert not outcome.output.exists() or not list(outcome.output.iterdir())
        return outcome.err

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Seven frames with two objects, both given with the first."""
    from mobilevos.data.synthetic import SyntheticClip

    synthetic = SyntheticClip(seed=3, length=7, size=SIZE, objects=2)
    return write_clip(tmp_path / "clip", synthetic, {0: synthetic.mask(0)}, memory_every=3).folder


@pytest.fixture(scope="session")
def probe() -> Iterator[Callable[..., Any]]:
    """Calls single parts of the runner."""
    source = Path(__file__).parent / "probe"
    program = build_program(Arch.HOST, source, host_sdk(), CACHE / "cmake-probe", "probe")
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def call(name: str, /, **arguments: Any) -> Any:
        print(json.dumps({"call": name, **arguments}), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    yield call
    process.stdin.close()
    process.wait()
