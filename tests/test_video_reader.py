"""Reading video files and URLs: the frames, their indices and times, and the ledger."""

from __future__ import annotations

import gc
import http.server
import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import PATIENCE
from video_made import (
    cut,
    make_audio,
    make_audio_with_cover,
    make_video,
    number_of,
    numbered,
    packets_of,
    with_damaged_packet,
)
from weight_server import refused_port

from posetrack.video import Frame, Status, open_video
from posetrack.video.pixels import to_bgr

UNEVEN = [0, 40, 50, 60, 200, 233, 266, 300, 900, 901, 950, 999, 1200, 1300, 1301, 1302, 1500]

KINDS = {
    "mp4": ("a.mp4", "libx264", 2),
    "mp4 without B-frames": ("b.mp4", "libx264", 0),
    "mkv": ("c.mkv", "libx264", 2),
    "transport stream": ("d.ts", "libx264", 2),
    "raw h264": ("e.h264", "libx264", 2),
    "avi with B-frames": ("f.avi", "libx264", 2),
    "avi mpeg4": ("g.avi", "mpeg4", 2),
    "webm vp8": ("h.webm", "libvpx", 0),
    "webm vp9": ("i.webm", "libvpx-vp9", 0),
    "mjpeg": ("j.avi", "mjpeg", 0),
}


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {
        kind: make_video(folder / name, codec=codec, b_frames=b_frames)
        for kind, (name, codec, b_frames) in KINDS.items()
    }


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "video.mp4")


def read(source: object, **settings: object) -> list[Frame]:
    with open_video(source, **settings) as reader:  # type: ignore[arg-type]
        return list(reader)


def threads_of_ours() -> list[str]:
    return [
        t.name
        for t in threading.enumerate()
        if t.name.startswith("posetrack") and "onnx" not in t.name
    ]


# The whole file


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_comes_once_in_order_with_its_index(videos: dict[str, Path], kind: str) -> None:
    with open_video(videos[kind]) as reader:
        frames = list(reader)
    assert [frame.index for frame in frames] == list(range(20))
    assert [number_of(frame.image) for frame in frames] == list(range(20))
    assert len(reader.ledger) == reader.count == 20
    assert set(reader.ledger.status) == {Status.DECODED}
    assert not reader.truncated
    steps = np.diff(reader.ledger.seconds)
    np.testing.assert_allclose(steps, 0.04, atol=1e-3)
    assert [frame.seconds for frame in frames] == reader.ledger.seconds.tolist()


def test_images_are_bgr_arrays_that_the_caller_owns(video: Path) -> None:
    first, second = read(video, stop=2)
    assert first.image.shape == (48, 64, 3)
    assert first.image.dtype == np.uint8
    assert first.image.flags.c_contiguous
    assert np.abs(first.image[4, 4].astype(int) - (0, 0, 255)).max() < 12
    first.image[:] = 7
    assert second.image.max() > 100


@pytest.mark.parametrize("width", [16, 34, 94, 106, 342, 360, 540, 854, 1080, 1366])
def test_images_of_any_width_are_contiguous_and_may_be_drawn_upon(
    tmp_path: Path, width: int
) -> None:
    path = make_video(tmp_path / "wide.mp4", 3, size=(width, 32))
    with open_video(path) as frames:
        images = [frame.image for frame in frames]
    for number, image in enumerate(images):
        assert image.shape == (32, width, 3)
        assert image.flags.c_contiguous
        assert image.flags.writeable
        assert number_of(image) == number
        image[:] = 255
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(images, 2))


def test_rows_that_the_decoder_pads_are_packed() -> None:
    padded = np.arange(2 * 48, dtype=np.uint8).reshape(2, 48)[:, :42].reshape(2, 14, 3)
    picture = SimpleNamespace(to_ndarray=lambda: padded, side_data={})
    reformatter = SimpleNamespace(reformat=lambda frame, **_: frame)
    image = to_bgr(picture, reformatter)  # type: ignore[arg-type]
    assert image.flags.c_contiguous
    assert np.array_equal(image, padded)


def test_a_stored_video_of_an_awkward_width_can_be_drawn_upon(shared: Path) -> None:
    with open_video(shared / "cases" / "tiny34.mp4") as frames:
        assert all(frame.image.flags.c_contiguous for frame in frames)


def test_tags_that_are_not_utf8_do_not_matter(tmp_path: Path) -> None:
    path = make_video(tmp_path / "tagged.mp4", 3, tags={"title": "M\u00fcnchen"})
    content = path.read_bytes()
    assert content.count("M\u00fcnchen".encode()) == 1
    path.write_bytes(content.replace("M\u00fcnchen".encode(), b"M\xfc\xfcnchen"))
    with open_video(path) as frames:
        assert len(list(frames)) == 3


def test_facts_are_known_before_the_first_frame(video: Path) -> None:
    with open_video(video) as reader:
        assert reader.size == (64, 48)
        assert reader.rate == 25
        assert reader.count == 20
        assert reader.seconds == pytest.approx(0.8)
        assert len(reader.ledger) == 0
        assert reader.source.name == str(video)
        assert reader.source.kind == "video"
        assert reader.source.codec == "h264"
        assert reader.source.bytes == video.stat().st_size


def test_times_of_a_variable_frame_rate_are_the_streams_own(tmp_path: Path) -> None:
    path = make_video(tmp_path / "uneven.mp4", len(UNEVEN), times=UNEVEN)
    times = [frame.seconds for frame in read(path)]
    np.testing.assert_allclose(times, np.array(UNEVEN) / 1000, atol=1e-4)


def test_a_stream_that_does_not_start_at_zero_keeps_its_clock(tmp_path: Path) -> None:
    path = make_video(tmp_path / "late.mkv", 5, times=[5000, 5040, 5080, 5120, 5160])
    assert read(path)[0].seconds == pytest.approx(5.0, abs=0.1)


def test_pixels_agree_with_opencv(videos: dict[str, Path]) -> None:
    capture = cv2.VideoCapture(str(videos["mp4"]))
    for frame in read(videos["mp4"]):
        whole, image = capture.read()
        assert whole
        assert np.abs(image.astype(int) - frame.image).max() <= 2


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_rotation_metadata_turn_the_image(tmp_path: Path, degrees: int, flip: bool) -> None:
    path = make_video(tmp_path / "turned.mp4", 3, rotation=degrees, flip=flip)
    with open_video(path) as reader:
        frame = next(reader)
    quarter = degrees % 180 != 0
    assert reader.size == ((48, 64) if quarter else (64, 48))
    assert frame.image.shape[1::-1] == reader.size
    # The matrix turns anticlockwise, then flips left and right.
    expected = np.rot90(numbered(0), degrees // 90)
    expected = expected[:, ::-1] if flip else expected
    assert np.abs(frame.image.astype(int) - expected).mean() < 8


def test_rotation_agrees_with_opencv(tmp_path: Path) -> None:
    path = make_video(tmp_path / "turned.mp4", 3, rotation=90)
    _, image = cv2.VideoCapture(str(path)).read()
    assert np.abs(read(path)[0].image.astype(int) - image).max() <= 2


def test_pictures_of_a_new_size_are_brought_to_the_first_ones_unless_asked_for_as_stored(
    tmp_path: Path,
) -> None:
    small = make_video(tmp_path / "small.h264", 4)
    large = make_video(tmp_path / "large.h264", 4, size=(96, 80))
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    assert [frame.image.shape[:2] for frame in read(both)] == [(48, 64)] * 8
    shapes = [frame.image.shape[:2] for frame in read(both, stored_pixels=True)]
    assert shapes == [(48, 64)] * 4 + [(80, 96)] * 4


def test_an_odd_size_is_read_as_it_is(tmp_path: Path) -> None:
    path = make_video(tmp_path / "odd.avi", 3, codec="mjpeg", size=(63, 47))
    assert read(path)[0].image.shape == (47, 63, 3)


# Part of the file


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(sorted(KINDS)),
    start=st.integers(0, 22),
    length=st.none() | st.integers(0, 22),
    stride=st.integers(1, 12),
    prefetch=st.sampled_from([0, 3]),
)
def test_a_part_equals_the_slice_of_the_whole(
    videos: dict[str, Path], kind: str, start: int, length: int | None, stride: int, prefetch: int
) -> None:
    stop = None if length is None else start + length
    whole = read(videos[kind], prefetch=0)
    with open_video(
        videos[kind], start=start, stop=stop, stride=stride, prefetch=prefetch
    ) as reader:
        part = list(reader)
    expected = whole[start:stop:stride]
    assert [frame.index for frame in part] == [frame.index for frame in expected]
    assert [frame.seconds for frame in part] == [frame.seconds for frame in expected]
    for ours, theirs in zip(part, expected, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)
    met = whole[:stop]
    assert reader.ledger.seconds.tolist() == [frame.seconds for frame in met]
    wanted = [frame.index for frame in part]
    assert reader.ledger.where(Status.DECODED).tolist() == wanted
    assert reader.ledger.counts[Status.SKIPPED] == len(met) - len(wanted)


@pytest.mark.parametrize(
    "options", ["open-gop=1", "bframes=8:b-pyramid=normal:ref=4", "intra-refresh=1"]
)
@pytest.mark.parametrize("threads", [1, 4])
def test_skipping_is_exact_for_every_structure_of_references(
    tmp_path: Path, options: str, threads: int
) -> None:
    path = make_video(
        tmp_path / "video.mp4", 20, b_frames=4, gop=6, options={"x264-params": options}
    )
    whole = read(path)
    assert len(whole) == 20
    for start, stride in [(0, 2), (0, 5), (7, 1), (11, 4), (18, 1)]:
        part = read(path, start=start, stride=stride, threads=threads)
        for ours, theirs in zip(part, whole[start::stride], strict=True):
            assert ours.index == theirs.index
            np.testing.assert_array_equal(ours.image, theirs.image)


@pytest.mark.parametrize("threads", [0, 1, 2, 16, 40])
def test_many_decoder_threads_lose_nothing(tmp_path: Path, threads: int) -> None:
    options = {"x264-params": "bframes=16:b-pyramid=normal:ref=16"}
    path = make_video(tmp_path / "video.mp4", 150, b_frames=16, gop=100, options=options)
    with open_video(path, threads=threads) as reader:
        assert [frame.index for frame in reader] == list(range(150))


def test_reading_ends_at_stop_and_what_follows_does_not_matter(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", b_frames=0, container={"movflags": "faststart"})
    position, _, _ = packets_of(path)[10]
    path.write_bytes(path.read_bytes()[:position])
    with open_video(path, stop=3) as reader:
        assert len(list(reader)) == 3
    assert not reader.truncated
    assert len(reader.ledger) == 3
    assert reader.count == 20  # as declared


def test_a_start_behind_the_end_gives_no_frames_and_a_full_ledger(video: Path) -> None:
    with open_video(video, start=100) as reader:
        assert list(reader) == []
        assert reader.size == (64, 48)
    assert reader.ledger.counts[Status.SKIPPED] == 20


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start": -1}, "start"),
        ({"start": 5, "stop": 4}, "stop"),
        ({"stride": 0}, "stride"),
        ({"prefetch": -1}, "prefetch"),
        ({"threads": -1}, "threads"),
        ({"max_pixels": 1000}, "64x48"),
    ],
)
def test_settings_out_of_range_are_named(video: Path, settings: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_video(video, **settings)  # type: ignore[arg-type]


# Damage


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv"])
@pytest.mark.parametrize("number", [0, 3, 5, 8, 13, 19])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_damaged_packet_is_a_corrupt_frame_and_reading_goes_on(
    tmp_path: Path, name: str, number: int, threads: int
) -> None:
    path = make_video(tmp_path / name)
    times = [frame.seconds for frame in read(path)]
    lost = with_damaged_packet(path, number)
    with open_video(path, threads=threads) as reader:
        frames = list(reader)
    assert lost in reader.ledger.where(Status.CORRUPT)
    np.testing.assert_allclose(reader.ledger.seconds, times, atol=1e-6)
    # A lost keyframe may take the frames up to the next one with it, nothing more. At the very
    # end a decoder of several threads gives up those that it still held.
    most = 8 if number % 8 == 0 else 1 + threads if number == 19 and threads > 1 else 1
    assert reader.ledger.counts[Status.CORRUPT] <= most
    assert [frame.index for frame in frames] == reader.ledger.where(Status.DECODED).tolist()
    for frame in frames:
        if frame.index >= 8 * (lost // 8 + 1) or frame.index < lost:
            assert number_of(frame.image) == frame.index


def test_indices_do_not_move_when_frames_are_corrupt_and_skipped(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", b_frames=0)
    lost = with_damaged_packet(path, 5)
    with open_video(path, start=3, stride=2) as reader:
        indices = [frame.index for frame in reader]
    assert lost == 5
    assert indices == [3, 7, 9, 11, 13, 15, 17, 19]
    assert [Status(s).name[0] for s in reader.ledger.status[:8]] == list("SSSDSCSD")


def test_a_file_cut_off_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", container={"movflags": "faststart"})
    times = [frame.seconds for frame in read(path)]
    position, size, _ = packets_of(path)[12]
    path.write_bytes(path.read_bytes()[: position + size // 2])
    with open_video(path) as reader:
        frames = list(reader)
    assert 8 <= len(frames) <= 13
    assert [number_of(frame.image) for frame in frames] == [frame.index for frame in frames]
    assert reader.truncated
    assert reader.problem is not None
    assert "lists 20 frames" in reader.problem
    np.testing.assert_allclose(reader.ledger.seconds, times, atol=1e-6)
    assert reader.ledger.counts[Status.CORRUPT] == 20 - len(frames)


@pytest.mark.parametrize("name", ["video.mkv", "video.avi"])
def test_other_containers_cut_off_say_so_too(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, b_frames=0)
    position, size, _ = packets_of(path)[12]
    path.write_bytes(path.read_bytes()[: position + size // 2])
    with open_video(path) as reader:
        frames = list(reader)
    assert 10 <= len(frames) <= 13
    assert reader.truncated


def test_a_transport_stream_has_no_end_so_it_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = cut(make_video(tmp_path / "video.ts", b_frames=0), 0.62)
    frames = read(path)
    assert 8 <= len(frames) <= 16
    assert [number_of(frame.image) for frame in frames] == list(range(len(frames)))


def test_an_mp4_without_its_index_is_refused_with_the_reason(video: Path) -> None:
    for fraction in (0.8, 0.5):
        with pytest.raises(ValueError, match="index is missing"):
            open_video(cut(video, fraction))


def test_a_file_whose_every_frame_is_damaged_is_refused(video: Path) -> None:
    packets = packets_of(video)
    data = bytearray(video.read_bytes())
    for position, size, _ in packets:
        data[position : position + size] = bytes([0xFF]) * size
    video.write_bytes(data)
    with pytest.raises(ValueError, match="none of its 20 frames"):
        open_video(video)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(KINDS)))
def test_no_damage_escapes_as_anything_but_an_oserror_or_valueerror(
    videos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str
) -> None:
    chance = np.random.default_rng(seed)
    data = np.frombuffer(videos[kind].read_bytes(), np.uint8).copy()
    where = chance.integers(0, len(data), chance.integers(1, 60))
    data[where] = chance.integers(0, 256, len(where))
    path = tmp_path_factory.mktemp("damaged") / videos[kind].name
    path.write_bytes(data[: chance.integers(len(data) // 2, len(data) + 1)].tobytes())
    try:
        with open_video(path, prefetch=0) as reader:
            indices = [frame.index for frame in reader]
    except (OSError, ValueError):
        return
    assert indices == reader.ledger.where(Status.DECODED).tolist()


# What is no video


def test_a_missing_file_is_named_with_its_near_names(video: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"vidoe\.mp4.*near it: video\.mp4"):
        open_video(video.with_name("vidoe.mp4"))
    with pytest.raises(FileNotFoundError, match="no folder"):
        open_video(video.parent / "nowhere" / "video.mp4")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match="0 bytes"):
        open_video(tmp_path / "empty.mp4")


@pytest.mark.parametrize("name", ["letter.mp4", "letter.txt", "letter.avi"])
def test_text_is_refused_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Dear reader,\nthis is no video.\n" * 50)
    with pytest.raises(ValueError, match="expected a video"):
        open_video(tmp_path / name)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no video stream but audio"):
        open_video(make_audio(tmp_path / "sound.mp4"))
    with pytest.raises(ValueError, match="but a cover picture and audio"):
        open_video(make_audio_with_cover(tmp_path / "album.m4a"))


def test_a_video_of_no_frames_is_refused(tmp_path: Path) -> None:
    for name in ("none.avi", "none.mkv", "none.mp4"):
        path = make_video(tmp_path / name, 0, codec="mjpeg")
        with pytest.raises(ValueError, match=name):
            open_video(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_refused(video: Path) -> None:
    video.chmod(0)
    with pytest.raises(PermissionError, match=r"video\.mp4"):
        open_video(video)


def test_a_playlist_cannot_open_other_files(video: Path, tmp_path: Path) -> None:
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/{video.name}\n")
    with pytest.raises((OSError, ValueError)):
        open_video(playlist)


def test_a_camera_that_is_not_there_is_refused() -> None:
    with pytest.raises(OSError, match="camera 97"):
        open_video(97)
    with pytest.raises(ValueError, match="from 0"):
        open_video(-1)


@pytest.mark.parametrize("source", [True, None])
def test_what_is_no_source_is_refused(source: object) -> None:
    with pytest.raises(TypeError, match="expected a path"):
        open_video(source)  # type: ignore[arg-type]


# Threads


def test_reading_ahead_changes_nothing(videos: dict[str, Path]) -> None:
    with open_video(videos["mp4"], prefetch=0) as reader:
        alone = list(reader)
    for prefetch in (1, 4, 100):
        with open_video(videos["mp4"], prefetch=prefetch) as ahead:
            for ours, theirs in zip(ahead, alone, strict=True):
                assert (ours.index, ours.seconds) == (theirs.index, theirs.seconds)
                np.testing.assert_array_equal(ours.image, theirs.image)
        assert list(ahead.ledger) == list(reader.ledger)


def test_the_ledger_never_runs_ahead_of_the_consumer(video: Path) -> None:
    with open_video(video, prefetch=8) as reader:
        for frame in reader:
            assert len(reader.ledger) == frame.index + 1


def test_no_thread_is_left_behind(video: Path) -> None:
    read(video)
    assert threads_of_ours() == []
    with open_video(video) as reader:
        next(reader)
    assert threads_of_ours() == []
    with pytest.raises(ZeroDivisionError), open_video(video) as reader:
        1 / next(reader).index
    assert threads_of_ours() == []
    for _ in open_video(video):
        break
    del reader
    gc.collect()
    assert threads_of_ours() == []
    with pytest.raises(ValueError, match="stride"):
        open_video(video, stride=0)
    assert threads_of_ours() == []


def test_a_closed_reader_ends_and_keeps_its_ledger(video: Path) -> None:
    reader = open_video(video)
    next(reader)
    reader.close()
    reader.close()
    assert list(reader) == []
    assert len(reader.ledger) == 1


def test_one_file_is_read_by_many_at_once(videos: dict[str, Path]) -> None:
    with ThreadPoolExecutor(4) as pool:
        for frames in pool.map(read, [videos["mp4"]] * 8):
            assert [number_of(frame.image) for frame in frames] == list(range(20))


def test_a_process_that_leaves_in_the_middle_ends(video: Path) -> None:
    code = (
        "import sys; from posetrack.video import open_video\n"
        "reader = open_video(sys.argv[1], prefetch=2); print(next(reader).index)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(video)], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "0", "")


# URLs


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_url_gives_the_same_frames_as_the_file(server: str, tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", container={"movflags": "faststart"})
    with open_video(f"{server}/video.mp4", timeout=PATIENCE) as reader:
        frames = list(reader)
    assert reader.source.kind == "stream"
    for ours, theirs in zip(frames, read(path), strict=True):
        assert (ours.index, ours.seconds) == (theirs.index, theirs.seconds)
        np.testing.assert_array_equal(ours.image, theirs.image)


def test_a_url_that_is_not_there_is_refused(server: str) -> None:
    with pytest.raises(ConnectionError, match=r"missing\.mp4"):
        open_video(f"{server}/missing.mp4", timeout=PATIENCE)


def test_a_host_that_refuses_is_named_without_the_password() -> None:
    with refused_port() as port, pytest.raises(OSError, match=f"127.0.0.1:{port}") as caught:
        open_video(f"http://me:secret@127.0.0.1:{port}/video.mp4", timeout=PATIENCE)
    assert "secret" not in str(caught.value)


def test_a_host_that_is_silent_is_given_up_after_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/video.mp4"
        with pytest.raises(OSError, match=r"127\.0\.0\.1"):
            open_video(url, timeout=0.5)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        open_video("gopher://example.org/video")


# Real videos


@pytest.mark.parametrize(("name", "count"), [("lab", 100), ("street", 5), ("football", 5)])
def test_real_videos_are_read_whole(shared: Path, name: str, count: int) -> None:
    path = shared / "data" / "videos" / f"{name}.mp4"
    with open_video(path, stride=7) as reader:
        indices = [frame.index for frame in reader]
    assert indices == list(range(0, count, 7))
    assert len(reader.ledger) == count
    assert (np.diff(reader.ledger.seconds) > 0).all()
