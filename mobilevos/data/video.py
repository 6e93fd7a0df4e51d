"""Video files, frame by frame: read what a phone or a camera made, write what every player shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from numpy.typing import NDArray

from mobilevos.data.frames import ImageFolder
from mobilevos.errors import InputError
from mobilevos.files import atomic_file

__all__ = ["VideoReader", "VideoWriter", "open_frames"]

ENCODER = "libx264"
QUALITY = {"crf": "18", "preset": "veryfast"}
TIME_BASE = Fraction(1, 90_000)  # the clock of MPEG video: the usual frame rates are whole numbers of ticks


def open_frames(path: Path | str) -> ImageFolder | VideoReader:
    """The frames of a clip, whichever way it is stored: a folder of images or a video file.

    Raises:
        InputError: There is nothing at `path`, or it holds no readable frame.
    """
    return ImageFolder(path) if Path(path).is_dir() else VideoReader(path)


class VideoReader:
    """The frames of a video file, upright, decoded one at a time: memory does not grow with the length.

    Every iteration decodes the file anew from its start.

    Args:
        path: A file of any container and codec that FFmpeg knows; its first video stream is read.

    Attributes:
        path: As given.
        size: Height and width of the upright frames, in pixels.
        fps: Mean frames per second; single frames may stand longer or shorter.
        length: About how many frames there are (exact for most files), or None if the file does not say.

    Raises:
        InputError: There is no such file, it is no video, or its first frame cannot be decoded.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with _open_stream(self.path) as (container, stream):
            self.fps: Fraction = stream.average_rate or stream.guessed_rate or Fraction(25)
            seconds = (container.duration or 0) / av.time_base
            self.length: int | None = stream.frames or round(seconds * self.fps) or None
        height, width, _ = next(iter(self)).shape
        self.size: tuple[int, int] = (height, width)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yields `[H, W, 3]`, uint8, RGB; see `frames_with_time`."""
        return (frame for _, frame in self.frames_with_time())

    def frames_with_time(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Yields each frame with the time at which the file shows it.

        Yields:
            Seconds since the first frame, and the frame, `[H, W, 3]`, uint8, RGB.

        Raises:
            InputError: The file is truncated or corrupt; the frames before that place have been yielded,
                but for the last few, which the decoder held back to put them in order. A truncated
                Matroska or transport stream just ends: it does not say how long it was.
        """
        start, shape, matrix = None, None, None
        for number, (time, frame) in enumerate(self._decode()):
            # Asked for once: a frame and its side data hold each other, so only the cycle collector frees it.
            matrix = _display_matrix(frame) if number == 0 else matrix
            pixels = _upright(frame.to_ndarray(format="rgb24"), matrix)
            shape = shape or pixels.shape
            if pixels.shape != shape:
                found = f"{pixels.shape[1]}x{pixels.shape[0]} after {shape[1]}x{shape[0]}"
                raise InputError(f"video {self.path} changes its size at frame {number}", found=found)
            time = number / self.fps if time is None else time
            start = time if start is None else start
            yield float(time - start), pixels

    def _decode(self) -> Iterator[tuple[Fraction | None, av.VideoFrame]]:
        count = packets = 0
        with _open_stream(self.path) as (container, stream):
            try:
                for packet in container.demux(stream):
                    packets += packet.size > 0
                    if not packet.size:  # the end, where the decoder hands out what it held back
                        self._check_complete(count, packets, container, stream)
                    for frame in stream.decode(packet):
                        if frame.is_corrupt:
                            raise self._stopped(count, "data that do not decode")
                        # A flushed frame has no clock of its own.
                        yield None if frame.pts is None else frame.pts * stream.time_base, frame
                        count += 1
            except av.FFmpegError as error:
                raise self._stopped(count, error.strerror or str(error)) from error
        if not count:
            raise InputError(f"video {self.path} holds no frames")

    def _check_complete(self, count: int, packets: int, container: Any, stream: Any) -> None:
        # An mp4 lists its packets, and FFmpeg ends quietly where the bytes end. What the decoder then holds
        # is given up: frames may be missing in between, as it waits for them to put them in order.
        listed = len(stream.index_entries) if "mp4" in container.format.name else 0
        if packets < listed:
            raise self._stopped(count, f"{packets} of {listed} packets: the file is truncated")

    def _stopped(self, number: int, found: str) -> InputError:
        return InputError(f"video {self.path} cannot be read at frame {number} (counted from 0)", found=found)


@contextmanager
def _open_stream(path: Path) -> Iterator[tuple[Any, Any]]:
    try:
        # "file:" keeps a name with a colon from being taken for a network address.
        container = av.open(f"file:{path}", metadata_errors="replace")
    except av.FFmpegError as error:
        raise InputError(f"cannot read video {path}", found=error.strerror or str(error)) from error
    with container:
        # FFmpeg draws any .txt file as a terminal's screen.
        if not container.streams.video or container.format.name == "tty":
            raise InputError(f"cannot read video {path}", found="a file without a video stream")
        stream = container.streams.video[0]
        # Threads by slice, the default, do not report damaged data. Each thread holds back a frame.
        stream.thread_type, stream.thread_count = "FRAME", 2
        yield container, stream


def _display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """How to show the frame: `a b u; c d v; x y w`, in 16.16 fixed point, or None for as it is."""
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    return None if matrix is None else np.frombuffer(bytes(matrix), np.int32)


def _upright(pixels: NDArray[np.uint8], matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """Turns and mirrors `[H, W, 3]` as a display matrix says.

    The matrix sends column and row to `(a col + c row, b col + d row)`. Phones hold it to quarter turns and
    mirror images.
    """
    if matrix is None:
        return pixels
    a, b, _, c, d = matrix[:5]
    quarter_turn = abs(b) > abs(a)
    if quarter_turn:
        pixels = pixels.transpose(1, 0, 2)
    if (c if quarter_turn else a) < 0:
        pixels = pixels[:, ::-1]
    if (b if quarter_turn else d) < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


class VideoWriter:
    """Writes frames as H.264 in an mp4 that browsers, phones and desktop players show.

    A context manager: the file appears when the block ends well, and not at all when it ends with an error.
    An odd height or width is made even, as the format demands, by repeating the last row or column.

    Args:
        path: Name of the file, ending in `.mp4`.
        size: Height and width of every frame, in pixels.
        fps: Frames per second, for the frames that are written without a time.
        overwrite: Whether an existing file may be replaced.
    """

    def __init__(
        self, path: Path | str, size: tuple[int, int], fps: Fraction | int, *, overwrite: bool = False
    ) -> None:
        self.path, self.size, self.fps, self.overwrite = Path(path), size, Fraction(fps), overwrite
        self._session: AbstractContextManager[None] = self._write_file()
        self._container: Any = None
        self._stream: Any = None
        self._next_pts = 0

    def __enter__(self) -> Self:
        """Opens a temporary file beside `path`.

        Raises:
            InputError: The file exists, cannot be written, or this FFmpeg has no H.264 encoder.
        """
        self._session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Completes the file, or removes it after an error.

        Raises:
            InputError: The rest could not be written, or no frame ever came.
        """
        return self._session.__exit__(kind, error, trace)

    def write(self, frame: NDArray[np.uint8], time: float | None = None) -> None:
        """Adds one frame.

        Args:
            frame: `[H, W, 3]`, uint8, RGB, in any memory order.
            time: Seconds since the first frame at which to show it, later than the last one's; by default
                `1 / fps` after it.

        Raises:
            ValueError: The frame is of another shape or dtype.
            InputError: The disk is full, or the encoder refuses the frame.
        """
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise ValueError(f"expected a uint8 frame of {[*self.size, 3]}, got {frame.dtype} {list(frame.shape)}")
        height, width = self.size
        even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(even, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        picture.time_base = TIME_BASE
        picture.pts = self._next_pts if time is None else max(self._next_pts, round(time / TIME_BASE))
        self._encode(picture)
        self._next_pts = picture.pts + (round(1 / (self.fps * TIME_BASE)) if time is None else 1)

    @contextmanager
    def _write_file(self) -> Iterator[None]:
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"cannot write video {self.path}", expected="a name that ends in .mp4")
        with atomic_file(self.path, overwrite=self.overwrite) as temporary:
            try:
                # faststart: the index comes first, so that a browser plays while it loads.
                options = {"movflags": "+faststart"}
                with av.open(f"file:{temporary}", "w", format="mp4", options=options) as self._container:
                    self._stream = self._add_stream()
                    yield
                    if not self._next_pts:
                        raise InputError(f"cannot write video {self.path}", found="no frames to write")
                    self._encode(None)
            except av.FFmpegError as error:
                raise self._failed(error) from error

    def _add_stream(self) -> Any:
        try:
            stream = self._container.add_stream(ENCODER, rate=self.fps, options=QUALITY)
        except av.codec.codec.UnknownCodecError as error:
            remedy = "install PyAV from its wheel, which holds it"
            found = f"an FFmpeg without {ENCODER}"
            raise InputError(f"cannot write video {self.path}", found=found, remedy=remedy) from error
        height, width = self.size
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.thread_type = "FRAME"  # threads by slice, the default, compress worse
        context = stream.codec_context
        context.time_base = TIME_BASE
        # Colours are stated, or players guess them by the size: 1 is BT.709 here and narrow range there.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        return stream

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(picture))
        except av.FFmpegError as error:
            raise self._failed(error) from error

    def _failed(self, error: av.FFmpegError) -> InputError:
        return InputError(f"cannot write video {self.path}", found=error.strerror or str(error))
