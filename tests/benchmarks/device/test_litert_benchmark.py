"""LiteRT's own benchmark on a phone. The program itself cannot be had here: a script says what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from adb_device import LoopbackDevice

from benchmarks.device.failure import DeviceError
from benchmarks.device.litert_benchmark import LitertJob, parse_latency, run_litert_benchmark
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.remote_process import Looks
from mobilevos.bundle import Bundle
from mobilevos.contract import COMPONENTS
from mobilevos.errors import InputError

# As the program prints it, of version 2.14 and later; numbers beyond a million come with an exponent.
OUTPUT = """INFO: STARTING!
INFO: Num threads: [2]
INFO: Graph: [/data/local/tmp/model.tflite]
INFO: Signature to run: [segment]
INFO: Loaded model /data/local/tmp/model.tflite
INFO: Initialized session in 17.187ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=1 curr=3512391 p5=3512391 median=3512391 p95=3512391

INFO: count=4 first=170000 curr=160000 min=150000 max=170000 avg=160000 std=7000 p5=150000 median=160000 p95=170000

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=50 first=45521 curr=44123 min=43800 max=1.2e+06 avg=44500.5 std=310 p5=43900 median=44200 p95=45100

INFO: Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 160000, Inference (avg): 44500.5
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual.
INFO: Memory footprint delta from the start of the tool (MB): init=4.21094 overall=46.0859
"""

SCRIPT = """#!/bin/sh
[ -e "${{1#--graph=}}" ] || {{ echo "ERROR: Failed to load $1" >&2; exit 1; }}
echo "$@" >>"{log}"
cat >&2 <<'END'
{output}END
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "benchmark_model"
    path.write_text(SCRIPT.format(log=tmp_path / "calls", output=OUTPUT))
    return path


@pytest.fixture
def job(bundle_of: Callable[[str], Path], program: Path) -> LitertJob:
    return LitertJob(Bundle.open(bundle_of("tflite")), program, threads=2, looks=Looks(every_s=0.1))


def test_milliseconds_are_those_of_the_last_statistics() -> None:
    assert parse_latency(OUTPUT.splitlines()) == pytest.approx(
        {
            "count": 50,
            "min_ms": 43.8,
            "p50_ms": 44.2,
            "mean_ms": 44.5005,
            "std_ms": 0.31,
            "max_ms": 1200,
            "init_ms": 17.187,
            "first_ms": 3512.391,
            "memory_mb": 46.0859,
        }
    )


def test_an_older_version_has_no_median_and_another_word_for_memory() -> None:
    old = """count=50 first=249042 curr=250889 min=247067 max=254474 avg=249684 std=1442
Inference timings in us: Init: 16242, First inference: 360262, Warmup (avg): 304586, Inference (avg): 249684
Peak memory footprint (MB): init=4.92969 overall=138.809"""
    found = parse_latency(old.splitlines())
    assert (found["mean_ms"], found["memory_mb"]) == (249.684, 138.809)
    assert "p50_ms" not in found


@pytest.mark.parametrize("lines", [[], ["ERROR: no such signature"], OUTPUT.splitlines()[:10]])
def test_no_latency_is_one_line(lines: list[str]) -> None:
    with pytest.raises(InputError, match="gave no latency; expected its statistics"):
        parse_latency(lines)


@pytest.mark.adb
@pytest.mark.tflite
@pytest.mark.slow
def test_each_component_is_timed_by_its_signature(
    phone: PhoneShell, device: LoopbackDevice, job: LitertJob, tmp_path: Path
) -> None:
    result = run_litert_benchmark(phone, job, tmp_path / "litert.json")
    assert json.loads((tmp_path / "litert.json").read_bytes()) == json.loads(json.dumps(result))
    assert list(result["signatures"]) == list(job.bundle.manifest["components"])
    assert set(result["signatures"]) == set(COMPONENTS)
    assert result["signatures"]["segment"]["p50_ms"] == 44.2
    assert "masks" in result["not_checked"]
    assert result["phone"]["model"] == "Loopback"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [job.bundle.artefact(name)[1] for name in result["signatures"]] == [
        call.partition("--signature_to_run_for=")[2].split()[0] for call in calls
    ]
    assert all("--num_threads=2" in call and "--num_runs=128" in call for call in calls)
    assert device.root.left() == []


@pytest.mark.adb
@pytest.mark.tflite
@pytest.mark.slow
def test_a_program_for_another_processor_is_refused(
    phone: PhoneShell, device: LoopbackDevice, job: LitertJob, tmp_path: Path
) -> None:
    job.program.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + (0xB7).to_bytes(2, "little"))
    with pytest.raises(DeviceError, match="expected x86_64; found arm64-v8a"):
        run_litert_benchmark(phone, job, tmp_path / "litert.json")
    assert device.root.left() == []


@pytest.mark.adb
@pytest.mark.tflite
@pytest.mark.slow
def test_what_cannot_be_run_is_one_line(
    phone: PhoneShell, device: LoopbackDevice, job: LitertJob, small_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="expected tflite; found executorch"):
        run_litert_benchmark(phone, replace(job, bundle=Bundle.open(small_bundle)), tmp_path / "litert.json")
    with pytest.raises(InputError, match="cannot read"):
        run_litert_benchmark(phone, replace(job, program=tmp_path / "none"), tmp_path / "litert.json")
    job.program.write_text("#!/bin/sh\necho 'ERROR: Failed to load' >&2\nexit 1\n")
    with pytest.raises(DeviceError, match="ended with code 1; found ERROR: Failed to load"):
        run_litert_benchmark(phone, job, tmp_path / "litert.json")
    assert device.root.left() == []
