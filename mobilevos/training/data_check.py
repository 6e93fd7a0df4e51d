"""Finds what is wrong with the data of a run before hours are spent: what is missing, corrupt, or without objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from mobilevos.data.clips.reading import read_labelled
from mobilevos.data.clips.static import still_pairs
from mobilevos.data.davis import Davis
from mobilevos.data.frames import read_image
from mobilevos.data.masks import read_mask
from mobilevos.data.sequence import VOID, AnnotatedVideos, Sequence
from mobilevos.errors import InputError
from mobilevos.training.data_report import DataReport, SourceReport
from mobilevos.training.schema import RunConfig
from mobilevos.training.sources import video_sources

__all__ = ["Progress", "check_data"]

Item = TypeVar("Item")

QUICK_SEQUENCES = 200
"""Sequences of a data set that a quick check opens at the most, spread over all."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Given what is being done and how often, shows it while a block runs that is given the function to count with."""


@contextmanager
def _silent(task: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


def check_data(config: RunConfig, progress: Progress = _silent, *, quick: bool = False) -> DataReport:
    """Looks through every data set that the configuration names.

    Of each sequence the first missing frame or mask is told, and every annotated frame and mask that cannot be read or
    differs in size. Frames without a mask, where the data set may have such, are never trained on and not read.

    Args:
        config: Of the run.
        progress: Told how far it is.
        quick: Only looks for files, in at most 200 sequences of each data set that the run draws from: a second.

    Raises:
        InputError: The configuration names no data set.
    """
    data = config.data
    # A quick check goes before a run, which need not fail over what it does not use.
    stills = [] if quick and data.static_share == 0 else data.static
    videos = [
        _Videos(one.name, one.root, one.open, data.frames) for one in video_sources(data) if one.share > 0 or not quick
    ]
    validation = config.validation
    if validation.root:
        opener = partial(Davis, validation.root, validation.year, validation.split)
        videos.append(_Videos("validation", validation.root, opener, 2, tuple(validation.sequences), tracked=True))
    if not stills and not videos:
        raise InputError("no data set to check", remedy="give data.static=[FOLDER,...] or data.davis.root=FOLDER")
    reports = [_check_stills(root, progress, quick) for root in stills]
    return DataReport(quick, tuple(reports + [_check_videos(one, progress, quick) for one in videos]))


@dataclass(frozen=True)
class _Videos:
    """A video data set to be checked.

    Attributes:
        name: Of its report.
        root: Its folder.
        open: Opens it.
        least: Annotated frames that a sequence must have to be of use.
        chosen: Names of the sequences used; empty for all.
        tracked: Whether sequences are tracked from their given masks, which must then show an object.
    """

    name: str
    root: str
    open: Callable[[], AnnotatedVideos]
    least: int
    chosen: tuple[str, ...] = ()
    tracked: bool = False

    @property
    def key(self) -> str:
        """The key of its folder."""
        return "validation.root" if self.tracked else f"data.{self.name}.root"


@dataclass(frozen=True)
class _Seen:
    """An annotated frame that was read; `has_object` is None where its mask cannot be."""

    problems: tuple[str, ...]
    has_object: bool | None


def _check_videos(source: _Videos, progress: Progress, quick: bool) -> SourceReport:
    problems: list[str] = []
    videos = _attempt(source.open, problems, f"correct {source.key}")
    if videos is None:
        return SourceReport(source.name, source.root, problems=tuple(problems))
    names = source.chosen or videos.names
    spread = names[:: -(-len(names) // QUICK_SEQUENCES)] if quick else names
    annotated = _list_videos(source, videos, spread, problems, progress)
    empty = 0 if quick else _read_videos(source.name, videos, annotated, problems, progress)
    return SourceReport(
        source.name,
        source.root,
        sequences=len(names),
        absent=len(videos.missing),
        short=sum(count < source.least for count in annotated.values()),
        frames=sum(annotated.values()),
        empty_masks=empty,
        problems=tuple(dict.fromkeys(problems)),
    )


def _list_videos(
    source: _Videos, videos: AnnotatedVideos, names: tuple[str, ...], problems: list[str], progress: Progress
) -> dict[str, int]:
    """Opens sequences, and gives the number of annotated frames of each that is whole."""
    annotated: dict[str, int] = {}
    with progress(f"listing {source.name}", len(names)) as advance:
        for name in names:
            sequence = _attempt(partial(videos.sequence, name), problems, _COMPLETE)
            if sequence is not None:
                annotated[name] = len(sequence.annotations)
                if source.tracked:
                    _attempt(partial(sequence.prompt, 0), problems, _COPY)
            advance(1)
    if annotated and max(annotated.values()) < source.least:
        expected = f"a sequence of {source.least} annotated frames"
        problems.append(str(InputError(f"{source.root} is too short", expected=expected, remedy=_COMPLETE)))
    return annotated


def _read_videos(
    name: str, videos: AnnotatedVideos, annotated: dict[str, int], problems: list[str], progress: Progress
) -> int:
    """Reads all annotated frames of whole sequences; gives the number of empty masks."""
    empty = 0
    with progress(f"reading {name}", sum(annotated.values())) as advance, ThreadPoolExecutor() as pool:
        for sequence in map(videos.sequence, annotated):
            seen = pool.map(partial(_read_frame, sequence), sorted(sequence.annotations))
            empty += _gather(seen, next(iter(sequence.annotations.values())).parent, problems, advance)
    return empty


def _check_stills(root: str, progress: Progress, quick: bool) -> SourceReport:
    problems: list[str] = []
    pairs = _attempt(partial(still_pairs, root), problems, "correct data.static") or []
    empty = 0
    if pairs and not quick:
        with progress(f"reading {Path(root).name}", len(pairs)) as advance, ThreadPoolExecutor() as pool:
            empty = _gather(pool.map(_read_still, pairs), Path(root) / "masks", problems, advance)
    return SourceReport("static", root, frames=len(pairs), empty_masks=empty, problems=tuple(problems))


def _gather(seen: Iterable[_Seen], masks: Path, problems: list[str], advance: Callable[[int], None]) -> int:
    """Adds the problems of a sequence's frames to `problems`; gives the number of empty masks."""
    shown = []
    for one in seen:
        problems.extend(one.problems)
        shown.append(one.has_object)
        advance(1)
    empty = shown.count(False)
    if empty == len(shown):
        nothing = InputError(f"no object in any mask of {masks}", expected="pixels of an object's id", remedy=_COPY)
        problems.append(str(nothing))
    return empty


def _read_frame(sequence: Sequence, index: int) -> _Seen:
    problems: list[str] = []
    labels = _attempt(partial(sequence.annotation, index), problems, _COPY)
    _attempt(partial(sequence.frames.__getitem__, index), problems, _COPY)
    return _Seen(tuple(problems), None if labels is None else bool(labels.any()))


def _read_still(pair: tuple[Path, Path]) -> _Seen:
    image, mask = pair
    problems: list[str] = []
    labels = _attempt(partial(read_mask, mask), problems, _COPY)
    if labels is None:
        _attempt(partial(read_image, image), problems, _COPY)
        return _Seen(tuple(problems), None)
    at_full_size = partial(read_labelled, image, labels, least=max(labels.shape))
    _attempt(at_full_size, problems, _COPY)
    return _Seen(tuple(problems), bool(((labels != 0) & (labels != VOID)).any()))


_COMPLETE = "complete the data set"
_COPY = "copy it again from the data set's source"


def _attempt(read: Callable[[], Item], problems: list[str], remedy: str) -> Item | None:
    """What `read` gives; None where it raises InputError, which joins `problems`, with a remedy where it has none."""
    try:
        return read()
    except InputError as error:
        told = InputError(error.what, expected=error.expected, found=error.found, remedy=error.remedy or remedy)
        problems.append(str(told))
        return None
