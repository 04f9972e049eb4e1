"""The links between keypoints in networks for whole images, for any skeleton."""

from __future__ import annotations

from posetrack.ops.paf import TRT_POSE_LINKS
from posetrack.ops.posenet import POSENET_EDGES
from posetrack.skeletons import COCO_17, COCO_17_NECK, Skeleton

Pairs = tuple[tuple[int, int], ...]


def posenet_edges(skeleton: Skeleton) -> Pairs:
    """Parents and children of a `PoseNet`'s displacements, positions of keypoints.

    Parameters
    ----------
    skeleton
        Of COCO's keypoints it is the published networks' tree. Else a tree along its edges,
        outward from the first keypoint; what no edge leads to hangs on that keypoint.

    Raises
    ------
    ValueError
        If there is but one keypoint.

    Examples
    --------
    >>> arm = Skeleton("arm", ("hand", "shoulder", "elbow"),
    ...                (("shoulder", "elbow"), ("elbow", "hand")), (), (0.1, 0.1, 0.1))
    >>> posenet_edges(arm)
    ((0, 2), (2, 1))
    """
    if len(skeleton) < 2:
        raise ValueError(f"{skeleton.name}: a single keypoint has no edges to learn")
    if skeleton.keypoints == COCO_17.keypoints:
        return POSENET_EDGES
    beside: dict[int, list[int]] = {k: [] for k in range(len(skeleton))}
    for start, end in skeleton.edge_indices.tolist():
        beside[start].append(end)
        beside[end].append(start)
    edges: list[tuple[int, int]] = []
    seen: set[int] = set()
    for start in range(len(skeleton)):
        if start in seen:
            continue
        if start:
            edges.append((0, start))
        seen.add(start)
        waiting = [start]
        for parent in waiting:
            for child in beside[parent]:
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
                    edges.append((parent, child))
    return tuple(edges)


def paf_links(skeleton: Skeleton) -> Pairs:
    """The pairs of keypoints that a `TrtPose`'s fields link, as positions.

    Parameters
    ----------
    skeleton
        Of COCO's keypoints and the neck they are the published networks'. Else its edges, and
        those of `posenet_edges` that join what they leave apart.

    Raises
    ------
    ValueError
        If there is but one keypoint.

    Examples
    --------
    >>> pair = Skeleton("pair", ("a", "b", "c"), (("b", "a"),), (), (0.1, 0.1, 0.1))
    >>> paf_links(pair)
    ((1, 0), (0, 2))
    """
    if skeleton.keypoints == COCO_17_NECK.keypoints:
        return TRT_POSE_LINKS
    own = [(start, end) for start, end in skeleton.edge_indices.tolist()]
    known = {frozenset(pair) for pair in own}
    tree = posenet_edges(skeleton)
    if skeleton.keypoints == COCO_17.keypoints:
        # The nose and the shoulders: COCO's edges leave the head by itself.
        tree = ((0, 5), (0, 6))
    return (*own, *(pair for pair in tree if frozenset(pair) not in known))
