"""Skeletons: what the keypoints of a pose are called and how they hang together."""

from posetrack.skeletons.known import (
    BODY_25,
    COCO_17,
    COCO_17_NECK,
    COCO_18,
    HALPE_26,
    KNOWN_SKELETONS,
    MPII_16,
    POSETRACK_15,
    POSETRACK_17,
)
from posetrack.skeletons.skeleton import Skeleton, read_skeleton

__all__ = [
    "BODY_25",
    "COCO_17",
    "COCO_17_NECK",
    "COCO_18",
    "HALPE_26",
    "KNOWN_SKELETONS",
    "MPII_16",
    "POSETRACK_15",
    "POSETRACK_17",
    "Skeleton",
    "read_skeleton",
]
