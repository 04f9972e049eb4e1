"""A whole `posetrack track` with overlay against a bare loop over the same networks.

    python benchmarks/track.py VIDEO --detector fastestdet.onnx --estimator pose.onnx

The bare loop decodes with cv2, runs both networks with ONNX Runtime as it comes, takes arg-maxima,
matches greedily on OKS with the frame before, draws and writes with cv2. Goal: ours, with flow
boxes, identities over ten frames, tables and overlay, takes at most 0.75 of it. Both are timed
as whole runs in a fresh process, in turn; start-up is taken out by timing a short run as well.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

COLOURS = [(64, 64, 255), (64, 255, 64), (255, 64, 64), (64, 255, 255), (255, 64, 255)]
EDGES = [(5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (11, 12), (5, 11), (6, 12), (11, 13), (13, 15),
         (12, 14), (14, 16), (0, 1), (0, 2), (1, 3), (2, 4)]  # fmt: skip


def bare_loop(video: str, detector: str, estimator: str, out: str, frames: int) -> None:
    """What somebody writes in an afternoon for these two networks."""
    import onnxruntime

    detect = onnxruntime.InferenceSession(detector, providers=["CPUExecutionProvider"])
    estimate = onnxruntime.InferenceSession(estimator, providers=["CPUExecutionProvider"])
    capture = cv2.VideoCapture(video)
    rate, width, height = (capture.get(key) for key in (5, 3, 4))
    four = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(out, four, rate, (int(width), int(height)))
    last: list[tuple[int, np.ndarray, float]] = []
    fresh = 0
    for _ in range(frames):
        ok, image = capture.read()
        if not ok:
            break
        people = []
        for box in fastestdet(detect, image):
            xy, scores = one_pose(estimate, image, box)
            area = float((box[2] - box[0]) * (box[3] - box[1]))
            if scores.mean() > 0.2:
                people.append((xy, area))
        now, free = [], list(last)
        for xy, area in people:
            alike = [oks(old, xy, old_area) for _, old, old_area in free]
            if alike and max(alike) > 0.25:
                number = free.pop(int(np.argmax(alike)))[0]
            else:
                fresh += 1
                number = fresh
            now.append((number, xy, area))
        last = now
        for number, xy, _ in now:
            colour = COLOURS[number % len(COLOURS)]
            for start, end in EDGES:
                ends = [tuple(int(v) for v in xy[index]) for index in (start, end)]
                cv2.line(image, ends[0], ends[1], colour, 3, cv2.LINE_AA)
            place = tuple(int(v) for v in xy[0])
            cv2.putText(image, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 1, colour, 2)
        writer.write(image)
    writer.release()


def fastestdet(session: Any, image: np.ndarray) -> np.ndarray:
    """(N, 4) boxes of people."""
    height, width = image.shape[:2]
    batch = cv2.resize(image, (352, 352)).transpose(2, 0, 1)[None].astype(np.float32) / 255
    out = session.run(None, {session.get_inputs()[0].name: batch})[0][0]
    score = out[0] ** 0.6 * out[5:].max(axis=0) ** 0.4
    rows, columns = np.nonzero((score > 0.5) & (out[5:].argmax(axis=0) == 0))
    cell = out[:, rows, columns]
    x, y = (columns + np.tanh(cell[1])) / 22 * width, (rows + np.tanh(cell[2])) / 22 * height
    w, h = width / (1 + np.exp(-cell[3])), height / (1 + np.exp(-cell[4]))
    xywh = np.stack([x - w / 2, y - h / 2, w, h], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), score[rows, columns].tolist(), 0.5, 0.45)
    boxes = xywh[np.array(kept, int).reshape(-1)]
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def one_pose(session: Any, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(17, 2) keypoints in the image and (17,) scores."""
    middle, (w, h) = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    scale = 192 / (1.25 * max(w, h * 0.75))
    affine = np.array([[scale, 0, 96 - scale * middle[0]], [0, scale, 128 - scale * middle[1]]])
    crop = cv2.warpAffine(image, affine, (192, 256))[:, :, ::-1] / 255.0
    crop = (crop - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    batch = crop.transpose(2, 0, 1)[None].astype(np.float32)
    maps = session.run(None, {session.get_inputs()[0].name: batch})[0][0]
    flat = maps.reshape(17, -1)
    rows, columns = np.divmod(flat.argmax(axis=1), maps.shape[2])
    xy = np.stack([columns, rows], axis=1) * 4.0
    return (xy - affine[:, 2]) / scale, flat.max(axis=1)


def oks(old: np.ndarray, new: np.ndarray, area: float) -> float:
    """Object keypoint similarity of two people."""
    sigma = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
    square = ((old - new) ** 2).sum(axis=1)
    return float(np.exp(-square / (2 * area * (2 * sigma) ** 2)).mean())


def command(kind: str, arguments: argparse.Namespace, folder: str, frames: int) -> list[str]:
    """The command line of a run over the first so many frames."""
    if kind == "bare loop":
        files = [arguments.video, arguments.detector, arguments.estimator, f"{folder}/bare.mp4"]
        return [sys.executable, __file__, "--bare", str(frames), *files]
    ours = ["-m", "posetrack", "track", arguments.video, "-o", folder, "--stop", str(frames)]
    networks = ["--detector", arguments.detector, "--estimator", arguments.estimator]
    extra = ["--detect-every", "5"] if kind.endswith("fifth") else []
    return [sys.executable, *ours, *networks, "--decode", arguments.decode, *extra]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("video")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--estimator", required=True)
    parser.add_argument("--decode", default="fastestdet")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    kinds = ("bare loop", "posetrack track", "posetrack track, detector every fifth")
    taken: dict[tuple[str, int], list[float]] = {}
    few = arguments.frames // 5
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(arguments.repeats + 1):
            for kind in kinds:
                for frames in (few, arguments.frames):
                    start = time.perf_counter()
                    line = command(kind, arguments, folder, frames)
                    subprocess.run(line, check=True, capture_output=True)
                    if repeat:  # the first is to warm the disk
                        taken.setdefault((kind, frames), []).append(time.perf_counter() - start)
    print(f"{Path(arguments.video).name}: {arguments.frames} frames")
    each = {}
    for kind in kinds:
        pairs = zip(taken[kind, arguments.frames], taken[kind, few], strict=True)
        each[kind] = statistics.median((a - b) / (arguments.frames - few) for a, b in pairs)
    print(f"{'':40}{'ms a frame':>12}{'ratio':>8}")
    for kind in kinds:
        print(f"{kind:40}{each[kind] * 1e3:12.1f}{each[kind] / each[kinds[0]]:8.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare_loop(*sys.argv[3:7], frames=int(sys.argv[2]))
    else:
        main()
