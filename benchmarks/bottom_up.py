"""Time of decoding one image's maps: PoseNet's and trt_pose's, against a plain Python reading.

The maps are drawn: people standing side by side, all keypoints in sight, and noise. trt_pose's own
parsing is compiled C++ that needs its sources to build; it is not timed here.
"""

from __future__ import annotations

import platform

import bottom_up_plain as plain
import numba
import numpy as np
from timing import interleaved

from posetrack.ops.paf import TRT_POSE_LINKS, decode_paf
from posetrack.ops.posenet import POSENET_EDGES, decode_posenet

REPEATS = 30
STRIDE = 16
STANDING = np.array([
    (10, 3), (11, 2), (9, 2), (12.5, 3), (7.5, 3), (14, 8), (6, 8), (16, 14), (4, 14), (17, 20),
    (3, 20), (12.5, 20), (7.5, 20), (13, 28), (7, 28), (13, 36), (7, 36), (10, 7),
])  # fmt: skip
"""Someone 18 cells wide and 34 high, by COCO's keypoints and the neck."""


def side_by_side(people: int, width: float, height: float) -> np.ndarray:
    """(people, 18, 2), each with a share of the width."""
    step = width / people
    shape = STANDING * [min(step / 22, height / 42), height / 42]
    return shape + np.array([[[step * index, 1.0]] for index in range(people)])


def posenet_maps(people: int, grid: tuple[int, int]) -> list[np.ndarray]:
    """Every cell knows the way to the person nearest to it."""
    rng = np.random.default_rng(0)
    xy = side_by_side(people, grid[1] * STRIDE, grid[0] * STRIDE)[:, :17]
    rows, columns = np.mgrid[: grid[0], : grid[1]] * STRIDE
    to = np.stack([xy[..., 1, None, None] - rows, xy[..., 0, None, None] - columns])
    apart = (to**2).sum(axis=0)
    heatmap = np.exp(-apart / (2 * STRIDE**2)).max(axis=0) * 0.9 + 0.05 * rng.random((17, *grid))
    who = apart.argmin(axis=0)
    offset = np.take_along_axis(to, who[None, None], axis=1)[:, 0]
    ways = []
    for turned in (False, True):
        pairs = [edge[::-1] if turned else edge for edge in POSENET_EDGES]
        steps = [(xy[who[source], target] - xy[who[source], source]) for source, target in pairs]
        ways.append(np.stack(steps)[..., ::-1].transpose(3, 0, 1, 2).reshape(-1, *grid))
    return [np.float32(part) for part in (heatmap, offset.reshape(-1, *grid), *ways)]


def paf_maps(people: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Bumps at keypoints and unit fields near the links, with noise below the thresholds."""
    rng = np.random.default_rng(0)
    xy = side_by_side(people, size[1], size[0])
    rows, columns = np.mgrid[: size[0], : size[1]]
    apart = (columns - xy[..., 0, None, None]) ** 2 + (rows - xy[..., 1, None, None]) ** 2
    cmap = np.exp(-apart / 2).max(axis=0) + 0.05 * rng.random((18, *size))
    paf = 0.05 * rng.normal(size=(2 * len(TRT_POSE_LINKS), *size))
    for person in xy:
        for i, (first, second) in enumerate(TRT_POSE_LINKS):
            way = person[second] - person[first]
            length = np.hypot(*way)
            across, down = columns - person[first, 0], rows - person[first, 1]
            ahead = (across * way[0] + down * way[1]) / length
            aside = (across * way[1] - down * way[0]) / length
            near = (ahead > -1) & (ahead < length + 1) & (abs(aside) < 1)
            paf[2 * i][near], paf[2 * i + 1][near] = way[1] / length, way[0] / length
    return [np.float32(cmap), np.float32(paf)]


def measured_posenet(people: int, grid: tuple[int, int]) -> None:
    maps = posenet_maps(people, grid)
    limits = {"max_poses": 20, "min_pose_score": 0.25}
    ours, theirs = decode_posenet(*maps, **limits), plain.posenet(maps, POSENET_EDGES, **limits)
    assert len(ours[0]) == people
    assert np.abs(ours[0] - theirs[0]).max() < 1e-6
    runs = {
        "plain": lambda: plain.posenet(maps, POSENET_EDGES, **limits),
        "ours": lambda: decode_posenet(*maps, **limits),
    }
    shown(f"PoseNet, {people} people, {grid[0]} x {grid[1]} cells", runs)


def measured_paf(people: int, size: tuple[int, int]) -> None:
    maps = paf_maps(people, size)
    ours, theirs = decode_paf(*maps)[0], plain.paf(*maps, TRT_POSE_LINKS)
    assert len(ours) == people
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    runs = {
        "plain": lambda: plain.paf(*maps, TRT_POSE_LINKS),
        "ours": lambda: decode_paf(*maps),
    }
    shown(f"fields, {people} people, {size[0]} x {size[1]} cells", runs)


def shown(name: str, runs: dict) -> None:
    taken = interleaved(runs, REPEATS)
    alternative, mine = taken["plain"] * 1e3, taken["ours"] * 1e3
    print(f"{name:40} {mine:10.3f} {alternative:12.2f} {mine / alternative:8.4f}")


def main() -> None:
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}\n"
    )
    print(f"{'milliseconds an image':40} {'ours':>10} {'plain Python':>12} {'ratio':>8}")
    measured_posenet(1, (19, 33))
    measured_posenet(5, (19, 33))
    measured_posenet(10, (37, 65))
    measured_paf(1, (56, 56))
    measured_paf(3, (56, 56))
    measured_paf(10, (128, 224))


if __name__ == "__main__":
    main()
