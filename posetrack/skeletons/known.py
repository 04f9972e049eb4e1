"""The skeletons of the field's datasets and networks.

Orders are those of the datasets' own files. Sigmas: the body's from COCO's keypoint evaluation
(cocodataset.org, "Keypoint Evaluation"), the ends of the head and the feet from the dataset
tables of MMPose (PoseTrack18, Halpe-26); a keypoint of the same name has the same sigma in each.
The whole body's feet, face and hands have those of COCO-WholeBody (Jin et al., *Whole-Body Human
Pose Estimation in the Wild*, ECCV 2020; ``myeval_wholebody.py`` of the authors).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

from posetrack.skeletons.skeleton import Skeleton, pairs_by_name, sigma_of

_LIMBS: Final = (
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
_TRUNK: Final = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
)
_FACE: Final = (
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
)
_NECK: Final = (("nose", "neck"), ("neck", "left_shoulder"), ("neck", "right_shoulder"))
_FEET: Final = tuple(
    (f"{side}_{start}", f"{side}_{end}")
    for side in ("left", "right")
    for start, end in (("ankle", "big_toe"), ("big_toe", "small_toe"), ("ankle", "heel"))
)
_BODY: Final = tuple(
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
_ARMS_AND_LEGS_OPENPOSE: Final = (
    ("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    ("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    ("right_eye", "left_eye", "right_ear", "left_ear"),
)


def _skeleton(
    name: str, keypoints: tuple[str, ...], edges: tuple[tuple[str, str], ...]
) -> Skeleton:
    sigmas = tuple(sigma_of(keypoint) for keypoint in keypoints)
    return Skeleton(name, keypoints, edges, pairs_by_name(keypoints), sigmas)


COCO_17: Final = _skeleton(
    "coco_17",
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear", *_BODY),
    (*_FACE, *_TRUNK, *_LIMBS),
)

COCO_17_NECK: Final = _skeleton(
    "coco_17_neck", (*COCO_17.keypoints, "neck"), (*_FACE, *_NECK, *_TRUNK, *_LIMBS)
)
"""COCO's 17 and then the neck, as trt_pose has them."""

COCO_18: Final = _skeleton(
    "coco_18",
    (
        "nose",
        "neck",
        *_ARMS_AND_LEGS_OPENPOSE[0],
        *_ARMS_AND_LEGS_OPENPOSE[1],
        *_ARMS_AND_LEGS_OPENPOSE[2],
    ),
    (*_FACE, *_NECK, ("neck", "left_hip"), ("neck", "right_hip"), *_LIMBS),
)
"""OpenPose's COCO model: the neck second."""

POSETRACK_17: Final = _skeleton(
    "posetrack_17",
    ("nose", "head_bottom", "head_top", "left_ear", "right_ear", *_BODY),
    (("head_top", "nose"), ("nose", "head_bottom"), *_TRUNK, *_LIMBS),
)
"""PoseTrack 2018 and 2021 files: slots 1 and 2 are the ends of the head; ears are not scored."""

POSETRACK_15: Final = _skeleton(
    "posetrack_15",
    (
        "right_ankle",
        "right_knee",
        "right_hip",
        "left_hip",
        "left_knee",
        "left_ankle",
        "right_wrist",
        "right_elbow",
        "right_shoulder",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "head_bottom",
        "nose",
        "head_top",
    ),
    (("head_top", "nose"), ("nose", "head_bottom"), *_TRUNK, *_LIMBS),
)
"""PoseTrack 2017 files, and what the official evaluator scores."""

MPII_16: Final = _skeleton(
    "mpii_16",
    (
        "right_ankle",
        "right_knee",
        "right_hip",
        "left_hip",
        "left_knee",
        "left_ankle",
        "pelvis",
        "thorax",
        "upper_neck",
        "head_top",
        "right_wrist",
        "right_elbow",
        "right_shoulder",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
    ),
    (
        ("head_top", "upper_neck"),
        ("upper_neck", "thorax"),
        ("thorax", "left_shoulder"),
        ("thorax", "right_shoulder"),
        ("thorax", "pelvis"),
        ("pelvis", "left_hip"),
        ("pelvis", "right_hip"),
        *_LIMBS,
    ),
)

OPENPOSE_MPI_15: Final = _skeleton(
    "openpose_mpi_15",
    (
        "head_top",
        "neck",
        *_ARMS_AND_LEGS_OPENPOSE[0],
        *_ARMS_AND_LEGS_OPENPOSE[1],
        "chest",
    ),
    (
        ("head_top", "neck"),
        ("neck", "left_shoulder"),
        ("neck", "right_shoulder"),
        ("neck", "chest"),
        ("chest", "left_hip"),
        ("chest", "right_hip"),
        *_LIMBS,
    ),
)
"""OpenPose's MPI model. PoseTrack's 15 have another order."""

BODY_25: Final = _skeleton(
    "body_25",
    (
        "nose",
        "neck",
        *_ARMS_AND_LEGS_OPENPOSE[0],
        "mid_hip",
        *_ARMS_AND_LEGS_OPENPOSE[1],
        *_ARMS_AND_LEGS_OPENPOSE[2],
        *(f"{side}_{p}" for side in ("left", "right") for p in ("big_toe", "small_toe", "heel")),
    ),
    (
        *_FACE,
        *_NECK,
        ("neck", "mid_hip"),
        ("mid_hip", "left_hip"),
        ("mid_hip", "right_hip"),
        *_LIMBS,
        *_FEET,
    ),
)
"""OpenPose's default model."""

BODY_25B: Final = _skeleton(
    "body_25b",
    (
        *COCO_17.keypoints,
        "upper_neck",
        "head_top",
        *(f"{side}_{p}" for side in ("left", "right") for p in ("big_toe", "small_toe", "heel")),
    ),
    (
        *_FACE,
        ("head_top", "upper_neck"),
        ("upper_neck", "left_shoulder"),
        ("upper_neck", "right_shoulder"),
        ("left_shoulder", "left_hip"),
        ("right_shoulder", "right_hip"),
        ("left_hip", "right_hip"),
        *_LIMBS,
        *_FEET,
    ),
)
"""OpenPose's experimental model of 25 keypoints in COCO's order; its files do not differ from those
of `BODY_25`, so that it has to be named."""

HALPE_26: Final = _skeleton(
    "halpe_26",
    (
        *COCO_17.keypoints,
        "head",
        "neck",
        "mid_hip",
        *(f"{side}_{p}" for p in ("big_toe", "small_toe", "heel") for side in ("left", "right")),
    ),
    (
        *_FACE,
        ("head", "neck"),
        ("neck", "left_shoulder"),
        ("neck", "right_shoulder"),
        ("neck", "mid_hip"),
        ("mid_hip", "left_hip"),
        ("mid_hip", "right_hip"),
        *_LIMBS,
        *_FEET,
    ),
)
"""Halpe full body without face and hands; its "hip" is called ``mid_hip`` here."""

_FINGERS: Final = tuple(
    f"{finger}{joint}"
    for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
    for joint in (1, 2, 3, 4)
)

_FACE_LINES: Final = (
    tuple(range(17)),  # along the jaw
    (17, 18, 19, 20, 21),  # brows
    (22, 23, 24, 25, 26),
    (27, 28, 29, 30),  # down the nose and below it
    (31, 32, 33, 34, 35),
    (36, 37, 38, 39, 40, 41, 36),  # eyes
    (42, 43, 44, 45, 46, 47, 42),
    (*range(48, 60), 48),  # lips, outside and inside
    (*range(60, 68), 60),
)
"""The 68 points of a face in the order of iBUG 300-W, as lines to draw."""

_FACE_SIDES: Final = (
    *((point, 16 - point) for point in range(8)),
    *((point, 43 - point) for point in range(17, 22)),
    *((31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)),
)
"""Which of them change places in a mirror."""


def _chain(*keypoints: str) -> tuple[tuple[str, str], ...]:
    return tuple(itertools.pairwise(keypoints))


def _whole_body() -> Skeleton:
    sides = ("left", "right")
    feet = tuple(f"{side}_{end}" for side in sides for end in ("big_toe", "small_toe", "heel"))
    face = tuple(f"face-{point}" for point in range(68))
    hands = tuple(f"{side}_{part}" for side in sides for part in ("hand_root", *_FINGERS))
    keypoints = (*COCO_17.keypoints, *feet, *face, *hands)
    fingers = tuple(
        line
        for side in sides
        for first in range(0, 20, 4)
        for line in _chain(
            f"{side}_hand_root", *(f"{side}_{part}" for part in _FINGERS[first : first + 4])
        )
    )
    wrists = tuple((f"{side}_wrist", f"{side}_hand_root") for side in sides)
    lines = tuple(line for row in _FACE_LINES for line in _chain(*(face[point] for point in row)))
    mirrored = tuple((face[first], face[second]) for first, second in _FACE_SIDES)
    sigmas = (*COCO_17.sigmas, *_SIGMAS_OF_FEET, *_SIGMAS_OF_FACE, *2 * _SIGMAS_OF_A_HAND)
    edges = (*COCO_17.edges, *_FEET, *lines, *wrists, *fingers)
    return Skeleton(
        "coco_wholebody_133", keypoints, edges, (*pairs_by_name(keypoints), *mirrored), sigmas
    )


_SIGMAS_OF_FEET: Final = (0.068, 0.066, 0.066, 0.092, 0.094, 0.094)
# fmt: off
_SIGMAS_OF_FACE: Final = (
    0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025, 0.020, 0.023, 0.029, 0.032, 0.037,
    0.038, 0.043, 0.041, 0.045,
    0.013, 0.012, 0.011, 0.011, 0.012, 0.012, 0.011, 0.011, 0.013,
    0.015, 0.009, 0.007, 0.007, 0.007, 0.012, 0.009, 0.008,
    0.016, 0.010, 0.017, 0.011, 0.009, 0.011, 0.009, 0.007, 0.013, 0.008, 0.011, 0.012,
    0.010, 0.034, 0.008, 0.008, 0.009, 0.008, 0.008, 0.007, 0.010, 0.008, 0.009, 0.009,
    0.009, 0.007, 0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008,
)
_SIGMAS_OF_A_HAND: Final = (
    0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024, 0.022, 0.026,
    0.017, 0.021, 0.021, 0.032, 0.020, 0.019, 0.022, 0.031,
)
# fmt: on

COCO_WHOLEBODY_133: Final = _whole_body()
"""COCO-WholeBody: COCO's 17, six of the feet, 68 of the face, 21 of each hand (RTMW)."""


def add_face_and_hands(
    body: Skeleton, name: str, *, face: int = 0, hands: bool = False
) -> Skeleton:
    """A body's skeleton with a face and hands behind, called as those of COCO-WholeBody.

    Parameters
    ----------
    body
        Its keypoints come first.
    name
        Of the new skeleton.
    face
        How many points the face has: 0, 68 of iBUG 300-W, or 70 with the right and left pupil.
    hands
        Whether 21 of the left and then of the right hand follow.

    Examples
    --------
    >>> len(add_face_and_hands(BODY_25, "body_25_hands", hands=True))
    67
    """
    if face not in (0, 68, 70):
        raise ValueError(f"a face has 68 or 70 points, got {face}")
    known = dict(zip(COCO_WHOLEBODY_133.keypoints, COCO_WHOLEBODY_133.sigmas, strict=True))
    more = [f"face-{point}" for point in range(face)]
    if hands:
        more += [
            f"{side}_{part}" for side in ("left", "right") for part in ("hand_root", *_FINGERS)
        ]
    keypoints = (*body.keypoints, *more)
    present = set(keypoints)

    def among(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [pair for pair in pairs if present.issuperset(pair) and set(more) & set(pair)]

    edges, mirrored = among(COCO_WHOLEBODY_133.edges), among(COCO_WHOLEBODY_133.mirrored)
    if face == 70:
        mirrored.append(("face-68", "face-69"))
        edges += [("face-36", "face-68"), ("face-45", "face-69")]  # pupils, to the eyes' corners
    sigmas = (*body.sigmas, *(known.get(point, known["face-37"]) for point in more))
    return Skeleton(name, keypoints, (*body.edges, *edges), (*body.mirrored, *mirrored), sigmas)


HALPE_136: Final = add_face_and_hands(HALPE_26, "halpe_136", face=68, hands=True)
"""Halpe full body with face and hands, as AlphaPose has it."""

OPENPOSE_137: Final = add_face_and_hands(BODY_25, "openpose_137", face=70, hands=True)
"""OpenPose's default model with face and hands, in the order of its files' lists."""


def _body_135() -> Skeleton:
    """Hands come before the face, and have no root of their own: fingers begin at the wrist."""
    whole = add_face_and_hands(BODY_25B, "body_135", face=70, hands=True)
    hands = tuple(f"{side}_{part}" for side in ("left", "right") for part in _FINGERS)
    face = tuple(f"face-{point}" for point in range(70))
    keypoints = (*BODY_25B.keypoints, *hands, *face)
    roots = {f"{side}_hand_root": f"{side}_wrist" for side in ("left", "right")}
    edges = [(roots.get(a, a), roots.get(b, b)) for a, b in whole.edges]
    sigma = dict(zip(whole.keypoints, whole.sigmas, strict=True))
    return Skeleton(
        "body_135",
        keypoints,
        tuple((a, b) for a, b in edges if a != b),
        tuple(pair for pair in whole.mirrored if roots.keys().isdisjoint(pair)),
        tuple(sigma[keypoint] for keypoint in keypoints),
    )


BODY_135: Final = _body_135()
"""OpenPose's experimental whole-body model: `BODY_25B`, 20 of each hand, 70 of the face."""

KNOWN_SKELETONS: Final[Mapping[str, Skeleton]] = {
    skeleton.name: skeleton
    for skeleton in (
        COCO_17,
        COCO_17_NECK,
        COCO_18,
        POSETRACK_15,
        POSETRACK_17,
        MPII_16,
        OPENPOSE_MPI_15,
        BODY_25,
        BODY_25B,
        HALPE_26,
        COCO_WHOLEBODY_133,
        HALPE_136,
        BODY_135,
        OPENPOSE_137,
    )
}
"""By name, for the command line and for reading files."""


def skeleton_of_count(keypoints: int) -> Skeleton | None:
    """The usual skeleton of networks of this many keypoints; None for other numbers.

    Examples
    --------
    >>> skeleton_of_count(26).name
    'halpe_26'
    """
    usual = (COCO_17, HALPE_26, COCO_WHOLEBODY_133, HALPE_136)
    return next((known for known in usual if len(known) == keypoints), None)
