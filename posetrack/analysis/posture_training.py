"""Training a classifier of postures from labelled frames, through scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis.postures import MIN_SEEN, PostureClassifier, features_of
from posetrack.checks import require_library
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trained:
    """A classifier and how good it was on frames it had not seen.

    Parameters
    ----------
    classifier
        Trained on all frames.
    accuracy
        Mean over the postures of the share of correctly classified frames, in [0, 1],
        cross-validated; NaN where there were too few stretches of a posture.
    folds
        Into how many parts the frames were split; 0 where it could not be done.
    confusion
        (C, C) frames by true (rows) and predicted (columns) posture.
    """

    classifier: PostureClassifier
    accuracy: float
    folds: int
    confusion: NDArray[np.int64]


def train_postures(
    examples: Sequence[tuple[Trajectories, Mapping[tuple[int, int], str]]],
    *,
    keypoints: Sequence[str] | None = None,
    penalty: float = 10.0,
    folds: int = 5,
) -> Trained:
    """Train a classifier from labelled frames.

    Frames of one stretch (one person, one label, no second between two frames) look alike, so
    cross-validation keeps each stretch on one side.

    Parameters
    ----------
    examples
        Trajectories, each with its labels by (frame, id).
    keypoints
        Which count; all of the first's skeleton when None.
    penalty
        C of the machine: larger fits the labelled frames closer.
    folds
        At most this many parts for cross-validation.

    Raises
    ------
    ValueError
        If there are fewer than two postures, or a label's person is not in its frame.
    ModuleNotFoundError
        If scikit-learn is not installed.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> standing, lying = np.zeros((17, 2)), np.zeros((17, 2))
    >>> standing[:, 1] = lying[:, 0] = np.arange(17)
    >>> xy = np.array([standing, lying] * 4)[:, None]
    >>> tr = Trajectories(range(8), np.arange(8) * 2.0, [7], xy, np.ones((8, 1, 17)), COCO_17)
    >>> labels = {(t, 7): ("standing", "lying")[t % 2] for t in range(8)}
    >>> trained = train_postures([(tr, labels)])
    >>> trained.classifier.apply(tr)[:2, 0].tolist(), trained.accuracy
    (['standing', 'lying'], 1.0)
    """
    names = tuple(keypoints or examples[0][0].skeleton.keypoints)
    rows, labels, groups = _examples(examples, names)
    kinds = tuple(sorted(set(labels)))
    if len(kinds) < 2:
        raise ValueError(f"training needs at least two postures, the labels name {list(kinds)}")
    target = np.array([kinds.index(label) for label in labels])
    model = _fit(rows, target, names, kinds, penalty)
    parts, confusion = _parts(target, groups, folds), np.zeros((len(kinds),) * 2, np.int64)
    for number in np.unique(parts[parts >= 0]):
        held = parts == number
        if set(target[~held]) != set(target):
            continue
        votes_of_held = _fit(rows[~held], target[~held], names, kinds, penalty).votes(rows[held])
        np.add.at(confusion, (target[held], votes_of_held.argmax(axis=1)), 1)
    total = confusion.sum(axis=1)
    right = np.diag(confusion) / np.maximum(total, 1)
    accuracy = float(right.mean()) if (total > 0).all() else float("nan")
    return Trained(model, accuracy, int(parts.max()) + 1, confusion)


def _fit(
    rows: Float64Array,
    target: NDArray[np.int64],
    keypoints: tuple[str, ...],
    labels: tuple[str, ...],
    penalty: float,
) -> PostureClassifier:
    """One machine, as arrays."""
    with require_library("training needs scikit-learn", "posetrack[analysis]"):
        svm = import_module("sklearn.svm")
    known = np.isfinite(rows)
    filled = np.where(known, rows, 0.0)
    count = np.maximum(known.sum(axis=0), 1)
    mean = filled.sum(axis=0) / count
    scale = np.sqrt((np.where(known, rows - mean, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(scale > 1e-9, scale, 1.0)
    standard = (np.where(known, rows, mean) - mean) / scale
    gamma = 1.0 / (rows.shape[1] * max(float(standard.var()), 1e-12))
    machine: Any = svm.SVC(C=penalty, kernel="rbf", gamma=gamma, class_weight="balanced")
    machine.fit(standard, target)
    sign = -1.0 if len(labels) == 2 else 1.0  # scikit-learn turns the sign where there are two
    return PostureClassifier(
        keypoints,
        labels,
        mean,
        scale,
        np.asarray(machine.support_vectors_, np.float64),
        np.asarray(machine.n_support_, np.int64),
        sign * np.asarray(machine.dual_coef_, np.float64),
        sign * np.asarray(machine.intercept_, np.float64),
        gamma,
    )


def _examples(
    examples: Sequence[tuple[Trajectories, Mapping[tuple[int, int], str]]], keypoints: Sequence[str]
) -> tuple[Float64Array, list[str], NDArray[np.int64]]:
    """Features, labels and stretches of all labelled frames."""
    features, labels, groups = [], [], []
    group = -1
    for trajectories, given in examples:
        points = [trajectories.skeleton.index(name) for name in keypoints]
        frames = {int(frame): row for row, frame in enumerate(trajectories.frame)}
        people = {int(person): row for row, person in enumerate(trajectories.ids)}
        before: tuple[int, str, float] | None = None
        for (frame, person), label in sorted(given.items(), key=lambda item: item[0][::-1]):
            if frame not in frames or person not in people:
                raise ValueError(f"label {label!r}: there is no person {person} in frame {frame}")
            pose = trajectories.xy[frames[frame], people[person], points]
            if np.isfinite(pose[:, 0]).mean() < MIN_SEEN:
                continue
            seconds = float(trajectories.seconds[frames[frame]])
            goes_on = before is not None and before[:2] == (person, label)
            if not goes_on or before is None or seconds - before[2] > 1.0:
                group += 1
            before = (person, label, seconds)
            features.append(pose)
            labels.append(label)
            groups.append(group)
    if not features:
        raise ValueError("no labelled frame shows half of a person's keypoints")
    return features_of(np.array(features)), labels, np.array(groups)


def _parts(target: NDArray[np.int64], groups: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """(M,) which part each frame is held out with; -1 where a posture has one stretch only."""
    stretches = [np.unique(groups[target == kind]) for kind in np.unique(target)]
    count = min(folds, *(len(each) for each in stretches))
    parts = np.full(len(target), -1)
    if count < 2:
        return parts
    for each in stretches:
        for number, stretch in enumerate(each.tolist()):
            parts[groups == stretch] = number % count
    return parts
