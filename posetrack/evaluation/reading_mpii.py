"""MPII annotations and predictions, in the JSON and in the MATLAB form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack.evaluation.sequences import Bools, Floats
from posetrack.files import read_json
from posetrack.formats.mat import read_mat
from posetrack.skeletons import MPII_16

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
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: expected a list of objects, one a person")
    try:
        xy = np.array([row["joints"] for row in rows], np.float64).reshape(-1, _COUNT, 2)
        visible = np.array([row["joints_vis"] for row in rows], np.float64).reshape(-1, _COUNT) > 0
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: every person needs 'joints' (16 times x and y) and 'joints_vis' (16): {error}"
        ) from error
    return MpiiPeople(xy, visible, _heads(rows, heads, path))


def _heads(rows: list[dict[str, Any]], heads: Path | None, path: Path) -> Floats:
    if heads is not None:
        corners = _truth_of_mat(heads).heads
        if len(corners) != len(rows):
            raise ValueError(f"{heads}: {len(corners)} head boxes for {len(rows)} people of {path}")
        return corners
    try:
        return np.array([row["head_box"] for row in rows], np.float64).reshape(-1, 4)
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{path}: no head boxes. Give each person a 'head_box' (x1, y1, x2, y2), or the "
            "gt_valid.mat that has them (heads=, --heads); PCKh measures in head sizes"
        ) from None


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
    content: Any = read_mat(path, ("preds",)) if path.suffix == ".mat" else read_json(path)
    if isinstance(content, dict):
        if "preds" not in content:
            raise ValueError(f"{path}: no 'preds'")
        content = content["preds"]
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = [row.get("keypoints") if isinstance(row, dict) else None for row in content]
    try:
        values = np.array(content, np.float64)
        values = values.reshape(len(values), _COUNT, -1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected 16 keypoints a person: {error}") from error
    if values.size and values.shape[2] not in (2, 3):
        raise ValueError(
            f"{path}: expected x, y and perhaps a score, got {values.shape[2]} numbers"
        )
    return values[:, :, :2]
