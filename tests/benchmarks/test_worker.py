import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clip_folder import FRAMES, ClipFolder, write_clip
from benchmarks.clips import synthetic_clip
from benchmarks.run_record import RUN, read_masks, read_run
from mobilevos.contract import COMPONENTS
from mobilevos.engines import open_engine
from mobilevos.tracking import Tracker


def work(*arguments: object, lines: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.worker", *map(str, arguments)]
    text = "".join(f"{line}\n" for line in lines)
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=300)


def options(clip: ClipFolder, output: Path, *more: object) -> list[object]:
    return ["--clip", clip.folder, "--output", output, "--steps", 12, "--seconds", 0, "--warm-up", 2, *more]


def tracked(clip: ClipFolder, checkpoint: Path) -> list[np.ndarray]:
    tracker, frame = Tracker(open_engine("eager", checkpoint=checkpoint)), np.empty((64, 96, 3), np.uint8)
    labels = []
    for index in range(clip.frames):
        clip.read(index, frame)
        labels.append(tracker.step(frame, clip.given.get(index)).labels)
    return labels


def test_it_writes_the_masks_of_the_tracker_and_the_times_of_each_step(
    raw_clip: ClipFolder, random_checkpoint: Path, tmp_path: Path
) -> None:
    done = work("--engine", "eager", "--checkpoint", random_checkpoint, *options(raw_clip, tmp_path))
    assert done.returncode == 0, done.stderr
    record = read_run(tmp_path)
    assert np.array_equal(read_masks(tmp_path, record), tracked(raw_clip, random_checkpoint))
    assert (record.engine, record.precision, record.bundle_sha256) == ("eager", "fp32", None)
    assert record.torch_loaded is True
    assert [step.frame for step in record.steps][:10] == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    assert [step.warm_up for step in record.steps][:4] == [True, True, False, False]
    assert len(record.timed) == 12
    assert set(record.steps[0].components) == {"encode_query", "encode_memory"}
    assert set(record.steps[1].components) == {"segment"}
    assert set(record.steps[5].components) == {"segment", "encode_memory"}
    assert all(sum(step.components.values()) < step.step_ms for step in record.steps)
    assert record.peak_rss_bytes >= max(step.rss_bytes for step in record.steps) > 50_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks.u8", "run.json"]


def test_components_are_called_alone(raw_clip: ClipFolder, random_checkpoint: Path, tmp_path: Path) -> None:
    done = work("--engine", "eager", "--checkpoint", random_checkpoint, *options(raw_clip, tmp_path, "--components"))
    assert done.returncode == 0, done.stderr
    steps = read_run(tmp_path).steps
    assert set(steps[5].components) == set(COMPONENTS) - {"segment"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "target", "loads_torch"),
    [
        pytest.param("litert", "tflite", False, marks=pytest.mark.tflite),
        pytest.param("onnx", "onnx", False, marks=pytest.mark.onnx),
        pytest.param("executorch", "executorch", True, marks=pytest.mark.executorch),
        ("torchscript", "torchscript", True),
    ],
)
def test_a_process_holds_torch_only_where_its_runtime_needs_it(
    bundle_of: Callable[[str], Path],
    raw_clip: ClipFolder,
    random_checkpoint: Path,
    tmp_path: Path,
    engine: str,
    target: str,
    loads_torch: bool,
) -> None:
    done = work("--engine", engine, "--bundle", bundle_of(target), *options(raw_clip, tmp_path))
    assert done.returncode == 0, done.stderr
    record = read_run(tmp_path)
    assert record.torch_loaded is loads_torch
    assert record.bundle_sha256 is not None
    wanted = np.array(tracked(raw_clip, random_checkpoint))
    assert (read_masks(tmp_path, record) == wanted).mean() > 0.999


def test_in_turn_a_step_is_made_for_each_line_and_answered_with_its_record(
    raw_clip: ClipFolder, random_checkpoint: Path, tmp_path: Path
) -> None:
    lines = ["step"] * 11 + ["stop", "step"]
    arguments = options(raw_clip, tmp_path, "--in-turn")
    done = work("--engine", "eager", "--checkpoint", random_checkpoint, *arguments, lines=lines)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["pass"], one["frame"]) for one in answers] == [(0, k) for k in range(8)] + [(1, k) for k in range(3)]
    assert answers == json.loads((tmp_path / RUN).read_text())["steps"]


def test_the_masks_are_those_of_a_pass_that_ended_after_the_warm_up(
    raw_clip: ClipFolder, random_checkpoint: Path, tmp_path: Path
) -> None:
    arguments = [*options(raw_clip, tmp_path), "--warm-up", 8, "--in-turn"]
    start = ["--engine", "eager", "--checkpoint", random_checkpoint]
    assert work(*start, *arguments, lines=["step"] * 8).returncode == 0
    assert not (tmp_path / "masks.u8").exists()
    assert work(*start, *arguments, lines=["step"] * 16).returncode == 0
    assert (tmp_path / "masks.u8").stat().st_size == 8 * 64 * 96


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "no-such"], "no engine named 'no-such'"),
        (["--engine", "litert"], "runs a bundle"),
        (["--engine", "eager", "--checkpoint", "nothing.safetensors"], "nothing.safetensors"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    raw_clip: ClipFolder, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = work(*arguments, *options(raw_clip, tmp_path / "out"))
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out" / RUN).exists()


def test_a_clip_that_is_cut_while_it_is_read_leaves_no_record(random_checkpoint: Path, tmp_path: Path) -> None:
    clip = synthetic_clip(4, (64, 96), objects=1)
    raw = write_clip(tmp_path / "clip", clip.frames, {0: clip.first_mask})
    command = [sys.executable, "-m", "benchmarks.worker", "--engine", "eager", "--checkpoint", str(random_checkpoint)]
    command += [*map(str, options(raw, tmp_path / "out")), "--in-turn"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("step\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["frame"] == 0
        with (raw.folder / FRAMES).open("r+b") as file:
            file.truncate(64 * 96 * 3 + 5)
        process.stdin.write("step\n")
        process.stdin.flush()
        assert process.wait(timeout=300) == 2
        assert "was cut" in process.stderr.read()
    assert not (tmp_path / "out" / RUN).exists()
