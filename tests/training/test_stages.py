"""Every stage runs from end to end on small data, from the command's overrides."""

import json
import math
from pathlib import Path

import pytest
import torch

from mobilevos.model.checkpoint import load_network, read_metadata, save_network
from mobilevos.model.stcn import Stcn
from mobilevos.model.variants import build_network
from mobilevos.training import compose_config, train
from mobilevos.training.schema import TeacherConfig
from mobilevos.training.stages import STAGES
from mobilevos.training.stages.distill import load_teacher

TINY_TEACHER = (
    "model.value_channels=16",
    "model.memory_channels=[16,16,8]",
    "model.decoder_channels=[16,16,8]",
    "model.aspp_channels=0",
)


@pytest.fixture
def smoke(stills: Path, davis: Path, tmp_path: Path):
    """Runs a stage with the preset for tests and gives its folder."""

    def run(stage: str, *further: str, folder: str = "") -> Path:
        output = tmp_path / (folder or stage)
        overrides = [
            f"stage={stage}",
            "preset=smoke",
            f"data.static=[{stills}]",
            f"data.davis.root={davis}",
            "data.davis.year=2017",
            "training.threads=1",
            "device=cpu",
            f"output={output}",
        ]
        train(compose_config([*overrides, *further]))
        return output

    return run


def losses(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_static_then_teacher_then_student_then_distilled(smoke, davis):
    static = smoke("static")
    student = smoke("student", f"init={static}/network.safetensors")
    teacher = smoke("teacher", f"encoder={student}/network.safetensors", *TINY_TEACHER)
    validation = (f"validation.root={davis}", "validation.year=2017", "validation.split=train", "validation.every=3")
    distilled = smoke(
        "distill",
        f"init={student}/network.safetensors",
        f"model.teacher.checkpoint={teacher}/network.safetensors",
        *validation,
    )
    for run, parts in ((static, 3), (teacher, 3), (distilled, 5)):
        assert len(losses(run)) == 6
        assert len([name for name in losses(run)[0] if name in PARTS]) == parts
        assert all(math.isfinite(value) for line in losses(run) for value in line.values())
        assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    provenance = read_metadata(distilled / "network.safetensors")["provenance"]
    assert (provenance["stage"], provenance["preset"]) == ("distill", "smoke")
    assert len(provenance["teacher_sha256"]) == len(provenance["init_sha256"]) == 64
    assert sorted(path.name for path in (distilled / "validation").iterdir()) == [
        f"step-00000{step}.{kind}" for step in (3, 6) for kind in ("json", "png")
    ]
    best = read_metadata(distilled / "best.safetensors")["provenance"]
    scores = {s: json.loads((distilled / f"validation/step-00000{s}.json").read_text())["j_and_f"] for s in (3, 6)}
    assert best["validation_j_and_f"] == max(scores.values()) == scores[best["step"]]


PARTS = {"loss", "cross_entropy", "dice", "representation", "logit"}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16"])
def test_mixed_precision_trains(precision, smoke):
    run = smoke("static", f"training.precision={precision}", "training.steps=2")
    assert all(math.isfinite(line["loss"]) for line in losses(run))
    assert load_network(run / "network.safetensors").decoder.head.weight.dtype == torch.float32


@pytest.mark.slow
def test_an_encoder_is_taken_from_another_network(configure, tmp_path):
    donor = build_network("mobilenet_v2_aspp", seed=9)
    save_network(donor, tmp_path / "donor.safetensors", provenance={})
    still = ("training.learning_rate=0", "training.trunk_learning_rate=0", "training.steps=1")
    result = load_network(train(configure("run", f"encoder={tmp_path / 'donor.safetensors'}", *still)))
    names = [name for name in donor.state_dict() if name.startswith("query_encoder") and name.endswith("weight")]
    assert len(names) > 50
    assert all(torch.equal(result.state_dict()[name], donor.state_dict()[name]) for name in names)


@pytest.mark.slow
def test_a_teacher_is_a_network_of_ours_or_the_published_stcn(tmp_path):
    ours = tmp_path / "teacher.safetensors"
    save_network(build_network("mobilenet_v2"), ours, provenance={})
    published = tmp_path / "stcn.pth"
    torch.save(Stcn().state_dict(), published)
    for path, kind in ((ours, "MemoryNetwork"), (published, "Stcn")):
        teacher = load_teacher(TeacherConfig(str(path), top_k=5), torch.device("cpu"))
        assert type(teacher).__name__ == kind
        assert not teacher.training
        assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_every_stage_of_the_configuration_is_implemented():
    assert set(STAGES) == {"static", "teacher", "student", "distill", "qat"}
