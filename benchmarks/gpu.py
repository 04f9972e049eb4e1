r"""What runs on a GPU: is it right, how fast is it, and how near to what the card can do.

    python benchmarks/gpu.py --out OUT                       # all parts, at most 6 minutes
    python benchmarks/gpu.py correctness pipeline --out OUT  # some of them
    python benchmarks/gpu.py --device cpu --small            # the same code at tiny sizes, anywhere

Parts, each in a process of its own with a time limit: ``correctness`` (every path of a device
beside the CPU, see ``gpu_checks.py``), ``pipeline`` (frames a second of `Tracker.update` and
`track_video` beside a bare loop, where the time goes, waits for the device), ``network`` (crops a
second beside the roofline), ``training``, ``memory`` (over 5,000 frames) and ``streams`` (two
videos on one card). Results are written as they come, to ``gpu.json`` and ``gpu_PART.md`` in
``--out``; a part that fails or is stopped keeps what it had, and the others run.

On a bare machine with Python 3.12, torch, torchvision, numpy, numba, scipy, OpenCV and
onnxruntime, without a network, the rest travels as wheels in a folder beside the package (37 MB;
the tree has 17):

    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --platform manylinux1_x86_64 -d .whl \
        av lap motmetrics orjson msgspec simplejpeg platformdirs xmltodict
    mkdir -p .pictures && cp ../shared/data/coco/*.jpg .pictures/     # real people, if at hand

and there, in the repository's root, with ``.whl`` and ``.pictures``:

    python3 -m pip install -q --no-index --no-deps --target /tmp/site .whl/*.whl
    PYTHONPATH=$PWD:/tmp/site python3 benchmarks/gpu.py --out $OUT --pictures .pictures
    PYTHONPATH=$PWD:/tmp/site python3 -m pytest -q -p no:cacheprovider tests/gpu

``msgspec`` reads cards of networks and training data, ``simplejpeg`` pictures for training;
``orjson`` and ``motmetrics`` are not read by this script.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

LIMITS: Mapping[str, float] = {
    "correctness": 100,
    "pipeline": 80,
    "network": 70,
    "training": 35,
    "memory": 35,
    "streams": 25,
}
"""Seconds that each part may take; 345 in all. The first also compiles the kernels for all."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What a part works with."""

    device: str
    small: bool
    pictures: Path | None

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")


# ---- The parent: one process a part, results as they come ----


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(LIMITS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS"))
    parser.add_argument("--pictures", type=Path, help="folder of JPEG files with people")
    parser.add_argument("--seconds", type=float, default=345, help="for all parts together")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    wanted = arguments.parts or list(LIMITS)
    if unknown := [part for part in wanted if part not in LIMITS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(LIMITS)}")
    job = Job(arguments.device, arguments.small, arguments.pictures)
    if arguments.child:
        run_part(wanted[0], job)
        return 0
    if not job.small:  # kernels are compiled once for all parts, beside nobody's own
        os.environ.setdefault("POSETRACK_HOME", tempfile.mkdtemp())
    end = time.monotonic() + arguments.seconds * (4 if job.small else 1)
    results = Results(arguments.out, job)
    for part in wanted:
        limit = min(LIMITS[part] * (4 if job.small else 1), end - time.monotonic())
        if limit < 5:
            results.add(part, {"table": "not run", "why": "no time was left"})
            continue
        results.add(part, {"table": "run", **follow(part, job, limit, results)})
    print(f"wrote {results.json}")
    return int(results.failed)


class Results:
    """Rows by part, in files that are whole after each row."""

    def __init__(self, folder: Path, job: Job) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.json = folder, folder / "gpu.json"
        self.command = " ".join(["python", *sys.argv])
        self.job, self.rows = job, {}
        self.failed = False

    def add(self, part: str, row: Row) -> None:
        self.rows.setdefault(part, []).append(row)
        self.failed |= row.get("right") is False or row.get("ended", "well") != "well"
        cells = "  ".join(
            f"{name} {shorten(value)}" for name, value in row.items() if name != "table"
        )
        print(f"{part:12} {row['table']}: {cells}", flush=True)
        whole = {"command": self.command, "small": self.job.small, "parts": self.rows}
        write(self.json, json.dumps(whole, indent=1) + "\n")
        write(self.folder / f"gpu_{part}.md", self.markdown(part))

    def markdown(self, part: str) -> str:
        title = f"# On a GPU: {part}\n\n`{self.command}`\n"
        if self.job.small or not self.job.cuda:
            title += "\n**Not on a GPU: tiny sizes on the CPU, to see that it runs. No figures.**\n"
        tables: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows[part]:
            tables.setdefault((row["table"], *(key for key in row if key != "table")), []).append(
                row
            )
        lines = [title]
        for (table, *names), rows in tables.items():
            lines += [f"\n## {table}\n", f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
            lines += [f"| {' | '.join(shorten(row[name]) for name in names)} |" for row in rows]
        return "\n".join(lines) + "\n"


def shorten(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def write(path: Path, text: str) -> None:
    """Whole or not at all, without the package: it may be what does not work."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def follow(part: str, job: Job, limit: float, results: Results) -> Row:
    """Run a part in a process of its own; its rows go to the results as it prints them."""
    command = [sys.executable, str(Path(__file__).resolve()), part, "--child"]
    command += ["--device", job.device, *(["--small"] if job.small else [])]
    command += ["--pictures", str(job.pictures)] if job.pictures else []
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            assert child.stdout is not None
            for line in child.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        ended = "well"
        while True:
            left = start + limit - time.monotonic()
            try:
                line = lines.get(timeout=max(left, 0.01))
            except queue.Empty:
                ended = f"stopped after {limit:.0f} s"
                break
            if line is None:
                break
            if line.startswith("{"):
                results.add(part, json.loads(line))
        if ended != "well":
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        errors.seek(0)
        last = errors.read().strip().splitlines()[-12:]
    if ended == "well" and code:
        ended = f"failed ({code}): " + " / ".join(last[-3:])
    if ended != "well":
        print("\n".join(last), file=sys.stderr)
    return {"ended": ended, "seconds": round(time.monotonic() - start, 1)}


# ---- The child ----


def run_part(part: str, job: Job) -> None:
    """Print a part's rows as JSON, one a line."""
    say(machine(job))
    for row in PARTS[part](job):
        say(row)


def say(row: Row) -> None:
    print(json.dumps(row), flush=True)


def machine(job: Job) -> Row:
    import cv2
    import numpy
    import torch

    card = torch.cuda.get_device_name(job.device) if job.cuda else platform.machine()
    return {
        "table": "machine",
        "card": card,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
    }


def attempt(table: str, name: str, rows: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    """What can fail by itself fails by itself, with its last line."""
    try:
        yield from rows()
    except Exception as error:  # whatever it is, the other rows are wanted
        traceback.print_exc()
        yield {
            "table": f"{table}: failed",
            "what": name,
            "error": f"{type(error).__name__}: {error}"[:400],
            "ended": "badly",
        }


def synchronise(job: Job) -> None:
    if job.cuda:
        import torch

        torch.cuda.synchronize(job.device)


# ---- (a) Is it right? ----


def correctness(job: Job) -> Iterator[Row]:
    from gpu_checks import CHECKS, read_pictures, setting

    at = setting(job.device, read_pictures(job.pictures), small=job.small)
    for title, check in CHECKS.items():

        def rows(check: Callable[..., Any] = check) -> Iterator[Row]:
            for found in check(at):
                yield {
                    "table": "beside the CPU",
                    "what": found.name,
                    "difference": float(found.measured),
                    "limit": float(found.limit),
                    "unit": found.unit,
                    "right": found.right,
                }

        yield from attempt("beside the CPU", title, rows)


# ---- (c) The pipeline ----


class Answering:
    """Detector and estimator whose networks run for real, and whose answers are a scene's truth.

    Networks with random weights find nobody. The time is theirs; the people are known.
    """

    def __init__(self, scene: Any, detector: Any, estimator: Any) -> None:
        self.scene, self.truth = scene, [scene.truth(frame)[0] for frame in range(len(scene))]
        self.detector = AnsweringDetector(self, detector)
        self.estimator = AnsweringEstimator(self, estimator)

    def people(self, image: Any) -> Any:
        return self.truth[self.scene.frame_of(getattr(image, "host", image))]


class AnsweringDetector:
    def __init__(self, known: Answering, network: Any) -> None:
        self._known, self._network = known, network
        self.image_device, self.upload = network.image_device, network.upload
        self.images_at_once = network.images_at_once

    def __call__(self, image: Any, /) -> Any:
        return self.detect_all([image])[0]

    def detect_all(self, images: Any, /) -> Any:
        self._network.detect_all(images)
        return [self._known.people(image).boxes for image in images]


class AnsweringEstimator:
    def __init__(self, known: Answering, network: Any) -> None:
        self._known, self._network, self.skeleton = known, network, network.skeleton
        self.image_device, self.upload = network.image_device, network.upload

    def __call__(self, image: Any, boxes: Any, /) -> Any:
        import numpy as np

        from posetrack import Poses

        self._network(image, boxes)
        truth = self._known.people(image)
        middle = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
        there = (truth.boxes.xyxy[:, :2] + truth.boxes.xyxy[:, 2:]) / 2
        nearest = np.abs(middle[:, None] - there[None]).sum(axis=2).argmin(axis=1)
        return Poses(truth.xy[nearest], truth.scores[nearest] * 0.9, boxes, self.skeleton)


def crowd(people: int, frames: int, size: tuple[int, int]) -> Any:
    """People who stroll, side by side."""
    import numpy as np

    from posetrack.testing import walking

    rng = np.random.default_rng(people)
    width, height = size
    start = np.stack(
        [np.linspace(0.05, 0.95, people) * width, rng.uniform(0.5, 0.97, people) * height], axis=1
    )
    steps = rng.uniform(-2, 2, (people, 2)) * (1, 0.2)
    paths = start[None] + np.arange(frames)[:, None, None] * steps[None]
    return walking(paths, height=rng.uniform(0.2, 0.42, people) * height, size=size)


def networks_of(job: Job) -> tuple[Any, Any]:
    """The defaults of a GPU with random weights; small ones where the sizes are."""
    import torch

    from posetrack.detectors import torchvision as detection
    from posetrack.estimators.top_down import TopDown
    from posetrack.networks.pose_resnet import PoseResNet
    from posetrack.skeletons import COCO_17

    torch.manual_seed(0)
    make = detection.ssdlite_mobilenet if job.small else detection.faster_rcnn_resnet50_v2
    detector = detection.TorchvisionDetector(make(None), device=job.device)
    estimator = TopDown(
        PoseResNet(18 if job.small else 50, 17),
        COCO_17,
        input_size=(48, 64) if job.small else None,
        device=job.device,
        on_device=True,
        half=job.cuda,
    )
    return detector, estimator


def pipeline(job: Job) -> Iterator[Row]:
    from posetrack.video import Frame

    detector, estimator = networks_of(job)
    size, count = ((320, 180), 4) if job.small else ((1280, 720), 60)
    for people in (2,) if job.small else (5, 2, 20):
        scene = crowd(people, count, size)
        frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
        yield from attempt(
            "frames a second",
            f"{people} people",
            partial(rates, job, scene, frames, detector, estimator, people),
        )
        if people in (2, 5):
            yield from attempt(
                "stages",
                f"{people} people",
                partial(stages, job, scene, frames, detector, estimator, people),
            )
            yield from attempt(
                "where the time goes",
                f"{people} people",
                partial(profile, job, scene, frames, detector, estimator, people),
            )


def rates(
    job: Job, scene: Any, frames: Sequence[Any], detector: Any, estimator: Any, people: int
) -> Iterator[Row]:
    """Frames a second of each way to run the same networks, beside the bare loop."""
    bare = bare_loop(job, scene, detector, estimator)
    runs: list[tuple[str, int, Callable[[], object]]] = [("bare loop", 1, partial(bare, frames, 1))]
    for every in (1, 5):
        for name, way in (("update", updates), ("track_video", overlapped)):
            run = partial(way, scene, frames, detector, estimator, every)
            runs.append(
                (
                    f"{name}, detector on every frame" if every == 1 else f"{name}, every fifth",
                    every,
                    run,
                )
            )
    seconds = {}
    for name, _, run in runs:
        run()  # kernels are chosen and graphs captured in the first one
        taken = []
        for _ in range(1 if job.small else 2):
            synchronise(job)
            start = time.perf_counter()
            run()
            synchronise(job)
            taken.append(time.perf_counter() - start)
        seconds[name] = min(taken)
        yield {
            "table": "frames a second",
            "people": people,
            "what": name,
            "frames a second": len(frames) / seconds[name],
            "ms a frame": seconds[name] / len(frames) * 1e3,
            "times the bare loop": seconds["bare loop"] / seconds[name],
        }


def tracker_of(scene: Any, detector: Any, estimator: Any, every: int) -> Any:
    from posetrack import Tracker

    known = Answering(scene, detector, estimator)
    return Tracker(
        known.detector, known.estimator, detect_every=every, max_box_iou=0.95, max_oks=0.95
    )


def updates(scene: Any, frames: Sequence[Any], detector: Any, estimator: Any, every: int) -> Any:
    tracker = tracker_of(scene, detector, estimator, every)
    return [tracker.update(frame.image) for frame in frames]


def overlapped(scene: Any, frames: Sequence[Any], detector: Any, estimator: Any, every: int) -> Any:
    from posetrack.tracking.pipeline import track_video

    tracker = tracker_of(scene, detector, estimator, every)
    return [people for _, people in track_video(frames, tracker)]


def stages(
    job: Job, scene: Any, frames: Sequence[Any], detector: Any, estimator: Any, people: int
) -> Iterator[Row]:
    """As ``posetrack bench`` counts them: the device is waited for behind each."""
    from posetrack.tracking.stages import StageClock, measure_stages, summarise

    clock = StageClock(partial(synchronise, job))
    tracker = measure_stages(tracker_of(scene, detector, estimator, 1), clock)
    for number, frame in enumerate(frames[:30]):
        tracker.update(frame.image)
        clock.next_frame()
        if number == 2:
            clock.forget()
    for name, row in summarise(clock.rows).items():
        yield {"table": "stages of update, each waited for", "people": people, "stage": name, **row}


def bare_loop(job: Job, scene: Any, detector: Any, estimator: Any) -> Callable[[Any, int], None]:
    """What somebody writes first: each network on each image, crops by OpenCV, heatmaps back."""
    import torch

    from posetrack.ops.crops import (
        IMAGENET_RGB,
        box_to_center_scale,
        crop_matrices,
        crop_people,
        normalise,
    )
    from posetrack.ops.heatmaps import decode_quarter

    detect, pose = detector._network, estimator._on_device.network
    kind = torch.float16 if job.cuda else torch.bfloat16
    size = estimator.input_size

    def run(frames: Sequence[Any], every: int) -> None:
        for number, frame in enumerate(frames):
            with torch.inference_mode(), torch.autocast(job.device.split(":")[0], kind, job.cuda):
                if number % every == 0:
                    pixels = torch.from_numpy(frame.image).to(job.device)
                    pixels = pixels.permute(2, 0, 1).flip(0).float() / 255
                    for values in detect([pixels])[0].values():
                        values.cpu()
                boxes = scene.truth(scene.frame_of(frame.image))[0].boxes.xyxy
                center, scale = box_to_center_scale(boxes, input_size=size)
                crops = crop_people(frame.image, crop_matrices(center, scale, size), size)
                batch = torch.from_numpy(normalise(crops, IMAGENET_RGB)).to(job.device)
                decode_quarter(pose(batch).float().cpu().numpy())

    return run


@contextmanager
def named(parts: Mapping[str, tuple[Any, str]]) -> Iterator[None]:
    """The profiler sees by name what each object's method does.

    A network that is replayed as a graph is not called, so it is the call around it that is named:
    from crops to keypoints, and from pixels to boxes.
    """
    import torch

    def within(name: str, call: Any) -> Any:
        def run(*arguments: Any, **more: Any) -> Any:
            with torch.profiler.record_function(f"network: {name}"):
                return call(*arguments, **more)

        return run

    for name, (owner, method) in parts.items():
        setattr(owner, method, within(name, getattr(owner, method)))
    try:
        yield
    finally:
        for owner, method in parts.values():
            delattr(owner, method)  # the class's own is seen again


def profile(
    job: Job, scene: Any, frames: Sequence[Any], detector: Any, estimator: Any, people: int
) -> Iterator[Row]:
    """Share of time in network kernels, waits for the device by line, and one frame's time line."""
    import torch
    from torch.profiler import ProfilerActivity

    few = frames[: 4 if job.small else 24]
    networks = {
        "detector": (detector._network, "forward"),
        "pose": (estimator._on_device, "decode_crops"),
    }
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if job.cuda else [])]
    waits: Counter[str] = Counter()
    with warnings.catch_warnings(record=True) as caught, waits_are_said(job):
        warnings.simplefilter("always")
        overlapped(scene, few, detector, estimator, 1)
    for warning in caught:
        if "synchroniz" in str(warning.message):
            waits[
                f"{Path(warning.filename).parent.name}/{Path(warning.filename).name}:{warning.lineno}"
            ] += 1
    for line, times in waits.most_common(20):
        yield {
            "table": "waits of the host",
            "people": people,
            "where": line,
            "a frame": times / len(few),
        }
    if not waits:
        yield {"table": "waits of the host", "people": people, "where": "none seen", "a frame": 0.0}
    with named(networks), torch.profiler.profile(activities=activities) as seen:
        start = time.perf_counter()
        overlapped(scene, few, detector, estimator, 1)
        synchronise(job)
        seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        seen.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    yield from read_trace(events, seconds, len(few), people)


@contextmanager
def waits_are_said(job: Job) -> Iterator[None]:
    import torch

    if not job.cuda:
        yield
        return
    torch.cuda.set_sync_debug_mode("warn")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def read_trace(events: Sequence[Row], seconds: float, frames: int, people: int) -> Iterator[Row]:
    """Kernels by the network that launched them, from a trace of torch's profiler.

    A kernel's ``correlation`` is that of the call which launched it; the call stands inside the
    range of a network on the same thread, or in none. Kernels of a graph have their launch's.
    """
    spans = [event for event in events if event.get("ph") == "X" and "dur" in event]
    ranges: dict[Any, list[tuple[float, float, str]]] = {}
    for event in spans:
        if (
            str(event.get("name", "")).startswith("network: ")
            and event.get("cat") == "user_annotation"
        ):
            at = (float(event["ts"]), float(event["ts"]) + float(event["dur"]), event["name"][9:])
            ranges.setdefault(event.get("tid"), []).append(at)
    launches: dict[Any, str] = {}
    syncs: Counter[str] = Counter()
    for event in spans:
        if event.get("cat") not in ("cuda_runtime", "cuda_driver"):
            continue
        name, now = str(event["name"]), float(event["ts"])
        if "Synchronize" in name:
            syncs[name] += 1
        inside = [
            label for begin, end, label in ranges.get(event.get("tid"), []) if begin <= now <= end
        ]
        launches[event.get("args", {}).get("correlation")] = inside[-1] if inside else ""
    busy: dict[str, list[tuple[float, float]]] = {}
    for event in spans:
        if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset"):
            owner = launches.get(event.get("args", {}).get("correlation"), "")
            kind = (
                f"{owner} network"
                if owner
                else ("copies" if "mem" in event["cat"] else "other kernels")
            )
            begin = float(event["ts"])
            busy.setdefault(kind, []).append((begin, begin + float(event["dur"])))
    table = "where the time goes (track_video, detector on every frame)"
    networks = [span for kind, kinds in busy.items() if kind.endswith("network") for span in kinds]
    for kind, kinds in {
        **busy,
        "any network": networks,
        "anything": [span for every in busy.values() for span in every],
    }.items():
        share = covered(kinds) / 1e6 / seconds
        yield {"table": table, "people": people, "on the device": kind, "share of time": share,
               "launches a frame": len(kinds) / frames}  # fmt: skip
    for name, times in syncs.most_common():
        yield {"table": "calls that wait, by the driver's name", "people": people, "call": name,
               "a frame": times / frames}  # fmt: skip
    waits: dict[str, list[float]] = {}
    for event in spans:
        name = str(event.get("name", ""))
        if name.startswith("wait: ") and event.get("cat") == "user_annotation":
            waits.setdefault(name[6:], []).append(float(event["dur"]))
    for name, lengths in sorted(waits.items()):
        table = "waits of the host, by what for"
        yield {"table": table, "people": people, "for": name, "a frame": len(lengths) / frames,
               "ms a frame": sum(lengths) / 1e3 / frames}  # fmt: skip
    yield from time_line(spans, launches, frames, people)


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Length of the union of spans."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def time_line(
    spans: Sequence[Row], launches: Mapping[Any, str], frames: int, people: int
) -> Iterator[Row]:
    """What each stream did during one frame in the middle: between two runs of the pose network."""
    poses = sorted(
        float(event["ts"]) for event in spans
        if event.get("name") == "network: pose" and event.get("cat") == "user_annotation"
    )  # fmt: skip
    if len(poses) < 3:
        return
    begin, end = poses[len(poses) // 2 - 1], poses[len(poses) // 2]
    lanes: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for event in spans:
        first = float(event["ts"])
        if not begin <= first <= end:
            continue
        span = (first, first + float(event["dur"]))
        if event.get("cat") in ("kernel", "gpu_memcpy"):
            stream = f"stream {event.get('args', {}).get('stream', event.get('tid'))}"
            owner = launches.get(event.get("args", {}).get("correlation"), "") or event["cat"]
            lanes.setdefault((stream, owner), []).append(span)
        elif event.get("cat") == "user_annotation":
            lanes.setdefault((f"thread {event.get('tid')}", str(event["name"])), []).append(span)
    for (lane, what), times in sorted(lanes.items(), key=lambda item: item[1][0]):
        yield {
            "table": f"one frame of {(end - begin) / 1e3:.2f} ms, {people} people",
            "lane": lane,
            "what": what,
            "from ms": (min(first for first, _ in times) - begin) / 1e3,
            "to ms": (max(last for _, last in times) - begin) / 1e3,
            "busy ms": covered(times) / 1e3,
            "pieces": len(times),
        }


# ---- (b) The network ----


def network(job: Job) -> Iterator[Row]:
    """Crops a second beside the roofline; what compiles comes last, for it takes longest."""
    import torch

    rates_of = {}
    # Many CPUs are hundreds of times slower in 16 bits.
    for kind in (torch.float16, torch.bfloat16) if job.cuda else (torch.float32,):
        rates_of[kind] = ceilings(job, kind)
        matrix, memory = rates_of[kind]
        yield {"table": "ceilings measured", "numbers": str(kind)[6:], "TFLOP/s": matrix / 1e12,
               "TB/s": memory / 1e12}  # fmt: skip
    depths = (18,) if job.small else (50, 152)
    for depth in depths:
        for kind, ceiling in rates_of.items():
            for how in ("eager", "channels last", "CUDA graph"):
                sizes = batch_sizes(job, depth, how, first=kind is next(iter(rates_of)))
                for batch in sizes:
                    run = partial(crops_a_second, job, depth, kind, how, batch, ceiling)
                    yield from attempt("crops a second", f"ResNet-{depth} {how} {batch}", run)
    kind, ceiling = next(iter(rates_of.items()))
    for depth, batch in () if job.small else ((50, 64), (50, 256), (50, 1), (152, 64)):
        run = partial(crops_a_second, job, depth, kind, "torch.compile", batch, ceiling)
        yield from attempt("crops a second", f"ResNet-{depth} compiled {batch}", run)


def batch_sizes(job: Job, depth: int, how: str, *, first: bool) -> Sequence[int]:
    if job.small:
        return (2,)
    if not first or how == "eager":
        return (1, 64, 256)
    return (1, 2, 4, 8, 16, 32, 64, 128, 256) if depth == 50 else (1, 8, 64, 128, 256)


def ceilings(job: Job, kind: Any) -> tuple[float, float]:
    """FLOP a second of a large matrix product, and bytes a second of a large copy."""
    import torch

    side = 256 if job.small else 8192
    one, other = (
        torch.randn(side, side, device=job.device, dtype=torch.float32).to(kind) for _ in range(2)
    )
    matrix = 2 * side**3 / seconds_of(job, lambda: one @ other)
    source = torch.empty(2**22 if job.small else 2**31, dtype=torch.uint8, device=job.device)
    source.random_()
    target = torch.empty_like(source)
    memory = 2 * len(source) / seconds_of(job, lambda: target.copy_(source))
    return matrix, memory


def seconds_of(job: Job, run: Callable[[], object], most: float = 0.25) -> float:
    """Median seconds of a run; by the device's own clock where there is one."""
    import torch

    warm = 1 if job.small else 3
    for _ in range(warm):
        run()
    synchronise(job)
    start = time.perf_counter()
    run()
    synchronise(job)
    once = max(time.perf_counter() - start, 1e-6)
    repeats = 2 if job.small else int(min(max(most / once, 5), 200))
    if not job.cuda:
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        run()
        mark.record()
    synchronise(job)
    return statistics.median(a.elapsed_time(b) for a, b in itertools.pairwise(marks)) / 1e3


def crops_a_second(
    job: Job, depth: int, kind: Any, how: str, batch: int, ceiling: tuple[float, float]
) -> Iterator[Row]:
    import torch

    from posetrack.networks.pose_resnet import PoseResNet
    from posetrack.runtimes.torch import for_inference

    torch.manual_seed(0)
    plain = PoseResNet(depth, 17)
    for part in plain.modules():  # else the sums of 50 blocks overflow 16 bits
        if type(part).__name__ == "Bottleneck":
            part.bn3.weight.data.fill_(0.2)
    size = (48, 64) if job.small else (192, 256)
    images = torch.randn(batch, 3, size[1], size[0], device=job.device).to(kind)
    order = torch.contiguous_format if how == "eager" else torch.channels_last
    ready: Any = for_inference(plain).to(job.device, kind).to(memory_format=order)
    images = images.contiguous(memory_format=order)
    floor = roofline(ready, images, ceiling)
    run: Callable[[], object] = partial(ready, images)
    with torch.inference_mode():
        if how == "CUDA graph":
            if not job.cuda:
                return
            run = captured(run)
        elif how == "torch.compile":
            run = partial(torch.compile(ready), images)
        seconds = seconds_of(job, run)
    yield {
        "table": "crops a second",
        "network": f"ResNet-{depth} {size[1]}x{size[0]}",
        "numbers": str(kind)[6:],
        "how": how,
        "batch": batch,
        "crops a second": batch / seconds,
        "ms": seconds * 1e3,
        "roofline ms": floor * 1e3,
        "share of roofline": floor / seconds,
    }


def captured(run: Callable[[], object]) -> Callable[[], object]:
    """The same as one CUDA graph."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def roofline(ready: Any, images: Any, ceiling: tuple[float, float]) -> float:
    """Seconds: sum over convolutions and pooling of max(FLOP / matrix rate, bytes / bandwidth).

    Additions and ReLU are taken to happen on the way, as a fused kernel would.
    """
    import torch
    from torch import nn

    floor, (matrix, memory) = [0.0], ceiling

    def add(layer: Any, given: Any, made: Any) -> None:
        count = given[0].numel() + made.numel() + sum(p.numel() for p in layer.parameters())
        flop = 0.0
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # A transposed convolution multiplies at each input cell, the other at each output cell.
            turned = isinstance(layer, nn.ConvTranspose2d)
            cells = given[0] if turned else made
            flop = 2.0 * layer.weight.numel() * cells.numel() / cells.shape[1]
        floor[0] += max(flop / matrix, count * images.element_size() / memory)

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d)
    hooks = [part.register_forward_hook(add) for part in ready.modules() if isinstance(part, kinds)]
    with torch.inference_mode():
        ready(images)
    for hook in hooks:
        hook.remove()
    return floor[0]


# ---- (d) Training ----


def training(job: Job) -> Iterator[Row]:
    """Images a second of the data alone, the network alone, and both."""
    import numpy as np
    import torch

    from posetrack.networks.pose_resnet import PoseResNet
    from posetrack.skeletons import COCO_17
    from posetrack.training import CropTask, Samples
    from posetrack.training.dataset import EpochBatches, loader
    from posetrack.training.recipe import Recipe
    from posetrack.training.run import Hardware, Run

    files, repeats, batch = (2, 4, 4) if job.small else (64, 30, 128)
    workers = 0 if job.small else max(1, len(os.sched_getaffinity(0)) - 2)
    depth, size = (18, (48, 64)) if job.small else (50, (192, 256))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [write_picture(Path(folder), number, rng) for number in range(files)] * repeats
        count = len(paths)
        boxes = np.tile([[160.0, 60, 420, 440]], (count, 1))
        xy = rng.uniform((170, 70), (410, 430), (count, 17, 2))
        names = tuple(map(str, range(count)))
        people = Samples(COCO_17, tuple(paths), xy, boxes, None, None, np.full(count, 380.0), names)
        place = Hardware(torch.device(job.device), half_precision=job.cuda, workers=workers)
        run = Run(PoseResNet(depth, 17), CropTask(people, size), Recipe(batch_size=batch), place)
        run.network.train()
        batches = EpochBatches(count, batch, seed=0)
        rows: dict[str, float] = {}

        def both(steps: Callable[[Any], object]) -> tuple[float, Any]:
            """Images a second of an epoch, without its first batch, in which workers start."""
            seen, start, one = 0, 0.0, None
            for one in loader(run.data, batches, workers=workers, pinned=job.cuda):
                steps(one)
                if not start:
                    synchronise(job)
                    start = time.perf_counter()
                else:
                    seen += len(one[0])
            synchronise(job)
            return seen / max(time.perf_counter() - start, 1e-9), one

        rows["data alone"], one = both(lambda _: None)
        alone = seconds_of(job, lambda: run.step(one, 1e-4, 1.0), 2.0)
        rows["network alone, AMP" if job.cuda else "network alone"] = len(one[0]) / alone
        batches.epoch = 1
        rows["both"], _ = both(lambda given: run.step(given, 1e-4, 1.0))
        bound = "data" if rows["data alone"] < len(one[0]) / alone else "network"
        for name, rate in rows.items():
            yield {"table": f"training ResNet-{depth}, batches of {batch}, {workers} workers",
                   "what": name, "images a second": rate, "bound by": bound}  # fmt: skip


def write_picture(folder: Path, number: int, rng: Any) -> Path:
    import cv2
    import numpy as np

    coarse = rng.integers(0, 256, (30, 40, 3), np.uint8)
    path = folder / f"{number}.jpg"
    cv2.imwrite(str(path), cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC))
    return path


# ---- (e) Memory ----


def memory(job: Job) -> Iterator[Row]:
    """What the process and the card hold over a long video."""
    import torch

    from posetrack import Tracker
    from posetrack.build import bundled_detector, bundled_estimator
    from posetrack.tracking.pipeline import track_video
    from posetrack.video import Frame

    length, every = (12, 4) if job.small else (5000, 500)
    images = rendered(8 if job.small else 100, (320, 180) if job.small else (640, 360))
    tracker = Tracker(
        bundled_detector(job.device, half=job.cuda, long_side=320),
        bundled_estimator(job.device, half=job.cuda, on_device=True),
    )
    there_and_back = [*images, *images[-2:0:-1]]  # nobody jumps
    frames = (
        Frame(there_and_back[number % len(there_and_back)], number, number / 25)
        for number in range(length)
    )
    start = time.perf_counter()
    for number, (_, people) in enumerate(track_video(frames, tracker), start=1):
        if number % every == 0:
            yield {
                "table": "memory over a long video",
                "frame": number,
                "process MB": resident() / 1e6,
                "device MB, in use": torch.cuda.memory_allocated() / 1e6 if job.cuda else 0.0,
                "device MB, kept": torch.cuda.memory_reserved() / 1e6 if job.cuda else 0.0,
                "people": len(people),
                "frames a second so far": number / (time.perf_counter() - start),
            }


def rendered(frames: int, size: tuple[int, int]) -> list[Any]:
    """People whom the networks inside the package find."""
    from dataclasses import replace

    from posetrack.world import street

    scene = street(people=3, frames=frames, seed=2, size=size)
    return list(replace(scene, threads=os.cpu_count() or 1).images())


def resident() -> int:
    """Bytes of this process in memory; Linux only."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


# ---- (f) Two streams ----


def streams(job: Job) -> Iterator[Row]:
    """Two videos on one card, each with networks of its own in a thread of its own."""
    from posetrack.video import Frame

    size, count = ((320, 180), 4) if job.small else ((1280, 720), 80)
    scene = crowd(5 if not job.small else 2, count, size)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    networks = [networks_of(job) for _ in range(2)]
    found: dict[int, list[list[int]]] = {}

    def follow_one(number: int) -> None:
        detector, estimator = networks[number]
        run = overlapped(scene, frames, detector, estimator, 1)
        found[number] = [people.ids.tolist() for people in run]

    for number in range(2):
        follow_one(number)  # kernels are chosen
    seconds = {}
    for together in (1, 2):
        synchronise(job)
        start = time.perf_counter()
        threads = [threading.Thread(target=follow_one, args=(n,)) for n in range(together)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        synchronise(job)
        seconds[together] = time.perf_counter() - start
        yield {
            "table": "two videos on one device",
            "videos": together,
            "frames a second, all": together * count / seconds[together],
            "times one": together * seconds[1] / seconds[together],
            "right": all(found[n] == found[0] for n in range(together)),
        }


PARTS: dict[str, Callable[[Job], Iterator[Row]]] = {
    "correctness": correctness,
    "pipeline": pipeline,
    "network": network,
    "training": training,
    "memory": memory,
    "streams": streams,
}


if __name__ == "__main__":
    sys.exit(main())
