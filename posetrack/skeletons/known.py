"""The skeletons of the field's datasets and networks.

Orders are those of the datasets' own files. Sigmas: the body's from COCO's keypoint evaluation
(cocodataset.org, "Keypoint Evaluation"), the ends of the head and the feet from the dataset
tables of MMPose (PoseTrack18, Halpe-26); a keypoint of the same name has the same sigma in each.
"""

from __future__ import annotations

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

KNOWN_SKELETONS: Final[Mapping[str, Skeleton]] = {
    skeleton.name: skeleton
    for skeleton in (
        COCO_17,
        COCO_17_NECK,
        COCO_18,
        POSETRACK_15,
        POSETRACK_17,
        MPII_16,
        BODY_25,
        HALPE_26,
    )
}
"""By name, for the command line and for reading files."""
