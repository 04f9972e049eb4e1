"""Drawing: what is seen is drawn where it is, in colours that stay, and nothing can break it."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.draw import Trails, colour_of, draw_tracks
from posetrack.draw.colours import from_oklch
from posetrack.draw.lines import clip_segments, dashes
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.structures import Detections, Poses, Tracks

ARM = Skeleton("arm", ("elbow", "wrist"), (("elbow", "wrist"),), (), (0.1, 0.1))
wild = st.floats(-50, 200, width=32) | st.sampled_from(
    [np.nan, np.inf, -np.inf, 1e9, -1e9, 3e38, -3e38, 1e-40]
)


def arm(
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    scores: tuple[float, float] = (1.0, 1.0),
    box: tuple[float, float, float, float] = (0, 0, 0, 0),
    track_id: int = 1,
    flow_age: int = 0,
) -> Tracks:
    poses = Poses([[start, end]], [scores], Detections([box], [1.0]), ARM)
    return Tracks(poses, [track_id], [flow_age])


def to_oklab(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """Lightness and both colour axes of OKLab (Ottosson 2020): distances are differences seen."""
    parts = np.array(colour[::-1]) / 255
    rgb = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                      [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]]) @ rgb  # fmt: skip
    lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                    [1.9779984951, -2.4285922050, 0.4505937099],
                    [0.0259040371, 0.7827717662, -0.8086757660]]) @ np.cbrt(cones)  # fmt: skip
    return tuple(lab.tolist())


def blank(height: int = 100, width: int = 160) -> Any:
    return np.full((height, width, 3), 128, np.uint8)


def drawn(tracks: Tracks, **settings: Any) -> Any:
    """Where a picture differs from its blank."""
    return (draw_tracks(blank(), tracks, **settings) != 128).any(axis=2)


def test_a_limb_is_where_its_keypoints_are_and_nowhere_else() -> None:
    changed = drawn(arm((20, 50), (120, 50)), boxes=False, labels=False)
    assert changed[50, 20:121].all()
    rows, columns = np.nonzero(changed)
    assert 44 <= rows.min() <= rows.max() <= 56
    assert 14 <= columns.min() <= columns.max() <= 126


def test_the_image_is_untouched_and_out_is_what_comes_back() -> None:
    image, people = blank(), arm((20, 50), (120, 50))
    fresh = draw_tracks(image, people)
    assert (image == 128).all()
    buffer = np.zeros_like(image)
    assert draw_tracks(image, people, out=buffer) is buffer
    np.testing.assert_array_equal(buffer, fresh)
    assert draw_tracks(image, people, out=image) is image
    np.testing.assert_array_equal(image, fresh)


def test_views_that_are_not_contiguous_are_drawn_over_as_copies() -> None:
    wide = np.full((100, 320, 3), 128, np.uint8)
    people = arm((20, 50), (120, 50))
    for view in (wide[:, ::2], wide[::-1, :160]):
        np.testing.assert_array_equal(draw_tracks(view, people), draw_tracks(blank(), people))
    assert (wide == 128).all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        [[1, 2, 3]],
    ],
)
def test_other_images_are_refused(image: Any) -> None:
    with pytest.raises(ValueError, match=r"image must be uint8 \(H, W, 3\)"):
        draw_tracks(image, Tracks.empty(COCO_17))


def test_an_out_that_does_not_fit_is_refused() -> None:
    people = Tracks.empty(COCO_17)
    with pytest.raises(ValueError, match="as image is"):
        draw_tracks(blank(), people, out=blank(50))
    with pytest.raises(ValueError, match="contiguous"):
        draw_tracks(blank(), people, out=np.zeros((100, 320, 3), np.uint8)[:, ::2])
    locked = blank()
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        draw_tracks(blank(), people, out=locked)


def test_unsure_keypoints_and_their_limbs_are_left_out() -> None:
    unsure = arm((20, 50), (120, 50), scores=(0.9, 0.1))
    changed = drawn(unsure, boxes=False, labels=False, min_score=0.2)
    assert changed[50, 20]
    assert not changed[:, 40:].any()
    assert drawn(unsure, boxes=False, labels=False, min_score=0.05)[50, 120]


def test_boxes_from_flow_are_dashed() -> None:
    box = (10, 10, 150, 90)
    nowhere = (np.nan, np.nan)
    solid = drawn(arm(nowhere, nowhere, box=box), labels=False)
    dashed = drawn(arm(nowhere, nowhere, box=box, flow_age=3), labels=False)
    assert solid[10, 10:150].all()
    assert 0.3 < dashed[10, 10:150].mean() < 0.8
    assert not drawn(arm(nowhere, nowhere, box=box), labels=False, boxes=False).any()


def test_labels_say_what_they_are_told_and_stay_in_the_picture() -> None:
    box = (150, 2, 159, 90)
    people = arm((np.nan, 0), (np.nan, 0), box=box)
    ids = drawn(people, boxes=False)
    assert ids.any()
    assert ids[:, :150].any()  # moved left, to be read
    seen: list[int] = []
    draw_tracks(blank(), people, labels=lambda person: seen.append(person.id) or "")
    assert seen == [1]
    assert not drawn(people, boxes=False, labels=lambda person: "").any()
    longer = drawn(people, boxes=False, labels=lambda person: f"{person.id} {person.source}")
    assert longer.sum() > ids.sum()


def test_labels_of_people_side_by_side_do_not_cover_each_other() -> None:
    boxes = [[20, 60, 60, 90], [22, 60, 62, 91], [24, 60, 64, 92]]
    nobody = np.full((3, 2, 2), np.nan)
    poses = Poses(nobody, np.zeros((3, 2)), Detections(boxes, np.ones(3)), ARM)
    image = draw_tracks(blank(), Tracks(poses, [1, 2, 3]), boxes=False)
    areas = [int((image == colour_of(track_id)).all(axis=2).sum()) for track_id in (1, 2, 3)]
    assert min(areas) > 0.8 * max(areas)


def test_nearer_people_cover_others() -> None:
    limbs = [[[20, 50], [120, 50]]] * 2
    boxes = Detections([[0, 0, 150, 95], [0, 0, 150, 60]], [1, 1])
    poses = Poses(limbs, np.ones((2, 2)), boxes, ARM)
    image = draw_tracks(blank(), Tracks(poses, [1, 2]), boxes=False, labels=False)
    assert tuple(image[50, 70].tolist()) == colour_of(1)


@given(
    xy=hnp.arrays(np.float32, (3, 17, 2), elements=wild),
    corners=hnp.arrays(np.float32, (3, 2), elements=st.floats(-1e9, 1e9, width=32)),
    sizes=hnp.arrays(np.float32, (3, 2), elements=st.floats(0, 1e9, width=32)),
    shape=st.tuples(st.integers(0, 90), st.integers(0, 90)),
    age=st.integers(0, 1),
)
@settings(max_examples=80)
def test_no_coordinates_break_it(
    xy: Any, corners: Any, sizes: Any, shape: tuple[int, int], age: int
) -> None:
    boxes = Detections(np.hstack([corners, corners + sizes]), np.ones(3))
    people = Tracks(Poses(xy, np.ones((3, 17)), boxes, COCO_17), [1, 2, 3], [age] * 3)
    trails = Trails(5, keypoint="nose")
    for _ in range(2):
        image = np.zeros((*shape, 3), np.uint8)
        assert draw_tracks(image, people, trails=trails).shape == image.shape


def test_a_limb_that_ends_far_outside_keeps_its_direction() -> None:
    far = drawn(arm((80, 50), (80 + 1e6, 50 + 1e6)), boxes=False, labels=False)
    assert far[90, 120]
    assert not far[90, 159]


def test_left_is_lighter_and_right_darker_than_the_trunk() -> None:
    names = ("left_a", "left_b", "right_a", "right_b", "mid_a", "mid_b")
    edges = (("left_a", "left_b"), ("right_a", "right_b"), ("mid_a", "mid_b"))
    mirrored = (("left_a", "right_a"), ("left_b", "right_b"))
    person = Skeleton("six", names, edges, mirrored, (0.1,) * 6)
    xy = [[[20, 20], [120, 20], [20, 50], [120, 50], [20, 80], [120, 80]]]
    poses = Poses(xy, np.ones((1, 6)), Detections([[0, 0, 150, 95]], [1]), person)
    image = draw_tracks(blank(), Tracks(poses, [1]), boxes=False, labels=False)
    left, right, trunk = (to_oklab(tuple(image[y, 70].tolist()))[0] for y in (20, 50, 80))
    assert left > trunk + 0.03
    assert right < trunk - 0.03


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_colour_belongs_to_its_id_and_is_bright(track_id: int) -> None:
    assert colour_of(track_id) == colour_of(track_id)
    assert 0.58 < to_oklab(colour_of(track_id))[0] < 0.9


@pytest.mark.parametrize("start", [1, 50, 10_000, 2**40])
def test_colours_of_ids_close_by_are_told_apart(start: int) -> None:
    lab = [to_oklab(colour_of(track_id)) for track_id in range(start, start + 10)]
    least = min(np.linalg.norm(np.subtract(a, b)) for a, b in itertools.combinations(lab, 2))
    assert least > 0.05  # a just noticeable difference is about 0.02


@given(st.floats(0.3, 1), st.floats(0, 0.4), st.floats(0, 1))
def test_colours_exist_and_keep_their_lightness(light: float, chroma: float, turn: float) -> None:
    colour = from_oklch(light, chroma, turn)
    assert all(0 <= part <= 255 for part in colour)
    assert to_oklab(colour)[0] == pytest.approx(light, abs=0.03)


@given(hnp.arrays(np.float64, (5, 2, 2), elements=st.floats(-300, 300)))
def test_clipped_parts_are_on_their_segment_and_inside(ends: Any) -> None:
    kept, parts = clip_segments(ends[:, 0], ends[:, 1], (20, 30, 3))
    for number, part in zip(kept, parts, strict=True):
        start, end = ends[number]
        for point in part:
            way = end - start
            share = np.clip((point - start) @ way / max(way @ way, 1e-300), 0, 1)
            np.testing.assert_allclose(start + share * way, point, atol=1e-6)
            assert (point >= -64).all()
            assert (point <= [30 + 64, 20 + 64]).all()
    middles_inside = ((ends >= -64) & (ends <= [94, 84])).all(axis=(1, 2))
    assert set(np.flatnonzero(middles_inside)) <= set(kept)


def test_dashes_of_nothing_are_nothing() -> None:
    assert dashes(np.zeros((0, 2, 2)), 5).shape == (0, 2, 2)


def walk(x: float, track_id: int = 1) -> Tracks:
    return arm((x, 50), (x, 60), track_id=track_id)


def test_trails_hold_the_last_places_of_those_still_about() -> None:
    trails = Trails(3, keypoint="elbow")
    for x in range(5):
        trails.push(walk(10.0 * x))
    trails.push(walk(90.0, track_id=2))
    assert trails.of(1)[:, 0].tolist() == [30.0, 40.0]
    assert trails.of(2).tolist() == [[90.0, 50.0]]
    for _ in range(3):
        trails.push(Tracks.empty(ARM))
    assert trails.of(1).shape == trails.of(7).shape == (0, 2)
    assert not trails._ways


def test_a_trail_is_drawn_and_broken_where_nobody_was_seen() -> None:
    def path(gap: int) -> Any:
        trails = Trails(30, max_gap=3)
        trails.push(walk(20))
        trails.push(walk(40))
        for _ in range(gap):
            trails.push(Tracks.empty(ARM))
        trails.push(walk(100))
        image = blank()
        trails.draw(image)
        return (image != 128).any(axis=2)[55]

    assert path(3)[20:100].all()
    assert path(4)[20:40].all()
    assert not path(4)[50:100].any()


def test_draw_tracks_adds_the_frame_to_the_trails() -> None:
    trails = Trails(10)
    draw_tracks(blank(), walk(20), trails=trails)
    image = draw_tracks(blank(), walk(120), trails=trails, boxes=False, labels=False)
    assert (image[55, 60] != 128).any()
    trails.clear()
    assert not len(trails.of(1))


def test_trails_refuse_what_they_cannot_be() -> None:
    with pytest.raises(ValueError, match="length"):
        Trails(0)
    with pytest.raises(ValueError, match="max_gap"):
        Trails(3, max_gap=-1)
    with pytest.raises(KeyError, match="no keypoint 'nose'"):
        Trails(3, keypoint="nose").push(walk(1))
