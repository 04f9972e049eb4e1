"""The steps between the networks: merging boxes, joining identities, scoring poses."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack import COCO_17, Detections, Poses
from posetrack.ops.boxes import iou_matrix
from posetrack.tracking.association import (
    best_by_id,
    box_similarity,
    flow_boxes,
    merge_boxes,
    pose_scores,
    pose_similarity,
    seen_keypoints,
)

unit = st.floats(0, 1, width=32)


@st.composite
def detections(draw, most: int = 8) -> Detections:
    count = draw(st.integers(0, most))
    corner = draw(hnp.arrays(np.float32, (count, 2), elements=st.integers(0, 40)))
    size = draw(hnp.arrays(np.float32, (count, 2), elements=st.integers(1, 40)))
    scores = draw(hnp.arrays(np.float32, count, elements=unit))
    return Detections(np.hstack([corner, corner + size]), scores)


@given(detected=detections(), flowed=detections(), max_iou=st.sampled_from([0.1, 0.5, 0.8]))
def test_merged_boxes_are_far_apart_and_cover_what_came_in(detected, flowed, max_iou) -> None:
    boxes, origin, supported = merge_boxes(detected, flowed, max_iou=max_iou)
    assert len(boxes) == len(origin) == len(supported)
    between = iou_matrix(boxes.xyxy, boxes.xyxy)
    np.fill_diagonal(between, 0)
    assert (between <= max_iou).all()
    assert (np.diff(boxes.scores) <= 0).all()
    kept_flow = flowed.xyxy[origin[origin >= 0]]
    np.testing.assert_array_equal(boxes.xyxy[origin >= 0], kept_flow)
    # Whatever was dropped overlaps something kept with at least its score.
    for part in (detected, flowed):
        overlap = iou_matrix(part.xyxy, boxes.xyxy)
        for row, box in enumerate(part.xyxy):
            is_kept = (boxes.xyxy == box).all(axis=1).any()
            covering = (overlap[row] > max_iou) & (boxes.scores >= part.scores[row])
            assert is_kept or covering.any()


@given(detected=detections(), flowed=detections())
def test_a_box_is_supported_exactly_where_the_detector_saw_it(detected, flowed) -> None:
    boxes, origin, supported = merge_boxes(detected, flowed, max_iou=0.5)
    overlap = iou_matrix(boxes.xyxy, detected.xyxy)
    for row in range(len(boxes)):
        seen = origin[row] < 0 or bool((overlap[row] > 0.5).any())
        assert supported[row] == seen


def test_merging_nobody_gives_nobody() -> None:
    boxes, origin, supported = merge_boxes(Detections.empty(), Detections.empty(), max_iou=0.5)
    assert (len(boxes), origin.tolist(), supported.tolist()) == (0, [], [])


@given(
    ids=st.lists(st.integers(-5, 5), max_size=12),
    columns=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_an_identity_is_as_alike_as_the_best_of_its_rows(ids, columns, seed) -> None:
    whose = np.array(ids, np.int64)
    similarity = np.random.default_rng(seed).random((len(ids), columns), np.float32)
    known, best = best_by_id(similarity, whose)
    assert known.tolist() == sorted(set(ids))
    assert best.shape == (len(known), columns)
    for row, identity in enumerate(known):
        np.testing.assert_array_equal(best[row], similarity[whose == identity].max(axis=0))


@given(seed=st.integers(0, 99))
def test_the_order_of_the_rows_does_not_matter_to_an_identity(seed) -> None:
    rng = np.random.default_rng(seed)
    ids, similarity = rng.integers(0, 4, 9), rng.random((9, 3))
    order = rng.permutation(9)
    for given_, expected in zip(
        best_by_id(similarity[order], ids[order]), best_by_id(similarity, ids), strict=True
    ):
        np.testing.assert_array_equal(given_, expected)


def test_flow_boxes_grow_by_the_share_asked_and_stay_in_the_image() -> None:
    xy = np.full((2, 17, 2), np.nan, np.float32)
    xy[0, :2] = [[100, 50], [140, 150]]
    xy[1, :2] = [[-20, 180], [10, 260]]
    boxes, rows = flow_boxes(xy, np.array([0.9, 0.8], np.float32), growth=0.2, size=(320, 240))
    np.testing.assert_allclose(boxes.xyxy[0], [96, 40, 144, 160], atol=1e-4)
    assert boxes.xyxy[1, 0] >= 0
    assert boxes.xyxy[1, 3] <= 240
    np.testing.assert_allclose(boxes.scores, [0.9, 0.8])
    assert rows.tolist() == [0, 1]


def test_a_flow_box_is_as_wide_as_the_last_box_as_far_as_that_is_remembered() -> None:
    xy = np.full((1, 17, 2), np.nan, np.float32)
    xy[0, :2] = [[100, 50], [140, 150]]
    last = np.array([[80, 40, 180, 160]], np.float32)
    settings = {"growth": 0.2, "size": (320, 240), "last": last}
    for memory, left, right in ((0.0, 96, 144), (0.5, 88, 162), (1.0, 80, 180)):
        boxes, _ = flow_boxes(xy, np.ones(1, np.float32), memory=memory, **settings)
        np.testing.assert_allclose(boxes.xyxy[0, [0, 2]], [left, right], atol=1e-4)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [[50, 50]],
        [[400, 50], [450, 90]],
        [[50, 50], [50, 90]],
    ],
    ids=["all lost", "a single point", "outside the image", "without width"],
)
def test_flow_boxes_without_an_area_in_the_image_are_left_out(points) -> None:
    xy = np.full((2, 17, 2), np.nan, np.float32)
    xy[0, : len(points)] = np.array(points, np.float32).reshape(-1, 2)
    xy[1, :2] = [[100, 50], [140, 150]]
    boxes, rows = flow_boxes(xy, np.array([0.9, 0.8], np.float32), growth=0.15, size=(320, 240))
    assert rows.tolist() == [1]
    assert len(boxes) == 1


@given(
    scores=hnp.arrays(np.float32, (3, 17), elements=unit),
    box_scores=hnp.arrays(np.float32, 3, elements=unit),
    unseen=hnp.arrays(np.bool_, (3, 17)),
)
def test_a_pose_scores_its_box_times_the_mean_keypoint(scores, box_scores, unseen) -> None:
    xy = np.where(unseen[..., None], np.nan, np.full((3, 17, 2), 5.0))
    boxes = Detections(np.tile([0, 0, 9, 9], (3, 1)), box_scores)
    found = pose_scores(Poses(xy, scores, boxes, COCO_17))
    expected = box_scores * np.where(unseen, 0, scores).sum(axis=1) / 17
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert found.dtype == np.float32


@given(scores=hnp.arrays(np.float32, (2, 17), elements=unit), least=unit)
def test_keypoints_below_the_score_are_unseen_and_the_others_untouched(scores, least) -> None:
    poses = Poses.from_keypoints(np.ones((2, 17, 2)), scores, COCO_17)
    seen = seen_keypoints(poses, least)
    np.testing.assert_array_equal(np.isnan(seen[..., 0]), scores < least)
    np.testing.assert_array_equal(seen[scores >= least], 1)
    assert not np.isnan(poses.xy).any()


def bodies(count: int, seed: int) -> Poses:
    xy = np.random.default_rng(seed).uniform(0, 100, (count, 17, 2))
    return Poses.from_keypoints(xy, None, COCO_17)


@pytest.mark.parametrize("similarity", [pose_similarity, box_similarity])
@pytest.mark.parametrize(("past", "now"), [(3, 2), (0, 2), (3, 0), (0, 0)])
def test_similarities_lie_in_the_unit_interval_and_are_one_with_oneself(
    similarity, past: int, now: int
) -> None:
    alike = similarity(bodies(past, 0), bodies(now, 1))
    assert alike.shape == (past, now)
    assert ((alike >= 0) & (alike <= 1)).all()
    np.testing.assert_allclose(np.diag(similarity(bodies(3, 0), bodies(3, 0))), 1, atol=1e-6)
