"""Truth of rendered pictures agrees with their pixels, and its files with our readers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posetrack.evaluation import evaluate_poses, evaluate_posetrack, evaluate_posetrack21_boxes
from posetrack.evaluation.posetrack_files import sequence_of
from posetrack.files import dump_json, write_whole
from posetrack.skeletons import (
    COCO_17,
    COCO_WHOLEBODY_133,
    KNOWN_SKELETONS,
    MPII_16,
    Skeleton,
)
from posetrack.training import read_coco
from posetrack.world import Scene, Truth, Visibility, behind_pole, crossing, entering_leaving
from posetrack.world.motion import standing as stand
from posetrack.world.people.body import random_body
from posetrack.world.places.furniture import box
from posetrack.world.rendering.cameras import standing
from posetrack.world.rendering.perspective import looking_at
from posetrack.world.scene import Actor
from posetrack.world.truth_files import (
    coco_document,
    coco_people,
    kitti_flow,
    posetrack18_document,
    write_mot_truth,
)

SMALL = (240, 136)


@pytest.fixture(scope="session")
def scene() -> Scene:
    return crossing(people=3, frames=30, seed=2, size=SMALL)


@pytest.fixture(scope="session")
def truths(scene: Scene) -> list[Truth]:
    return [scene.truth(number) for number in range(0, 30, 3)]


def alone(*, heading: float = -np.pi / 2, things: tuple = (), x: float = 0.0) -> Scene:
    """One person five metres away, looking at the camera unless turned."""
    body = random_body(np.random.default_rng(4), child=False)
    camera = looking_at((0, -5, 1.2), (0, 0, 0.9), focal=300, size=(320, 240))
    person = Actor(body, stand(body, (x, 0), heading, seed=1))
    return Scene("alone", (person,), standing(camera), 1, scenery=things)


def state(truth: Truth, keypoint: str) -> Visibility:
    return Visibility(truth.visibility[0, truth.skeleton.index(keypoint)])


def test_boxes_hold_the_pixels_of_their_people(truths: list[Truth]) -> None:
    for truth in truths:
        assert truth.owner is not None
        for row, who in enumerate(truth.ids.tolist()):
            down, across = np.nonzero(truth.owner == who)
            assert truth.pixels[row] == len(down)
            if len(down):
                inner = [across.min(), down.min(), across.max(), down.max()]
                assert truth.visible_boxes[row].tolist() == inner
                whole = truth.boxes[row] + (-0.51, -0.51, 0.51, 0.51)
                assert (whole[:2] <= inner[:2]).all()
                assert (whole[2:] >= inner[2:]).all()


def test_visible_keypoints_have_nobody_else_in_front(truths: list[Truth]) -> None:
    for truth in truths:
        for row, who in enumerate(truth.ids.tolist()):
            seen = truth.visibility[row] == Visibility.VISIBLE
            x, y = np.rint(truth.xy[row][seen]).astype(int).T
            assert truth.owner is not None
            owners = truth.owner[y, x]
            # At the edge of an ear the pixel may already be background, never another in front.
            assert np.isin(owners, [0, who]).mean() > 0.97
            assert (owners == who).mean() > 0.7 or not len(owners)


def test_most_of_someone_in_plain_sight_is_seen_and_nothing_behind_a_wall() -> None:
    grey = np.full((4, 4, 3), 128, np.uint8)
    free = alone().truth(0)
    assert free.share[0] > 0.97
    assert (free.visibility == Visibility.VISIBLE).mean() > 0.8
    wall = box(grey, (3.0, 0.1, 3.0), position=(0, -2, 0))
    behind = alone(things=(wall,)).truth(0)
    assert behind.share[0] == 0
    assert behind.pixels[0] == 0
    assert (behind.visibility == Visibility.HIDDEN).all()
    assert len(behind.poses()) == 0
    np.testing.assert_allclose(behind.xy, free.xy)


def test_a_low_wall_hides_the_legs_only() -> None:
    grey = np.full((4, 4, 3), 128, np.uint8)
    truth = alone(things=(box(grey, (3.0, 0.1, 0.75), position=(0, -1, 0)),)).truth(0)
    for side in ("left", "right"):
        assert state(truth, f"{side}_ankle") == state(truth, f"{side}_knee") == Visibility.HIDDEN
        assert state(truth, f"{side}_shoulder") == Visibility.VISIBLE
    assert 0.3 < truth.share[0] < 0.8


def test_the_face_is_hidden_from_behind_and_the_far_side_from_the_side() -> None:
    back = alone(heading=np.pi / 2).truth(0)
    assert {state(back, name) for name in ("nose", "left_eye", "right_eye")} == {Visibility.HIDDEN}
    assert state(back, "left_shoulder") == Visibility.VISIBLE
    front = alone().truth(0)
    assert {state(front, name) for name in ("nose", "left_eye", "right_eye")} == {
        Visibility.VISIBLE
    }
    east = alone(heading=0.0).truth(0)  # the right side towards the camera
    assert state(east, "right_shoulder") == state(east, "right_ear") == Visibility.VISIBLE
    assert state(east, "left_shoulder") == state(east, "left_ear") == Visibility.HIDDEN


def test_someone_beside_the_picture_is_in_the_truth_and_outside() -> None:
    truth = alone(x=8.0).truth(0)
    assert truth.ids.tolist() == [1]
    assert (truth.visibility == Visibility.OUTSIDE).all()
    assert np.isfinite(truth.xy).all()
    assert np.isnan(truth.clipped_boxes).all()
    assert truth.share[0] == 0
    half = alone(x=2.6).truth(0)
    assert 0.1 < half.share[0] < 0.9
    assert np.isnan(half.poses().xy).any()


@pytest.mark.parametrize(
    "skeleton",
    [
        known
        for known in KNOWN_SKELETONS.values()
        if not any(name.startswith(("face-", "left_hand")) for name in known.keypoints)
    ],
    ids=lambda known: known.name,
)
def test_every_skeleton_of_bodies_has_its_own_keypoints(
    skeleton: Skeleton, truths: list[Truth]
) -> None:
    truth = truths[0].to(skeleton)
    assert truth.xy.shape == (3, len(skeleton), 2)
    for name in set(skeleton.keypoints) & set(COCO_17.keypoints):
        ours = truth.xy[:, skeleton.index(name)]
        np.testing.assert_array_equal(ours, truths[0].xy[:, COCO_17.index(name)])


def test_an_unknown_keypoint_is_refused_by_name(truths: list[Truth]) -> None:
    with pytest.raises(ValueError, match="have no tail"):
        truths[0].to(Skeleton("dog", ("nose", "tail"), (), (), (0.1, 0.1)))
    with pytest.raises(ValueError, match="have no face-0"):
        truths[0].to(COCO_WHOLEBODY_133)


def test_heads_are_on_top(truths: list[Truth]) -> None:
    for truth in truths:
        mpii = truth.to(MPII_16)
        top, neck = (mpii.xy[:, MPII_16.index(name)] for name in ("head_top", "upper_neck"))
        assert (np.abs(truth.heads[:, 1] - top[:, 1]) < 4).all()
        assert (truth.heads[:, 3] > top[:, 1]).all()
        assert (truth.heads[:, 1] < neck[:, 1]).all()
        assert (truth.heads[:, :2] >= truth.boxes[:, :2] - 1e-3).all()


def test_flow_carries_keypoints_to_where_they_are_next(scene: Scene) -> None:
    for number in (0, 10):
        now, then = scene.truth(number), scene.truth(number + 1)
        assert now.flow is not None
        seen = now.visibility == Visibility.VISIBLE
        x, y = np.rint(now.xy[seen]).astype(int).T
        assert now.owner is not None
        on = now.owner[y, x] > 0
        error = np.hypot(*(now.xy[seen] + now.flow[y, x] - then.xy[seen])[on].T)
        # The skin over a joint moves nearly as the joint does.
        assert np.median(error) < 0.25
        still = np.hypot(*(now.xy[seen] - then.xy[seen])[on].T)
        assert np.median(error) < 0.5 * np.median(still)


# --- files


def read(truths: list[Truth], **settings: float) -> tuple:
    return (sequence_of(posetrack18_document(truths, name="made", **settings), "made", "made"),)


def test_truth_against_itself_is_100(truths: list[Truth]) -> None:
    made = read(truths)
    protocol = evaluate_posetrack(made, made)
    assert protocol.rows()["MOTA"]["MOTA"] == protocol.rows()["AP"]["Total"] == 100
    whole = evaluate_poses(made, made).rows()["poses"]
    assert whole["MOTA"] == whole["IDF1"] == whole["HOTA"] == 100


def test_posetrack_files_leave_out_whom_nobody_sees() -> None:
    scene = behind_pole(people=3, frames=60, size=SMALL, seed=1)
    truths = [scene.truth(number) for number in range(0, 60, 6)]
    shares = np.concatenate([truth.share for truth in truths])
    assert (shares < 0.1).any()
    (made,) = read(truths)
    assert len(made.ids) == (shares >= 0.1).sum()
    (all_of_it,) = read(truths, min_share=1e-9)
    assert len(all_of_it.ids) > len(made.ids)
    assert set(made.keypoints[:, :, 2].ravel()) <= {0.0, 1.0}
    assert np.isfinite(made.heads).all()


def test_coco_files_train(truths: list[Truth], scene: Scene, tmp_path: Path) -> None:
    import cv2

    images, people = [], []
    for number, truth in enumerate(truths):
        name = f"{number}.jpg"
        cv2.imwrite(str(tmp_path / name), scene.render(3 * number))
        images.append({"id": number, "file_name": name, "width": SMALL[0], "height": SMALL[1]})
        people += coco_people(truth, image_id=number, first_id=len(people) + 1)
    write_whole(tmp_path / "made.json", dump_json(coco_document(images, people)))
    samples = read_coco(tmp_path / "made.json", tmp_path)
    assert samples.problems == ()
    assert samples.skeleton == COCO_17
    wanted = [person for person in people if not person["iscrowd"] and person["num_keypoints"]]
    assert len(samples) == len(wanted)
    assert np.nanmin(samples.xy) >= -0.5
    assert {person["id"] for person in people} == set(range(1, len(people) + 1))


def test_coco_boxes_lie_in_the_picture_and_flags_are_those_of_coco() -> None:
    scene = entering_leaving(people=4, frames=40, size=SMALL, seed=3)
    flags = set()
    for number in range(0, 40, 5):
        truth = scene.truth(number)
        for person in coco_people(truth, image_id=number):
            x, y, width, height = person["bbox"]
            assert 0 <= x <= x + width <= SMALL[0]
            assert 0 <= y <= y + height <= SMALL[1]
            marks = person["keypoints"][2::3]
            assert person["num_keypoints"] == sum(mark > 0 for mark in marks)
            places = np.reshape(person["keypoints"], (17, 3))
            assert (places[places[:, 2] == 0] == 0).all()
            flags |= set(marks)
    assert flags == {0, 1, 2}


def test_small_and_hidden_people_are_neither_people_nor_background(truths: list[Truth]) -> None:
    for person in coco_people(truths[0], image_id=0, min_height=1e4):
        assert person["iscrowd"] == 1
    assert not any(person["iscrowd"] for person in coco_people(truths[0], image_id=0, min_share=0))


def test_mot_text_is_read_back_by_the_evaluation_of_boxes(
    truths: list[Truth], tmp_path: Path
) -> None:
    write_mot_truth(tmp_path / "truth" / "made", truths, rate=25, classes=False)
    lines = (tmp_path / "truth" / "made" / "gt" / "gt.txt").read_text().splitlines()
    (tmp_path / "found").mkdir()
    seen = [line.split(",") for line in lines if line.split(",")[6] == "1"]
    text = "\n".join(",".join([*cells[:6], "1"]) for cells in seen)
    (tmp_path / "found" / "made.txt").write_text(text + "\n")
    result = evaluate_posetrack21_boxes(tmp_path / "truth", tmp_path / "found")
    assert result.rows()["boxes"]["MOTA"] == pytest.approx(100)
    write_mot_truth(tmp_path / "walk", truths, rate=25)
    cells = (tmp_path / "walk" / "gt" / "gt.txt").read_text().splitlines()[0].split(",")
    assert len(cells) == 9
    assert cells[7] == "1"
    assert 0 <= float(cells[8]) <= 1
    assert "seqLength=10" in (tmp_path / "walk" / "seqinfo.ini").read_text()
    assert len(json.loads((tmp_path / "walk" / "image_info.json").read_text())) == 10


def test_flow_survives_its_file(truths: list[Truth], tmp_path: Path) -> None:
    import cv2

    flow = truths[0].flow
    assert flow is not None
    path = tmp_path / "flow.png"
    cv2.imwrite(str(path), kitti_flow(flow))
    coded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    again = (coded[..., :0:-1].astype(np.float32) - 2**15) / 64  # as KITTI's development kit has it
    again[coded[..., 0] == 0] = np.nan
    known = np.isfinite(flow).all(axis=2)
    assert np.isfinite(again).all(axis=2).tolist() == known.tolist()
    assert np.abs(again[known] - flow[known]).max() <= 1 / 128 + 1e-6


def test_nobody_is_no_error(tmp_path: Path) -> None:
    scene = Scene("empty", (), alone().camera, 2)
    image, truth = scene.frame(1)
    assert image.shape == (240, 320, 3)
    assert truth.xy.shape == (0, 17, 2)
    assert len(truth.poses()) == len(coco_people(truth, image_id=0)) == 0
    assert posetrack18_document([truth], name="empty")["annotations"] == []
    write_mot_truth(tmp_path / "empty", [truth], rate=25)
    assert (tmp_path / "empty" / "gt" / "gt.txt").read_text() == ""
