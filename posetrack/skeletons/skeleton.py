"""The `Skeleton` type, its files, and the mapping of keypoints between skeletons, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.checks import no_such
from posetrack.files import read_toml

FloatArray = NDArray[np.float32]

_MEANS: Mapping[str, tuple[str, ...]] = {
    "neck": ("left_shoulder", "right_shoulder"),
    "thorax": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "pelvis": ("left_hip", "right_hip"),
}
"""Keypoints that a skeleton may define as the mean of others, where it lacks its own."""

_SAME: Mapping[str, str] = {"upper_neck": "head_bottom", "mid_hip": "pelvis"}
"""Two names of one keypoint: MPII's upper neck is PoseTrack's head bottom, and vice versa."""

_HEAD: Mapping[str, Mapping[str, float]] = {
    "head_bottom": {"nose": 0.5, "left_shoulder": 0.25, "right_shoulder": 0.25},
    "head_top": {"nose": 1.5, "left_shoulder": -0.25, "right_shoulder": -0.25},
}
"""Rough places of the head's ends on the line from between the shoulders through the nose."""


_KEYS: Final = ("name", "keypoints", "edges", "mirrored", "sigmas")

DEFAULT_SIGMA: Final = 0.079
"""For keypoints without a published value: that of a shoulder."""

SIGMAS: Final[Mapping[str, float]] = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
    "head": 0.026,
    "head_top": 0.025,
    "head_bottom": 0.025,
    "upper_neck": 0.025,
    "neck": 0.026,
    "thorax": 0.026,
    "mid_hip": 0.066,
    "pelvis": 0.066,
    "big_toe": 0.079,
    "small_toe": 0.079,
    "heel": 0.079,
}
"""OKS sigma by keypoint name, without its side."""


def sigma_of(keypoint: str) -> float:
    """OKS sigma of a keypoint by name, `DEFAULT_SIGMA` for unknown names.

    Examples
    --------
    >>> sigma_of("left_wrist")
    0.062
    """
    return SIGMAS.get(keypoint.removeprefix("left_").removeprefix("right_"), DEFAULT_SIGMA)


def pairs_by_name(keypoints: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Mirrored pairs: names that differ only in ``left_`` and ``right_`` in front.

    Examples
    --------
    >>> pairs_by_name(("nose", "left_eye", "right_eye"))
    (('left_eye', 'right_eye'),)
    """
    return tuple(
        (name, "right_" + name.removeprefix("left_"))
        for name in keypoints
        if name.startswith("left_") and "right_" + name.removeprefix("left_") in keypoints
    )


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
            sentence = no_such("keypoint", keypoint, self.keypoints, has="it has")
            raise KeyError(f"{self.name} has {sentence}") from None

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
        confidences = np.asarray(scores, np.float32)
        if points.shape[-2:] != (len(self), 2) or confidences.shape != points.shape[:-1]:
            raise ValueError(
                f"{self.name}: expected xy (..., {len(self)}, 2) and scores (..., {len(self)}), "
                f"got {points.shape} and {confidences.shape}"
            )
        moved = np.full((*points.shape[:-2], len(other), 2), np.nan, np.float32)
        moved_scores = np.zeros(moved.shape[:-1], np.float32)
        targets, rows, derived = _route(self, other, approximate_head)
        moved[..., targets, :] = points[..., rows, :]
        moved_scores[..., targets] = confidences[..., rows]
        for target, sources, weights in derived:
            factors = np.array(weights, np.float32)[:, None]
            moved[..., target, :] = (points[..., sources, :] * factors).sum(axis=-2)
            moved_scores[..., target] = confidences[..., sources].min(axis=-1)
        moved_scores[~np.isfinite(moved).all(axis=-1)] = 0
        return moved, moved_scores

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

    def to_json(self) -> dict[str, Any]:
        """Everything it is, as JSON and TOML have it.

        Examples
        --------
        >>> from posetrack.skeletons import COCO_17
        >>> Skeleton.from_json(COCO_17.to_json(), "here") == COCO_17
        True
        """
        return {
            "name": self.name,
            "keypoints": list(self.keypoints),
            "edges": [list(pair) for pair in self.edges],
            "mirrored": [list(pair) for pair in self.mirrored],
            "sigmas": list(self.sigmas),
        }

    @classmethod
    def from_json(cls, value: object, title: str) -> Self:
        """A skeleton from what `to_json` gives, or a part of it.

        Parameters
        ----------
        value
            An object with ``keypoints`` (names) and, as wanted, ``name``, ``edges`` (pairs of
            names), ``mirrored`` (pairs of names; else names that differ only in ``left_`` and
            ``right_``) and ``sigmas`` (numbers, all in order or some by name; else those of known
            names, and that of a shoulder for others).
        title
            What errors call it.

        Raises
        ------
        ValueError
            If it is not consistent; the message names ``title`` and the key.
        """
        if not isinstance(value, Mapping):
            raise ValueError(f"{title}: 'skeleton' must be an object, got {value!r:.60}")
        names = value.get("keypoints")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{title}: 'keypoints' must be a list of names, got {names!r:.60}")
        keypoints = tuple(names)
        name = value.get("name", "unnamed")
        if not isinstance(name, str):
            raise ValueError(f"{title}: 'name' must be a text, got {name!r:.60}")
        mirrored = value.get("mirrored")
        pairs = (
            pairs_by_name(keypoints) if mirrored is None else _pairs(mirrored, "mirrored", title)
        )
        edges = _pairs(value.get("edges", []), "edges", title)
        sigmas = _sigmas(value.get("sigmas", {}), keypoints, title)
        try:
            return cls(name, keypoints, edges, pairs, sigmas)
        except ValueError as error:
            raise ValueError(f"{title}: {error}") from error

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """A skeleton from a small TOML file with the keys of `from_json`.

        The file's stem is its name where it gives none.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        ValueError
            If the file is not TOML, has an unknown key, or the skeleton is not consistent; the
            message names the file and the key.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "dog.toml"
        >>> _ = path.write_text('keypoints = ["nose", "left_paw", "right_paw"]')
        >>> Skeleton.from_toml(path).mirrored
        (('left_paw', 'right_paw'),)
        """
        table = read_toml(path)
        unknown = sorted(set(table) - set(_KEYS))
        if unknown:
            raise ValueError(f"{path}: unknown keys {unknown}; expected {', '.join(_KEYS)}")
        return cls.from_json({"name": Path(path).stem} | table, str(path))

    def to_toml(self) -> str:
        """It as a TOML file, with all its keys.

        Examples
        --------
        >>> print(Skeleton("dot", ("nose",), (), (), (0.026,)).to_toml())
        name = "dot"
        keypoints = ["nose"]
        edges = []
        mirrored = []
        sigmas = [0.026]
        """
        # Lists of strings and numbers look the same in TOML and JSON.
        table = self.to_json()
        return "\n".join(f"{key} = {json.dumps(table[key], ensure_ascii=False)}" for key in _KEYS)

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {len(self)} keypoints)"


def read_skeleton(path: str | Path) -> Skeleton:
    """A user's own skeleton from a TOML file, see `Skeleton.from_toml`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rod.toml"
    >>> _ = path.write_text(Skeleton("rod", ("top", "tip"), (), (), (0.1, 0.1)).to_toml())
    >>> read_skeleton(path).keypoints
    ('top', 'tip')
    """
    return Skeleton.from_toml(path)


def _pairs(value: Any, key: str, title: str) -> tuple[tuple[str, str], ...]:
    well_formed = isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        for pair in value
    )
    if not well_formed:
        raise ValueError(f"{title}: {key!r} must be a list of pairs of names, got {value!r:.60}")
    return tuple((first, second) for first, second in value)


def _sigmas(value: Any, keypoints: tuple[str, ...], title: str) -> tuple[float, ...]:
    given = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list) or not all(
        isinstance(sigma, int | float) and not isinstance(sigma, bool) for sigma in given
    ):
        raise ValueError(
            f"{title}: 'sigmas' must be numbers, all in order or by keypoint, got {value!r:.60}"
        )
    if isinstance(value, list):
        return tuple(float(sigma) for sigma in given)
    strangers = sorted(set(value) - set(keypoints))
    if strangers:
        raise ValueError(f"{title}: 'sigmas' names keypoints that are not listed: {strangers}")
    return tuple(float(value.get(keypoint, sigma_of(keypoint))) for keypoint in keypoints)


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
