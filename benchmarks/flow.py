"""Flow of keypoints: time a pair of images, and how well a moved pose meets the pose found there.

Run ``python benchmarks/flow.py [--slow] [--raft WEIGHTS]``. People are followed through the shared
videos by a small pose network from boxes set by hand; a pose found in frame t is moved to frame
t + gap and compared with the pose found there by OKS (area: bounding box of the keypoints found
there; keypoints scored above 0.2 in both; a keypoint the flow lost counts as 0). Without the
videos, walkers drawn on a moving background take their place, whose true poses are known.

The time is that of preparing one image and moving all people's keypoints, as a tracker does, on
the largest video, all methods in turn on each pair, medians. The named alternative is OpenCV's
preset "medium" on the whole image at full size.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.flows.dis import DisFlow
from posetrack.flows.farneback import FarnebackFlow
from posetrack.flows.lucas_kanade import LucasKanadeFlow
from posetrack.interfaces import FlowEstimator
from posetrack.ops.motion import move_poses
from posetrack.ops.oks import oks_matrix
from posetrack.skeletons import COCO_17
from posetrack.structures import Detections, Poses

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ALTERNATIVE = "DIS medium, full size, whole"
FIRST_BOXES = {
    "lab": [(0, 280, 140, 770), (230, 310, 590, 1180), (470, 780, 970, 1760)],
    "street": [
        (456, 176, 500, 290),
        (490, 160, 545, 335),
        (592, 160, 655, 340),
        (760, 170, 910, 540),
    ],
    "football": [(360, 270, 550, 590), (620, 270, 880, 540)],
}
GAPS = {"lab": (1, 3, 5), "street": (1, 3), "football": (1, 3), "walkers": (1, 3, 5)}
MIN_SCORE = 0.2


@dataclass
class Video:
    """Images, and the people found in them."""

    name: str
    images: list[NDArray[np.uint8]]
    xy: NDArray[np.float32]  # (T, N, K, 2), NaN where not found

    def pairs(self, gap: int, most: int) -> Iterator[tuple[int, int]]:
        """At most this many pairs of frames, forwards and backwards in time."""
        starts = range(0, len(self.images) - gap, max(1, (len(self.images) - gap) * 2 // most))
        for start in starts:
            yield start, start + gap
            yield start + gap, start


class NoFlow:
    """Leaves every point where it was."""

    def prepare(self, image: NDArray[np.uint8]) -> None:
        """Nothing to prepare."""
        del image

    def move(self, before: None, after: None, xy: NDArray[np.float32]):
        """Return the same points, all valid."""
        del before, after
        return xy, np.ones(len(xy), bool)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slow", action="store_true", help="TV-L1 too, fewer pairs")
    parser.add_argument("--raft", help="weights of torchvision's RAFT: measure it too")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    videos = list(shared_videos()) if (DATA / "videos").is_dir() else [walkers()]
    flows = methods(arguments.slow, arguments.raft)
    most = 4 if arguments.slow else 16
    scores = {name: accuracy(flow, videos, most) for name, flow in flows.items()}
    times = timings(flows, videos[0])
    table(scores, times, videos)


def methods(slow: bool, raft: str | None) -> dict[str, FlowEstimator]:
    medium = {"finest_scale": 1, "patch_stride": 3, "iterations": 25, "refinement": 5}
    found: dict[str, FlowEstimator] = {
        "no flow": NoFlow(),
        "DIS, our default": DisFlow(),
        "  whole image": DisFlow(margin=None),
        "  patches every 3 pixels": DisFlow(patch_stride=3),
        "  finest scale 1": DisFlow(finest_scale=1),
        "  not normalised": DisFlow(normalise=False),
        "  round trip within 4": DisFlow(max_round_trip=4.0),
        "DIS ultrafast, 1/2, whole": DisFlow(scale=0.5, margin=None),
        "DIS ultrafast, 1/4, whole": DisFlow(scale=0.25, margin=None),
        "DIS medium, 1/4, whole": DisFlow(scale=0.25, margin=None, **medium),
        ALTERNATIVE: DisFlow(scale=1.0, margin=None, **medium),
        "Farneback": FarnebackFlow(),
        "Lucas-Kanade, not checked": LucasKanadeFlow(max_round_trip=None),
        "Lucas-Kanade, within 1": LucasKanadeFlow(),
    }
    if slow:
        from posetrack.flows.tvl1 import TvL1Flow

        found["TV-L1"] = TvL1Flow()
    if raft:
        from posetrack.flows.raft import RaftFlow

        found["RAFT"] = RaftFlow(raft)
    return found


def shared_videos() -> Iterator[Video]:
    from posetrack.estimators.onnx import OnnxTopDown

    estimate = OnnxTopDown(DATA / "models" / "simplepose_256x192.onnx", threads=1)
    for name, boxes in FIRST_BOXES.items():
        images = read(DATA / "videos" / f"{name}.mp4")
        xyxy, found = np.array(boxes, np.float32), []
        for image in images:
            poses = estimate(image, Detections(xyxy, np.ones(len(xyxy))))
            xy = np.where(poses.scores[..., None] > MIN_SCORE, poses.xy, np.nan)
            found.append(xy)
            xyxy = next_boxes(xyxy, xy, image.shape)
        yield Video(name, images, np.array(found))


def read(path: Path) -> list[NDArray[np.uint8]]:
    capture, images = cv2.VideoCapture(str(path)), []
    while True:
        there, image = capture.read()
        if not there:
            return images
        images.append(image)


def next_boxes(xyxy: NDArray, xy: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Boxes around the keypoints, 15 % larger; where fewer than five were found, as before."""
    around = Poses.from_keypoints(xy, None, COCO_17).boxes.xyxy
    reach = 0.075 * (around[:, 2:] - around[:, :2])
    grown = np.concatenate([around[:, :2] - reach, around[:, 2:] + reach], axis=1)
    grown = np.clip(grown, 0, np.array([shape[1], shape[0]] * 2) - 1)
    enough = np.isfinite(xy).all(axis=2).sum(axis=1) >= 5
    return np.where(enough[:, None], grown, xyxy).astype(np.float32)


def walkers() -> Video:
    from posetrack.testing import camera_pan

    scene = camera_pan(frames=40)
    return Video("walkers", list(scene), scene.xy.astype(np.float32))


def accuracy(
    flow: FlowEstimator, videos: list[Video], most: int
) -> dict[tuple[str, int], tuple[float, float]]:
    """Mean OKS and the share of keypoints that were followed, for each video and gap."""
    result = {}
    for video in videos:
        for gap in GAPS[video.name]:
            values, kept = [], []
            for start, end in video.pairs(gap, most):
                before, after = flow.prepare(video.images[start]), flow.prepare(video.images[end])
                moved = move_poses(flow, before, after, video.xy[start], min_followed=0)
                for person in range(moved.shape[0]):
                    value, share = meet(video.xy[start], video.xy[end], moved, person)
                    values.append(value)
                    kept.append(share)
            result[video.name, gap] = float(np.nanmean(values)), float(np.nanmean(kept))
    return result


def meet(first: NDArray, there: NDArray, moved: NDArray, person: int) -> tuple[float, float]:
    """OKS of a moved pose with the pose found there, and the share of keypoints followed."""
    found = there[person].copy()
    area = np.prod(np.nanmax(found, axis=0) - np.nanmin(found, axis=0))
    common = np.isfinite(found).all(axis=1) & np.isfinite(first[person]).all(axis=1)
    if common.sum() < 3:
        return np.nan, np.nan
    found[~common] = np.nan
    value = oks_matrix(found[None], moved[person][None], [area], COCO_17.sigmas)[0, 0]
    return float(value), float(np.isfinite(moved[person][common]).all(axis=1).mean())


def timings(flows: dict[str, FlowEstimator], video: Video) -> dict[str, list[float]]:
    """Median milliseconds a pair on one and on two threads."""
    import torch

    result: dict[str, list[float]] = {name: [] for name in flows}
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        torch.set_num_threads(threads)
        taken: dict[str, list[float]] = {name: [] for name in flows}
        for start in range(0, len(video.images) - 1, max(1, len(video.images) // 16)):
            for name, flow in flows.items():
                before = flow.prepare(video.images[start])
                began = time.perf_counter()
                after = flow.prepare(video.images[start + 1])
                move_poses(flow, before, after, video.xy[start])
                taken[name].append(time.perf_counter() - began)
        for name, values in taken.items():
            result[name].append(float(np.median(values)) * 1e3)
    cv2.setNumThreads(1)
    return result


def table(
    scores: dict[str, dict[tuple[str, int], tuple[float, float]]],
    times: dict[str, list[float]],
    videos: list[Video],
) -> None:
    for video in videos:
        height, width = video.images[0].shape[:2]
        print(f"{video.name}: {width} x {height}, {video.xy.shape[1]} people")
    columns = list(next(iter(scores.values())))
    heads = "".join(f"{f'{name} {gap}':>12}" for name, gap in columns)
    print(f"\nmean OKS by video and gap in frames; ms a pair on {videos[0].name}")
    print(f"{'':30}{'1 thread':>9}{'2':>7}{'ratio':>7}{heads}{'mean':>8}{'followed':>10}")
    for name, by_gap in scores.items():
        one, two = times[name]
        ratio = one / times[ALTERNATIVE][0]
        line = "".join(f"{by_gap[column][0]:12.3f}" for column in columns)
        by_video = [
            np.mean([score for (video, _), (score, _) in by_gap.items() if video == each.name])
            for each in videos
        ]
        followed = np.mean([share for _, share in by_gap.values()])
        print(
            f"{name:30}{one:9.1f}{two:7.1f}{ratio:7.3f}{line}"
            f"{np.mean(by_video):8.3f}{followed:9.0%}"
        )


if __name__ == "__main__":
    main()
