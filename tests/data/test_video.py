"""Video files: what is written comes back, what a phone wrote is upright, broken files are refused."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mobilevos.data import video
from mobilevos.data.frames import ImageFolder
from mobilevos.data.video import VideoReader, VideoWriter, open_frames
from mobilevos.errors import InputError

Frame = NDArray[np.uint8]


def moving_square(number: int, height: int = 96, width: int = 128) -> Frame:
    """A smooth picture with four differently coloured corners, and a square that says which frame it is."""
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
    frame = np.stack(np.broadcast_arrays(40 + 170 * columns, 60 + 120 * rows, 200 - 150 * columns * rows), -1)
    left = 4 + 2 * number % (width // 2)
    frame[height // 3 : height // 2, left : left + 16] = (250, 240, 30)
    return frame.astype(np.uint8)


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def write(path: Path, count: int = 12, size: tuple[int, int] = (96, 128)) -> Path:
    with VideoWriter(path, size, 25) as writer:
        for number in range(count):
            writer.write(moving_square(number, *size))
    return path


def place_of_packet(path: Path, number: int) -> int:
    """Offset of a packet's first byte in the file."""
    with av.open(str(path)) as container:
        return int([packet.pos for packet in container.demux(video=0) if packet.size][number])


def read_until_error(path: Path) -> tuple[list[Frame], InputError]:
    frames: list[Frame] = []
    with pytest.raises(InputError) as caught:
        frames.extend(iter(VideoReader(path)))
    assert "\n" not in str(caught.value)
    return frames, caught.value


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("video") / "clip.mp4", count=30)


# Round trip


def test_written_frames_come_back_in_order_and_colour(clip: Path) -> None:
    frames = list(VideoReader(clip))
    assert len(frames) == 30
    for number, frame in enumerate(frames):
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
        # Above what a frame shifted by one (27 dB) or the wrong colour matrix (24 dB) would give.
        assert psnr(frame, moving_square(number)) > 32


def test_reader_tells_size_rate_and_length(clip: Path) -> None:
    reader = VideoReader(clip)
    assert (reader.size, reader.fps, reader.length) == ((96, 128), Fraction(25), 30)


def test_every_iteration_starts_anew(clip: Path) -> None:
    reader = VideoReader(clip)
    first, second = next(iter(reader)), next(iter(reader))
    np.testing.assert_array_equal(first, second)


def test_file_is_what_every_player_takes(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    content = clip.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")


@settings(max_examples=12, deadline=None)
@given(height=st.integers(16, 50), width=st.integers(16, 50))
def test_odd_sizes_are_made_even_by_repeating_the_border(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int
) -> None:
    path = write(tmp_path_factory.mktemp("odd") / "odd.mp4", count=1, size=(height, width))
    frame = next(iter(VideoReader(path)))
    assert frame.shape == (height + height % 2, width + width % 2, 3)
    luma = (0.2126, 0.7152, 0.0722)  # colour has half the resolution, which a picture this small shows
    assert psnr(frame[:height, :width] @ luma, moving_square(0, height, width) @ luma) > 30
    assert np.abs(frame[height - 1].astype(int) - frame[-1]).mean() < 16


@pytest.mark.parametrize("layout", ["fortran", "flipped", "strided"])
def test_memory_order_of_a_frame_does_not_matter(tmp_path: Path, layout: str) -> None:
    frame = moving_square(3)
    same = {
        "fortran": np.asfortranarray(frame),
        "flipped": frame[::-1].copy()[::-1],
        "strided": np.repeat(frame, 2, axis=1)[:, ::2],
    }[layout]
    assert not same.flags.c_contiguous
    with VideoWriter(tmp_path / "plain.mp4", (96, 128), 25) as plain:
        plain.write(frame)
    with VideoWriter(tmp_path / "other.mp4", (96, 128), 25) as other:
        other.write(same)
    assert (tmp_path / "plain.mp4").read_bytes() == (tmp_path / "other.mp4").read_bytes()


def test_decoded_frames_are_freed_as_they_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp4", count=160, size=(240, 320))
    process = psutil.Process()
    gc.disable()  # a frame in a reference cycle would stay until the collector happens to run
    try:
        resident = [process.memory_info().rss for _ in VideoReader(path)]
    finally:
        gc.enable()
    assert resident[-1] - resident[40] < 60 * 240 * 320  # half of what the last 120 pictures would take


# Time


def test_constant_rate_frames_are_evenly_spaced(clip: Path) -> None:
    times = [time for time, _ in VideoReader(clip).frames_with_time()]
    np.testing.assert_allclose(times, np.arange(30) / 25, atol=1e-4)


def test_variable_rate_keeps_the_time_of_every_frame(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.133, 0.5, 0.52, 1.25, 1.3]
    with VideoWriter(tmp_path / "variable.mp4", (96, 128), 30) as writer:
        for number, time in enumerate(times):
            writer.write(moving_square(number), time)
    back = list(VideoReader(tmp_path / "variable.mp4").frames_with_time())
    np.testing.assert_allclose([time for time, _ in back], times, atol=1e-4)
    assert psnr(back[5][1], moving_square(5)) > 32


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "late.mp4", (96, 128), 25) as writer:
        for number in range(3):
            writer.write(moving_square(number), 7 + number / 25)
    times = [time for time, _ in VideoReader(tmp_path / "late.mp4").frames_with_time()]
    np.testing.assert_allclose(times, [0, 0.04, 0.08], atol=1e-4)


def test_frames_cut_off_by_an_edit_list_are_no_truncation(tmp_path: Path) -> None:
    # A phone's trimming keeps the bytes, and says in an edit list from where to show them.
    path = tmp_path / "trimmed.mp4"
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled", "use_editlist": "1"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(20):
            picture = av.VideoFrame.from_ndarray(moving_square(number), format="rgb24")
            picture.pts, picture.time_base = number - 8, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    assert len(list(VideoReader(path))) == 12


# Orientation

ORIENTATIONS: dict[tuple[int, int, int, int], object] = {
    # a, b, c, d of the display matrix, and the same done with numpy.
    (1, 0, 0, 1): lambda image: image,
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),  # a phone held upright: a quarter turn clockwise
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, 1): lambda image: image[:, ::-1],  # a selfie camera's mirror image
    (1, 0, 0, -1): lambda image: image[::-1],
    (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda image: np.rot90(image, 2).transpose(1, 0, 2),
}


def write_with_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.set_display_matrix([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30])
        for number in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moving_square(number), format="rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_frames_come_upright(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    write_with_matrix(tmp_path / "turned.mp4", *matrix)
    reader = VideoReader(tmp_path / "turned.mp4")
    expected = ORIENTATIONS[matrix](moving_square(1))  # type: ignore[operator]
    frame = list(reader)[1]
    assert reader.size == expected.shape[:2]
    assert psnr(frame, expected) > 32


def test_angle_is_that_of_the_players(tmp_path: Path) -> None:
    # FFmpeg's own reading of the matrix: degrees counterclockwise.
    write_with_matrix(tmp_path / "turned.mp4", 0, 1, -1, 0)
    with av.open(str(tmp_path / "turned.mp4")) as container:
        degrees = next(container.decode(video=0)).rotation
    upright = next(iter(VideoReader(tmp_path / "turned.mp4")))
    assert psnr(upright, np.rot90(moving_square(0), degrees // 90)) > 32


# Files that cannot be read


@pytest.mark.parametrize("extra", [0, 1, 7])
def test_truncated_file_gives_its_frames_and_then_says_where_it_stopped(clip: Path, tmp_path: Path, extra: int) -> None:
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[: place_of_packet(clip, 20) + extra])
    frames, error = read_until_error(tmp_path / "cut.mp4")
    assert 15 < len(frames) <= 20
    assert f"frame {len(frames)} " in str(error)
    for number, frame in enumerate(frames):
        assert psnr(frame, moving_square(number)) > 32


def test_damaged_data_stop_the_reading_at_their_frame(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    place = place_of_packet(clip, 20)
    content[place : place + 60] = bytes(byte ^ 0x5A for byte in content[place : place + 60])
    (tmp_path / "damaged.mp4").write_bytes(content)
    frames, error = read_until_error(tmp_path / "damaged.mp4")
    assert 15 < len(frames) <= 20
    assert f"frame {len(frames)} " in str(error)


def test_truncated_before_its_index_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "whole.mp4"), "w") as container:  # the index at the end, as a camera writes it
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(moving_square(0), format="rgb24")))
        container.mux(stream.encode(None))
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    assert read_until_error(tmp_path / "cut.mp4")[0] == []


def test_zero_frames_are_refused(clip: Path, tmp_path: Path) -> None:
    # The sample count and sizes of the one track set to 0: an index that lists nothing.
    content = bytearray(clip.read_bytes())
    for box, count_at in (
        (b"stsz", 12),
        (b"stts", 8),
        (b"stsc", 8),
        (b"stco", 8),
        (b"ctts", 8),
        (b"stss", 8),
    ):
        place = content.find(box)
        if place > 0:
            content[place + count_at : place + count_at + 4] = bytes(4)
    (tmp_path / "none.mp4").write_bytes(content)
    frames, error = read_until_error(tmp_path / "none.mp4")
    assert frames == []
    assert "no frames" in str(error)


def broken_files() -> Iterator[tuple[str, bytes]]:
    yield "empty.mp4", b""
    yield "text.mp4", b"not a video\n" * 100
    yield "notes.txt", b"FFmpeg would draw this as a terminal\n" * 100
    yield "noise.mp4", np.random.default_rng(0).bytes(4000)


@pytest.mark.parametrize(("name", "content"), broken_files(), ids=lambda value: str(value)[:12])
def test_no_video_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in str(read_until_error(tmp_path / name)[1])


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    assert "without a video stream" in str(read_until_error(tmp_path / "sound.wav")[1])


@pytest.mark.parametrize("name", ["missing.mp4", "http:missing.mp4"])
def test_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "No such file" in str(read_until_error(tmp_path / name)[1])


def test_open_frames_takes_folders_and_files(clip: Path, tmp_path: Path) -> None:
    Image.fromarray(moving_square(0)).save(tmp_path / "00000.png")
    assert isinstance(open_frames(tmp_path), ImageFolder)
    assert isinstance(open_frames(clip), VideoReader)
    with pytest.raises(InputError, match="No such file"):
        open_frames(tmp_path / "missing")


# Files that are not written


def test_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("precious")
    with pytest.raises(InputError, match="exists already"), VideoWriter(path, (96, 128), 25):
        pass
    assert path.read_text() == "precious"
    with VideoWriter(path, (96, 128), 25, overwrite=True) as writer:
        writer.write(moving_square(0))
    assert VideoReader(path).length == 1


def test_an_error_in_the_block_leaves_no_file(tmp_path: Path) -> None:
    def fail_midway() -> None:
        with VideoWriter(tmp_path / "out.mp4", (96, 128), 25) as writer:
            writer.write(moving_square(0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_midway()
    assert list(tmp_path.iterdir()) == []


def test_no_frames_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames"), VideoWriter(tmp_path / "out.mp4", (96, 128), 25):
        pass
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    # A limit on the size of files stands for the full disk: the same failing write.
    program = """
import resource, sys
import numpy as np
from mobilevos.data.video import VideoWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0)
with VideoWriter(sys.argv[1], (96, 128), 25) as writer:
    for _ in range(60):
        writer.write(noise.integers(0, 255, (96, 128, 3), np.uint8))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "InputError: cannot write" in done.stderr.splitlines()[-1]
    assert "File too large" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_other_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.mp4"), VideoWriter(tmp_path / "out.avi", (96, 128), 25):
        pass


def test_missing_encoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "ENCODER", "no_such_encoder")
    with pytest.raises(InputError, match="no_such_encoder"), VideoWriter(tmp_path / "out.mp4", (96, 128), 25):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "frame",
    [np.zeros((95, 128, 3), np.uint8), np.zeros((96, 128), np.uint8), np.zeros((96, 128, 3), np.float32)],
)
def test_frame_of_another_shape_or_dtype_is_refused(tmp_path: Path, frame: Frame) -> None:
    with (
        pytest.raises(ValueError, match="expected a uint8 frame"),
        VideoWriter(tmp_path / "out.mp4", (96, 128), 25) as writer,
    ):
        writer.write(frame)
