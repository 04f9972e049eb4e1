"""Ids and keypoints do not depend on batches, chunks, reading ahead, threads or runtimes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import posetrack
from posetrack import Tracker
from posetrack.build import bundled_estimator
from posetrack.detectors.light import load_light_detector
from posetrack.tracking.pipeline import track_video
from posetrack.video import VideoWriter, open_video

BUNDLED = Path(posetrack.__file__).parent / "bundled"
FRAMES = 4
PIXELS = 0.05
"""How far a keypoint may be from where it is in the plain loop; scores by a thousandth."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of the self-test's picture, before a camera that moves."""
    path = tmp_path_factory.mktemp("independence") / "moving.mp4"
    picture = cv2.imread(str(BUNDLED / "selftest.png"))
    with VideoWriter(path, rate=25) as writer:
        for step in range(FRAMES):
            writer.write(np.roll(picture, (step, 3 * step), axis=(0, 1)))
    return path


@cache
def detector(runtime: str, threads: int) -> Any:
    if runtime == "torch":
        pytest.importorskip("torch")
        return load_light_detector(BUNDLED / "person_detector.safetensors", device="cpu")
    pytest.importorskip("onnxruntime")
    return load_light_detector(BUNDLED / "person_detector.onnx", device="cpu", threads=threads)


@cache
def estimator(runtime: str, max_batch: int) -> Any:
    if runtime != "torch":
        return bundled_estimator("cpu", max_batch=max_batch)
    from posetrack.runtimes.torch import run_with_torch

    return bundled_estimator("cpu", runtime=run_with_torch, max_batch=max_batch)


Found = list[tuple[list[int], np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def found(pairs: Iterator[Any]) -> Found:
    return [(people.ids.tolist(), people.xy, people.scores) for _, people in pairs]


@cache
def plain(path: Path) -> Found:
    """One frame after the other, one crop at a time, in one thread."""
    tracker = Tracker(detector("onnxruntime", 1), estimator("onnxruntime", 1))
    with open_video(path, prefetch=0, threads=1) as frames:
        return found(
            (frame, tracker.update(frame.image, seconds=frame.seconds)) for frame in frames
        )


@pytest.mark.slow
@settings(max_examples=2)
@example(("torch", "torch"), (2, 2, 2), 64, 4, 3, 4, 1)
@example(("onnxruntime", "onnxruntime"), (2, 1, 2), 2, None, 3, 0, 2)
@given(
    st.tuples(*[st.sampled_from(["onnxruntime", "torch"])] * 2),
    st.tuples(*[st.sampled_from([1, 2])] * 3),
    st.sampled_from([1, 2, 64]),
    st.sampled_from([None, 1, 2, 4]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([0, 1, 4]),
    st.integers(0, FRAMES),
)
def test_nothing_but_the_video_decides(
    video: Path,
    runtimes: tuple[str, str],
    threads: tuple[int, int, int],
    max_batch: int,
    images_at_once: int | None,
    ahead: int,
    prefetch: int,
    cut: int,
) -> None:
    expected = plain(video)
    assert sum(len(ids) for ids, _, _ in expected) >= FRAMES  # there is somebody to lose
    first, second, third = threads
    before = cv2.getNumThreads()
    tracker = Tracker(detector(runtimes[0], first), estimator(runtimes[1], max_batch))
    shown: Found = []
    try:
        cv2.setNumThreads(third)
        for start, stop in ((0, cut), (cut, FRAMES)):  # in two chunks
            if start == stop:
                continue
            with open_video(
                video, start=start, stop=stop, prefetch=prefetch, threads=second
            ) as frames:
                shown += found(
                    track_video(frames, tracker, ahead=ahead, images_at_once=images_at_once)
                )
    finally:
        cv2.setNumThreads(before)
    assert [ids for ids, _, _ in shown] == [ids for ids, _, _ in expected]
    for (_, xy, scores), (_, plain_xy, plain_scores) in zip(shown, expected, strict=True):
        np.testing.assert_allclose(xy, plain_xy, atol=PIXELS)
        np.testing.assert_allclose(scores, plain_scores, atol=1e-3)
