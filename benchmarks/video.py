"""Reading and writing video: our time beside OpenCV's, on a real 1088x1920 video.

    python benchmarks/video.py [VIDEO]

Wall and processor time a frame, medians of interleaved repeats. Processor time is what counts
where networks run at the same time on the same cores. The ways that were not chosen stand below
the ones that were.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from posetrack.video import VideoWriter, open_video

REPEATS = 7
SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "videos" / "lab.mp4"

Case = Callable[[], int]
"""Does its work and says how many frames it was."""


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    if not path.is_file():
        raise SystemExit(f"{path} is not there: name a video")
    with open_video(path) as video:
        size, count = video.size, video.count
    print(f"{path.name}: {size[0]}x{size[1]}, {count} frames")
    table("reading every frame", reading(path))
    table("reading every tenth frame (times a frame of the file)", skipping(path))
    with open_video(path, stop=60) as video:
        images = [frame.image for frame in video]
    with tempfile.TemporaryDirectory() as folder:
        table("writing", writing(images, Path(folder)), Path(folder))


def table(title: str, cases: dict[str, Case], folder: Path | None = None) -> None:
    """Run the cases in turns and print their medians beside the last of them."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    sizes: dict[str, float] = {}
    for _ in range(REPEATS):
        for name, case in cases.items():
            wall, cpu = time.perf_counter(), time.process_time()
            count = case()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            times[name].append((spent[0] / count * 1e3, spent[1] / count * 1e3))
            if folder is not None:
                sizes[name] = sum(f.stat().st_size for f in folder.iterdir()) / count / 1024
    medians = {
        name: tuple(statistics.median(column) for column in zip(*rows, strict=True))
        for name, rows in times.items()
    }
    named = list(cases)[-1]
    print(f"\n{title}\n{'':44}{'wall ms':>9}{'cpu ms':>9}{'cpu ratio':>11}", end="")
    print(f"{'KiB':>8}" if sizes else "")
    for name, (wall, cpu) in medians.items():
        ratio = cpu / medians[named][1]
        print(f"{name:44}{wall:9.2f}{cpu:9.2f}{ratio:11.2f}", end="")
        print(f"{sizes[name]:8.1f}" if sizes else "")


def reading(path: Path) -> dict[str, Case]:
    """Ways to get every frame as a BGR array."""
    return {
        "open_video, in the caller's thread": lambda: ours(path, prefetch=0),
        "open_video, 4 ahead": lambda: ours(path),
        "open_video, 4 ahead, decoder threads 2": lambda: ours(path, threads=2),
        "PyAV 1 thread, to_ndarray('bgr24')": lambda: pyav(path, "NONE", 1, to_ndarray()),
        "PyAV AUTO, to_ndarray('bgr24')": lambda: pyav(path, "AUTO", 0, to_ndarray()),
        "PyAV FRAME, kept reformatter": lambda: pyav(path, "FRAME", 0, kept_reformatter()),
        "PyAV SLICE, kept reformatter": lambda: pyav(path, "SLICE", 0, kept_reformatter()),
        "PyAV 1 thread, cv2.cvtColor": lambda: pyav(path, "NONE", 1, to_planes()),
        "cv2.VideoCapture": lambda: opencv(path),
    }


def skipping(path: Path) -> dict[str, Case]:
    """Ways to get every tenth frame."""
    return {
        "open_video(stride=10), 4 ahead": lambda: ours(path, stride=10),
        "open_video, nine of ten thrown away": lambda: ours(path),
        "cv2.VideoCapture, grab nine, read one": lambda: opencv(path, 10),
    }


def writing(images: list[np.ndarray], folder: Path) -> dict[str, Case]:
    """Ways to encode the images."""
    return {
        "VideoWriter, in write()": lambda: write(folder, images, queue=0),
        "VideoWriter, in a thread": lambda: write(folder, images),
        "VideoWriter, in a thread, superfast": lambda: write(folder, images, preset="superfast"),
        "VideoWriter, in a thread, veryfast": lambda: write(folder, images, preset="veryfast"),
        "VideoWriter, in a thread, x264 threads 0": lambda: write(folder, images, threads=0),
        "PyAV x264 ultrafast, swscale": lambda: pyav_write(folder, images, "libx264"),
        "PyAV mpeg4, cv2.cvtColor": lambda: pyav_write(folder, images, "mpeg4"),
        "cv2.VideoWriter mp4v": lambda: opencv_write(folder, images),
    }


def ours(path: Path, **settings: int) -> int:
    with open_video(path, **settings) as video:
        for _ in video:
            pass
    return len(video.ledger)


def opencv(path: Path, stride: int = 1) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.grab():
        if count % stride == 0:
            capture.retrieve()
        count += 1
    return count


def pyav(path: Path, kind: str, threads: int, convert: Callable[[av.VideoFrame], object]) -> int:
    count = 0
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type = kind
        stream.codec_context.thread_count = threads
        for frame in file.decode(stream):
            convert(frame)
            count += 1
    return count


def to_ndarray() -> Callable[[av.VideoFrame], object]:
    return lambda frame: frame.to_ndarray(format="bgr24")


def kept_reformatter() -> Callable[[av.VideoFrame], object]:
    reformatter = VideoReformatter()
    return lambda frame: reformatter.reformat(frame, format="bgr24").to_ndarray()


def to_planes() -> Callable[[av.VideoFrame], object]:
    return lambda frame: cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2BGR_I420)


def write(folder: Path, images: list[np.ndarray], **settings: object) -> int:
    with VideoWriter(folder / "video.mp4", rate=60, **settings) as writer:
        for image in images:
            writer.write(image)
    return len(images)


def pyav_write(folder: Path, images: list[np.ndarray], codec: str) -> int:
    height, width = images[0].shape[:2]
    with av.open(str(folder / "video.mp4"), "w") as file:
        options = {"preset": "ultrafast", "crf": "23"} if codec == "libx264" else {}
        stream = file.add_stream(codec, rate=60, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = 120
        if codec == "mpeg4":
            stream.bit_rate = 8_000_000
        for place, image in enumerate(images):
            if codec == "mpeg4":
                planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
                picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            else:
                picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = place, Fraction(1, 60)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return len(images)


def opencv_write(folder: Path, images: list[np.ndarray]) -> int:
    height, width = images[0].shape[:2]
    code = cv2.VideoWriter_fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(folder / "video.mp4"), code, 60, (width, height))
    for image in images:
        writer.write(image)
    writer.release()
    return len(images)


if __name__ == "__main__":
    main()
