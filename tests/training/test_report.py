"""The report of a run: whole whatever the run lacks, offline, well-formed, and the same every time."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from mobilevos.errors import InputError
from mobilevos.files import sha256_of
from mobilevos.training.report import write_report
from mobilevos.visualization import write_image

PNG = b"\x89PNG\r\n\x1a\n"


def measures(mean: float) -> dict[str, Any]:
    return {
        "j_and_f": mean,
        "j": {"mean": mean - 0.01, "recall": 0.9, "decay": -0.05},
        "f": {"mean": mean + 0.01, "recall": 0.8, "decay": 0.1},
    }


def validation(step: int, **means: float) -> str:
    sequences = {name: {**measures(mean), "objects": {}} for name, mean in means.items()}
    return json.dumps({"step": step, **measures(sum(means.values()) / len(means)), "sequences": sequences})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with two validations."""
    folder = tmp_path / "run"
    (folder / "validation").mkdir(parents=True)
    lines = [
        {"step": step, "loss": 2 / step, "dice": 1 / step, "gradient_norm": 1.0, "images_per_second": 7.5}
        for step in range(10, 310, 10)
    ]
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (folder / "validation/step-000100.json").write_text(validation(100, dog=0.4, camel=0.5))
    (folder / "validation/step-000300.json").write_text(validation(300, dog=0.7125, camel=0.6))
    for step in (100, 300):
        write_image(folder / f"validation/step-{step:06d}.png", np.full((4, 6, 3), step % 251, np.uint8))
    (folder / "run.json").write_text(json.dumps({"stage": "student", "seed": 3, "torch": "2.13", "init_sha256": None}))
    (folder / "config.yaml").write_text("stage: student\ndata:\n  static: ['a & b', <c>]\n")
    (folder / "network.safetensors").write_bytes(b"weights")
    return folder


def page(folder: Path) -> ElementTree.Element:
    """The page, parsed: it is well-formed or this fails."""
    return ElementTree.fromstring(write_report(folder).read_text())


def text(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def pictures(root: ElementTree.Element) -> dict[str, bytes]:
    """Content of each picture by its caption."""
    return {
        text(figure): b64decode(figure.find("img").attrib["src"].partition(";base64,")[2])  # type: ignore[union-attr]
        for figure in root.iter("figure")
    }


def test_every_value_of_the_log_and_the_score_have_a_curve(run: Path) -> None:
    curves = pictures(page(run))
    names = [caption.partition(":")[0] for caption, content in curves.items() if not content.startswith(PNG)]
    assert names == ["loss", "dice", "gradient norm", "images/s", "J&F, %"]
    for content in curves.values():
        assert content.startswith(PNG) or ElementTree.fromstring(content).tag.endswith("svg")
    assert len(set(curves.values())) == len(curves)


def test_the_last_validation_is_shown_by_sequence_in_percent(run: Path) -> None:
    table = next(page(run).iter("table"))
    rows = [[text(cell) for cell in row] for row in table.iter("tr")]
    assert rows[1:] == [
        ["dog", "71.2", "70.2", "90.0", "-5.0", "72.2", "80.0", "10.0"],
        ["camel", "60.0", "59.0", "90.0", "-5.0", "61.0", "80.0", "10.0"],
        ["all 2", "65.6", "64.6", "90.0", "-5.0", "66.6", "80.0", "10.0"],
    ]
    last = (run / "validation/step-000300.png").read_bytes()
    assert pictures(page(run))["The tracked sequences"] == last


def test_configuration_versions_and_hashes_are_there(run: Path) -> None:
    root = page(run)
    assert "".join(next(root.iter("pre")).itertext()) == (run / "config.yaml").read_text()
    facts = {text(row[0]): text(row[1]) for row in list(root.iter("table"))[-1].iter("tr")}
    digest = sha256_of(run / "network.safetensors")
    assert facts == {"stage": "student", "seed": "3", "torch": "2.13", "network.safetensors SHA-256": digest}


def test_the_twin_holds_the_same_for_machines(run: Path) -> None:
    write_report(run)
    twin = json.loads((run / "report.json").read_text())
    assert twin["validations"] == [{"step": 100, "j_and_f": 0.45}, {"step": 300, "j_and_f": pytest.approx(0.65625)}]
    assert twin["last_validation"] == json.loads((run / "validation/step-000300.json").read_text())
    assert twin["log"]["loss"]["step"] == 300
    assert 2 / 300 < twin["log"]["loss"]["smoothed"] < 2 / 200
    assert twin["provenance"]["stage"] == "student"
    assert twin["weights_sha256"] == {"network.safetensors": sha256_of(run / "network.safetensors")}


def test_nothing_is_loaded_from_elsewhere(run: Path) -> None:
    source = write_report(run).read_text()
    references = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)|url\(([^)]*)|@import", source)
    assert references
    assert all(link.startswith("data:image/") for link, _ in references)
    assert "<script" not in source


def test_the_same_folder_gives_the_same_bytes(run: Path) -> None:
    first = write_report(run).read_bytes(), (run / "report.json").read_bytes()
    assert (write_report(run).read_bytes(), (run / "report.json").read_bytes()) == first


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["log.jsonl"], "This run has no log."),
        (["validation"], "This run has no validation."),
        (["config.yaml"], "This run has no configuration."),
        (["run.json", "network.safetensors"], "This run has no provenance."),
        (["validation/step-000100.json"], "best J&F 65.6 at step 300"),
        (["validation/step-000300.png"], "After step 300"),
    ],
)
def test_what_is_missing_is_said_and_the_rest_is_shown(run: Path, parts: list[str], said: str) -> None:
    for part in parts:
        (run / part).rename(run.parent / part.replace("/", "-"))
    shown = text(page(run))
    assert said in shown
    assert len(re.findall("This run has no", shown)) == said.count("This run has no")


def test_an_empty_folder_gives_a_report_that_says_so(tmp_path: Path) -> None:
    shown = text(page(tmp_path))
    assert "Nothing was recorded yet." in shown
    assert len(re.findall("This run has no", shown)) == 4


def test_names_are_text_whatever_they_hold(tmp_path: Path) -> None:
    folder = tmp_path / "<b>&'\""
    (folder / "validation").mkdir(parents=True)
    nasty = "<script>alert('x')</script>\x00\ud800"
    (folder / "validation/step-000001.json").write_text(validation(1, **{nasty: 0.5}))
    (folder / "log.jsonl").write_text(json.dumps({"step": 1, nasty: 1.0}) + "\n")
    (folder / "run.json").write_text(json.dumps({nasty: nasty}))
    root = page(folder)
    assert list(root.iter("script")) == []
    assert "<script>alert('x')</script>\ufffd\ufffd" in [text(cell) for cell in root.iter("td")]
    assert text(next(root.iter("h1"))) == "Training run <b>&'\""


def test_a_cut_off_line_and_values_that_are_not_finite_are_left_out(run: Path) -> None:
    log = run / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 310, "loss": Infinity, "dice": 0.5}\n{"step": 320, "lo')
    write_report(run)
    last = json.loads((run / "report.json").read_text())["log"]
    assert (last["loss"]["step"], last["dice"]["step"]) == (300, 310)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", "{", r"run\.json is damaged; expected JSON"),
        ("run.json", "[]", r"run\.json is damaged; expected a JSON object; found list"),
        ("validation/step-000100.json", '{"step": 100}', r"step-000100\.json holds no validation; found KeyError"),
        ("validation/step-000100.json", "\x00", r"step-000100\.json is damaged"),
    ],
)
def test_a_damaged_file_is_named_and_the_old_report_stays(run: Path, file: str, content: str, said: str) -> None:
    old = write_report(run).read_bytes()
    (run / file).write_text(content)
    with pytest.raises(InputError, match=said):
        write_report(run)
    assert (run / "report.html").read_bytes() == old


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run at .*nowhere; expected the folder that mobilevos train wrote"):
        write_report(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
