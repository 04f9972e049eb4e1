"""Whether the networks inside the package find here what they found where they were made.

A stored picture (three rendered people) goes through the bundled detector and the bundled pose
network, by a runtime on a device, and what comes out is compared with stored boxes and keypoints.
A driver, a build or a graphics card that computes wrongly shows here, and not as tracks that are
somewhat wrong.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from posetrack import __version__
from posetrack.build import find_bundled_file
from posetrack.devices import ONNX_DEVICES, onnx_providers
from posetrack.files import cache_folder, dump_json, read_json, write_whole
from posetrack.interfaces import Image
from posetrack.structures import Detections

Runtime = Literal["onnxruntime", "torch"]

MAX_PIXELS: Final = 1.0
"""How far a keypoint or a box's edge may be from the stored one. In float32 they differ by less
than 0.01 from runtime to runtime; half precision and TF32 move some by a few tenths."""
MAX_SCORE: Final = 0.05
"""How far a score may be from the stored one."""

_SURE: Final = 0.4  # of keypoints below it the heatmap may have two peaks alike
_PICTURE: Final = "selftest.png"
_STORED: Final = "selftest.json"
_PASSED: Final = "selftest.json"


@dataclass(frozen=True)
class Outcome:
    """The self-test's outcome for one runtime on one device.

    Parameters
    ----------
    runtime, device
        Which.
    version, driver
        Of the runtime, and of the device where it has one; else "".
    pixels
        Largest distance of a keypoint or a box's edge from the stored one; None where it did not
        run.
    score
        Largest difference of a score.
    seconds
        What loading and running took.
    problem
        Why it failed, in a few words; "" where it passed.
    ran
        Whether the networks could be run at all.
    """

    runtime: Runtime
    device: str
    version: str
    driver: str = ""
    pixels: float | None = None
    score: float | None = None
    seconds: float = 0.0
    problem: str = ""
    ran: bool = True

    @property
    def passed(self) -> bool:
        """Whether all is within `MAX_PIXELS` and `MAX_SCORE`."""
        return not self.problem

    def __str__(self) -> str:
        numbers = ""
        if self.pixels is not None and self.score is not None:
            numbers = f"{self.pixels:.3f} pixels and {self.score:.4f} in scores from what is stored"
            numbers += f" (allowed: {MAX_PIXELS:g} and {MAX_SCORE:g})"
        outcome = "passed" if self.passed else "FAILED"
        driver = f", driver {self.driver}" if self.driver else ""
        where = f"{self.runtime} {self.version} on {self.device}{driver}"
        return f"{where}: {outcome}: " + "; ".join(filter(None, (self.problem, numbers)))


def runtimes_here() -> Iterator[tuple[Runtime, str]]:
    """Every runtime of the bundled networks that is installed, on every device it sees.

    Examples
    --------
    >>> all(device for _, device in runtimes_here())
    True
    """
    if find_spec("onnxruntime") is not None:
        import onnxruntime

        there = onnxruntime.get_available_providers()
        yield "onnxruntime", "cpu"
        names = {provider: name for name, provider in ONNX_DEVICES.items() if name != "mps"}
        yield from (("onnxruntime", name) for one, name in names.items() if one in there)
    if find_spec("torch") is not None:
        import torch

        yield "torch", "cpu"
        for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
            yield "torch", f"cuda:{number}"
        if torch.backends.mps.is_available():
            yield "torch", "mps"


def run_self_test(runtime: Runtime, device: str) -> Outcome:
    """Run the bundled networks on the stored picture and compare.

    Parameters
    ----------
    runtime
        "onnxruntime" or "torch".
    device
        As `Tracker` takes it.

    Returns
    -------
    Outcome
        That it failed is a result, and no error.

    Raises
    ------
    FileNotFoundError
        If this copy of the package has no networks in it.
    """
    begun = time.monotonic()
    stored: Mapping[str, Any] = read_json(find_bundled_file("estimator").with_name(_STORED), dict)
    known: dict[str, Any] = {
        "version": version_of(runtime),
        "driver": _driver_of(runtime, device),
    }
    try:
        boxes, poses = find_people(read_picture(), stored, runtime, device)
    except (RuntimeError, ImportError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        seconds = time.monotonic() - begun
        problem = f"did not run: {reason}"
        return Outcome(runtime, device, **known, seconds=seconds, problem=problem, ran=False)
    seconds = time.monotonic() - begun
    if len(boxes) != len(stored["boxes"]):
        problem = f"found {len(boxes)} people instead of {len(stored['boxes'])}"
        return Outcome(runtime, device, **known, seconds=seconds, problem=problem)
    sure = np.asarray(stored["scores"]) >= _SURE
    pairs = [
        (boxes.xyxy, stored["boxes"]),
        (poses.xy[sure], np.asarray(stored["keypoints"])[sure]),
    ]
    scores = [(boxes.scores, stored["box_scores"]), (poses.scores, stored["scores"])]
    pixels, score = (
        max(float(np.abs(np.asarray(found) - np.asarray(kept)).max()) for found, kept in both)
        for both in (pairs, scores)
    )
    good = pixels <= MAX_PIXELS and score <= MAX_SCORE  # not so where one of them is NaN
    problem = "" if good else "it computes something else than it should"
    return Outcome(
        runtime, device, **known, pixels=pixels, score=score, seconds=seconds, problem=problem
    )


def read_picture() -> Image:
    """The stored picture, (240, 320, 3) uint8 BGR."""
    import cv2

    path = find_bundled_file("estimator").with_name(_PICTURE)
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: not a picture; install posetrack again")
    return np.asarray(image, np.uint8)


def find_people(
    image: Image, stored: Mapping[str, Any], runtime: Runtime, device: str
) -> tuple[Detections, Any]:
    """Boxes that the detector finds, and the poses that the pose network finds in stored boxes."""
    from posetrack.detectors.light import load_light_detector

    suffix = ".onnx" if runtime == "onnxruntime" else ".safetensors"
    files = [find_bundled_file(kind).with_suffix(suffix) for kind in ("detector", "estimator")]
    half: Any = {} if runtime == "onnxruntime" else {"half": False}
    detect = load_light_detector(files[0], device=device, min_score=0.5, **half)
    if runtime == "onnxruntime":
        from posetrack.estimators.onnx import OnnxTopDown

        estimate: Any = OnnxTopDown(files[1], providers=onnx_providers(device))
    else:
        from posetrack.estimators.from_file import load_estimator

        estimate = load_estimator(files[1], device=device)
    boxes = detect(image)
    boxes = boxes[np.argsort(boxes.xyxy[:, 0])]
    given = Detections(
        np.asarray(stored["boxes"], np.float64), np.asarray(stored["box_scores"], np.float64)
    )
    return boxes, estimate(image, given)


def version_of(package: str) -> str:
    """Its installed version, "" if it is not installed.

    Examples
    --------
    >>> version_of("a-package-that-is-not")
    ''
    """
    for name in (package, f"{package}-gpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def _driver_of(runtime: Runtime, device: str) -> str:
    """Names of a device and its driver, as far as its runtime knows; "" for others."""
    if not device.startswith("cuda") or runtime != "torch":
        return ""
    import torch

    number = int(device.partition(":")[2] or 0)
    return f"{torch.cuda.get_device_name(number)}, CUDA {torch.version.cuda}"


def check_once(runtime: Runtime, device: str) -> None:
    """Run the self-test, unless it has passed on this machine with these versions before.

    That it passed is remembered in the user's cache folder, by runtime, device, processor, driver
    and versions; where that cannot be written it is run again the next time.

    Raises
    ------
    RuntimeError
        If it fails; the message has the numbers.
    """
    words = (__version__, runtime, version_of(runtime), device, _driver_of(runtime, device))
    key = " | ".join((*words, platform.machine(), platform.processor(), platform.release()))
    try:
        path = cache_folder() / _PASSED
        passed = read_json(path, dict[str, bool]) if path.is_file() else {}
    except (OSError, ValueError):
        path, passed = None, {}
    if passed.get(key):
        return
    try:
        outcome = run_self_test(runtime, device)
    except FileNotFoundError:
        return  # no networks in this copy
    if not outcome.ran:
        return  # nothing is wrong with results; the user's own networks have been opened
    if not outcome.passed:
        raise RuntimeError(
            f"the self-test failed, so results here would be wrong: {outcome}. Take another "
            "--device, or other versions of the runtime or the driver; `posetrack doctor` tries all"
        )
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, dump_json({**dict(list(passed.items())[-99:]), key: True}))
        except OSError:
            pass


def check_loaded(device: str) -> None:
    """`check_once` by every runtime that this process has loaded, on a device of `Tracker`."""
    if sys.modules.get("onnxruntime"):
        check_once("onnxruntime", device)
    if sys.modules.get("torch") and device.partition(":")[0] in ("auto", "cpu", "cuda", "mps"):
        from posetrack.devices import pick_device

        check_once("torch", str(pick_device(device)))


def as_object(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain values."""
    return {**asdict(outcome), "passed": outcome.passed}


def store(image: Image, folder: Path) -> None:
    """Store a picture and what the networks find in it, as it was done for the package."""
    import cv2

    cv2.imwrite(str(folder / _PICTURE), image)
    nobody: dict[str, Any] = {"boxes": np.zeros((0, 4)), "box_scores": np.zeros(0)}
    boxes, _ = find_people(image, nobody, "onnxruntime", "cpu")
    kept = {"boxes": boxes.xyxy.tolist(), "box_scores": boxes.scores.tolist()}
    _, poses = find_people(image, kept, "onnxruntime", "cpu")
    found = {
        "boxes": boxes.xyxy,
        "box_scores": boxes.scores,
        "keypoints": poses.xy,
        "scores": poses.scores,
    }
    rounded = {key: np.round(np.asarray(value, float), 5).tolist() for key, value in found.items()}
    write_whole(folder / _STORED, dump_json(rounded) + b"\n")
