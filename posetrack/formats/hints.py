"""What a file of another program may lack: times, identities, its skeleton."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import KNOWN_SKELETONS, Skeleton
from posetrack.skeletons.skeleton import pairs_by_name, sigma_of

Untracked: TypeAlias = bool | Literal["keep"]
"""Whether people without identities are read, and what becomes of identities beside them."""

_NUMBERED = re.compile(r"(?:.*\D)?(\d{1,18})", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Hints:
    """What the caller tells a reader because the file may not contain it.

    Parameters
    ----------
    rate
        Frames a second.
    skeleton
        What the keypoints are; a skeleton that the file names wins.
    images
        File names or ids of the video's images in order, by which results name their frames.
    untracked
        Whether people without identities may be read: they then get 1, 2, ... in each frame, in
        the file's order, which are places and no identities. "keep": only they get places, -1,
        -2, ..., and others keep their identities.
    image_size
        Width and height of the images in pixels, for places that are fractions of them.
    """

    rate: float | None = None
    skeleton: Skeleton | None = None
    images: Sequence[int | str] | None = None
    untracked: Untracked = False
    image_size: tuple[int, int] | None = None

    def seconds(self, frame: NDArray[np.int64], where: str, rate: object = None) -> Any:
        """Times of frames by the hint, else by the file's own ``rate``."""
        given = rate if self.rate is None else self.rate
        if given is None:
            raise ValueError(f"{where}: the file has no times; give rate= (--rate on the line)")
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1e9:
            raise ValueError(f"{where}: the rate must be a positive number, got {given!r:.40}")
        return frame / float(given)


NO_HINTS: Final = Hints()
"""No hints."""


def plain_name(name: str) -> str:
    """A keypoint's name as we write names.

    Examples
    --------
    >>> plain_name(" Left-Wrist")
    'left_wrist'
    """
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def skeleton_of_names(
    names: Sequence[str],
    title: str,
    hint: Skeleton | None = None,
    edges: Sequence[tuple[str, str]] = (),
) -> Skeleton:
    """The known skeleton with exactly these keypoints, else one made of the names.

    Edges of an unknown one are those given, else those of the largest known skeletons between its
    keypoints.

    Examples
    --------
    >>> skeleton_of_names(["left_knee", "left_ankle"], "leg").edges
    (('left_knee', 'left_ankle'),)
    """
    keypoints = tuple(names)
    for known in (*([hint] if hint else []), *KNOWN_SKELETONS.values()):
        if known.keypoints == keypoints:
            return known
    present = set(keypoints)
    choices = [
        tuple(pair for pair in known.edges if present.issuperset(pair))
        for known in KNOWN_SKELETONS.values()
    ]
    sigmas = tuple(sigma_of(keypoint) for keypoint in keypoints)
    lines = tuple(dict.fromkeys(pair for pair in edges if len(present.intersection(pair)) == 2))
    lines = lines or max(choices, key=len)
    return Skeleton(title, keypoints, lines, pairs_by_name(keypoints), sigmas)


def ids_of_names(names: Sequence[str]) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Identities of named individuals: the numbers that their names end in, else 1, 2, ...

    Returns
    -------
    ids
        (N,).
    names
        The names by id, where they are not ``id_`` and the number.

    Examples
    --------
    >>> ids_of_names(["id_4", "id_7"])
    (array([4, 7]), {})
    >>> ids_of_names(["Ada", "Ben"])
    (array([1, 2]), {'1': 'Ada', '2': 'Ben'})
    """
    found = [_NUMBERED.fullmatch(name) for name in names]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) < len(names) or len(set(numbers)) < len(numbers):
        numbers = list(range(1, len(names) + 1))
    named = {str(n): name for n, name in zip(numbers, names, strict=True) if name != f"id_{n}"}
    return np.array(numbers, np.int64), named
