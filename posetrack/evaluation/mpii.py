"""PCKh on MPII, and PCK by any other size."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from posetrack.evaluation.score_tables import Result, Row
from posetrack.evaluation.sequences import Floats, Ints, head_sizes
from posetrack.formats.mpii import read_mpii_predictions, read_mpii_truth
from posetrack.skeletons import MPII_16

THRESHOLDS: Final = np.arange(0.0, 0.51, 0.01)
"""0, 0.01, ..., 0.5 head sizes."""

_HALF, _TENTH, _ELEVENTH = 50, 10, 11
_UNCOUNTED: Final = ("pelvis", "thorax")
_GROUPS: Final = {
    "Head": ("head_top",),
    "Shoulder": ("left_shoulder", "right_shoulder"),
    "Elbow": ("left_elbow", "right_elbow"),
    "Wrist": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ankle": ("left_ankle", "right_ankle"),
}


@dataclass(frozen=True, eq=False)
class PckResult:
    """Correct keypoints at rising distances.

    Parameters
    ----------
    keypoints
        K names.
    thresholds
        (T,) distances in sizes.
    counts
        (K,) numbers of visible keypoints.
    hits
        (T, K) numbers of those that are predicted within each distance.

    Examples
    --------
    >>> counts, hits = np.array([4, 2]), np.array([[3, 1], [4, 1]])
    >>> PckResult(("nose", "neck"), np.array([0.1, 0.5]), counts, hits).pck.tolist()
    [[75.0, 50.0], [100.0, 50.0]]
    """

    keypoints: tuple[str, ...]
    thresholds: Floats
    counts: Ints
    hits: Ints

    @property
    def pck(self) -> Floats:
        """(T, K) percent; NaN for a keypoint that is never visible."""
        with np.errstate(invalid="ignore"):
            return 100 * self.hits / self.counts

    def mean(self, threshold: int, *, without: tuple[str, ...] = ()) -> float:
        """Percent over all keypoints but those named, each visible one counting alike.

        Parameters
        ----------
        threshold
            Position in ``thresholds``.
        without
            Names of keypoints to leave out.
        """
        counted = np.array([name not in without for name in self.keypoints])
        total = int(self.counts[counted].sum())
        return 100 * float(self.hits[threshold, counted].sum()) / total if total else float("nan")


@dataclass(frozen=True, eq=False)
class MpiiResult(Result):
    """PCKh of one run.

    Parameters
    ----------
    pck
        All keypoints at all thresholds, `THRESHOLDS`.
    true_tenth
        Whether "Mean@0.1" is at 0.10.
    """

    pck: PckResult
    true_tenth: bool

    def rows(self) -> dict[str, Row]:
        """PCKh@0.5 in percent as papers print it; the means leave out pelvis and thorax."""
        at_half = dict(zip(self.pck.keypoints, self.pck.pck[_HALF].tolist(), strict=True))
        groups = {
            group: float(np.mean([at_half[name] for name in names]))
            for group, names in _GROUPS.items()
        }
        tenth = _TENTH if self.true_tenth else _ELEVENTH
        row = {
            **groups,
            "Mean": self.pck.mean(_HALF, without=_UNCOUNTED),
            "Mean@0.1": self.pck.mean(tenth, without=_UNCOUNTED),
        }
        return {"PCKh@0.5": row}


def pck(
    true_xy: ArrayLike,
    visible: ArrayLike,
    sizes: ArrayLike,
    predicted_xy: ArrayLike,
    *,
    thresholds: ArrayLike = THRESHOLDS,
    keypoints: tuple[str, ...] = MPII_16.keypoints,
) -> PckResult:
    """Share of keypoints predicted within a distance, in sizes of the person.

    Parameters
    ----------
    true_xy, predicted_xy
        (N, K, 2) pixels, in one coordinate system. NaN in a prediction is a miss.
    visible
        (N, K), which true keypoints count.
    sizes
        (N,) in pixels: of the head for PCKh, of the torso or the box for PCK.
    thresholds
        (T,) distances in sizes, inclusive.
    keypoints
        K names.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> result = pck([[[0, 0]]], [[True]], [10], [[[4, 0]]], thresholds=[0.2, 0.5],
    ...              keypoints=("nose",))
    >>> result.pck.tolist()
    [[0.0], [100.0]]
    """
    true, predicted = np.asarray(true_xy, np.float64), np.asarray(predicted_xy, np.float64)
    counted, size = np.asarray(visible, np.bool_), np.asarray(sizes, np.float64)
    limits = np.asarray(thresholds, np.float64)
    wanted = (len(size), len(keypoints), 2)
    for name, have, want in (
        ("true_xy", true.shape, wanted),
        ("predicted_xy", predicted.shape, wanted),
        ("visible", counted.shape, wanted[:2]),
    ):
        if have != want:
            raise ValueError(f"{name} must have shape {want}, got {have}")
    away = predicted - true
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.sqrt(away[:, :, 0] ** 2 + away[:, :, 1] ** 2) / size[:, None]
        within = distance[None] <= limits[:, None, None]
    hits = (within & counted).sum(axis=1)
    return PckResult(tuple(keypoints), limits, counted.sum(axis=0), hits)


def evaluate_mpii(
    truth: str | PathLike[str],
    predictions: str | PathLike[str],
    *,
    heads: str | PathLike[str] | None = None,
    first_pixel: int = 0,
    true_tenth: bool = False,
) -> MpiiResult:
    """PCKh at 0.5 and 0.1 on MPII, as the evaluation of the baseline's authors has it.

    Parameters
    ----------
    truth
        The authors' ``gt_valid.mat``; or a JSON list with ``joints``, ``joints_vis`` and
        ``head_box`` (x1, y1, x2, y2) of each person.
    predictions
        A ``.mat`` file with ``preds``, or a JSON list, of (N, 16, 2) or (N, 16, 3) numbers, in
        the order of ``truth``.
    heads
        A ``gt_valid.mat`` to take the head boxes from where ``truth`` is a JSON list without.
    first_pixel
        Coordinate of the first pixel in the predictions: 0, or 1 as in MPII's own files and in
        the ``pred.mat`` that the authors' code writes.
    true_tenth
        The authors' "Mean@0.1" is taken at 0.11 head sizes. True takes 0.10.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If something in a file is missing or numbers of people differ.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> joints = [[10.0 * k, 50.0] for k in range(16)]
    >>> person = {"joints": joints, "joints_vis": [1] * 16, "head_box": [0, 0, 30, 40]}
    >>> _ = (folder / "truth.json").write_text(json.dumps([person]))
    >>> _ = (folder / "found.json").write_text(json.dumps([joints]))
    >>> result = evaluate_mpii(folder / "truth.json", folder / "found.json")
    >>> result.rows()["PCKh@0.5"]["Mean"]
    100.0
    """
    people = read_mpii_truth(Path(truth), None if heads is None else Path(heads))
    predicted = read_mpii_predictions(Path(predictions))
    if len(predicted) != len(people.xy):
        raise ValueError(
            f"{predictions}: {len(predicted)} people, but the ground truth has {len(people.xy)}"
        )
    result = pck(
        people.xy,
        people.visible,
        head_sizes(people.heads),
        predicted + (1 - first_pixel),  # the ground truth counts pixels from 1
    )
    return MpiiResult(result, true_tenth)
