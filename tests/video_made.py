"""Small videos whose frames show their own number, for the tests of reading and writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

SIZE = (64, 48)
STEP = 12  # brightness between two frames; 20 frames fit
MILLISECOND = Fraction(1, 1000)


def numbered(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """An image whose brightness tells its number; its top left corner is red."""
    width, height = size
    image = np.full((height, width, 3), number * STEP % 256, np.uint8)
    image[: height // 4, : width // 4] = (0, 0, 255)
    return image


def number_of(image: np.ndarray) -> int:
    """The number of a numbered image, whichever way up, after lossy coding."""
    return round(float(np.median(image[..., 0])) / STEP)


def make_video(
    path: Path,
    count: int = 20,
    *,
    codec: str = "libx264",
    times: Sequence[int] | None = None,
    rate: int = 25,
    rotation: float | None = None,
    flip: bool = False,
    gop: int = 8,
    b_frames: int = 2,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    images: Iterable[np.ndarray] | None = None,
    size: tuple[int, int] = SIZE,
    tags: dict[str, str] | None = None,
) -> Path:
    """Write ``count`` numbered frames; ``times`` in milliseconds make the rate vary."""
    with av.open(str(path), "w", options=container or {}) as file:
        file.metadata.update(tags or {})
        stream: Any = file.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        unit = MILLISECOND if times is not None else Fraction(1, rate)
        stream.codec_context.time_base = unit
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        if codec in ("mpeg4", "mjpeg"):
            stream.bit_rate = 4_000_000
        if codec in ("libx264", "mpeg4"):
            stream.codec_context.max_b_frames = b_frames
        if rotation is not None:
            if not hasattr(stream, "set_display_rotation"):
                pytest.skip("this version of PyAV reads rotations, but cannot write any")
            stream.set_display_rotation(rotation, hflip=flip)
        shown = images if images is not None else (numbered(k, size) for k in range(count))
        if not count:
            file.start_encoding()
        for place, image in enumerate(shown):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            picture.time_base = unit
            picture.pts = times[place] if times is not None else place
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


def make_audio(path: Path) -> Path:
    """A file with half a second of silence and no picture."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 8000, 0
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))
    return path


def make_audio_with_cover(path: Path) -> Path:
    """Sound with a picture of its cover, which is a stream of video to the container."""
    with av.open(str(path), "w", format="mp4") as file:
        sound: Any = file.add_stream("aac", rate=8000)
        cover: Any = file.add_stream("mjpeg", rate=25)
        (cover.width, cover.height), cover.pix_fmt = SIZE, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value  # a number for all versions
        picture = av.VideoFrame.from_ndarray(numbered(3), format="bgr24")
        picture.pts, picture.time_base = 0, MILLISECOND
        file.mux(cover.encode(picture))
        file.mux(cover.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 8000, 0
        file.mux(sound.encode(silence))
        file.mux(sound.encode(None))
    return path


def packets_of(path: Path) -> list[tuple[int, int, int]]:
    """(position, size, time of showing) of each packet, in the order of the file."""
    data = path.read_bytes()
    with av.open(str(path)) as file:
        # Some containers give the position of what wraps the packet.
        return [
            (data.index(bytes(p), max(p.pos or 0, 0)), p.size, p.pts)
            for p in file.demux(video=0)
            if p.size
        ]


def with_damaged_packet(path: Path, number: int) -> int:
    """Overwrite a packet whole; give the index of the frame that it holds."""
    packets = packets_of(path)
    position, size, time = packets[number]
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes([0xFF]) * size
    path.write_bytes(data)
    return sorted(packet[2] for packet in packets).index(time)


def cut(path: Path, fraction: float) -> Path:
    """Cut the file off after a fraction of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path
