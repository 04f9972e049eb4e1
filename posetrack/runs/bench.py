"""How fast a tracker is on videos, stage by stage, with each runtime and precision asked for."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.structures import Detections, Poses, Tracks
from posetrack.tracking.stages import StageClock, measure_stages, summarise
from posetrack.tracking.tracker import Tracker
from posetrack.video import Frame

RUNTIMES = ("usual", "torch", "onnxruntime", "openvino")
PRECISIONS = ("float32", "half", "int8")

LARGEST_BYTES = 2**32
"""Of frames that are kept in memory."""

_SURE = 0.3
"""Least score of keypoints that are compared."""


@dataclass(frozen=True)
class Variant:
    """A way to run the pose network."""

    runtime: str = "usual"
    precision: str = "float32"

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"

    def settings(self) -> dict[str, Any]:
        """Keywords of the estimator.

        Raises
        ------
        ValueError
            If the two do not go together.
        """
        if self.precision == "half":
            if self.runtime not in ("usual", "torch"):
                raise ValueError(f"half precision is torch's here, not {self.runtime}'s")
            return {"half": True, "on_device": True}
        if self.precision == "int8":
            if self.runtime not in ("usual", "onnxruntime"):
                raise ValueError(f"int8 is onnxruntime's here, not {self.runtime}'s")
            return {"precision": "int8"}
        if self.runtime == "usual":
            return {}
        from posetrack.runtimes.onnxruntime import run_with_onnxruntime
        from posetrack.runtimes.openvino import run_with_openvino
        from posetrack.runtimes.torch import run_with_torch

        runtimes: Mapping[str, Any] = {
            "torch": run_with_torch,
            "onnxruntime": run_with_onnxruntime,
            "openvino": run_with_openvino,
        }
        return {"runtime": runtimes[self.runtime]}


@dataclass
class Bench:
    """What was measured of one variant on all videos.

    Parameters
    ----------
    variant
        Runtime and precision.
    stages
        Of `posetrack.tracking.stages.summarise`.
    frames, people
        How many frames were tracked, repeats counted, and how many people found in them.
    seconds
        For all of them, one after the other, without decoding, drawing and writing.
    peak_bytes
        Most memory of the process meanwhile, and of the GPU (0 without).
    differences
        Keypoint differences from the first variant, in pixels; empty for it and where there are
        none to compare.
    problem
        Why it could not be measured.
    """

    variant: str
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    frames: int = 0
    people: int = 0
    seconds: float = 0.0
    peak_bytes: tuple[int, int] = (0, 0)
    differences: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def people_a_second(self) -> float:
        """People found in a second."""
        return self.people / self.seconds if self.seconds else 0.0

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        rates = {
            "people_per_second": self.people_a_second,
            "frames_per_second": self.frames / self.seconds if self.seconds else 0.0,
        }
        return {**asdict(self), **rates}


@dataclass
class Clip:
    """Frames of a video in memory, and how long each took to decode."""

    name: str
    frames: list[Frame]
    seconds: list[float]


def load_clips(sources: Iterable[str], *, start: int = 0, stop: int | None = None) -> list[Clip]:
    """Read videos into memory.

    Raises
    ------
    ValueError
        If there is no frame, or they take more than `LARGEST_BYTES`.
    """
    from posetrack.video import open_video

    clips, held = [], 0
    for source in sources:
        clip = Clip(Path(source).name, [], [])
        with open_video(source, start=start, stop=stop) as video:
            before = time.perf_counter()
            for frame in video:
                clip.seconds.append(time.perf_counter() - before)
                clip.frames.append(frame)
                held += frame.image.nbytes
                if held > LARGEST_BYTES:
                    raise ValueError(
                        f"{source}: the frames take more than {LARGEST_BYTES / 2**30:.0f} GB of "
                        "memory, where they are kept; take fewer with --stop"
                    )
                before = time.perf_counter()
        if not clip.frames:
            raise ValueError(f"{source}: no frames to measure with")
        clips.append(clip)
    return clips


def run_bench(
    variant: Variant,
    build: Callable[[Variant], Tracker],
    clips: Sequence[Clip],
    *,
    repeat: int = 3,
    seen: list[tuple[Image, Detections, Poses]] | None = None,
) -> Bench:
    """Measure one variant.

    Parameters
    ----------
    variant, build
        What makes a tracker of it.
    clips
        Of `load_clips`.
    repeat
        How often they are tracked; before the first time some frames are, unmeasured.
    seen
        Is filled with what the pose network was given and gave, where it is empty; else the
        network is given the same again, and the difference is measured.
    """
    found = Bench(str(variant))
    try:
        tracker = build(variant)
        clock = StageClock(_synchroniser(tracker))
        measured = measure_stages(tracker, clock)
        for frame in clips[0].frames[:3]:
            measured.update(frame.image)
        clock.forget()
        _forget_peak()
        last = _repeat(measured, clips, repeat, clock, found)
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        found.problem = " ".join(str(error).split())
        return found
    found.peak_bytes = _peak()
    stages = _draw_and_write(clips, last)
    stages["decode"] = [second for clip in clips for second in clip.seconds]
    alone = {
        name: summarise([{name: second} for second in seconds])[name]
        for name, seconds in stages.items()
    }
    found.stages = summarise(clock.rows)
    for name, row in alone.items():
        found.stages[name] = {**row, "share": float("nan")}  # not part of what was tracked
    if seen is not None:
        found.differences = _compare(tracker, clips, seen)
    return found


def _repeat(
    tracker: Tracker, clips: Sequence[Clip], repeat: int, clock: StageClock, found: Bench
) -> list[list[Tracks]]:
    tracked: list[list[Tracks]] = []
    for _ in range(repeat):
        tracked = []
        for clip in clips:
            tracker.reset()
            tracked.append([])
            for frame in clip.frames:
                begin = clock.now()
                tracks = tracker.update(frame.image)
                found.seconds += clock.now() - begin
                clock.next_frame()
                tracked[-1].append(tracks)
                found.frames += 1
                found.people += len(tracks)
    return tracked


def _draw_and_write(
    clips: Sequence[Clip], tracked: Sequence[Sequence[Tracks]]
) -> dict[str, list[float]]:
    """Seconds a frame of an overlay's drawing and of its encoding, afterwards."""
    from posetrack.draw import draw_tracks
    from posetrack.video import VideoWriter

    drawing, writing = [], []
    for clip, tracks in zip(clips, tracked, strict=True):
        with (
            tempfile.TemporaryDirectory() as folder,
            VideoWriter(Path(folder) / "overlay.mp4", rate=30, queue=0) as video,
        ):
            for frame, people in zip(clip.frames, tracks, strict=True):
                begin = time.perf_counter()
                image = draw_tracks(frame.image, people)
                drawn = time.perf_counter()
                video.write(image)
                drawing.append(drawn - begin)
                writing.append(time.perf_counter() - drawn)
    return {"drawing": drawing, "writing": writing}


def _compare(
    tracker: Tracker, clips: Sequence[Clip], seen: list[tuple[Image, Detections, Poses]]
) -> dict[str, float]:
    """Keypoints that the first variant is sure of, in the same boxes: how far off they are."""
    estimate: Any = tracker.estimator
    if getattr(estimate, "bottom_up", False) or estimate is None:
        return {}
    if not seen:
        tracker.reset()
        for clip in clips:
            tracker.reset()
            for frame in clip.frames:
                boxes = tracker.update(frame.image).poses.boxes
                seen.append((frame.image, boxes, estimate(frame.image, boxes)))
        return {}
    apart: list[NDArray[np.floating[Any]]] = []
    for image, boxes, wanted in seen:
        found = estimate(image, boxes)
        apart.append(np.linalg.norm(found.xy - wanted.xy, axis=2)[wanted.scores > _SURE])
    pixels = np.concatenate(apart) if apart else np.zeros(0)
    if not len(pixels):
        return {}
    percentiles = dict(
        zip(("median", "p95", "p99"), np.percentile(pixels, (50, 95, 99)), strict=True)
    )
    return {name: float(value) for name, value in percentiles.items()} | {
        "max": float(pixels.max()),
        "keypoints": float(len(pixels)),
    }


def _synchroniser(tracker: Tracker) -> Callable[[], object] | None:
    """What waits for the GPU that a network of the tracker is on; None where none is."""
    for backend in (tracker.estimator, tracker.detector, tracker.flow):
        device = getattr(backend, "image_device", None)
        if getattr(device, "type", "") == "cuda":
            import torch

            return lambda: torch.cuda.synchronize(device)
    return None


def _forget_peak() -> None:
    """Begin to look for the most memory anew; what the system cannot forget counts from before."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> tuple[int, int]:
    """Most bytes of the process, and of the GPU."""
    torch = sys.modules.get("torch")
    card = 0
    if torch is not None and torch.cuda.is_available():
        card = int(torch.cuda.max_memory_reserved())
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return _peak_of_all_time(), card
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM")), None)
    return (int(kilobytes) * 1024 if kilobytes else _peak_of_all_time()), card


def _peak_of_all_time() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) if sys.platform == "darwin" else int(most) * 1024


def describe_machine() -> dict[str, Any]:
    """What the figures are of."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def table_of(benches: Sequence[Bench]) -> str:
    """Stages down, variants across, with what was found and needed below; in Markdown.

    Examples
    --------
    >>> stages = {"network": {"median_ms": 3.0, "p95_ms": 4.0, "share": 1.0}}
    >>> print(table_of([Bench("usual float32", stages, frames=2, people=4, seconds=0.5)]))
    | ms: median, p95, share | usual float32 |
    |---|---|
    | network | 3.0, 4.0, 100 % |
    | people a second | 8.0 |
    | frames a second | 4.0 |
    | peak memory, MB | 0 |
    | keypoints differ by, px: median, p99 | - |
    """
    measured = [bench for bench in benches if not bench.problem]
    names = list(dict.fromkeys(name for bench in measured for name in bench.stages))
    lines = [
        f"| ms: median, p95, share | {' | '.join(bench.variant for bench in measured)} |",
        "|---|" + "---|" * len(measured),
    ]

    def add(title: str, cell: Callable[[Bench], str]) -> None:
        lines.append(f"| {title} | {' | '.join(cell(bench) for bench in measured)} |")

    for name in names:
        add(name, lambda bench, name=name: _cell(bench.stages.get(name)))  # type: ignore[misc]
    add("people a second", lambda bench: f"{bench.people_a_second:.1f}")
    add("frames a second", lambda bench: f"{bench.frames / max(bench.seconds, 1e-9):.1f}")
    add("peak memory, MB", lambda bench: f"{bench.peak_bytes[0] / 1e6:.0f}")
    if any(bench.peak_bytes[1] for bench in measured):
        add("on the GPU, MB", lambda bench: f"{bench.peak_bytes[1] / 1e6:.0f}")
    add(
        "keypoints differ by, px: median, p99",
        lambda bench: (
            f"{bench.differences['median']:.2f}, {bench.differences['p99']:.2f}"
            if bench.differences
            else "-"
        ),
    )
    return "\n".join(lines)


def _cell(stage: Mapping[str, float] | None) -> str:
    if stage is None:
        return "-"
    share = "" if np.isnan(stage["share"]) else f", {stage['share']:.0%}".replace("%", " %")
    return f"{stage['median_ms']:.1f}, {stage['p95_ms']:.1f}{share}"
