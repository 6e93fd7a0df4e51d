import json
from pathlib import Path

import pytest

from benchmarks.layers import Layer
from benchmarks.operators import OperatorTime, by_type
from benchmarks.profile import main, profile_component
from mobilevos.bundle import Bundle


def test_operators_are_grouped_by_type_the_costliest_first() -> None:
    layer = Layer("conv", "pointwise", 5_000_000)
    operators = [
        OperatorTime("Add (ND) #1", True, None, 1.0, 0.1),
        OperatorTime("Fully Connected (NC, F32) GEMM #1", True, layer, 2.0, 0.2),
        OperatorTime("Add (ND) #2", True, None, 1.5, 0.15),
        OperatorTime("Fully Connected (NC, F32) GEMM #2", True, layer, 3.0, 0.3),
    ]
    gemm, add = by_type(operators)
    assert (gemm.name, gemm.count, gemm.ms, gemm.share) == ("Fully Connected (NC, F32) GEMM", 2, 5.0, 0.5)
    assert gemm.gflops == pytest.approx(4.0)  # 2 * 10 million multiply-accumulates in 5 ms
    assert (add.name, add.count, add.gflops) == ("Add (ND)", 2, None)


@pytest.mark.executorch
@pytest.mark.slow
def test_every_convolution_of_a_step_is_found_in_its_trace(output: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(output / "bundle")
    step_ms, operators = profile_component(bundle, "segment", calls=3, etdump=tmp_path / "segment.etdp")
    assert sum(one.share for one in operators) == pytest.approx(1)
    assert all(one.delegated for one in operators)
    assert 0 < max(one.ms for one in operators) <= step_ms
    named = {one.layer.name for one in operators if one.layer}
    assert {"memory read: affinity", "memory read: readout", "decoder.head"} <= named
    assert sum("trunk" in name for name in named) == 39  # MobileNetV2's convolutions up to stride 16


@pytest.mark.executorch
@pytest.mark.slow
def test_the_command_writes_a_report(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--bundle", str(output / "bundle"), "--component", "decode", "--calls", "2"]
    assert main([*arguments, "--threads", "1", "--output", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "profile-decode.json").read_text())
    assert report["component"] == "decode"
    assert report["operators"]
    assert report["types"]
    assert "by type" in capsys.readouterr().out


def test_an_unknown_component_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--component", "dream"]) == 2
    assert "no component named 'dream'" in capsys.readouterr().err
