"""The `Skeleton` type and the mapping of keypoints from one skeleton to another, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]

_MEANS: Mapping[str, tuple[str, ...]] = {
    "neck": ("left_shoulder", "right_shoulder"),
    "thorax": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "pelvis": ("left_hip", "right_hip"),
}
"""Keypoints that a skeleton may define as the mean of others, where it lacks its own."""

_SAME: Mapping[str, str] = {"upper_neck": "head_bottom", "mid_hip": "pelvis"}
"""Two names of one place: MPII's upper neck is PoseTrack's head bottom; both ways."""

_HEAD: Mapping[str, Mapping[str, float]] = {
    "head_bottom": {"nose": 0.5, "left_shoulder": 0.25, "right_shoulder": 0.25},
    "head_top": {"nose": 1.5, "left_shoulder": -0.25, "right_shoulder": -0.25},
}
"""Rough places of the head's ends on the line from between the shoulders through the nose."""


@dataclass(frozen=True)
class Skeleton:
    """Names, edges, mirrored pairs and OKS sigmas of a set of keypoints.

    Parameters
    ----------
    name
        What the skeleton is called in files.
    keypoints
        K names, all different.
    edges
        Pairs of names that are joined by a line when drawn.
    mirrored
        Pairs of names that change places when the image is mirrored.
    sigmas
        K positive numbers: each keypoint's spread among annotators as a fraction of the person's
        size, the sigma of COCO's OKS (the constant in its formula is ``2 * sigma``).

    Raises
    ------
    ValueError
        If a name repeats, an edge or pair names an unknown keypoint, a keypoint has two mirror
        images, or the sigmas are not K positive numbers.

    Examples
    --------
    >>> arm = Skeleton(
    ...     "arm", ("shoulder", "elbow"), (("shoulder", "elbow"),), (), (0.08, 0.07)
    ... )
    >>> arm.index("elbow"), len(arm)
    (1, 2)
    """

    name: str
    keypoints: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    mirrored: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        known = set(self.keypoints)
        if not self.keypoints or len(known) != len(self.keypoints):
            twice = sorted({name for name in self.keypoints if self.keypoints.count(name) > 1})
            raise ValueError(
                f"{self.name}: keypoint names must be unique, at least one; repeated: {twice}"
            )
        for kind, pairs in (("edge", self.edges), ("mirrored pair", self.mirrored)):
            for pair in pairs:
                unknown = [name for name in pair if name not in known]
                if len(pair) != 2 or unknown or pair[0] == pair[1]:
                    raise ValueError(
                        f"{self.name}: {kind} {pair} must join two different keypoints of it"
                    )
        paired = [name for pair in self.mirrored for name in pair]
        if len(set(paired)) != len(paired):
            raise ValueError(f"{self.name}: a keypoint is in two mirrored pairs: {self.mirrored}")
        if len(self.sigmas) != len(self.keypoints) or not all(
            np.isfinite(sigma) and sigma > 0 for sigma in self.sigmas
        ):
            raise ValueError(
                f"{self.name}: expected {len(self.keypoints)} positive sigmas, got {self.sigmas}"
            )

    def __len__(self) -> int:
        return len(self.keypoints)

    def index(self, keypoint: str) -> int:
        """Position of a keypoint by name.

        Raises
        ------
        KeyError
            If the skeleton has no such keypoint; the message lists those it has.
        """
        try:
            return self.keypoints.index(keypoint)
        except ValueError:
            names = ", ".join(self.keypoints)
            raise KeyError(f"{self.name} has no keypoint {keypoint!r}; it has {names}") from None

    @property
    def edge_indices(self) -> NDArray[np.intp]:
        """(E, 2), the edges as positions."""
        return self._positions(self.edges)

    @property
    def mirrored_indices(self) -> NDArray[np.intp]:
        """(P, 2), the mirrored pairs as positions."""
        return self._positions(self.mirrored)

    @property
    def mirror_order(self) -> NDArray[np.intp]:
        """(K,), ``values[..., mirror_order]`` swaps left and right."""
        order = np.arange(len(self))
        pairs = self.mirrored_indices
        order[pairs[:, 0]], order[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
        return order

    def map_to(
        self,
        other: Skeleton,
        xy: ArrayLike,
        scores: ArrayLike,
        *,
        approximate_head: bool = False,
    ) -> tuple[FloatArray, FloatArray]:
        """Keypoints of this skeleton as those of another, matched by name.

        Parameters
        ----------
        other
            The skeleton wanted.
        xy
            (..., K, 2) pixels, NaN where unseen.
        scores
            (..., K).
        approximate_head
            Place ``head_bottom`` half way between the nose and the middle of the shoulders, and
            ``head_top`` as far beyond the nose, where they are wanted and not known. Rough; for
            evaluators that count the head of COCO networks, which do not predict its ends.

        Returns
        -------
        xy
            (..., K', 2), NaN where this skeleton says nothing. A neck (thorax, pelvis, mid-hip)
            that this skeleton lacks is the mean of its shoulders (hips).
        scores
            (..., K'), 0 where xy is NaN; a derived keypoint has the lowest of its sources' scores.

        Examples
        --------
        >>> from posetrack.skeletons import COCO_17, COCO_18
        >>> xy = np.arange(34.0).reshape(17, 2)
        >>> moved, scores = COCO_17.map_to(COCO_18, xy, np.ones(17))
        >>> moved[COCO_18.index("neck")].tolist()  # between the shoulders, 5 and 6
        [11.0, 12.0]
        """
        points = np.asarray(xy, np.float32)
        marks = np.asarray(scores, np.float32)
        if points.shape[-2:] != (len(self), 2) or marks.shape != points.shape[:-1]:
            raise ValueError(
                f"{self.name}: expected xy (..., {len(self)}, 2) and scores (..., {len(self)}), "
                f"got {points.shape} and {marks.shape}"
            )
        moved = np.full((*points.shape[:-2], len(other), 2), np.nan, np.float32)
        moved_marks = np.zeros(moved.shape[:-1], np.float32)
        targets, rows, derived = _route(self, other, approximate_head)
        moved[..., targets, :] = points[..., rows, :]
        moved_marks[..., targets] = marks[..., rows]
        for target, sources, weights in derived:
            factors = np.array(weights, np.float32)[:, None]
            moved[..., target, :] = (points[..., sources, :] * factors).sum(axis=-2)
            moved_marks[..., target] = marks[..., sources].min(axis=-1)
        moved_marks[~np.isfinite(moved).all(axis=-1)] = 0
        return moved, moved_marks

    def _sources(self, name: str, approximate_head: bool) -> Mapping[str, float]:
        """Weights of own keypoints that sum to the keypoint called ``name``; empty if unknown."""
        aliases = {**_SAME, **{there: here for here, there in _SAME.items()}}
        for same in (name, aliases.get(name, name)):
            if same in self.keypoints:
                return {same: 1.0}
        means = _MEANS.get(name, ())
        rules: list[Mapping[str, float]] = (
            [{source: 1 / len(means) for source in means}] if means else []
        )
        if approximate_head:
            rules.append(_HEAD.get(aliases.get(name, name) if name == "upper_neck" else name, {}))
        for rule in rules:
            if rule and all(source in self.keypoints for source in rule):
                return rule
        return {}

    def _positions(self, pairs: tuple[tuple[str, str], ...]) -> NDArray[np.intp]:
        rows = [[self.keypoints.index(name) for name in pair] for pair in pairs]
        return np.array(rows, np.intp).reshape(-1, 2)

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {len(self)} keypoints)"


@lru_cache(maxsize=64)
def _route(
    skeleton: Skeleton, other: Skeleton, approximate_head: bool
) -> tuple[list[int], list[int], list[tuple[int, list[int], list[float]]]]:
    """Which keypoint goes where, and which are weighted sums; the same for every frame."""
    targets: list[int] = []
    rows: list[int] = []
    derived: list[tuple[int, list[int], list[float]]] = []
    for target, name in enumerate(other.keypoints):
        weights = skeleton._sources(name, approximate_head)
        sources = [skeleton.keypoints.index(source) for source in weights]
        if len(sources) == 1:
            targets.append(target)
            rows += sources
        elif sources:
            derived.append((target, sources, list(weights.values())))
    return targets, rows, derived
