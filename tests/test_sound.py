"""The sound of a video stays beside new pictures of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import posetrack
from posetrack.testing import crossing
from posetrack.video.sound import add_sound

RATE, SAMPLES = 25, 16000
SCENE = crossing(frames=50)


def with_sound(path: Path, *, codec: str = "aac") -> Path:
    """Two seconds of the scene and of a tone that begins after the first."""
    with av.open(str(path), "w") as file:
        pictures: Any = file.add_stream("libx264", rate=RATE)
        pictures.width, pictures.height = SCENE.size
        pictures.pix_fmt = "yuv420p"
        sound: Any = file.add_stream(codec, rate=SAMPLES)
        for image in SCENE:
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        file.mux(pictures.encode(None))
        times = np.arange(2 * SAMPLES) / SAMPLES
        wave = np.where(times < 1, 0, 0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
        for start in range(0, len(wave), 1024):
            part = wave[None, start : start + 1024]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "fltp", "mono")
            frame.sample_rate, frame.pts = SAMPLES, start
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    return path


def loudness(path: Path) -> np.ndarray | None:
    """Of each tenth of a second; None without sound."""
    with av.open(str(path)) as file:
        if not file.streams.audio:
            return None
        parts = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
    wave = np.concatenate(parts)
    tenth = SAMPLES // 10
    whole = wave[: len(wave) // tenth * tenth].reshape(-1, tenth)
    return np.sqrt((whole.astype(float) ** 2).mean(axis=1))


def track(source: Path, out: Path, **settings: Any) -> Path:
    people = SCENE.truth(0)[0]
    posetrack.track(
        source, out=out, formats=["csv"], flow_boxes=False,
        detector=lambda _: people.boxes, estimator=lambda _, boxes: people[: len(boxes)],
        **settings,
    )  # fmt: skip
    return out / f"{source.stem}.mp4"


def test_the_overlay_keeps_the_sound_at_its_times(tmp_path: Path) -> None:
    drawn = track(with_sound(tmp_path / "tone.mp4"), tmp_path / "out")
    heard = loudness(drawn)
    assert heard is not None
    assert len(heard) == pytest.approx(20, abs=2)
    assert heard[:9].max() < 0.02
    assert heard[11:19].min() > 0.2
    assert posetrack.Video(drawn).count == len(SCENE)
    content = drawn.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_part_of_the_video_has_its_part_of_the_sound(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "tone.mp4")
    heard = loudness(track(source, tmp_path / "out", start=20, stop=45, cleaning={"fill": 0.2}))
    assert heard is not None
    assert len(heard) == pytest.approx(10, abs=2)
    assert heard[0] < 0.02
    assert heard[4:9].min() > 0.2


OTHERS = [{"audio": False}, {"rate": 10.0}, {"overlay": "jpg"}]


@pytest.mark.parametrize("settings", OTHERS, ids=str)
def test_where_it_is_not_wanted_or_would_not_fit_there_is_none(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    drawn = track(with_sound(tmp_path / "tone.mp4"), tmp_path / "out", stop=5, **settings)
    assert not drawn.exists() or loudness(drawn) is None


def test_a_source_without_sound_or_with_a_damaged_one_leaves_the_video_as_it_was(
    tmp_path: Path,
) -> None:
    source = with_sound(tmp_path / "tone.mp4")
    video = track(source, tmp_path / "out", audio=False, stop=5)
    before = video.read_bytes()
    (tmp_path / "broken.mp4").write_bytes(source.read_bytes()[:3000])
    for other in (video, tmp_path / "broken.mp4"):
        assert add_sound(video, other, begin=0.0, end=0.2) is False
    assert add_sound(video, source, begin=100.0, end=101.0) is False
    assert video.read_bytes() == before
    assert sorted(path.name for path in video.parent.iterdir()) == [
        "tone.csv", "tone.csv.meta.json", "tone.mp4",
    ]  # fmt: skip
