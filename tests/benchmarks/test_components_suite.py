"""`pytest benchmarks`, which no other test run collects, has a case for every component of every engine."""

import os
import subprocess
import sys
from pathlib import Path

from mobilevos.contract import COMPONENTS
from mobilevos.engines import BUNDLE_ENGINES

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_component_and_the_whole_step_of_every_engine_is_collected() -> None:
    command = [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q", "-p", "no:cacheprovider"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=REPOSITORY, env=own, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    collected = {line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line}
    engines = ("eager", *BUNDLE_ENGINES)
    expected = {f"test_component[{engine}-{component}]" for engine in engines for component in COMPONENTS}
    assert collected == expected | {f"test_whole_step[{engine}]" for engine in engines}
