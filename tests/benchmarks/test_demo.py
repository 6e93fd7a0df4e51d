import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from benchmarks.agreement import Agreement
from benchmarks.clips import Clip, synthetic_clip, user_clip
from benchmarks.demo import DemoNetworks, main, run_demo
from benchmarks.demo_report import CAPTION, ContactSheet, DemoReport, EngineResult, report_table
from mobilevos.contract import COMPONENTS
from mobilevos.data.masks import write_mask
from mobilevos.data.video import VideoReader
from mobilevos.weights import default_checkpoint, default_int8_checkpoint

LENGTH, SIZE = 12, (64, 90)


def run(clip: Clip, checkpoint: Path, output: Path) -> DemoReport:
    with Progress(disable=True) as progress:
        return run_demo(clip, DemoNetworks(checkpoint), output, 1, progress)


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, Path]:
    """A user's clip as images, and its first mask."""
    clip = synthetic_clip(LENGTH, SIZE, objects=1)
    frames, mask = tmp_path / "frames", tmp_path / "first.png"
    frames.mkdir()
    for index, frame in enumerate(clip.frames):
        Image.fromarray(frame).save(frames / f"{index:05d}.png")
    write_mask(mask, clip.first_mask)
    return frames, mask


@pytest.mark.executorch
@pytest.mark.slow
def test_both_engines_track_the_same_and_the_pictures_show_it(checkpoint: Path, output: Path) -> None:
    report = run(synthetic_clip(LENGTH, SIZE, objects=1), checkpoint, output)
    eager, executorch = report.engines
    assert (eager.name, executorch.name) == ("eager-fp32", "executorch-fp32")
    assert report.bundle_reused
    assert executorch.agreement is not None
    assert executorch.agreement.worst > 0.99
    assert eager.j_and_f == pytest.approx(executorch.j_and_f, abs=1e-3)
    for engine in report.engines:
        assert set(engine.components_ms) == set(COMPONENTS)
        assert min(engine.components_ms.values()) > 0
        assert engine.step_ms > engine.components_ms["segment"]
    video = VideoReader(output / "overlay.mp4")
    assert sum(1 for _ in video) == LENGTH
    assert video.size[1] >= 2 * SIZE[1]
    sheet = np.array(Image.open(output / "contact_sheet.png"))
    assert sheet.std() > 10


@pytest.mark.executorch
@pytest.mark.slow
def test_int8_is_a_row_and_a_panel_of_its_own(tmp_path: Path) -> None:
    networks = DemoNetworks(default_checkpoint(), default_int8_checkpoint())
    with Progress(disable=True) as progress:
        report = run_demo(synthetic_clip(LENGTH, SIZE, objects=1), networks, tmp_path, 1, progress)
    eager, fp32, int8 = report.engines
    assert [one.name for one in report.engines] == ["eager-fp32", "executorch-fp32", "executorch-int8"]
    assert int8.model_bytes < 0.3 * fp32.model_bytes
    assert int8.agreement is not None
    assert int8.agreement.mean < 1  # other weights
    assert int8.j_and_f == pytest.approx(eager.j_and_f, abs=0.1)
    video = VideoReader(tmp_path / "overlay.mp4")
    assert video.size[1] >= 3 * SIZE[1]


@pytest.mark.executorch
@pytest.mark.slow
def test_a_clip_of_the_user_has_no_j_and_f(checkpoint: Path, output: Path, folder: tuple[Path, Path]) -> None:
    frames, mask = folder
    arguments = ["--video", str(frames), "--mask", str(mask), "--checkpoint", str(checkpoint)]
    assert main([*arguments, "--threads", "1", "--output", str(output)]) == 0
    report = json.loads((output / "report.json").read_text())
    assert report["frames"] == LENGTH
    assert report["bundle_reused"]
    assert [engine["j_and_f"] for engine in report["engines"]] == [None, None]


def test_a_video_without_a_mask_is_one_line(capsys: pytest.CaptureFixture[str], folder: tuple[Path, Path]) -> None:
    assert main(["--video", str(folder[0])]) == 2
    assert "go together" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "message"),
    [(np.ones((32, 32), np.uint8), "of another size"), (np.zeros(SIZE, np.uint8), "holds no objects")],
)
def test_a_mask_that_does_not_fit_is_one_line(
    labels: np.ndarray,
    message: str,
    folder: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = tmp_path / "wrong.png"
    write_mask(wrong, labels)
    assert main(["--video", str(folder[0]), "--mask", str(wrong)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_clip_of_the_user_keeps_its_ids(folder: tuple[Path, Path]) -> None:
    frames, mask = folder
    labels = 7 * synthetic_clip(LENGTH, SIZE, objects=1).first_mask
    write_mask(mask, labels, overwrite=True)
    clip = user_clip(frames, mask)
    assert clip.ids == [7]
    assert clip.length == LENGTH
    assert clip.truth is None


@pytest.mark.parametrize(("length", "columns"), [(60, 6), (3, 3), (1, 1)])
def test_the_contact_sheet_spans_the_clip(length: int, columns: int, tmp_path: Path) -> None:
    sheet, single = ContactSheet(length, ["a", "b"]), ContactSheet(1, ["a", "b"])
    picture = np.zeros((*SIZE, 3), np.uint8)
    single.add(0, [picture, picture])
    for index in range(length):
        sheet.add(index, [picture, picture])
    sheet.write(tmp_path / "sheet.png")
    single.write(tmp_path / "single.png")
    wide, narrow = (Image.open(tmp_path / name).width for name in ("sheet.png", "single.png"))
    assert (wide - 6) // (narrow - 6) == columns


def test_the_table_shows_what_there_is() -> None:
    times = {name: float(place) for place, name in enumerate(COMPONENTS)}
    reference = EngineResult("eager", {}, None, 200.0, times, None, 3_820_000)
    exported = EngineResult("exported", {}, 0.876, 80.0, times, Agreement(0.999, 0.9876, "5"), 7_430_000)
    report = DemoReport("clip", SIZE, 3, [1, 7], 1, (reference, exported), False, 1.0, "build")
    console = Console(width=100, record=True, file=StringIO())
    console.print(report_table(report))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines()]
    rows = {cells[0]: cells[1:] for cells in lines if cells}
    assert rows["J&F"] == ["-", "87.6"]
    assert rows["step, ms"] == ["200.0", "80.0"]
    assert rows["IoU, worst frame"] == ["-", "0.9876 (frame 5)"]
    assert rows["model, MB"] == ["3.82", "7.43"]
    assert "of eager its checkpoint, float16 as shipped" in CAPTION
