"""`stage=qat`: a run like any other, whose network ends with ranges and whose forward pass rounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_tensors
from mobilevos.quantization.stored import load_stored
from mobilevos.training import compose_config, quantized, train
from mobilevos.training.optimisation import set_learning_rate
from mobilevos.training.state import initial_state

ALONE = ("losses.representation=0", "losses.logit=0")


@pytest.fixture
def qat(tiny_overrides, random_checkpoint, stills, tmp_path):
    """Composes a tiny run of `stage=qat` into `tmp_path / folder`."""

    def configure(folder: str, *further: str):
        given = (
            "stage=qat",
            f"init={random_checkpoint}",
            f"quantization.calibration={stills / 'images'}",
            "quantization.frames=3",
            "quantization.size=[32,48]",
            "quantization.observer=minmax",
            "quantization.freeze_at=0.5",
            "data.crop=32",
            "data.static_share=1",
            *further,
        )
        return compose_config(tiny_overrides(tmp_path / folder, *given))

    return configure


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("init=", *ALONE), "without a student"),
        ((), "without a teacher"),
        ((*ALONE, "training.precision=bf16"), "mixed precision"),
        ((*ALONE, "quantization.calibration="), "without frames to calibrate on"),
        ((*ALONE, "quantization.calibration=nowhere"), "nowhere"),
    ],
)
@pytest.mark.executorch
def test_what_is_missing_is_named(qat, overrides, said) -> None:
    with pytest.raises(InputError, match=said):
        train(qat("run", *overrides))


@pytest.mark.executorch
def test_few_frames_to_calibrate_on_are_warned_of_with_their_number(qat, monkeypatch, capsys) -> None:
    config = qat("run", *ALONE)
    state = initial_state(config, torch.device("cpu"))
    monkeypatch.setattr(quantized, "calibrate", lambda *arguments: state.fake.ranges.ranges())
    quantized.calibrate_run(state.network, state.fake, config)
    assert "warning: only 3 frames to calibrate on" in capsys.readouterr().out


@pytest.mark.parametrize(
    "override", ["quantization.observer=guess", "quantization.size=[480,850]", "quantization.freeze_at=2"]
)
def test_values_that_no_run_can_use_are_refused(qat, override) -> None:
    with pytest.raises(InputError, match=override.partition("=")[0]):
        qat("run", *ALONE, override)


@pytest.mark.executorch
def test_ranges_learn_until_they_are_frozen(qat) -> None:
    state = initial_state(qat("run", *ALONE), torch.device("cpu"))
    rates = []
    for step in range(4):
        set_learning_rate(state.optimizer, 1.0, step)
        rates.append(state.optimizer.param_groups[-1]["lr"])
    assert rates == [1e-3, 1e-3, 0.0, 0.0]


@pytest.mark.executorch
@pytest.mark.slow
class TestRun:
    def test_a_resumed_run_equals_an_unbroken_one_ranges_included(self, qat, tmp_path) -> None:
        train(qat("unbroken", *ALONE))
        train(qat("broken", *ALONE))
        newest = tmp_path / "broken/checkpoints/step-000004"
        for file in newest.iterdir():
            file.unlink()
        newest.rmdir()
        (tmp_path / "broken/network.safetensors").unlink()
        train(qat("broken", *ALONE))
        for name in ("network.safetensors", "checkpoints/step-000004/ranges.safetensors"):
            assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes(), name

    def test_it_yields_a_network_with_the_ranges_it_learnt(self, qat, random_checkpoint, tmp_path) -> None:
        result = train(qat("run", f"model.teacher.checkpoint={random_checkpoint}"))
        losses = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
        assert {"representation", "logit"} <= set(losses[0])
        stored = load_stored(result)
        assert stored is not None
        ranges = load_tensors(tmp_path / "run/checkpoints/step-000004/ranges.safetensors")
        learnt = [name for name, tensor in ranges.items() if name.endswith("log_factor") and float(tensor) != 0]
        assert len(learnt) > 50
        assert stored.ranges["masks"].scale == pytest.approx(1 / 255)

    def test_it_is_validated_in_int8(self, qat, davis, tmp_path) -> None:
        train(qat("run", *ALONE, "training.steps=1", f"validation.root={davis}", "validation.resize=32"))
        assert Path(tmp_path / "run/validation/step-000001.json").exists()
        assert load_stored(tmp_path / "run/best.safetensors") is not None
