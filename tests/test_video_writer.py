"""Writing videos: whole or not at all, at the source's times, off the caller's path."""

from __future__ import annotations

import errno
import gc
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import PATIENCE
from video_made import make_video, number_of, numbered

from posetrack.files import PartialFile
from posetrack.video import VideoWriter, open_video


def write(path: Path, count: int = 20, **settings: object) -> Path:
    with VideoWriter(path, **{"rate": 25, **settings}) as writer:  # type: ignore[arg-type]
        for number in range(count):
            writer.write(numbered(number))
    return path


def threads_of_ours() -> list[str]:
    return [
        t.name
        for t in threading.enumerate()
        if t.name.startswith("posetrack") and "onnx" not in t.name
    ]


@pytest.mark.parametrize("queue", [0, 1, 8])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str, queue: int) -> None:
    path = write(tmp_path / f"video.{suffix}", queue=queue)
    with open_video(path) as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == list(range(20))
    np.testing.assert_allclose([f.seconds for f in frames], np.arange(20) / 25, atol=1e-3)
    assert reader.size == (64, 48)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert threads_of_ours() == []


@pytest.mark.parametrize("rate", [23.976, Fraction(30000, 1001), 60, 12.5, 1])
def test_the_rate_is_kept(tmp_path: Path, rate: float | Fraction) -> None:
    with open_video(write(tmp_path / "video.mp4", rate=rate)) as reader:
        list(reader)
    assert float(reader.rate) == pytest.approx(float(rate), rel=1e-4)
    steps = np.diff(reader.ledger.seconds)
    np.testing.assert_allclose(steps, 1 / float(rate), rtol=2e-3)


def test_times_given_are_kept_from_the_first(tmp_path: Path) -> None:
    times = np.array([7.0, 7.04, 7.05, 7.3, 9.0, 9.001])
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        for number, seconds in enumerate(times):
            writer.write(numbered(number), seconds)
    with open_video(tmp_path / "video.mp4") as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(6))
    np.testing.assert_allclose(reader.ledger.seconds, times - 7, atol=1e-4)


def test_times_that_are_closer_than_a_tick_stay_apart(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        for number in range(4):
            writer.write(numbered(number), number * 1e-7)
    with open_video(tmp_path / "video.mp4") as reader:
        assert [number_of(frame.image) for frame in reader] == [0, 1, 2, 3]


def test_a_copy_keeps_the_times_of_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0, 40, 50, 60, 200, 900]
    source = make_video(tmp_path / "source.mp4", 6, times=times)
    with (
        open_video(source) as video,
        VideoWriter(tmp_path / "copy.mp4", rate=video.rate) as writer,
    ):
        for frame in video:
            writer.write(frame.image, frame.seconds)
    with open_video(tmp_path / "copy.mp4") as copy:
        list(copy)
    np.testing.assert_allclose(copy.ledger.seconds, np.array(times) / 1000, atol=1e-4)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(width=st.integers(2, 70), height=st.integers(2, 70))
def test_odd_sizes_repeat_their_last_column_and_row(
    tmp_path: Path, width: int, height: int
) -> None:
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        for number in range(2):
            writer.write(numbered(number + 9, (width, height)))
    with open_video(tmp_path / "video.mp4") as reader:
        frames = list(reader)
    assert reader.size == (width + width % 2, height + height % 2)
    assert abs(float(np.median(frames[0].image[-1, :, 0])) - 9 * 12) < 8


def test_images_are_scaled_to_the_size_of_the_video(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", rate=25, size=(32, 20)) as writer:
        writer.write(numbered(3))
        writer.write(numbered(7, (200, 100)))
    with open_video(tmp_path / "video.mp4") as reader:
        assert [(f.image.shape, number_of(f.image)) for f in reader] == [
            ((20, 32, 3), 3),
            ((20, 32, 3), 7),
        ]


def test_colours_survive_in_any_player(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (30, 120, 200)]
    with VideoWriter(tmp_path / "video.mp4", rate=25, quality=5) as writer:
        for colour in colours:
            writer.write(np.full((48, 64, 3), colour, np.uint8))
    capture = cv2.VideoCapture(str(tmp_path / "video.mp4"))
    with open_video(tmp_path / "video.mp4") as reader:
        for frame, colour in zip(reader, colours, strict=True):
            assert np.abs(frame.image[24, 32].astype(int) - colour).max() <= 6
            assert np.abs(capture.read()[1][24, 32].astype(int) - colour).max() <= 6
    with av.open(str(tmp_path / "video.mp4")) as file:
        stream = file.streams.video[0]
        # What browsers play: H.264, 4:2:0, 8 bits; and the matrix is said, not guessed.
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.colorspace, stream.color_range) == (6, 1)


def test_grey_images_are_written(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        writer.write(np.full((48, 64), 120, np.uint8))
    with open_video(tmp_path / "video.mp4") as reader:
        assert np.abs(next(reader).image.astype(int) - 120).max() <= 3


def test_the_caller_may_reuse_its_buffer(tmp_path: Path) -> None:
    buffer = np.empty((48, 64, 3), np.uint8)
    with VideoWriter(tmp_path / "video.mp4", rate=25, queue=20) as writer:
        for number in range(20):
            buffer[:] = numbered(number)
            writer.write(buffer)
            assert (buffer == numbered(number)).all()
    with open_video(tmp_path / "video.mp4") as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(20))


# Whole or not at all


@pytest.mark.parametrize("queue", [0, 4])
def test_a_file_appears_when_closed_and_replaces_the_old_one(tmp_path: Path, queue: int) -> None:
    path = tmp_path / "video.mp4"
    path.write_text("old")
    writer = VideoWriter(path, rate=25, queue=queue)
    writer.write(numbered(1))
    assert path.read_text() == "old"
    writer.close()
    writer.close()
    assert len(list(open_video(path))) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["video.mp4"]


@pytest.mark.parametrize("queue", [0, 4])
def test_an_exception_leaves_a_playable_partial_file(tmp_path: Path, queue: int) -> None:
    path = tmp_path / "video.mp4"
    writer = VideoWriter(path, rate=25, queue=queue)

    def fail() -> None:
        with writer:
            for number in range(10):
                writer.write(numbered(number))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not path.exists()
    assert writer.partial == tmp_path / "video.partial.mp4"
    with open_video(writer.partial) as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(10))
    assert threads_of_ours() == []
    write(path, 3)  # the next run leaves it alone
    assert sorted(p.name for p in tmp_path.iterdir()) == ["video.mp4", "video.partial.mp4"]
    with open_video(writer.partial) as reader:
        assert len(list(reader)) == 10


def test_two_writers_of_one_name_do_not_take_each_other_s_video(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    first, second = VideoWriter(path, rate=25), VideoWriter(path, rate=25)
    for number in range(6):
        first.write(numbered(number))
        second.write(numbered(number + 10))
    first.close()
    with open_video(path) as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(6))
    second.close()
    with open_video(path) as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(10, 16))
    assert [entry.name for entry in tmp_path.iterdir()] == ["video.mp4"]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path = tmp_path / "video.mp4"
    path.with_name("video.partial.mp4").symlink_to(victim)
    path.with_name("video.partial-2.mp4").symlink_to(tmp_path / "not yet there")
    write(path, 3)
    assert victim.read_text() == "mine"
    assert not (tmp_path / "not yet there").exists()
    with open_video(path) as reader:
        assert len(list(reader)) == 3


def test_a_killed_process_leaves_what_it_had(tmp_path: Path) -> None:
    code = (
        "import os, sys, time, numpy as np\n"
        "from posetrack.video import VideoWriter\n"
        "writer = VideoWriter(sys.argv[1], rate=10, queue=0)\n"
        "for number in range(65): writer.write(np.full((48, 64, 3), number, np.uint8))\n"
        "os._exit(9)"
    )
    path = tmp_path / "video.mp4"
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=PATIENCE)
    assert done.returncode == 9
    assert not path.exists()
    with open_video(tmp_path / "video.partial.mp4") as reader:
        frames = list(reader)
    assert len(frames) >= 55  # all but the last half second, and what the encoder holds


def boxes_of(path: Path) -> list[str]:
    """The outermost boxes of an MP4, in order."""
    data, offset, kinds = path.read_bytes(), 0, []
    while offset < len(data):
        kinds.append(data[offset + 4 : offset + 8].decode())
        offset += int.from_bytes(data[offset : offset + 4], "big")
    return kinds


@pytest.mark.parametrize("suffix", ["mp4", "m4v", "mov"])
@pytest.mark.parametrize("count", [1, 2, 700])
def test_the_index_of_a_whole_video_comes_first(tmp_path: Path, suffix: str, count: int) -> None:
    path = tmp_path / f"video.{suffix}"
    with VideoWriter(path, rate=25) as writer:
        for number in range(count):  # no two times equally far apart: the largest index there is
            writer.write(numbered(number % 20), number**1.1)
    kinds = boxes_of(path)
    assert kinds.index("moov") < kinds.index("mdat")
    assert "moof" not in kinds
    with open_video(path) as reader:
        assert [number_of(frame.image) for frame in reader] == [n % 20 for n in range(count)]
    steps = reader.ledger.seconds
    np.testing.assert_allclose(steps, np.arange(count) ** 1.1, atol=1e-4)


@pytest.mark.parametrize("rate", [4, 25, Fraction(30000, 1001), 60, 240])
def test_pieces_are_closed_and_half_a_second_long_at_most(
    tmp_path: Path, rate: float | Fraction
) -> None:
    path = tmp_path / "video.mp4"
    writer = VideoWriter(path, rate=rate, queue=0)
    count = round(3 * rate) + 1
    for number in range(count):
        writer.write(numbered(number % 20))
    assert count - writer.progress.images <= rate / 2
    writer.abort()
    assert writer.partial is not None
    data = writer.partial.read_bytes()
    assert boxes_of(writer.partial) == ["ftyp", "moov"] + ["moof", "mdat"] * writer.progress.pieces
    moov = data.index(b"moof") - 4
    starts = [i for i in range(len(data)) if data[i : i + 4] == b"moof"]
    sizes = []
    for start, end in zip(starts, [*starts[1:], len(data) + 4], strict=True):
        alone = tmp_path / "alone.mp4"  # a piece behind the beginning of the file needs no other
        alone.write_bytes(data[:moov] + data[start - 4 : end - 4])
        with open_video(alone) as reader:
            sizes.append(len(list(reader)))
    assert sum(sizes) == count
    assert sizes[0] == 1
    assert max(sizes) <= max(1, rate / 2)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_video_that_is_gone_on_with_has_the_bytes_of_an_uninterrupted_one(
    tmp_path: Path, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 60))
    timed = data.draw(st.booleans())
    stops = data.draw(st.lists(st.integers(0, count), max_size=3))
    waiting = data.draw(st.sampled_from([0, 4]))
    times = np.cumsum(np.random.default_rng(count).uniform(0.0, 0.2, count)) + 7

    def write_some(writer: VideoWriter, stop: int) -> None:
        for number in range(writer.count, stop):
            writer.write(numbered(number % 20), times[number] if timed else None)

    whole, path = tmp_path / "whole.mp4", tmp_path / "video.mp4"
    with VideoWriter(whole, rate=12, queue=waiting) as writer:
        write_some(writer, count)
    resume = None
    for stop in sorted(stops):
        writer = VideoWriter(path, rate=12, queue=waiting, resume=resume)
        write_some(writer, stop)
        known = writer.progress  # as a checkpoint on the way would have it
        writer.abort()
        if writer.partial is not None and known.pieces:
            resume = (writer.partial, known)
        elif writer.partial is not None:
            writer.partial.unlink()
    with VideoWriter(path, rate=12, queue=waiting, resume=resume) as writer:
        write_some(writer, count)
    assert path.read_bytes() == whole.read_bytes()
    path.unlink()
    assert [entry.name for entry in tmp_path.iterdir()] == ["whole.mp4"]


def test_what_cannot_be_gone_on_with_is_named(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    writer = VideoWriter(path, rate=25, queue=0)
    for number in range(20):
        writer.write(numbered(number))
    writer.abort()
    assert writer.partial is not None
    data = writer.partial.read_bytes()
    writer.partial.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=r"video\.partial\.mp4: shorter"):
        VideoWriter(path, rate=25, resume=(writer.partial, writer.progress))
    assert writer.partial.read_bytes() == data[:-1]
    link = tmp_path / "link.mp4"
    link.symlink_to(writer.partial)
    with pytest.raises(OSError, match="link"):
        VideoWriter(path, rate=25, resume=(link, writer.progress))


def test_from_the_first_image_on_there_is_something_that_plays(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "video.mp4", rate=25)
    assert writer.partial is None
    assert list(tmp_path.iterdir()) == []
    writer.write(numbered(7))
    assert writer.partial == tmp_path / "video.partial.mp4"
    with open_video(writer.partial) as reader:
        assert [number_of(frame.image) for frame in reader] == [7]
    writer.abort()


def test_where_pieces_cannot_be_joined_they_stay_and_the_error_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "video.mp4"
    path.write_text("old")
    writer = VideoWriter(path, rate=25)
    for number in range(20):
        writer.write(numbered(number))
    good = PartialFile.write

    def full(file: PartialFile, data: bytes) -> None:
        if file.partial.suffix == ".joining":
            raise OSError(errno.ENOSPC, "No space left on device")
        good(file, data)

    monkeypatch.setattr(PartialFile, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        writer.close()
    assert any("video.partial.mp4, which plays" in note for note in caught.value.__notes__)
    assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["video.mp4", "video.partial.mp4"]
    with open_video(tmp_path / "video.partial.mp4") as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(20))


def test_an_error_notes_where_the_images_are(tmp_path: Path) -> None:
    def fail() -> None:
        with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
            for number in range(5):
                writer.write(numbered(number))
            raise KeyError

    with pytest.raises(KeyError) as caught:
        fail()
    partial = tmp_path / "video.partial.mp4"
    assert caught.value.__notes__ == [f"5 images are in {partial}, which plays"]


def test_an_abandoned_writer_leaves_no_thread(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "video.mp4", rate=25)
    writer.write(numbered(4))
    partial = writer.partial
    del writer
    gc.collect()
    assert threads_of_ours() == []
    assert len(list(open_video(partial))) == 1
    assert not (tmp_path / "video.mp4").exists()


def test_no_images_make_no_file(tmp_path: Path) -> None:
    write(tmp_path / "video.mp4", 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("queue", [0, 2])
def test_an_error_of_the_encoder_comes_to_the_caller(
    tmp_path: Path, queue: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = VideoWriter(tmp_path / "video.mp4", rate=25, queue=queue)
    monkeypatch.setattr(PartialFile, "write", full)

    def use() -> None:
        with writer:
            for number in range(20):
                writer.write(numbered(number))

    with pytest.raises(OSError, match="No space left"):
        use()
    assert threads_of_ours() == []
    assert not (tmp_path / "video.mp4").exists()


# Refused


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("video.webm", {}, "ending in"),
        ("video.mp4", {"rate": 0}, "rate"),
        ("video.mp4", {"rate": float("inf")}, "rate"),
        ("video.mp4", {"size": (0, 10)}, "size"),
        ("video.mp4", {"size": (10, 99999)}, "size"),
        ("video.mp4", {"queue": -1}, "queue"),
    ],
)
def test_settings_out_of_range_are_named(
    tmp_path: Path, name: str, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        VideoWriter(tmp_path / name, **{"rate": 25, **settings})  # type: ignore[arg-type]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make it first"):
        VideoWriter(tmp_path / "nowhere" / "video.mp4", rate=25)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        VideoWriter(tmp_path / "folder.mp4", rate=25)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_images_of_another_kind_are_refused_and_writing_goes_on(
    tmp_path: Path, image: np.ndarray
) -> None:
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        writer.write(numbered(0))
        with pytest.raises(ValueError, match="expected"):
            writer.write(image)
        writer.write(numbered(1))
    assert len(list(open_video(tmp_path / "video.mp4"))) == 2


def test_times_that_jump_back_go_on_a_frame_later(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        for number, seconds in enumerate([9.0, 9.5, 1.0, 1.25, 1.25]):
            writer.write(numbered(number), seconds)
    with open_video(tmp_path / "video.mp4") as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(5))
    np.testing.assert_allclose(reader.ledger.seconds, [0, 0.5, 0.54, 0.79, 0.83], atol=1e-4)


def test_times_are_finite_and_come_with_every_image(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        writer.write(numbered(0), 1.0)
        with pytest.raises(ValueError, match="finite"):
            writer.write(numbered(1), float("nan"))
        with pytest.raises(ValueError, match="every image or with none"):
            writer.write(numbered(1))
        writer.write(numbered(1), 1.5)
    with pytest.raises(ValueError, match="closed"):
        writer.write(numbered(2), 2.0)
