import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.jobs import Job
from benchmarks.results import Result, read_results
from benchmarks.session import Plan

SMALL = ["--size", "64x96", "--frames", "8", "--steps", "12", "--seconds", "0", "--threads", "1"]


@pytest.mark.slow
@pytest.mark.onnx
def test_a_run_gives_rows_masks_scores_and_reports(random_checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["--targets", "onnx,eager", *SMALL, "--checkpoint", str(random_checkpoint)]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    eager, onnx = read_results(tmp_path)  # the reference first, whatever the order on the command line
    assert [(one.name, one.status) for one in (eager, onnx)] == [("eager fp32", "INVALID"), ("onnx fp32", "INVALID")]
    assert "128 are the least" in eager.reasons[0]
    assert onnx.quality is not None
    assert eager.quality is not None
    assert onnx.quality.iou_mean is not None
    assert onnx.quality.iou_mean > 0.99
    assert onnx.quality.j_and_f == pytest.approx(eager.quality.j_and_f, abs=5e-3)
    assert onnx.provenance["torch_loaded"] is False
    assert eager.provenance["torch_loaded"] is True
    assert onnx.provenance["bundle_sha256"]
    assert onnx.timing is not None
    assert set(onnx.timing.components) == {"encode_memory", "segment"}
    assert set(onnx.timing.single) == {"encode_memory", "encode_query", "read_memory", "decode"}
    assert onnx.ratio is not None
    assert len(onnx.series.ratio) == len(onnx.series.step_ms) >= 12
    assert (tmp_path / "report.html").read_text().count("<img") == 4
    assert "onnx fp32 (INVALID)" in (tmp_path / "results.md").read_text()
    record = json.loads((tmp_path / "runs/1-threads/synthetic/fused/onnx-fp32/run.json").read_text())
    assert record["frames"] == 8
    assert not list(tmp_path.glob(".clip-*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--targets", "gpu"], "--targets 'gpu'"),
        (["run", "--precision", "fp64"], "--precision 'fp64'"),
        (["--threads", "0"], "--threads '0'"),
        (["--threads", "two"], "--threads 'two'"),
        (["--clip", "nothing.mp4"], "--mask"),
        (["--device", "toaster", "--targets", "eager"], "no device 'toaster'"),
        (["long", "--sweeps", "weather"], "--sweeps 'weather'"),
        (["long", "--precision", "fp64"], "--precision 'fp64'"),
        (["long", "--frames", "100", "--sweeps", "none", "--targets", "eager"], "a clip of 100 frames"),
        (["--targets", "eager", "--precision", "int8", *SMALL], "nothing to measure"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = [] if "--output" in arguments else ["--output", str(tmp_path)]
    assert main([*arguments, *folder]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("INVALID", 0), ("skipped", 0)])
def test_a_row_that_failed_is_exit_code_1_after_all_was_written(
    status: str,
    code: int,
    make_result: Callable[..., Result],
    random_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [make_result(), make_result("litert", status=status, reasons=["a reason"], timing=None, quality=None)]
    monkeypatch.setattr("benchmarks.run_command.measure", lambda *arguments: rows)
    arguments = ["--targets", "eager", *SMALL, "--checkpoint", str(random_checkpoint), "--output", str(tmp_path)]
    assert main(arguments) == code
    assert [one.status for one in read_results(tmp_path)] == ["valid", status]
    assert "a reason" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "report.html").is_file()


def test_the_help_of_a_run_names_its_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "Exits with 1 if a row failed" in " ".join(capsys.readouterr().out.split())


def test_that_the_reference_is_measured_as_well_is_said(
    make_result: Callable[..., Result],
    random_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "benchmarks.session.prepare",
        lambda target, precision, workload, *rest, **options: Job(
            target, precision, workload, random_checkpoint, None, 1
        ),
    )
    measured: list[Job] = []

    def measure(plan: Plan, jobs: list[Job], *rest: object) -> list[Result]:
        measured.extend(jobs)
        return [make_result()]

    monkeypatch.setattr("benchmarks.run_command.measure", measure)
    assert main(["--targets", "litert", *SMALL, "--output", str(tmp_path)]) == 0
    assert "eager fp32 is measured as well" in capsys.readouterr().out
    assert [one.name for one in measured] == ["eager-fp32", "litert-fp32"]


def test_without_adb_a_phone_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--device", "adb:serial", "--targets", "executorch", "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "adb" in error
    assert error.count("\n") == 1


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("run", "compare", "figures", "long", "peers"))
