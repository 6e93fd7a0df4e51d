"""The mixture of a run: which data sets it draws from, how often, how far apart, and what a broken file leads to."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mobilevos.data.clips import ClipDataset, training_loader
from mobilevos.errors import InputError
from mobilevos.training.config import compose_config
from mobilevos.training.schema import RunConfig
from mobilevos.training.sources import build_source, video_sources

SOURCES = ("davis", "youtube_vos", "bl30k")


def roots(videos: Path, *names: str) -> list[str]:
    return [f"data.{name}.root={videos / name}" for name in names]


def config_of(*overrides: str) -> RunConfig:
    return compose_config(["stage=student", "data.crop=48", "training.steps=100", "training.batch_size=1", *overrides])


def shares(config: RunConfig) -> dict[str, float]:
    return {source.name: source.share for source in video_sources(config.data)}


def test_every_data_set_that_is_given_is_drawn_from_alike(videos: Path) -> None:
    config = config_of(*roots(videos, *SOURCES), "data.static_share=0")
    assert shares(config) == pytest.approx(dict.fromkeys(SOURCES, 1 / 3))


def test_shares_divide_what_the_stills_leave(videos: Path) -> None:
    config = config_of(
        *roots(videos, "davis", "bl30k"), "data.static_share=0.2", "data.davis.share=3", "data.youtube_vos.share=9"
    )
    assert shares(config) == pytest.approx({"davis": 0.6, "bl30k": 0.2})


def test_clips_come_in_the_shares_of_their_sources(videos: Path, stills: Path) -> None:
    only_stills = config_of(*roots(videos, "davis"), f"data.static=[{stills}]", "data.static_share=1")
    assert drawn(only_stills, 6) == {"stills": 6}
    both = drawn(config_of(*roots(videos, "davis"), f"data.static=[{stills}]", "data.static_share=0.5"), 40)
    assert both.keys() == {"stills", "walk"}
    assert 8 <= both["stills"] <= 32


def drawn(config: RunConfig, samples: int) -> Counter[str]:
    dataset = ClipDataset(build_source(config), seed=0)
    return Counter(dataset[n].name.split("/")[0].rstrip("0123456789") for n in range(samples))


@pytest.mark.parametrize("name", SOURCES)
def test_each_data_set_gives_clips(videos: Path, name: str) -> None:
    clip = ClipDataset(build_source(config_of(*roots(videos, name), "data.static_share=0")), seed=0)[0]
    assert clip.frames.shape == (3, 3, 48, 48)
    assert clip.valid.any()
    assert clip.name.startswith("walk/")


def test_steps_count_annotated_frames_and_grow_over_the_first_half_of_the_run(videos: Path) -> None:
    config = config_of(*roots(videos, "youtube_vos"), "data.static_share=0", "data.youtube_vos.skip=[1,2]")
    dataset = ClipDataset(build_source(config), seed=0)
    annotated = [0, 2, 3, 4, 5]

    def longest(samples: range) -> int:
        numbers = [[annotated.index(int(stem)) for stem in dataset[n].name.split("/")[1].split(",")] for n in samples]
        return int(np.abs(np.diff(numbers)).max())

    assert longest(range(8)) == 1
    assert longest(range(50, 58)) == 2


@pytest.mark.parametrize("overrides", [[], ["data.davis.share=0"]])
def test_a_share_of_video_needs_video(videos: Path, stills: Path, overrides: list[str]) -> None:
    given = roots(videos, "davis") if overrides else []
    with pytest.raises(InputError, match=r"no folder of video .*give data\.davis\.root=FOLDER"):
        build_source(config_of(f"data.static=[{stills}]", "data.static_share=0.5", *given, *overrides))


def test_a_share_of_stills_needs_stills(videos: Path) -> None:
    with pytest.raises(InputError, match=r"no folders of still images; give data\.static"):
        build_source(config_of(*roots(videos, "davis"), "data.static_share=0.5"))


@pytest.mark.parametrize("name", SOURCES)
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="nowhere"):
        build_source(config_of(f"data.{name}.root={tmp_path / 'nowhere'}", "data.static_share=0"))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("broken", ["JPEGImages/walk/00002.jpg", "Annotations/walk/00002.png"])
def test_a_file_that_turns_out_corrupt_is_one_line_that_names_it(
    videos: Path, tmp_path: Path, broken: str, workers: int
) -> None:
    shutil.copytree(videos / "bl30k", tmp_path / "bl30k")
    path = tmp_path / "bl30k" / broken
    path.write_bytes(path.read_bytes()[:-200])
    dataset = ClipDataset(build_source(config_of(*roots(tmp_path, "bl30k"), "data.static_share=0")), seed=0)
    with pytest.raises(InputError, match=rf"cannot read image .*{broken}") as caught:
        list(training_loader(dataset, [[n, n + 1] for n in range(0, 20, 2)], workers))
    assert "\n" not in str(caught.value)
