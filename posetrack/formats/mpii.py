"""MPII annotations and predictions, in the JSON and in the MATLAB form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from posetrack.files import read_json
from posetrack.formats.coco import is_object
from posetrack.formats.mat import read_mat
from posetrack.formats.numbers import Number, array_of
from posetrack.skeletons import MPII_16

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_COUNT: Final = len(MPII_16)
_SHORT: Final = {
    "pelv": "pelvis", "thor": "thorax", "neck": "upper_neck", "head": "head_top",
    **{
        side[0] + short: f"{side}_{long}"
        for side in ("left", "right")
        for short, long in (
            ("ank", "ankle"), ("kne", "knee"), ("hip", "hip"),
            ("wri", "wrist"), ("elb", "elbow"), ("sho", "shoulder"),
        )
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class MpiiPeople:
    """N annotated people.

    Parameters
    ----------
    xy
        (N, 16, 2) pixels, counted from 1, in the order of `posetrack.skeletons.MPII_16`.
    visible
        (N, 16), which keypoints are annotated.
    heads
        (N, 4), corners of the head boxes: x1, y1, x2, y2.
    """

    xy: Floats
    visible: Bools
    heads: Floats


class Person(msgspec.Struct, gc=False):
    """An entry of the authors' JSON; None where the file says nothing. Pixels count from 1."""

    image: str | None = None
    center: list[Number] | None = None
    scale: Number | None = None
    joints: list[list[Number]] | None = None
    joints_vis: list[Number | bool] | None = None
    head_box: list[Number] | None = None


def joints_of(person: Person, title: str) -> tuple[Floats, Bools]:
    """(16, 2) places and (16,) which of them are annotated; errors name ``title``."""
    xy = array_of(person.joints, f"{title}: 'joints'", _COUNT, 2)
    return xy, array_of(person.joints_vis, f"{title}: 'joints_vis'", _COUNT) > 0


def read_mpii_truth(path: Path, heads: Path | None = None) -> MpiiPeople:
    """Read annotations.

    Parameters
    ----------
    path
        A ``.mat`` file with ``pos_gt_src``, ``jnt_missing`` and ``headboxes_src``; or a JSON list
        of objects with ``joints``, ``joints_vis`` and ``head_box``.
    heads
        A ``.mat`` file with the head boxes, for a JSON list without.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file or a part of it is missing.
    """
    if path.suffix == ".mat":
        return _truth_of_mat(path)
    rows = read_json(path, list[Person])
    found = [joints_of(row, f"{path}: person {n}") for n, row in enumerate(rows)]
    xy = np.array([xy for xy, _ in found]).reshape(-1, _COUNT, 2)
    visible = np.array([visible for _, visible in found], np.bool_).reshape(-1, _COUNT)
    return MpiiPeople(xy, visible, _heads(rows, heads, path))


def _heads(rows: list[Person], heads: Path | None, path: Path) -> Floats:
    if heads is not None:
        corners = _truth_of_mat(heads).heads
        if len(corners) != len(rows):
            raise ValueError(f"{heads}: {len(corners)} head boxes for {len(rows)} people of {path}")
        return corners
    if any(row.head_box is None for row in rows):
        raise ValueError(
            f"{path}: no head boxes. Give each person a 'head_box' (x1, y1, x2, y2), or the "
            "gt_valid.mat that has them (heads=, --heads); PCKh measures in head sizes"
        )
    boxes = [
        array_of(row.head_box, f"{path}: person {n}: 'head_box'", 4) for n, row in enumerate(rows)
    ]
    return np.array(boxes, np.float64).reshape(-1, 4)


def _truth_of_mat(path: Path) -> MpiiPeople:
    wanted = ("pos_gt_src", "jnt_missing", "headboxes_src")
    content = read_mat(path, (*wanted, "dataset_joints"))
    missing = [name for name in wanted if not isinstance(content.get(name), np.ndarray)]
    if missing:
        raise ValueError(
            f"{path}: no numbers called {', '.join(missing)}; expected the authors' gt_valid.mat"
        )
    xy, hidden, boxes = (np.asarray(content[name]) for name in wanted)
    count = xy.shape[-1] if xy.ndim == 3 else 1
    if (xy.size, hidden.size, boxes.size) != (count * _COUNT * 2, count * _COUNT, count * 4):
        raise ValueError(
            f"{path}: pos_gt_src must be 16 x 2 x N, jnt_missing 16 x N and headboxes_src 2 x 2 x "
            f"N; got {xy.shape}, {hidden.shape} and {boxes.shape}"
        )
    order = _order(content.get("dataset_joints"), path)
    return MpiiPeople(
        xy.reshape(_COUNT, 2, count).transpose(2, 0, 1)[:, order].copy(),
        hidden.reshape(_COUNT, count).T[:, order] == 0,
        boxes.reshape(4, count).T.copy(),
    )


def _order(names: Any, path: Path) -> list[int]:
    """Where each keypoint of MPII is in the file, by name if the file names them."""
    if names is None:
        return list(range(_COUNT))
    given = [str(name).strip() for name in names]
    full = [_SHORT.get(name, name) for name in given]
    if sorted(full) != sorted(MPII_16.keypoints):
        raise ValueError(f"{path}: dataset_joints are {given}; expected MPII's 16")
    return [full.index(name) for name in MPII_16.keypoints]


def read_mpii_predictions(path: Path) -> Floats:
    """(N, 16, 2) predicted keypoints as the file has them.

    Parameters
    ----------
    path
        A ``.mat`` file with ``preds``, or a JSON list (or an object with ``preds``) of 16 times x,
        y and perhaps a score of each person, or of objects with ``keypoints``.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file or what it should hold is missing.
    """
    if path.suffix == ".mat":
        content = read_mat(path, ("preds",))
        if "preds" not in content:
            raise ValueError(f"{path}: no 'preds'")
        try:
            values = np.array(content["preds"], np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected 16 keypoints a person: {error}") from error
    else:
        values = _json_predictions(path)
    try:
        values = values.reshape(len(values), _COUNT, -1)
    except ValueError as error:
        raise ValueError(f"{path}: expected 16 keypoints a person: {error}") from error
    if values.size and values.shape[2] not in (2, 3):
        raise ValueError(
            f"{path}: expected x, y and perhaps a score, got {values.shape[2]} numbers"
        )
    return values[:, :, :2]


class _Predicted(msgspec.Struct):
    keypoints: list[Number | list[Number]]


class _Predictions(msgspec.Struct):
    preds: list[list[Number | list[Number]]]


def _json_predictions(path: Path) -> Floats:
    """(N, ...) numbers of N people, in one list each or in one a keypoint."""
    if is_object(path):
        rows = read_json(path, _Predictions).preds
    else:
        try:
            rows = [row.keypoints for row in read_json(path, list[_Predicted])]
        except ValueError:
            rows = read_json(path, list[list[Number | list[Number]]])
    people: list[Floats] = []
    for n, row in enumerate(rows):
        flat = [value for part in row for value in (part if isinstance(part, list) else [part])]
        values = array_of(flat, f"{path}: person {n}", -1)
        if len(values) % _COUNT or (people and len(values) != len(people[0])):
            raise ValueError(
                f"{path}: person {n}: expected 16 keypoints of x, y and perhaps a score, got "
                f"{len(values)} numbers"
            )
        people.append(values)
    return np.array(people, np.float64).reshape(len(people), _COUNT, -1 if people else 2)
