from pathlib import Path

import pytest

from benchmarks.clips import synthetic_clip
from benchmarks.host import command_of
from benchmarks.jobs import CONTESTANTS, Job, Skipped, Workload, prepare
from benchmarks.session import workload_of
from benchmarks.turn_process import worker_command
from mobilevos.errors import InputError

WORKLOAD = Workload((64, 96))


def reason(target: str, precision: str, folder: Path) -> str:
    found = prepare(target, precision, WORKLOAD, folder)
    assert isinstance(found, Skipped)
    return found.reason


def test_an_engine_of_pytorch_runs_the_checkpoint(random_checkpoint: Path, tmp_path: Path) -> None:
    job = prepare("eager", "fp32", WORKLOAD, tmp_path, checkpoint=random_checkpoint)
    assert isinstance(job, Job)
    assert (job.name, job.bundle, job.checkpoint) == ("eager-fp32", None, random_checkpoint)
    assert job.model_bytes == random_checkpoint.stat().st_size


def test_a_precision_that_a_target_does_not_offer_is_skipped_with_what_it_does(tmp_path: Path) -> None:
    assert reason("eager", "int8", tmp_path) == "eager computes in fp32"
    assert reason("torchscript", "int8", tmp_path) == "TorchScript is exported in fp32, fp16"


def test_int8_without_ranges_is_skipped_with_the_way_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.jobs.default_int8_checkpoint", lambda: None)
    assert "--int8-checkpoint" in reason("onnx", "int8", tmp_path)


def test_an_int8_checkpoint_without_ranges_is_skipped_with_the_exports_reason(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    found = prepare("onnx", "int8", WORKLOAD, tmp_path, int8_checkpoint=random_checkpoint)
    assert isinstance(found, Skipped)
    assert "not trained for quantization" in found.reason or "not installed" in found.reason


def test_without_a_compiler_there_is_no_compiled_pytorch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "C++ compiler" in reason("eager-compiled", "fp32", tmp_path)


def test_a_target_that_there_is_not_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no target named 'gpu'"):
        prepare("gpu", "fp32", WORKLOAD, tmp_path)


@pytest.mark.slow
@pytest.mark.executorch
@pytest.mark.runner
def test_executorch_is_run_by_the_c_plus_plus_runner_and_its_binding_by_a_worker(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    native, binding = (
        prepare(target, "fp32", WORKLOAD, tmp_path, checkpoint=random_checkpoint)
        for target in ("executorch", "executorch-pip")
    )
    assert isinstance(native, Job)
    assert isinstance(binding, Job)
    assert native.bundle == binding.bundle
    commands = [command_of(job, tmp_path, tmp_path, 1, 10) for job in (native, binding)]
    assert commands[0][0].endswith("mobilevos-runner")
    assert commands[1][:3] == worker_command()
    assert binding.contestant.note


@pytest.mark.slow
@pytest.mark.tflite
def test_a_bundle_is_made_once_for_its_workload(random_checkpoint: Path, tmp_path: Path) -> None:
    stages: list[str] = []

    def made(workload: Workload) -> Job:
        job = prepare("litert", "fp32", workload, tmp_path, checkpoint=random_checkpoint, advance=stages.append)
        assert isinstance(job, Job)
        return job

    first = made(WORKLOAD)
    assert stages
    stages.clear()
    assert made(WORKLOAD) == first
    assert stages == []
    assert first.bundle is not None
    assert first.contestant == CONTESTANTS["litert"]


def test_clips_of_one_padded_size_and_number_of_objects_share_a_workload() -> None:
    clips = [synthetic_clip(4, size, objects=1) for size in ((64, 90), (60, 96))]
    assert workload_of(clips) == WORKLOAD
    with pytest.raises(InputError, match="different bundles"):
        workload_of([*clips, synthetic_clip(4, (64, 96), objects=2)])
