"""Make the documentation's pictures from a rendered scene and the networks inside the package.

    python docs/pictures/make.py

demo.webp is the overlay of tracked people; step_1.jpg to step_4.jpg show what the tracker does in
one frame: boxes of the detector, boxes carried by flow, poses, identities.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

import posetrack
from posetrack.build import bundled_detector, bundled_estimator
from posetrack.draw import Trails
from posetrack.flows.dis import DisFlow
from posetrack.world import street

HERE = Path(__file__).resolve().parent
FRAME, FRAMES, RATE = 60, 100, 25


def boxed(image: np.ndarray, xyxy: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The image with boxes."""
    out = image.copy()
    for left, top, right, bottom in np.rint(xyxy).astype(int).tolist():
        cv2.rectangle(out, (left, top), (right, bottom), colour, 2, cv2.LINE_AA)
    return out


def main() -> None:
    """Render, track, draw, write."""
    scene = street(people=3, frames=FRAMES, seed=2, rate=RATE, size=(640, 360))
    images = list(scene.images())
    tracker = posetrack.Tracker(bundled_detector("cpu"), bundled_estimator("cpu"))
    tracks = [tracker.update(image) for image in images]

    trails = Trails(20)
    drawn = [
        posetrack.draw_tracks(image, people, trails=trails)
        for image, people in zip(images, tracks, strict=True)
    ]
    small = [cv2.resize(image, (480, 270), interpolation=cv2.INTER_AREA) for image in drawn[::2]]
    pages = [Pillow.fromarray(image[..., ::-1]) for image in small]
    pages[0].save(
        HERE / "demo.webp", save_all=True, append_images=pages[1:], duration=80, loop=0, quality=50
    )

    image, before, past = images[FRAME], images[FRAME - 1], tracks[FRAME - 1]
    steps = [boxed(image, bundled_detector("cpu")(image).xyxy, (0, 200, 255))]
    flow = DisFlow()
    points = past.xy.reshape(-1, 2)
    moved, _ = flow.move(flow.prepare(before), flow.prepare(image), points)
    carried = steps[0].copy()
    for start, end in zip(np.rint(points).astype(int), np.rint(moved).astype(int), strict=True):
        if (np.abs(start) < 10_000).all():
            far = tuple((start + 4 * (end - start)).tolist())
            cv2.arrowedLine(carried, tuple(start.tolist()), far, (80, 255, 80), 1, cv2.LINE_AA)
    people = moved.reshape(past.xy.shape)
    low, high = np.nanmin(people, axis=1), np.nanmax(people, axis=1)
    grown = np.concatenate([low - 0.075 * (high - low), high + 0.075 * (high - low)], axis=1)
    steps.append(boxed(carried, grown, (80, 255, 80)))
    plain = posetrack.Tracks(tracks[FRAME].poses, np.arange(90, 90 + len(tracks[FRAME])))
    steps.append(posetrack.draw_tracks(image, plain, boxes=False, labels=False))
    steps.append(drawn[FRAME])
    for number, picture in enumerate(steps, 1):
        cv2.imwrite(str(HERE / f"step_{number}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
