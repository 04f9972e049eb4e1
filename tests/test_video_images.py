"""Folders, patterns and lists of images, and a camera, as frames."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.video import Status, camera, open_video
from posetrack.video.headers import image_size
from posetrack.video.image_folders import read_image, sort_naturally
from posetrack.video.pixels import fit_into

FORMATS = ["bmp", "jpg", "png", "ppm", "tiff", "webp"]


def save(path: Path, pixels: np.ndarray) -> Path:
    whole, data = cv2.imencode(path.suffix, pixels)
    assert whole
    path.write_bytes(data.tobytes())
    return path


def grey(value: int, size: tuple[int, int] = (8, 6)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images, image_0 to image_11, as bright as their number."""
    for number in range(12):
        save(tmp_path / f"image_{number}.png", grey(number))
    return tmp_path


def read(source: Any, **settings: Any) -> list[tuple[int, float, int]]:
    with open_video(source, **settings) as reader:
        return [(frame.index, frame.seconds, int(frame.image[0, 0, 0])) for frame in reader]


def test_a_folder_is_read_in_natural_order(folder: Path) -> None:
    assert [value for _, _, value in read(folder)] == list(range(12))


def test_images_are_thirty_a_second_unless_told_otherwise(folder: Path) -> None:
    assert read(folder)[3][1] == pytest.approx(0.1)
    assert read(folder, rate=8)[3][1] == 0.375
    with open_video(folder, rate=12) as reader:
        assert (reader.rate, reader.count, reader.seconds) == (12, 12, 1.0)


def test_part_of_a_folder_is_the_slice_and_the_rest_is_not_opened(folder: Path) -> None:
    (folder / "image_5.png").write_bytes(b"nonsense, but not asked for")
    with open_video(folder, start=1, stop=10, stride=3) as reader:
        assert [frame.index for frame in reader] == [1, 4, 7]
    assert "".join(Status(s).name[0] for s in reader.ledger.status) == "SDSSDSSDSS"


def test_a_pattern_takes_what_matches(folder: Path) -> None:
    assert [value for _, _, value in read(str(folder / "image_1*.png"))] == [1, 10, 11]
    with pytest.raises(FileNotFoundError, match="no image matches"):
        open_video(str(folder / "*.jpg"))


def test_a_file_named_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    save(tmp_path / "shot[1].png", grey(9))
    save(tmp_path / "shot1.png", grey(3))
    assert [value for _, _, value in read(str(tmp_path / "shot[1].png"))] == [9]


def test_a_list_is_read_in_its_order(folder: Path) -> None:
    paths = [folder / "image_7.png", str(folder / "image_2.png")]
    assert [value for _, _, value in read(paths)] == [7, 2]
    with pytest.raises(FileNotFoundError, match="image_77"):
        open_video([folder / "image_77.png"])
    with pytest.raises(ValueError, match="empty"):
        open_video([])


def test_one_image_is_a_video_of_one_frame(folder: Path) -> None:
    assert read(folder / "image_4.png") == [(0, 0.0, 4)]


def test_sizes_may_differ(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey(1, (8, 6)))
    save(tmp_path / "b.png", grey(2, (20, 10)))
    with open_video(tmp_path) as reader:
        assert reader.size == (8, 6)
        assert [frame.image.shape for frame in reader] == [(6, 8, 3), (10, 20, 3)]


def test_an_unreadable_image_is_corrupt_and_reading_goes_on(folder: Path) -> None:
    (folder / "image_2.png").write_text("no image")
    (folder / "image_3.png").write_bytes(b"")
    whole = (folder / "image_4.png").read_bytes()
    (folder / "image_4.png").write_bytes(whole[:40])
    (folder / "notes.txt").write_text("not counted")
    (folder / "._image_1.png").write_text("hidden, not counted")
    with open_video(folder) as reader:
        indices = [frame.index for frame in reader]
    assert indices == [0, 1, 5, 6, 7, 8, 9, 10, 11]
    assert reader.ledger.where(Status.CORRUPT).tolist() == [2, 3, 4]


def test_a_folder_of_unreadable_images_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(ValueError, match="none of its 1 frames"):
        open_video(tmp_path)


def test_a_folder_without_images_is_refused_and_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="it is empty"):
        open_video(tmp_path)
    (tmp_path / "match.mp4").touch()
    with pytest.raises(FileNotFoundError, match=r"it holds match\.mp4"):
        open_video(tmp_path)


def test_reading_ahead_changes_nothing(folder: Path) -> None:
    assert read(folder, prefetch=0) == read(folder, prefetch=3)


# Kinds of pixels


def test_grey_alpha_and_sixteen_bits_become_bgr(tmp_path: Path) -> None:
    shades = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
    expected = np.rint(shades / 257.0)
    image = read_image(save(tmp_path / "deep.png", shades))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.repeat(expected[..., None], 3, axis=2))
    image = read_image(save(tmp_path / "grey.png", np.array([[3, 200]], np.uint8)))
    assert image.tolist() == [[[3, 3, 3], [200, 200, 200]]]
    image = read_image(save(tmp_path / "alpha.png", np.array([[[1, 2, 3, 0]]], np.uint8)))
    assert image.tolist() == [[[1, 2, 3]]]
    floats = np.repeat(np.array([[[-1], [0.5], [7]]], np.float32), 3, axis=2)
    assert read_image(save(tmp_path / "floats.tiff", floats))[0, :, 1].tolist() == [0, 128, 255]
    image = read_image(save(tmp_path / "float.tiff", np.array([[-1, 0.5, 7]], np.float32)))
    assert image[0, :, 0].tolist() == [0, 128, 255]


def test_exif_orientation_turns_the_image(tmp_path: Path) -> None:
    plain = save(tmp_path / "plain.jpg", grey(90, (32, 16))).read_bytes()
    # One entry: orientation (0x112), short, 6 = turn 90 degrees clockwise.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHHI", 0x112, 3, 1, 6, 0, 0)
    marked = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    (tmp_path / "turned.jpg").write_bytes(marked)
    assert read_image(tmp_path / "turned.jpg").shape == (32, 16, 3)


@pytest.mark.parametrize("suffix", FORMATS)
@given(width=st.integers(1, 300), height=st.integers(1, 40))
def test_headers_tell_the_size_that_decoding_gives(suffix: str, width: int, height: int) -> None:
    data = cv2.imencode(f".{suffix}", np.zeros((height, width, 3), np.uint8))[1].tobytes()
    assert image_size(io.BytesIO(data)) == (width, height)


@given(st.binary(max_size=200), st.sampled_from(FORMATS), st.integers(0, 60))
def test_no_header_breaks_the_reader_of_headers(junk: bytes, suffix: str, keep: int) -> None:
    data = cv2.imencode(f".{suffix}", np.zeros((4, 5, 3), np.uint8))[1].tobytes()
    size = image_size(io.BytesIO(data[:keep] + junk))
    assert size is None or min(size) > 0


def test_a_header_is_not_looked_for_in_all_of_a_large_file() -> None:
    for filling in (b"\0", b"\xff"):
        file = io.BytesIO(b"\xff\xd8" + filling * (1 << 20))
        assert image_size(file) is None
        assert file.tell() < 1 << 18
    assert image_size(io.BytesIO(b"P5 " + b"9" * 4000 + b" 4 255 ")) is None


def test_an_animation_that_its_decoder_fails_at_is_one_corrupt_frame(tmp_path: Path) -> None:
    pictures = [PIL.Image.fromarray(grey(10 * number)) for number in range(3)]
    path = tmp_path / "a.avif"
    try:
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    except (OSError, KeyError, ValueError):
        pytest.skip("this Pillow writes no AVIF")
    whole = path.read_bytes()
    begin = whole.index(b"mdat") + 4
    path.write_bytes(whole[:begin] + b"\xff" * (len(whole) - begin))
    save(tmp_path / "b.png", grey(5))
    with open_video(tmp_path) as video:
        assert [frame.index for frame in video] == [1]
        assert [status for _, _, status in video.ledger.rows()] == [
            Status.CORRUPT, Status.DECODED,
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "size"), [((100, 1000), (8, 48)), ((16, 1080), (64, 48)), ((1000, 1), (4, 9))]
)
def test_a_picture_of_any_shape_fits_into_a_small_one(
    old: tuple[int, int], size: tuple[int, int]
) -> None:
    white = np.full((old[1], old[0], 3), 255, np.uint8)
    made = fit_into(white, size)
    assert made.shape == (size[1], size[0], 3)
    assert set(np.unique(made)) == {0, 255}


def test_a_picture_that_claims_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    (tmp_path / "b.png").write_bytes(bomb + chunk(b"IEND", b""))
    save(tmp_path / "a.png", grey(5))
    with pytest.raises(ValueError, match="claims 60000x60000"):
        read_image(tmp_path / "b.png")
    with open_video(tmp_path) as reader:
        assert [frame.index for frame in reader] == [0]
    assert reader.ledger.where(Status.CORRUPT).tolist() == [1]
    with open_video(tmp_path / "a.png", max_pixels=48) as reader:
        assert len(list(reader)) == 1
    with pytest.raises(ValueError, match="none of its"):
        open_video(tmp_path / "a.png", max_pixels=47)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_an_image_that_may_not_be_read_is_corrupt(folder: Path) -> None:
    (folder / "image_3.png").chmod(0)
    with open_video(folder) as reader:
        assert 3 not in [frame.index for frame in reader]


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from("ab")), unique=True))
def test_natural_order_is_by_name_then_number(entries: list[tuple[int, str]]) -> None:
    paths = [Path(f"{letter}{number}.png") for number, letter in entries]
    expected = [f"{letter}{n}.png" for letter, n in sorted((le, n) for n, le in entries)]
    assert [path.name for path in sort_naturally(paths)] == expected


# A camera


class FakeCapture:
    """A camera of 8x6 pixels that gives so many frames, some of them broken."""

    frames = 5
    broken: tuple[int, ...] = ()
    released = 0
    retrieved: list[int]

    def __init__(self, number: int) -> None:
        self.next = 0
        type(self).retrieved = []

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.frames > 0

    def get(self, _: int) -> float:
        return 0.0

    def grab(self) -> bool:
        self.next += 1
        return self.next <= self.frames and self.next - 1 not in self.broken

    def retrieve(self) -> tuple[bool, np.ndarray]:
        self.retrieved.append(self.next - 1)
        return True, grey(self.next - 1)

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    fake = type("Fake", (FakeCapture,), {})
    monkeypatch.setattr(camera.cv2, "VideoCapture", fake)
    monkeypatch.setattr(camera, "check_exists", lambda number: None)
    return fake


@pytest.mark.parametrize("source", [0, "0"])
def test_a_camera_gives_frames_until_it_is_gone(
    capture: type[FakeCapture], source: int | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_video(source) as reader:
        values = [(frame.index, int(frame.image[0, 0, 0])) for frame in reader]
    assert values == [(number, number) for number in range(5)]
    assert reader.truncated
    assert reader.source.kind == "camera"
    assert reader.count in (None, len(reader.ledger))
    assert (np.diff(reader.ledger.seconds) >= 0).all()
    assert capture.released == 1


def test_a_camera_skips_without_decoding_and_lives_with_a_bad_frame(
    capture: type[FakeCapture],
) -> None:
    capture.frames, capture.broken = 100, (4,)
    with open_video(0, stop=8, stride=2) as reader:
        indices = [frame.index for frame in reader]
    assert indices == [0, 2, 6]
    assert capture.retrieved == [0, 2, 6]
    assert "".join(Status(s).name[0] for s in reader.ledger.status) == "DSDSCSDS"
    assert capture.released == 1


def test_a_camera_that_does_not_open_is_refused_and_released(capture: type[FakeCapture]) -> None:
    capture.frames = 0
    with pytest.raises(OSError, match="another program"):
        open_video(0)
    assert capture.released == 1


@pytest.mark.parametrize("kind", ["webp", "png", "tif"])
def test_a_file_of_many_pictures_is_opened_once_and_not_for_each(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"many.{kind}"
    images = [PIL.Image.fromarray(np.full((20, 30, 3), 9 * n, np.uint8)) for n in range(20)]
    images[0].save(path, save_all=True, append_images=images[1:], lossless=True, duration=40)
    opened = []
    good = PIL.Image.open

    def count(*given: object, **more: object) -> object:
        opened.append(given)
        return good(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(PIL.Image, "open", count)
    with open_video(path) as video:
        values = [round(float(frame.image.mean())) for frame in video]
    assert values == [9 * n for n in range(20)]
    assert len(opened) <= 2  # to count them, and to read them
