"""How programs end: exit codes, one line for an error, and a traceback for a bug alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from mobilevos.commands.entry import run
from mobilevos.errors import InputError

COMMANDS = ((), ("segment",), ("evaluate",), ("evaluate", "davis"), ("evaluate", "ytvos"), ("train",))


def app_of(command: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return app


def raising(error: BaseException) -> typer.Typer:
    def command() -> None:
        raise error

    return app_of(command)


def test_a_command_that_ends_well_gives_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app_of(lambda: print("done")), []) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_bad_input_gives_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(InputError("file\nx", expected="y")), []) == 2
    assert capsys.readouterr() == ("", "mobilevos: error: file x; expected y\n")


def test_an_interrupt_gives_130_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(KeyboardInterrupt()), []) == 130
    assert capsys.readouterr() == ("", "mobilevos: error: interrupted\n")


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()), [])


def test_arguments_are_those_of_the_process_when_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def command(name: str) -> None:
        seen.append(name)

    monkeypatch.setattr(sys, "argv", ["program", "one"])
    assert run(app_of(command)) == 0
    assert seen == ["one"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "Missing command"),
        (["track"], "track"),
        (["segment"], "Missing argument"),
        (["segment", "clip.mp4"], "--mask"),
        (["segment", "clip.mp4", "--mask", "m.png", "--colour", "red"], "--colour"),
        (["segment", "clip.mp4", "--mask", "m.png", "--memory-every", "0"], "memory-every"),
        (["segment", "clip.mp4", "--mask", "m.png", "--threads", "two"], "threads"),
        (["evaluate", "imagenet", "root"], "imagenet"),
        (["evaluate", "davis", "root", "--workers", "0"], "workers"),
        (["train", "--cfg", "hydra"], "cfg"),
    ],
)
def test_bad_usage_gives_2_and_one_line(refused: Callable[..., str], arguments: list[str], word: str) -> None:
    line = refused(*arguments)
    assert word in line
    assert "--help" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(mobilevos: Callable[..., Any], command: tuple[str, ...]) -> None:
    outcome = mobilevos(*command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "Usage: " + " ".join(("mobilevos", *command)) in outcome.out
    if command not in ((), ("evaluate",)):
        assert f"  mobilevos {' '.join(command)} " in outcome.out.partition("Examples:")[2]
    assert all(len(line) <= 80 for line in outcome.out.splitlines())


def test_version(mobilevos: Callable[..., Any]) -> None:
    outcome = mobilevos("--version")
    assert (outcome.code, outcome.out) == (0, "mobilevos 0.1.0\n")


def test_a_name_that_is_no_text_is_printed_all_the_same(tmp_path: Path) -> None:
    """A file name may hold any bytes, and a terminal may be ASCII alone."""
    clip = str(tmp_path / "\udcff")
    code = f"from mobilevos.cli import main; raise SystemExit(main(['segment', {clip!r}, '--mask', 'ü']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"\\udcff" in done.stderr


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; from mobilevos.cli import main; main(['train', '--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "stage=static" in done.stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As in `mobilevos train --help | head -1`."""
    code = "from mobilevos.cli import main; import sys; sys.exit(main(['train', '--help']))"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (141, b"")


def test_a_kill_ends_as_ctrl_c_does_and_what_was_half_written_is_gone(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
import typer
from mobilevos.commands.entry import run
from mobilevos.files import atomic_folder

app = typer.Typer()

@app.command()
def write() -> None:
    with atomic_folder(Path("bundle")) as folder:
        (folder / "manifest.json").write_text("{}")
        print("writing", flush=True)
        time.sleep(60)

sys.exit(run(app, []))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "mobilevos: error: interrupted\n")
    assert list(tmp_path.iterdir()) == []
