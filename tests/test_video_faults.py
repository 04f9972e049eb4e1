"""Videos and pictures as people really have them: other clocks, pixels, sizes, turns and damage."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image as Pictures
from PIL import ImageOps, features

from posetrack.video import Status, open_video
from posetrack.video.clock import Clock, put_times
from posetrack.video.image_folders import read_image
from posetrack.video.pixels import Conversion
from posetrack.video.reader import open_tracked


def scene(width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth colours that compress well and look different in every corner."""
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 216, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def write_video(path: Path, images: list[np.ndarray], aspect: Fraction | None = None) -> Path:
    """An MP4 file of next to no loss; each picture a frame at 25 a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


class TestClock:
    def test_its_own_times_stay_as_they_are(self) -> None:
        clock = Clock(Fraction(25))
        times = [-0.08, -0.04, 0.0, 0.1, 0.11, 7.0]
        assert [clock.read(time) for time in times] == times
        assert clock.restarts == []

    def test_a_second_recording_goes_on_behind_the_first(self) -> None:
        clock = Clock(Fraction(10))
        read = [clock.read(time) for time in (3.0, 3.1, 3.2, 0.0, 0.1, 0.2, 0.0, 0.1)]
        assert_allclose(read, 3.0 + np.arange(8) / 10)
        assert clock.restarts == [3, 6]

    def test_doubled_and_rounded_times_move_nothing_behind_them(self) -> None:
        clock = Clock(Fraction(10))
        read = [clock.read(time) for time in (0.0, 0.1, 0.1, 0.095, 0.2, 0.3)]
        assert (np.diff(read) > 0).all()
        assert read[-2:] == [0.2, 0.3]
        assert clock.restarts == []

    def test_a_rate_of_ones_own_takes_the_place_of_the_times(self) -> None:
        clock = Clock(Fraction(25), fixed=Fraction(5))
        assert [clock.read(time) for time in (9.0, 1.0, None)] == [0.0, 0.2, 0.4]

    def test_frames_before_the_first_time_are_spaced_before_it(self) -> None:
        frames = [(k, None if k < 3 else (k - 3) / 10, Status.DECODED, k) for k in range(6)]
        put = list(put_times(iter(frames), Clock(Fraction(10)), Fraction(10)))
        assert_allclose([seconds for _, seconds, _, _ in put], (np.arange(6) - 3) / 10)
        assert [picture for *_, picture in put] == list(range(6))

    def test_a_stream_without_any_time_is_evenly_spaced(self) -> None:
        frames = [(k, None, Status.DECODED, k) for k in range(100)]
        put = list(put_times(iter(frames), Clock(Fraction(20)), Fraction(20)))
        assert_allclose(np.diff([seconds for _, seconds, _, _ in put]), 0.05)


@pytest.mark.parametrize("name", ["neg.mkv", "concat.ts"])
@pytest.mark.parametrize("span", [(0, 1), (3, 4)])
def test_times_grow_by_a_frame_whatever_the_clock_does(
    shared: Path, name: str, span: tuple[int, int]
) -> None:
    with open_video(shared / "cases" / name, start=span[0], stride=span[1]) as video:
        frames = list(video)
        assert_allclose(np.diff(video.ledger.seconds), 1 / 30, atol=0.002)
        assert_array_equal(
            [frame.seconds for frame in frames], video.ledger.seconds[span[0] :: span[1]]
        )
    assert len(video.ledger) == 20
    assert [remark for remark in video.remarks if "times go back" in remark] == (
        video.remarks if name == "concat.ts" else []
    )


def test_a_rate_given_for_a_video_spaces_its_frames(shared: Path) -> None:
    with open_video(shared / "cases" / "concat.ts", rate=50, stop=4) as video:
        assert [frame.seconds for frame in video] == [0.0, 0.02, 0.04, 0.06]


class TestPixelsThatAreNotSquare:
    @pytest.mark.parametrize(
        ("aspect", "size"),
        [
            (Fraction(64, 45), (137, 64)),
            (Fraction(8, 9), (96, 72)),
            (Fraction(1), (96, 64)),
            (Fraction(1, 200), (96, 64)),
        ],
    )
    def test_the_short_side_is_stretched(
        self, tmp_path: Path, aspect: Fraction, size: tuple[int, int]
    ) -> None:
        path = write_video(tmp_path / "a.mp4", [scene()] * 2, aspect)
        with open_video(path) as video:
            images = [frame.image for frame in video]
            assert video.size == size
            assert video.stored_size == (96, 64)
        assert {image.shape for image in images} == {(size[1], size[0], 3)}
        expected = cv2.resize(scene(), size, interpolation=cv2.INTER_LINEAR)
        assert np.abs(images[0].astype(int) - expected).mean() < 2
        assert all(image.flags.c_contiguous for image in images)

    def test_it_is_said_once_and_can_be_left(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", [scene()] * 3, Fraction(2))
        with open_video(path) as video:
            list(video)
            assert len(video.remarks) == 1
            assert "96x64 are scaled to 192x64" in video.remarks[0]
            assert video.scale == (2.0, 1.0)
        with open_video(path, stored_pixels=True) as video:
            assert np.abs(next(video).image.astype(int) - scene()).mean() < 2
            assert video.remarks == []

    def test_a_video_is_opened_as_it_was_tracked(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", [scene()], Fraction(2))
        for size, opened in [
            ((192, 64), (192, 64)), ((96, 64), (96, 64)), (None, (96, 64)), ((50, 50), (192, 64)),
        ]:  # fmt: skip
            with open_tracked(path, size) as video:
                assert video.size == opened

    def test_claims_are_checked_as_they_would_be_shown(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", [scene()], Fraction(2))
        with pytest.raises(ValueError, match=r"192x64.*max_pixels"):
            open_video(path, max_pixels=9000)
        with open_video(path, max_pixels=9000, stored_pixels=True) as video:
            assert len(list(video)) == 1


class TestSizesThatChange:
    def picture(self, image: np.ndarray) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")

    def test_the_first_ones_scale_holds_for_all(self) -> None:
        conversion = Conversion()
        first = conversion.convert(self.picture(scene(96, 64)))
        larger = conversion.convert(self.picture(scene(192, 128)))
        smaller = conversion.convert(self.picture(scene(48, 32)))
        assert first.shape == larger.shape == smaller.shape
        assert np.abs(first.astype(int) - larger).mean() < 4
        assert conversion.changed == 1

    def test_another_shape_keeps_its_proportions(self) -> None:
        conversion = Conversion()
        conversion.convert(self.picture(scene(96, 64)))
        tall = conversion.convert(self.picture(np.full((64, 32, 3), 255, np.uint8)))
        assert tall.shape == (64, 96, 3)
        assert_array_equal(np.flatnonzero(tall[0, :, 0]), np.arange(32, 64))

    def test_as_stored_they_stay_different(self) -> None:
        conversion = Conversion(stored=True)
        shapes = [conversion.convert(self.picture(scene(w, 64))).shape for w in (96, 80)]
        assert shapes == [(64, 96, 3), (64, 80, 3)]

    def test_it_is_said_with_the_frame(self, shared: Path) -> None:
        with open_video(shared / "cases" / "size_changes.webm") as video:
            assert {frame.image.shape for frame in video} == {(480, 272, 3)}
        assert [remark for remark in video.remarks if "size changes at frame" in remark]
        assert len(video.remarks) == 1


def encoded(image: np.ndarray, kind: str, turn: int) -> bytes:
    """A picture whose EXIF data says how it is to be turned."""
    picture = Pictures.fromarray(image[..., ::-1])
    exif = Pictures.Exif()
    exif[274] = turn
    data = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    picture.save(data, kind, exif=exif, **options)
    return data.getvalue()


def turned_by_pillow(stored: np.ndarray, turn: int) -> Pictures.Image:
    """What another library makes of the same orientation."""
    picture = Pictures.fromarray(stored)
    picture.getexif()[274] = turn
    return ImageOps.exif_transpose(picture)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_stand_upright_in_every_format(tmp_path: Path, kind: str, turn: int) -> None:
    stored = scene()
    upright = np.asarray(turned_by_pillow(stored, turn))
    path = tmp_path / "picture"
    path.write_bytes(encoded(stored, kind, turn))
    read = read_image(path)
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).mean() < (3 if kind == "JPEG" else 0.01)
    assert read.flags.c_contiguous


def test_a_phones_webp_stands_upright(shared: Path) -> None:
    assert read_image(shared / "cases" / "exif" / "turned.webp").shape == (240, 136, 3)


class TestManyPicturesInAFile:
    def test_every_page_of_a_tiff_counts(self, tmp_path: Path) -> None:
        pages = [scene(seed=seed) for seed in range(3)]
        path = tmp_path / "pages.tiff"
        cv2.imwritemulti(str(path), pages)
        with open_video(path, rate=10) as video:
            frames = list(video)
            assert video.count == 3
        for frame, page in zip(frames, pages, strict=True):
            assert_array_equal(frame.image, page)
        assert [frame.seconds for frame in frames] == [0.0, 0.1, 0.2]

    @pytest.mark.parametrize("kind", ["webp", "png"])
    def test_an_animation_has_its_own_times(self, tmp_path: Path, kind: str) -> None:
        pages = [Pictures.fromarray(scene(seed=seed)[..., ::-1]) for seed in range(3)]
        path = tmp_path / f"moving.{kind}"
        pages[0].save(
            path, save_all=True, append_images=pages[1:], duration=[100, 300, 100], lossless=True
        )
        with open_video(path) as video:
            frames = list(video)
        assert_allclose([frame.seconds for frame in frames], [0.0, 0.1, 0.4])
        for seed, frame in enumerate(frames):
            assert np.abs(frame.image.astype(int) - scene(seed=seed)).mean() < 1

    def test_pages_stand_among_the_other_files_of_a_folder(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "1.png"), scene(seed=7))
        cv2.imwritemulti(str(tmp_path / "2.tif"), [scene(seed=8), scene(seed=9)])
        cv2.imwrite(str(tmp_path / "3.jpg"), scene(seed=7))
        with open_video(tmp_path) as video:
            assert len(list(video)) == video.count == 4

    @pytest.mark.parametrize("depth", [np.uint8, np.uint16])
    def test_a_later_page_may_claim_no_more_than_the_first(
        self, tmp_path: Path, depth: type[np.generic]
    ) -> None:
        path = tmp_path / "pages.tif"
        cv2.imwritemulti(str(path), [scene(16, 16).astype(depth), scene(300, 200).astype(depth)])
        with pytest.raises(ValueError, match=r"pages\.tif.*300x200.*max_pixels"):
            read_image(path, page=1, max_pixels=1000)
        assert read_image(path, page=1).shape == (200, 300, 3)

    def test_the_case_has_five(self, shared: Path) -> None:
        with open_video(shared / "cases" / "multi.tif") as video:
            assert len(list(video)) == 5


def is_refused(path: Path) -> bool:
    try:
        read_image(path)
    except ValueError as error:
        return str(path) in str(error)
    return False


class TestDamage:
    def test_a_spoiled_jpeg_is_corrupt(self, tmp_path: Path, shared: Path) -> None:
        good = tmp_path / "1.jpg"
        cv2.imwrite(str(good), scene())
        (tmp_path / "2.jpg").write_bytes((shared / "cases" / "garbled.jpg").read_bytes())
        with open_video(tmp_path) as video:
            assert [frame.index for frame in video] == [0]
        assert video.ledger.where(Status.CORRUPT).tolist() == [1]

    def test_bytes_spoiled_anywhere_inside_are_seen(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        noisy = rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)
        data = cv2.imencode(".jpg", noisy)[1].tobytes()
        seen = 0
        for place in range(1000, len(data) - 600, (len(data) - 1600) // 20):
            spoiled = bytearray(data)
            spoiled[place : place + 500] = rng.integers(0, 256, 500, dtype=np.uint8).tobytes()
            path = tmp_path / "spoiled.jpg"
            path.write_bytes(bytes(spoiled))
            seen += is_refused(path)
        assert seen >= 19

    def test_a_cut_jpeg_is_refused_and_padding_is_not(self, tmp_path: Path) -> None:
        data = cv2.imencode(".jpg", scene())[1].tobytes()
        path = tmp_path / "a.jpg"
        path.write_bytes(data[: len(data) * 2 // 3])
        with pytest.raises(ValueError, match=r"a\.jpg: damaged image"):
            read_image(path)
        for padded in (data[:-2] + bytes(2) + data[-2:], data + bytes(500)):
            path.write_bytes(padded)
            assert read_image(path).shape == (64, 96, 3)

    def test_grey_progressive_and_cmyk_jpegs_are_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        cv2.imwrite(str(path), scene()[..., 0])
        assert read_image(path).shape == (64, 96, 3)
        cv2.imwrite(str(path), scene(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
        assert read_image(path).shape == (64, 96, 3)
        Pictures.fromarray(scene()).convert("CMYK").save(path)
        assert read_image(path).shape == (64, 96, 3)


class TestAnimations:
    """Pictures behind the first are turned as the first is."""

    @pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
    def test_all_pictures_of_a_turned_file_are_upright(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"turned.{suffix}"
        exif = Pictures.Exif()
        exif[274] = 6
        pictures = [np.roll(scene(), 9 * n, axis=1) for n in range(3)]
        first, *others = (Pictures.fromarray(picture[..., ::-1]) for picture in pictures)
        first.save(path, save_all=True, append_images=others, lossless=True, duration=40, exif=exif)
        with open_video(path) as video:
            images = [frame.image for frame in video]
        for image, picture in zip(images, pictures, strict=True):
            assert_array_equal(image, cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow is without AVIF")
class TestAvif:
    @staticmethod
    def save(path: Path, **more: Any) -> np.ndarray:
        first = scene()
        pictures = [Pictures.fromarray(np.roll(first, n, axis=1)[..., ::-1]) for n in range(3)]
        several = {"save_all": True, "append_images": pictures[1:]} if "duration" in more else {}
        pictures[0].save(path, "AVIF", quality=100, **several, **more)
        return first

    @pytest.mark.parametrize("name", ["still.avif", "still.mp4"])
    def test_a_still_is_read_by_its_content(self, tmp_path: Path, name: str) -> None:
        picture = self.save(tmp_path / name)
        with open_video(tmp_path / name) as video:
            (frame,) = video
        assert_allclose(frame.image, picture, atol=24)
        assert np.abs(frame.image.astype(int) - picture).mean() < 4

    def test_it_is_turned_upright(self, tmp_path: Path) -> None:
        exif = Pictures.Exif()
        exif[274] = 6
        picture = self.save(tmp_path / "turned.avif", exif=exif.tobytes())
        image = read_image(tmp_path / "turned.avif")
        upright = cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE).astype(int)
        assert image.shape == upright.shape
        assert np.abs(image - upright).mean() < 4

    def test_an_animated_one_has_its_pictures_and_their_times(self, tmp_path: Path) -> None:
        self.save(tmp_path / "moving.avif", duration=40)
        with open_video(tmp_path / "moving.avif") as video:
            times = [frame.seconds for frame in video]
        assert_allclose(times, [0, 0.04, 0.08], atol=1e-6)

    def test_a_damaged_one_is_a_damaged_image(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.avif"
        self.save(path)
        path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(ValueError, match=r"cut\.avif: damaged image"):
            read_image(path)


class TestStillsInTiles:
    def test_a_phones_still_is_put_together(self, shared: Path) -> None:
        pytest.importorskip("pillow_heif")
        with open_video(shared / "cases" / "photo.heic") as video:
            assert [frame.image.shape for frame in video] == [(960, 544, 3)]

    def test_without_the_library_it_is_refused_with_the_way_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "photo.mp4"  # told by its content
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
        monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
        with pytest.raises(ModuleNotFoundError, match=r"photo\.mp4.*posetrack\[heif\]"):
            open_video(path)


def test_boxes_given_in_stored_pixels_are_scaled() -> None:
    from posetrack.runs.results import scale_boxes

    given = SimpleNamespace(xyxy=np.array([[10.0, 20.0, 30.0, 40.0]]), scores=np.ones(1))
    scaled = scale_boxes(lambda _: given, (2.0, 1.0))(0)
    assert scaled.xyxy.tolist() == [[20.0, 20.0, 60.0, 40.0]]
