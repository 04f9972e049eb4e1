"""Skeletons: what the keypoints of a pose are called and how they hang together."""

from posetrack.skeletons.known import (
    BODY_25,
    BODY_25B,
    BODY_135,
    COCO_17,
    COCO_17_NECK,
    COCO_18,
    COCO_WHOLEBODY_133,
    HALPE_26,
    HALPE_136,
    KNOWN_SKELETONS,
    MPII_16,
    OPENPOSE_137,
    OPENPOSE_MPI_15,
    POSETRACK_15,
    POSETRACK_17,
    add_face_and_hands,
    skeleton_of_count,
)
from posetrack.skeletons.skeleton import Skeleton, read_skeleton

__all__ = [
    "BODY_25",
    "BODY_25B",
    "BODY_135",
    "COCO_17",
    "COCO_17_NECK",
    "COCO_18",
    "COCO_WHOLEBODY_133",
    "HALPE_26",
    "HALPE_136",
    "KNOWN_SKELETONS",
    "MPII_16",
    "OPENPOSE_137",
    "OPENPOSE_MPI_15",
    "POSETRACK_15",
    "POSETRACK_17",
    "Skeleton",
    "add_face_and_hands",
    "read_skeleton",
    "skeleton_of_count",
]
