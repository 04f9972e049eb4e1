"""Names, order and mapping of keypoints."""

from pathlib import Path

import numpy as np
import pytest

from posetrack.skeletons import (
    COCO_17,
    COCO_18,
    COCO_WHOLEBODY_133,
    KNOWN_SKELETONS,
    MPII_16,
    POSETRACK_15,
    POSETRACK_17,
    Skeleton,
    read_skeleton,
)

COUNTS = {
    "coco_17": 17,
    "coco_17_neck": 18,
    "coco_18": 18,
    "posetrack_15": 15,
    "posetrack_17": 17,
    "mpii_16": 16,
    "body_25": 25,
    "body_25b": 25,
    "body_135": 135,
    "halpe_26": 26,
    "coco_wholebody_133": 133,
    "halpe_136": 136,
    "openpose_137": 137,
    "openpose_mpi_15": 15,
}


def test_every_known_skeleton_has_its_number_of_keypoints() -> None:
    assert {name: len(skeleton) for name, skeleton in KNOWN_SKELETONS.items()} == COUNTS


@pytest.mark.parametrize("skeleton", KNOWN_SKELETONS.values(), ids=str)
def test_mirroring_twice_is_no_change_and_swaps_every_side(skeleton: Skeleton) -> None:
    order = skeleton.mirror_order
    np.testing.assert_array_equal(order[order], np.arange(len(skeleton)))
    for index, name in enumerate(skeleton.keypoints):
        if name.startswith("face-"):
            continue  # points with numbers, see below
        other = skeleton.keypoints[order[index]]
        swapped = name.replace("left_", "*").replace("right_", "left_").replace("*", "right_")
        assert other == swapped


@pytest.mark.parametrize("skeleton", KNOWN_SKELETONS.values(), ids=str)
def test_every_keypoint_hangs_on_an_edge_but_for_posetracks_ears(skeleton: Skeleton) -> None:
    joined = {name for edge in skeleton.edges for name in edge}
    loose = set(skeleton.keypoints) - joined
    assert loose <= {"left_ear", "right_ear"}


def test_the_whole_bodys_face_is_mirrored_along_its_lines() -> None:
    """A line along the jaw, a brow, an eye or a lip is a line of the other side's, too."""
    whole = COCO_WHOLEBODY_133
    mirror = dict(
        zip(whole.keypoints, (whole.keypoints[i] for i in whole.mirror_order), strict=True)
    )
    lines = {frozenset(edge) for edge in whole.edges}
    assert all(frozenset(mirror[end] for end in line) in lines for line in lines)
    assert [mirror[f"face-{point}"] for point in (0, 8, 27, 30, 33, 36, 51, 66)] == [
        "face-16", "face-8", "face-27", "face-30", "face-33", "face-45", "face-51", "face-66"
    ]  # fmt: skip


def test_the_whole_bodys_sigmas_are_the_authors() -> None:
    whole = COCO_WHOLEBODY_133
    sigma = dict(zip(whole.keypoints, whole.sigmas, strict=True))
    known = {
        "nose": 0.026, "left_ankle": 0.089, "left_big_toe": 0.068, "right_heel": 0.094,
        "face-0": 0.042, "face-16": 0.045, "face-30": 0.007, "face-48": 0.008,
        "face-67": 0.008, "left_hand_root": 0.029, "left_thumb4": 0.047,
        "right_pinky_finger4": 0.031,
    }  # fmt: skip
    assert {name: sigma[name] for name in known} == known
    assert sum(whole.sigmas) == pytest.approx(3.861)


def test_posetracks_slots_one_and_two_are_the_ends_of_the_head() -> None:
    assert POSETRACK_17.keypoints[:3] == ("nose", "head_bottom", "head_top")
    assert POSETRACK_15.keypoints[-3:] == ("head_bottom", "nose", "head_top")


def test_a_map_there_and_back_keeps_what_both_have() -> None:
    xy = np.random.default_rng(0).uniform(0, 100, (3, 17, 2)).astype(np.float32)
    scores = np.random.default_rng(1).uniform(0.1, 1, (3, 17)).astype(np.float32)
    there = COCO_17.map_to(POSETRACK_17, xy, scores)
    back, back_scores = POSETRACK_17.map_to(COCO_17, *there)
    common = [COCO_17.index(name) for name in COCO_17.keypoints if name in POSETRACK_17.keypoints]
    np.testing.assert_array_equal(back[:, common], xy[:, common])
    rest = np.setdiff1d(np.arange(17), common)
    assert np.isnan(back[:, rest]).all()
    assert (back_scores[:, rest] == 0).all()


def test_the_neck_is_the_mean_of_the_shoulders_and_unseen_without_one() -> None:
    xy = np.zeros((17, 2))
    xy[COCO_17.index("left_shoulder")] = (10, 4)
    xy[COCO_17.index("right_shoulder")] = (20, 8)
    scores = np.full(17, 0.9)
    scores[COCO_17.index("left_shoulder")] = 0.3
    neck, marks = COCO_17.map_to(COCO_18, xy, scores)
    assert neck[COCO_18.index("neck")].tolist() == [15, 6]
    assert marks[COCO_18.index("neck")] == pytest.approx(0.3)
    xy[COCO_17.index("left_shoulder")] = np.nan
    neck, marks = COCO_17.map_to(COCO_18, xy, scores)
    assert np.isnan(neck[COCO_18.index("neck")]).all()
    assert marks[COCO_18.index("neck")] == 0


def test_the_ends_of_the_head_are_made_up_only_when_asked() -> None:
    xy = np.zeros((17, 2))
    xy[[5, 6]] = (0, 40)  # shoulders below the nose, which is at the origin
    plain, _ = COCO_17.map_to(POSETRACK_17, xy, np.ones(17))
    assert np.isnan(plain[1:3]).all()
    rough, _ = COCO_17.map_to(POSETRACK_17, xy, np.ones(17), approximate_head=True)
    assert rough[1].tolist() == [0, 20]
    assert rough[2].tolist() == [0, -20]


def test_mpiis_upper_neck_is_posetracks_head_bottom() -> None:
    xy = np.arange(32.0).reshape(16, 2)
    mapped, _ = MPII_16.map_to(POSETRACK_17, xy, np.ones(16))
    np.testing.assert_array_equal(
        mapped[POSETRACK_17.index("head_bottom")], xy[MPII_16.index("upper_neck")]
    )


def test_wrong_shapes_are_refused_with_both_named() -> None:
    with pytest.raises(ValueError, match=r"17, 2.*\(16, 2\)"):
        COCO_17.map_to(COCO_18, np.zeros((16, 2)), np.zeros(16))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('keypoints = ["a", "a"]', "unique"),
        ('keypoints = ["a", "b"]\nedges = [["a", "c"]]', "edge"),
        ('keypoints = ["a", "b"]\nedges = [["a"]]', "pairs of names"),
        ('keypoints = ["a", "b"]\nsigmas = {c = 1.0}', "not listed"),
        ('keypoints = ["a", "b"]\nsigmas = {a = -1.0}', "positive"),
        ('keypoints = ["a", "b"]\nsigmas = {a = true}', "numbers"),
        ('keypoints = ["a", "b"]\nmirrored = [["a", "b"], ["b", "a"]]', "two mirrored pairs"),
        ("keypoints = 3", "list of names"),
        ('keypoints = ["a"]\nlimbs = []', "limbs"),
        ("keypoints = [", "not a TOML file"),
    ],
)
def test_a_broken_skeleton_file_is_refused_by_name(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint) as error:
        read_skeleton(path)
    assert "mine.toml" in str(error.value)


def test_a_users_own_skeleton_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "horse.toml"
    path.write_text(
        'name = "horse"\nkeypoints = ["nose", "left_hoof", "right_hoof"]\n'
        'edges = [["nose", "left_hoof"]]\n[sigmas]\nleft_hoof = 0.1\n'
    )
    horse = read_skeleton(path)
    assert horse.name == "horse"
    assert horse.sigmas == (0.026, 0.1, 0.079)
    assert horse.mirrored == (("left_hoof", "right_hoof"),)
    assert horse.edge_indices.tolist() == [[0, 1]]
