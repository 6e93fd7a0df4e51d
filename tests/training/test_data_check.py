"""What is wrong with the data is found before a run starts, each fault in one line with its file and its remedy."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilevos.data.masks import read_mask, write_mask
from mobilevos.errors import InputError
from mobilevos.training import data_check
from mobilevos.training.config import compose_config
from mobilevos.training.data_check import check_data
from mobilevos.training.data_report import DataReport, SourceReport
from mobilevos.training.schema import RunConfig


@pytest.fixture
def data(videos: Path, stills: Path, tmp_path: Path) -> Path:
    """A folder of four data sets that a test may damage."""
    for source, name in ((videos, "."), (stills, "stills")):
        shutil.copytree(source, tmp_path / name, dirs_exist_ok=True)
    return tmp_path


def config_of(data: Path, *overrides: str) -> RunConfig:
    names = ("davis", "youtube_vos", "bl30k")
    roots = [f"data.{name}.root={data / name}" for name in names if (data / name).exists()]
    return compose_config(["stage=student", f"data.static=[{data / 'stills'}]", *roots, *overrides])


def problems(data: Path, *, quick: bool, overrides: tuple[str, ...] = ()) -> tuple[str, ...]:
    return check_data(config_of(data, *overrides), quick=quick).problems


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize("quick", [True, False])
def test_whole_data_are_counted(data: Path, quick: bool) -> None:
    report = check_data(config_of(data, f"validation.root={data / 'davis'}"), quick=quick)
    assert report.problems == ()
    report.refuse()
    counts = [(one.name, one.sequences, one.frames, one.absent, one.short, one.empty_masks) for one in report.sources]
    assert counts == [
        ("static", 0, 4, 0, 0, 0),
        ("davis", 1, 4, 0, 0, 0),
        ("youtube_vos", 1, 5, 0, 0, 0),
        ("bl30k", 1, 4, 0, 0, 0),
        ("validation", 1, 4, 0, 0, 0),
    ]
    assert json.loads(json.dumps(report.to_json()))["sources"][1]["root"] == str(data / "davis")


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        ("stills", r"cannot list folder .*stills/images; found No such file or directory; correct data\.static"),
        ("stills/masks/2.png", r"stills/masks/2\.png is missing; expected a mask for .*2\.jpg; complete the data set"),
        ("stills/images/2.jpg", r"stills/images/2\.jpg is missing; expected an image for .*2\.png; complete"),
        ("davis/JPEGImages", r"no DAVIS data set in .*davis; expected .*; correct data\.davis\.root"),
        ("davis/JPEGImages/480p/walk/00001.jpg", r"walk/00001\.jpg is missing; expected a frame .*; complete"),
        ("davis/Annotations/480p/walk/00001.png", r"walk/00001\.png is missing; expected a mask .*; complete"),
        ("davis/Annotations/480p/walk", r"cannot list folder .*Annotations/480p/walk; .*; complete the data set"),
        ("youtube_vos/train/JPEGImages/walk/00002.jpg", r"JPEGImages/walk/00002\.jpg is missing; .*; complete"),
        ("youtube_vos/train/Annotations", r"no YouTube-VOS data set in .*; correct data\.youtube_vos\.root"),
        ("bl30k/Annotations/walk/00003.png", r"Annotations/walk/00003\.png is missing; .*; complete"),
        ("bl30k/JPEGImages/walk", r"half of sequence walk .*; expected the folder JPEGImages/walk; complete"),
    ],
)
@pytest.mark.parametrize("quick", [True, False])
def test_half_a_data_set_is_told_even_by_a_quick_check(data: Path, removed: str, said: str, quick: bool) -> None:
    config = config_of(data)
    path = data / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (problem,) = check_data(config, quick=quick).problems
    assert_line(problem, said)


def assert_line(problem: str, said: str) -> None:
    """One line that matches."""
    with pytest.raises(InputError, match=said):
        raise InputError(problem)
    assert "\n" not in problem


def test_a_youtube_vos_frame_without_a_mask_is_no_problem(data: Path) -> None:
    (data / "youtube_vos/train/Annotations/walk/00003.png").unlink()
    assert problems(data, quick=False) == ()


@pytest.mark.parametrize(
    "broken",
    [
        "stills/images/1.jpg",
        "stills/masks/1.png",
        "davis/JPEGImages/480p/walk/00000.jpg",
        "davis/Annotations/480p/walk/00002.png",
        "youtube_vos/train/JPEGImages/walk/00004.jpg",
        "bl30k/Annotations/walk/00001.png",
    ],
)
def test_a_corrupt_file_is_told_with_a_remedy(data: Path, broken: str) -> None:
    truncate(data / broken)
    assert problems(data, quick=True) == ()
    (problem,) = problems(data, quick=False)
    assert_line(problem, rf"cannot read image .*{broken}; found .*; copy it again")


def test_all_corrupt_files_of_a_sequence_are_told(data: Path) -> None:
    for name in ("JPEGImages/walk/00001.jpg", "Annotations/walk/00001.png", "Annotations/walk/00003.png"):
        truncate(data / "bl30k" / name)
    assert len(problems(data, quick=False)) == 3


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ("davis/Annotations/480p/walk/00002.png", r"mask .*00002\.png is of another size; expected 120x90 .*60x90"),
        ("stills/masks/3.png", r"image .*3\.jpg is of another size; expected 60x90 like its mask; found 120x90"),
    ],
)
def test_a_mask_of_another_size_than_its_frame_is_told(data: Path, mask: str, said: str) -> None:
    write_mask(data / mask, read_mask(data / mask)[:, :60])
    (problem,) = problems(data, quick=False)
    assert_line(problem, rf"{said}; copy it again")


def test_a_frame_of_another_size_than_the_first_is_told(data: Path) -> None:
    path = data / "davis/JPEGImages/480p/walk/00002.jpg"
    Image.new("RGB", (60, 90)).save(path)
    (problem,) = problems(data, quick=False)
    assert_line(problem, r"frame .*00002\.jpg is of another size")


@pytest.mark.parametrize("masks", ["stills/masks", "davis/Annotations/480p/walk"])
@pytest.mark.parametrize("empty_id", [0, 255])
def test_empty_masks_are_counted_and_a_problem_only_where_all_are(data: Path, masks: str, empty_id: int) -> None:
    config = config_of(data)
    files = sorted((data / masks).iterdir())
    for count, path in enumerate(files, start=1):
        empty = np.full((90, 120), empty_id, np.uint8)
        empty[0, 0] = 0
        write_mask(path, empty)
        report = check_data(config)
        assert sum(source.empty_masks for source in report.sources) == count
        assert len(report.problems) == (count == len(files))
    assert_line(report.problems[0], rf"no object in any mask of .*{masks}; .*; copy it again")


def test_a_sequence_whose_masks_cannot_be_read_is_not_called_empty(data: Path) -> None:
    for path in (data / "bl30k/Annotations/walk").iterdir():
        truncate(path)
    assert all("cannot read image" in problem for problem in problems(data, quick=False))


def test_sequences_shorter_than_a_clip_are_counted_and_a_problem_only_where_all_are(data: Path) -> None:
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(data / "bl30k" / kind / "walk", data / "bl30k" / kind / "run")
        for path in (data / "bl30k" / kind / "run").glob("0000[23].*"):
            path.unlink()
    only_bl30k = ("data.davis.root=", "data.youtube_vos.root=", "data.static_share=0")
    (_, report) = check_data(config_of(data, *only_bl30k)).sources
    assert (report.short, report.sequences, report.problems) == (1, 2, ())
    (problem,) = problems(data, quick=True, overrides=(*only_bl30k, "data.frames=5"))
    assert_line(problem, r"bl30k is too short; expected a sequence of 5 annotated frames; complete the data set")


def test_sequences_that_a_data_set_lists_and_lacks_are_counted(data: Path) -> None:
    (data / "davis/ImageSets/2016/train.txt").write_text("walk\nrun\njump\n")
    report = check_data(config_of(data), quick=True)
    assert report.problems == ()
    assert [source.absent for source in report.sources] == [0, 2, 0, 0]


def test_a_validation_sequence_needs_an_object_on_its_first_frame(data: Path) -> None:
    validation = (f"validation.root={data / 'davis'}", "data.davis.root=")
    write_mask(data / "davis/Annotations/480p/walk/00000.png", np.zeros((90, 120), np.uint8))
    (problem,) = problems(data, quick=True, overrides=validation)
    assert_line(problem, "no object in walk")
    (problem,) = problems(data, quick=True, overrides=(*validation, "validation.sequences=[run]"))
    assert_line(problem, "sequence 'run'; expected one of DAVIS 2016 val")
    (problem,) = problems(data, quick=True, overrides=("data.davis.root=", f"validation.root={data / 'nowhere'}"))
    assert_line(problem, r"no DAVIS data set in .*nowhere; .*; correct validation\.root")


def test_a_quick_check_passes_over_what_the_run_does_not_draw_from(data: Path) -> None:
    config = config_of(data, "data.static_share=0", "data.bl30k.share=0")
    shutil.rmtree(data / "bl30k")
    shutil.rmtree(data / "stills")
    assert [source.name for source in check_data(config, quick=True).sources] == ["davis", "youtube_vos"]
    assert len(check_data(config).problems) == 2


def test_a_quick_check_opens_a_spread_of_a_large_data_set(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_check, "QUICK_SEQUENCES", 2)
    for kind in ("JPEGImages", "Annotations"):
        for name in "abcd":
            shutil.copytree(data / "bl30k" / kind / "walk", data / "bl30k" / kind / name)
    (report,) = (one for one in check_data(config_of(data), quick=True).sources if one.name == "bl30k")
    assert (report.sequences, report.frames) == (5, 2 * 4)


def test_progress_is_told_of_every_frame(data: Path) -> None:
    told: list[tuple[str, int, int]] = []

    @contextmanager
    def progress(task: str, total: int) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        told.append((task, total, sum(done)))

    check_data(config_of(data, "data.youtube_vos.root=", "data.bl30k.root="), progress)
    assert told == [("reading stills", 4, 4), ("listing davis", 1, 1), ("reading davis", 4, 4)]


def test_a_run_without_data_has_nothing_to_check() -> None:
    with pytest.raises(InputError, match="no data set to check; give"):
        check_data(compose_config(["stage=static"]))


def test_a_report_is_refused_with_its_first_problem_and_the_number_of_others() -> None:
    one = SourceReport("davis", "here", problems=("a.png is missing",))
    two = SourceReport("bl30k", "there", problems=("b.png is missing", "c.png is missing"))
    with pytest.raises(InputError, match=r"^a\.png is missing$"):
        DataReport(quick=True, sources=(one,)).refuse()
    with pytest.raises(InputError, match=r"^a\.png is missing; 2 more like it: `mobilevos train \.\.\. --check-data`"):
        DataReport(quick=True, sources=(one, two)).refuse()


@pytest.mark.data
def test_the_real_data_pass_a_quick_check(data_root: Path) -> None:
    stills = ",".join(str(data_root / "static" / name) for name in ("ecssd", "humanseg", "pennfudan"))
    roots = [f"data.davis.root={data_root / 'davis2016'}", f"data.youtube_vos.root={data_root / 'youtube_vos_sample'}"]
    report = check_data(compose_config(["stage=student", f"data.static=[{stills}]", *roots]), quick=True)
    assert report.problems == ()
    assert [source.frames for source in report.sources] == [1000, 290, 170, 2079, 15]
