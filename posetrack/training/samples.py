"""People to train on, from whatever data set: where they are and where their keypoints are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import Skeleton

Float64Array = NDArray[np.float64]
Broken = Literal["refuse", "skip"]


@dataclass(frozen=True)
class Problem:
    """Something wrong in an annotation file.

    Parameters
    ----------
    kind
        What is wrong, the same words for all of the kind; they are counted by it.
    where
        Which annotation or image, as the file calls it.
    """

    kind: str
    where: str


@dataclass(frozen=True, eq=False)
class Samples:
    """N annotated people with K keypoints each.

    Parameters
    ----------
    skeleton
        What the keypoints are.
    images
        N files.
    xy
        (N, K, 2) float64 pixels, the first pixel at 0; NaN where not labelled.
    boxes
        (N, 4) float64: left, top, right, bottom in pixels; what the crops are made of, or None
        where centres are given.
    center, scale
        (N, 2) float64 pixels and units of 200 pixels; only of data sets that give them (MPII).
        The scale is the crop's width, whatever the shape of the input.
    sizes
        (N,) float64 pixels: what distances are measured by in PCK. The head in MPII, else the
        longer side of the box.
    names
        N names of the people, for messages and results: ``"annotation 442619"``.
    image_ids
        N numbers of the images in the file; -1 where it has none.
    problems
        What was wrong in the file and is left out.
    left_out
        How many people have no keypoint to learn from, or are crowds.
    """

    skeleton: Skeleton
    images: tuple[Path, ...]
    xy: Float64Array
    boxes: Float64Array | None
    center: Float64Array | None
    scale: Float64Array | None
    sizes: Float64Array
    names: tuple[str, ...]
    image_ids: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()
    left_out: int = 0

    def __post_init__(self) -> None:
        count, keypoints = len(self.images), len(self.skeleton)
        for name, have, want in (
            ("xy", self.xy.shape, (count, keypoints, 2)),
            ("sizes", self.sizes.shape, (count,)),
            ("names", (len(self.names),), (count,)),
        ):
            if have != want:
                raise ValueError(f"{name} must have shape {want}, got {have}")
        if (self.boxes is None) == (self.center is None or self.scale is None):
            raise ValueError("expected either boxes, or center and scale")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Samples({len(self)} people, {self.skeleton.name})"

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N, K), which keypoints are labelled."""
        return np.asarray(np.isfinite(self.xy).all(axis=2))

    def map_to(self, skeleton: Skeleton) -> Samples:
        """The same people with another skeleton's keypoints, by name; see `Skeleton.map_to`.

        Raises
        ------
        ValueError
            If the two skeletons have no keypoint in common, or nobody has one left.
        """
        if skeleton == self.skeleton:
            return self
        xy, _ = self.skeleton.map_to(skeleton, self.xy, self.labelled)
        useful = np.asarray(np.isfinite(xy).all(axis=2)).any(axis=1)
        if len(self) and not useful.any():
            raise ValueError(
                f"nobody has a keypoint of {skeleton.name} ({', '.join(skeleton.keypoints)}); "
                f"the annotations have {', '.join(self.skeleton.keypoints)}"
            )
        moved = replace(self, skeleton=skeleton, xy=xy.astype(np.float64))
        return moved.of(np.flatnonzero(useful), left_out=int((~useful).sum()))

    def of(self, rows: NDArray[np.intp], *, left_out: int = 0) -> Samples:
        """Some of the people, by position."""

        def pick(values: Float64Array | None) -> Float64Array | None:
            return None if values is None else values[rows]

        return replace(
            self,
            images=tuple(self.images[i] for i in rows),
            xy=self.xy[rows],
            boxes=pick(self.boxes),
            center=pick(self.center),
            scale=pick(self.scale),
            sizes=self.sizes[rows],
            names=tuple(self.names[i] for i in rows),
            image_ids=tuple(self.image_ids[i] for i in rows) if self.image_ids else (),
            left_out=self.left_out + left_out,
        )


def settle(path: Path, problems: Sequence[Problem], broken: Broken) -> None:
    """Refuse a file with problems, unless they are to be skipped.

    Raises
    ------
    ValueError
        With the number of each kind of problem and where the first of each is.
    """
    if problems and broken == "refuse":
        raise ValueError(
            f"{path}: {list_problems(problems)}. Mend the file, or leave these out (broken='skip', "
            "--broken skip)"
        )


def list_problems(problems: Sequence[Problem]) -> str:
    """Problems as one line: how many of each kind, and where the first few are.

    Examples
    --------
    >>> list_problems([Problem("no bbox", "annotation 3"), Problem("no bbox", "annotation 7")])
    '2 times no bbox (annotation 3, annotation 7)'
    """
    parts = []
    for kind, count in Counter(problem.kind for problem in problems).items():
        first = [problem.where for problem in problems if problem.kind == kind][:3]
        more = ", ..." if count > len(first) else ""
        parts.append(f"{count} times {kind} ({', '.join(first)}{more})")
    return "; ".join(parts)
