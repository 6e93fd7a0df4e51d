"""What a plan becomes before anything is measured."""

from pathlib import Path

import pytest

from benchmarks.clips import synthetic_clip
from benchmarks.jobs import Job, Skipped, Workload
from benchmarks.protocol import QUICK
from benchmarks.session import Plan, prepare_jobs


def names(
    monkeypatch: pytest.MonkeyPatch, targets: tuple[str, ...], precisions: tuple[str, ...], device: str = "host"
) -> list[str]:
    """The jobs of a plan, in order, where every target but `eager` in int8 can be measured."""

    def prepare(target: str, precision: str, workload: Workload, folder: Path, **options: object) -> Job | Skipped:
        if (target, precision) == ("eager", "int8"):
            return Skipped(target, precision, "computes in fp32")
        return Job(target, precision, workload, folder, None, 1)

    monkeypatch.setattr("benchmarks.session.prepare", prepare)
    clips = (synthetic_clip(8, (64, 96), objects=1),)
    plan = Plan(targets, precisions, clips, (1,), QUICK, Path("out"), Path("bundles"), device)
    return [one.name for one in prepare_jobs(plan) if isinstance(one, Job)]


@pytest.mark.parametrize(
    ("targets", "precisions", "expected"),
    [
        (("onnx", "eager"), ("fp32",), ["eager-fp32", "onnx-fp32"]),
        (("litert", "onnx"), ("fp32",), ["eager-fp32", "litert-fp32", "onnx-fp32"]),
        (("eager", "onnx"), ("int8",), ["eager-fp32", "onnx-int8"]),
        (("eager",), ("int8",), []),  # the reference alone is nothing that was asked for
    ],
)
def test_a_host_measures_the_reference_first_whether_it_was_named_or_not(
    targets: tuple[str, ...], precisions: tuple[str, ...], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names(monkeypatch, targets, precisions) == expected


def test_a_phone_does_not_run_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(monkeypatch, ("executorch",), ("fp32",), "adb:S1") == ["executorch-fp32"]
