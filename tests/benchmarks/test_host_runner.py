from pathlib import Path

import pytest

from benchmarks.host_runner import host_runner, source_fingerprint
from benchmarks.runner.payload import write_payload
from mobilevos.errors import InputError

pytestmark = pytest.mark.executorch


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    """A cache with a runner in it that is no runner, but was built from today's sources as far as its stamp says."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    write_payload(tmp_path / "payload-host", "host", "1", program, [])
    (tmp_path / "payload-host.sha256").write_text(source_fingerprint() + "\n")
    return tmp_path


def test_a_runner_of_todays_sources_is_not_built_again(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cache_folder))  # where there is no compiler
    (command,) = host_runner(cache_folder)
    assert Path(command) == cache_folder / "payload-host" / "lib" / "mobilevos-runner"


@pytest.mark.parametrize("spoilt", ["payload-host.sha256", "payload-host/lib/mobilevos-runner"])
def test_one_of_other_sources_or_damaged_is(cache_folder: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str) -> None:
    (cache_folder / spoilt).write_text("something else")
    monkeypatch.setenv("PATH", str(cache_folder))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"no C\+\+ compiler"):
        host_runner(cache_folder)
