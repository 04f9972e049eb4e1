from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posetrack.ops.boxes import area, boxes_around, clip_boxes, iou_matrix, nms
from posetrack.structures import Detections


def boxes_of(rows):
    """Rows of left, top, width, height to xyxy."""
    xywh = np.asarray(rows, np.float64).reshape(-1, 4)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


coordinate = st.floats(-100, 100, width=32)
side = st.floats(0, 100, width=32)
rows_of_boxes = st.lists(st.tuples(coordinate, coordinate, side, side), max_size=12).map(boxes_of)


def scored(count, seed=0):
    rng = np.random.default_rng(seed)
    return boxes_of(
        np.concatenate([rng.uniform(0, 100, (count, 2)), rng.uniform(20, 60, (count, 2))], axis=1)
    ), rng.permutation(count) / max(count, 1)


class TestIou:
    @pytest.mark.parametrize(
        ("a", "b", "iou"),
        [
            ([0, 0, 2, 2], [0, 0, 2, 2], 1),
            ([0, 0, 2, 2], [1, 0, 3, 2], 1 / 3),
            ([0, 0, 2, 2], [2, 0, 4, 2], 0),
            ([0, 0, 2, 2], [5, 5, 6, 6], 0),
            ([0, 0, 4, 4], [1, 1, 2, 2], 1 / 16),
            ([1, 1, 1, 1], [1, 1, 1, 1], 0),
            ([np.nan] * 4, [0, 0, 2, 2], 0),
        ],
    )
    def test_known_overlaps(self, a, b, iou):
        assert iou_matrix([a], [b])[0, 0] == pytest.approx(iou)

    @given(rows_of_boxes, rows_of_boxes)
    def test_lies_between_0_and_1_and_is_symmetric(self, a, b):
        iou = iou_matrix(a, b)
        assert iou.shape == (len(a), len(b))
        assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()
        assert np.array_equal(iou, iou_matrix(b, a).T)

    @given(rows_of_boxes)
    def test_box_overlaps_itself_wholly(self, boxes):
        own = np.diag(iou_matrix(boxes, boxes))
        np.testing.assert_allclose(own, area(boxes) > 0, rtol=1e-12)

    def test_float32_stays_float32(self):
        boxes = np.array([[0, 0, 2, 2]], np.float32)
        assert iou_matrix(boxes, boxes).dtype == np.float32
        assert iou_matrix(boxes, boxes.astype(np.float64)).dtype == np.float64


class TestNms:
    @pytest.mark.parametrize("max_iou", [0.3, 0.5, 0.7])
    @pytest.mark.parametrize("who", ["ms", "hrnet"])
    def test_agrees_with_the_authors(self, shared, who, max_iou):
        folder = shared / "reference" / "nets" / "cases"
        boxes = np.load(folder / "pipe_oks_nms.npz")["boxes"]
        wanted = json.loads((folder / "pipe_oks_nms.json").read_text())["keep"]
        kept = nms(boxes[:, :4], boxes[:, 4], max_iou=max_iou, inclusive=True)
        assert kept.tolist() == wanted[f"{who}.box_nms.{max_iou}"]

    def test_agrees_with_torchvision(self):
        torch = pytest.importorskip("torch")
        ops = pytest.importorskip("torchvision.ops")
        for seed in range(20):
            boxes, scores = scored(40 + 10 * seed, seed)
            wanted = ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.5)
            assert nms(boxes, scores, max_iou=0.5).tolist() == wanted.tolist()

    def test_inclusive_pixels_matter_for_small_boxes(self):
        boxes = [[0, 0, 1, 1], [1, 0, 2, 1]]
        assert nms(boxes, [1, 0.5], max_iou=0.3).tolist() == [0, 1]
        assert nms(boxes, [1, 0.5], max_iou=0.3, inclusive=True).tolist() == [0]

    @pytest.mark.parametrize("count", [3, 200])
    def test_lower_row_comes_first_among_equal_scores(self, count):
        boxes = boxes_of([[20 * i, 0, 10, 10] for i in range(count)])
        assert nms(boxes, np.full(count, 0.5), max_iou=0.5).tolist() == list(range(count))

    @pytest.mark.parametrize("count", [4, 100])
    def test_nan_scores_come_last(self, count):
        scores = np.linspace(0, 1, count)
        scores[1] = np.nan
        boxes = boxes_of([[20 * i, 0, 10, 10] for i in range(count)])
        kept = nms(boxes, scores, max_iou=0.5).tolist()
        assert kept == [*range(count - 1, 1, -1), 0, 1]

    @given(rows_of_boxes, st.floats(0, 1), st.booleans(), st.randoms(use_true_random=False))
    def test_is_idempotent_and_leaves_no_double(self, boxes, max_iou, inclusive, random):
        scores = np.array([random.random() for _ in boxes])
        kept = nms(boxes, scores, max_iou=max_iou, inclusive=inclusive)
        assert (np.diff(scores[kept]) <= 0).all()
        again = nms(boxes[kept], scores[kept], max_iou=max_iou, inclusive=inclusive)
        assert again.tolist() == list(range(len(kept)))
        if not inclusive:
            iou = iou_matrix(boxes[kept], boxes[kept])
            assert (iou[~np.eye(len(kept), dtype=bool)] <= max_iou).all()

    @given(st.integers(0, 200), st.floats(0.1, 0.9))
    @settings(max_examples=30)
    def test_order_of_boxes_does_not_matter(self, count, max_iou):
        boxes, scores = scored(count)
        order = np.random.default_rng(1).permutation(count)
        kept = nms(boxes, scores, max_iou=max_iou)
        shuffled = nms(boxes[order], scores[order], max_iou=max_iou)
        assert order[shuffled].tolist() == kept.tolist()

    def test_scores_of_another_length_are_refused(self):
        with pytest.raises(ValueError, match=r"scores must have shape \(1,\), got \(2,\)"):
            nms([[0, 0, 1, 1]], [1, 2], max_iou=0.5)


class TestBoxesAround:
    def test_each_side_moves_out_by_half_the_growth(self):
        xy = [[[10, 20], [110, 60], [50, 30]]]
        np.testing.assert_allclose(boxes_around(xy, grow=0.1), [[5, 18, 115, 62]])

    def test_only_seen_keypoints_count(self):
        xy = [[[0, 0], [np.nan, 500], [10, 10], [500, np.nan]], [[np.nan, np.nan]] * 4]
        boxes = boxes_around(xy, grow=0)
        assert boxes[0].tolist() == [0, 0, 10, 10]
        assert np.isnan(boxes[1]).all()

    @given(
        hnp.arrays(np.float32, (3, 5, 2), elements=st.floats(-1000, 1000, width=32)),
        st.floats(0, 1),
    )
    def test_box_holds_the_keypoints_and_grows_by_the_fraction(self, xy, grow):
        boxes = boxes_around(xy, grow=grow)
        assert boxes.dtype == np.float32
        assert (boxes[:, None, :2] <= xy + 1e-3).all()
        assert (boxes[:, None, 2:] >= xy - 1e-3).all()
        extent = xy.max(axis=1) - xy.min(axis=1)
        np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], extent * (1 + grow), atol=2e-3)
        Detections(boxes, np.ones(3))


class TestClip:
    @given(rows_of_boxes)
    def test_boxes_end_up_in_the_image_and_in_order(self, boxes):
        clipped = clip_boxes(boxes, (50, 40))
        assert ((clipped >= 0) & (clipped <= [49, 39, 49, 39])).all()
        assert (clipped[:, 2:] >= clipped[:, :2]).all()
        inside = (boxes >= 0).all(axis=1) & (boxes <= [49, 39, 49, 39]).all(axis=1)
        assert np.array_equal(clipped[inside], boxes[inside])

    def test_image_without_size_is_refused(self):
        with pytest.raises(ValueError, match="positive"):
            clip_boxes([[0, 0, 1, 1]], (0, 10))


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros((0, 4), np.float32)])
def test_no_boxes_are_fine_everywhere(empty):
    assert area(empty).shape == (0,)
    assert iou_matrix(empty, [[0, 0, 1, 1]]).shape == (0, 1)
    assert iou_matrix([[0, 0, 1, 1]], empty).shape == (1, 0)
    assert nms(empty, [], max_iou=0.5).shape == (0,)
    assert clip_boxes(empty, (5, 5)).shape == (0, 4)
    assert boxes_around(np.zeros((0, 17, 2))).shape == (0, 4)
    assert np.isnan(boxes_around(np.zeros((2, 0, 2)))).all()


@pytest.mark.parametrize(
    "call", [area, lambda b: iou_matrix(b, b), lambda b: clip_boxes(b, (1, 1))]
)
def test_wrong_shapes_are_named(call):
    with pytest.raises(ValueError, match=r"\(N, 4\).*got \(4,\)"):
        call([1, 2, 3, 4])


def test_poses_of_the_wrong_shape_are_named():
    with pytest.raises(ValueError, match=r"\(N, K, 2\)"):
        boxes_around(np.zeros((2, 17, 3)))


def test_inputs_are_unchanged_and_may_be_read_only():
    boxes, scores = scored(10)
    keep = boxes.copy(), scores.copy()
    boxes.flags.writeable = scores.flags.writeable = False
    area(boxes), iou_matrix(boxes, boxes), nms(boxes, scores, max_iou=0.5)
    clip_boxes(boxes, (20, 20)), boxes_around(boxes.reshape(-1, 2, 2))
    assert np.array_equal(boxes, keep[0])
    assert np.array_equal(scores, keep[1])
