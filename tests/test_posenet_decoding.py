from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from posetrack.ops.posenet import POSENET_EDGES, decode_posenet
from posetrack.skeletons import COCO_17

MAPS = ("heatmap", "offset", "displacement_fwd", "displacement_bwd")
SETTINGS = {
    "max_pose_detections": "max_poses",
    "score_threshold": "min_score",
    "nms_radius": "nms_radius",
    "min_pose_score": "min_pose_score",
}


def test_poses_equal_the_reference(shared: Path) -> None:
    nets = shared / "reference" / "nets"
    recorded = json.loads((nets / "cases" / "posenet_decode.json").read_text())
    assert_array_equal(recorded["edges_parent_child"], POSENET_EDGES)
    for entry in recorded["files"]:
        case = np.load(nets / entry["file"])
        for number, run in enumerate(entry["runs"]):
            given = {SETTINGS[name]: value for name, value in run["params"].items()}
            xy, scores, pose_scores = decode_posenet(
                *(case[name] for name in MAPS), output_stride=entry["output_stride"], **given
            )
            assert len(xy) == run["poses"] > 0
            count = len(xy)
            want = case[f"run{number}_keypoint_coords_yx"][:count, :, ::-1]
            assert_allclose(xy, want, atol=1e-9)
            assert_allclose(scores, case[f"run{number}_keypoint_scores"][:count], atol=1e-12)
            assert_allclose(pose_scores, case[f"run{number}_pose_scores"][:count], atol=1e-12)


def planted(xy: np.ndarray, *, grid: tuple[int, int], stride: int = 16) -> list[np.ndarray]:
    """Maps in which every cell knows the way to the person nearest to it, each at 1 - 0.05 i."""
    people, keypoints, _ = xy.shape
    rows, columns = np.mgrid[: grid[0], : grid[1]] * stride
    heatmap = np.zeros((keypoints, *grid))
    offset = np.zeros((2, keypoints, *grid))
    ways = np.zeros((2, 2, len(POSENET_EDGES), *grid))

    def nearest(k: int) -> tuple[np.ndarray, np.ndarray]:
        across = xy[:, k, 0, None, None] - columns
        down = xy[:, k, 1, None, None] - rows
        return np.argmin(across**2 + down**2, axis=0), np.stack([down, across])

    for k in range(keypoints):
        who, to = nearest(k)
        offset[:, k] = np.take_along_axis(to, who[None, None], axis=1)[:, 0]
        for person in range(people):
            cell = np.rint(xy[person, k, ::-1] / stride).astype(int)
            heatmap[k, cell[0], cell[1]] = 1 - 0.05 * person
    for e, edge in enumerate(POSENET_EDGES):
        for way, (source, target) in enumerate((edge, edge[::-1])):
            who, _ = nearest(source)
            ways[way, :, e] = (xy[who, target] - xy[who, source])[..., ::-1].transpose(2, 0, 1)
    flat = [part.reshape(-1, *grid) for part in (offset, ways[0], ways[1])]
    return [heatmap, *flat]


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_planted_people_are_found_where_they_are(seed: int, people: int) -> None:
    rng = np.random.default_rng(seed)
    middle = np.array([[60, 100], [240, 90], [80, 290], [250, 300]])[:people, None]
    xy = middle + rng.uniform(-55, 55, (people, 17, 2))
    found, scores, pose_scores = decode_posenet(*planted(xy, grid=(26, 22)), max_poses=people)
    order = np.argsort(found[:, 0, 0] + 1000 * found[:, 0, 1])
    wanted = np.argsort(xy[:, 0, 0] + 1000 * xy[:, 0, 1])
    assert_allclose(found[order], xy[wanted], atol=1e-3)
    assert_allclose(np.sort(scores.mean(axis=1))[::-1], 1 - 0.05 * np.arange(people), atol=1e-6)
    assert_allclose(pose_scores, scores.mean(axis=1))


def test_the_score_of_a_pose_leaves_out_what_it_has_in_common_with_better_ones() -> None:
    maps = planted(np.random.default_rng(0).uniform(40, 200, (1, 17, 2)), grid=(16, 16))
    maps[0] = np.maximum(maps[0], 0.45)
    maps[0][3, 15, 0] = 0.7  # a second left ear, far from the first
    maps[1][[3, 20], 15, 0] = 0
    found, scores, pose_scores = decode_posenet(*maps, min_pose_score=0)
    assert len(found) == 2
    assert pose_scores[0] == pytest.approx(1)
    assert pose_scores[1] < 0.2 < scores[1].mean()
    assert len(decode_posenet(*maps)[0]) == 1


def test_nobody_is_not_an_error() -> None:
    xy, scores, pose_scores = decode_posenet(
        np.zeros((17, 5, 4)), np.zeros((34, 5, 4)), np.zeros((32, 5, 4)), np.zeros((32, 5, 4))
    )
    assert (xy.shape, scores.shape, pose_scores.shape) == ((0, 17, 2), (0, 17), (0,))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", range(4))
def test_maps_that_are_not_finite_do_no_harm(bad: float, where: int) -> None:
    maps = planted(np.random.default_rng(1).uniform(40, 200, (1, 17, 2)), grid=(16, 16))
    maps[where][:] = bad
    xy, scores, _ = decode_posenet(*maps, min_pose_score=0)
    assert np.isfinite(xy[scores > 0]).all()
    assert np.isfinite(scores).all()


def test_a_keypoint_of_score_zero_is_not_reached() -> None:
    maps = planted(np.random.default_rng(2).uniform(40, 200, (1, 17, 2)), grid=(16, 16))
    maps[0][7] = 0  # the left elbow, on the way to the wrist
    maps[0][9] = 0.4
    xy, scores, _ = decode_posenet(*maps)
    assert scores[0, 7] == 0
    assert scores[0, 9] == 0
    assert np.isnan(xy[0, 9]).all()


def test_equal_roots_are_taken_in_the_keypoints_order() -> None:
    maps = [np.zeros((2, 9, 9)), np.zeros((4, 9, 9)), np.zeros((0, 9, 9)), np.zeros((0, 9, 9))]
    maps[0][1, 0, 0] = maps[0][0, 8, 8] = maps[0][0, 8, 0] = 0.75
    xy, _, _ = decode_posenet(*maps, edges=np.zeros((0, 2), int), min_pose_score=0.3)
    assert_array_equal(xy[[0, 1, 2], [0, 0, 1]], [[0, 128], [128, 128], [0, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heatmap": np.zeros((17, 4))}, r"heatmap must be \(K, h, w\)"),
        ({"offset": np.zeros((34, 4, 4))}, r"offset must be \(34, 5, 4\)"),
        ({"displacement_bwd": np.zeros((34, 5, 4))}, r"displacement_bwd must be \(32, 5, 4\)"),
        ({"edges": [(0, 17)]}, "edges name keypoints up to 17"),
        ({"max_poses": 0}, "at least 1"),
        ({"output_stride": 0}, "at least 1"),
        ({"nms_radius": -1}, "0 or more"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    shapes = {"heatmap": 17, "offset": 34, "displacement_fwd": 32, "displacement_bwd": 32}
    maps = {name: np.zeros((count, 5, 4)) for name, count in shapes.items()}
    with pytest.raises(ValueError, match=message):
        decode_posenet(**{**maps, **change})


def test_edges_join_every_keypoint_of_coco_to_the_nose() -> None:
    reached = {0}
    for parent, child in POSENET_EDGES:
        assert parent in reached
        reached.add(child)
    assert reached == set(range(len(COCO_17)))
