from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.clip_folder import FRAMES, ClipFolder, write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.interleaving import Turns, interleave, ratios
from benchmarks.protocol import Protocol
from benchmarks.run_record import RunRecord, Step
from benchmarks.turn_process import TurnProcess, worker_command
from mobilevos.errors import InputError

PROTOCOL = Protocol("test", steps=10, seconds=0.0, warm_up=2)


@pytest.fixture
def turns_of(random_checkpoint: Path, tmp_path: Path) -> Callable[[str, ClipFolder], Turns]:
    """Starts a worker with the eager engine on a clip."""

    def start(name: str, clip: ClipFolder) -> Turns:
        folder = tmp_path / name
        command = [*worker_command(), "--engine", "eager", "--checkpoint", str(random_checkpoint), "--in-turn"]
        command += ["--clip", str(clip.folder), "--output", str(folder), "--warm-up", "2"]
        return Turns(TurnProcess(name, command, folder), clip.frames)

    return start


def test_each_makes_the_same_steps_in_turn_until_the_protocol_is_reached(
    turns_of: Callable[[str, ClipFolder], Turns], raw_clip: ClipFolder
) -> None:
    turns = [turns_of(name, raw_clip) for name in ("one", "other")]
    rounds = []
    interleave(turns, PROTOCOL, watch=lambda: rounds.append([len(one.steps) for one in turns]))
    assert rounds == [[count, count] for count in range(1, len(rounds) + 1)]
    for one in turns:
        assert one.failure == ""
        assert one.record is not None
        assert one.record.steps == one.steps
        assert sum(step.timed for step in one.steps) == 10
    assert len(ratios(turns[1].steps, turns[0].steps)) == 10


def test_one_that_has_reached_it_rests_and_the_reference_goes_on(
    turns_of: Callable[[str, ClipFolder], Turns], raw_clip: ClipFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [turns_of(name, raw_clip) for name in ("reference", "early", "late")]
    late = turns[2]
    reached = Turns.reached
    monkeypatch.setattr(
        Turns, "reached", lambda one, protocol: reached(one, protocol) and (one is not late or len(late.steps) > 20)
    )
    interleave(turns, PROTOCOL)
    assert [len(one.steps) for one in turns] == [21, 13, 21]
    assert len(ratios(late.steps, turns[0].steps)) == sum(step.timed for step in late.steps)


def test_one_that_fails_drops_out_and_the_others_go_on(
    turns_of: Callable[[str, ClipFolder], Turns], raw_clip: ClipFolder, tmp_path: Path
) -> None:
    clip = synthetic_clip(8, (64, 96), objects=1)
    doomed = write_clip(tmp_path / "doomed", clip.frames, {0: clip.first_mask})
    turns = [turns_of("healthy", raw_clip), turns_of("doomed", doomed)]

    def cut() -> None:
        if len(turns[1].steps) == 3:
            with (doomed.folder / FRAMES).open("r+b") as file:
                file.truncate(10)

    interleave(turns, PROTOCOL, watch=cut)
    assert turns[0].record is not None
    assert turns[1].record is None
    assert "exit status 2" in turns[1].failure
    assert "was cut" in turns[1].failure


def test_a_process_that_is_killed_is_a_line_with_its_signal(
    turns_of: Callable[[str, ClipFolder], Turns], raw_clip: ClipFolder
) -> None:
    one = turns_of("victim", raw_clip)
    one.take()
    assert len(one.steps) == 1
    one.process._process.kill()
    one.take()
    assert "signal 9" in one.failure


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot start"):
        TurnProcess("runner", [str(tmp_path / "nothing")], tmp_path)


def test_a_program_that_answers_something_else_is_ended(tmp_path: Path) -> None:
    process = TurnProcess("echo", ["cat"], tmp_path)
    with pytest.raises(InputError, match="answered nonsense"):
        process.step()
    assert process._process.poll() is not None


def test_a_program_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    process = TurnProcess("sleeper", ["sleep", "60"], tmp_path, seconds=0.2)
    with pytest.raises(InputError, match="signal 9"):
        process.step()


def test_ratios_are_of_timed_steps_on_the_same_frame(make_record: Callable[..., RunRecord]) -> None:
    one, other = make_record([30.0] * 25, warm_up=3), make_record([10.0] * 24, warm_up=5)
    assert ratios(one.steps, other.steps) == [3.0] * (24 - 5 - 2)


def test_the_protocol_wants_a_pass_that_ended_after_the_warm_up() -> None:
    def steps(count: int, warm_up: int) -> list[Step]:
        return [Step(k % 4, k // 4, k < warm_up, 1000.0, {}, 1, None) for k in range(count)]

    def turns(count: int, warm_up: int) -> Turns:
        return Turns(None, 4, steps(count, warm_up))  # type: ignore[arg-type]

    protocol = Protocol("test", steps=2, seconds=2.0, warm_up=4)
    assert not turns(4, 4).complete
    assert not turns(7, 4).reached(protocol)
    assert turns(8, 4).reached(protocol)
    assert not turns(8, 4).reached(Protocol("test", steps=2, seconds=4.0))
