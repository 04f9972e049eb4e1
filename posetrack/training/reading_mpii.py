"""MPII annotations in the JSON form that the paper's authors publish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posetrack.evaluation.protocol_posetrack import head_sizes
from posetrack.evaluation.reading_mpii import read_mpii_truth
from posetrack.files import read_json
from posetrack.skeletons import MPII_16, Skeleton
from posetrack.training.samples import Broken, Problem, Samples, settle

_COUNT = len(MPII_16)


def read_mpii(
    path: str | Path,
    images: str | Path,
    *,
    heads: str | Path | None = None,
    skeleton: Skeleton | None = None,
    broken: Broken = "refuse",
) -> Samples:
    """People of an MPII annotation file.

    Parameters
    ----------
    path
        A JSON list of objects with ``image``, ``center``, ``scale``, ``joints`` and
        ``joints_vis`` (and perhaps ``head_box``), pixels counted from 1.
    images
        Folder of the images.
    heads
        The authors' ``gt_valid.mat``, for the head sizes of PCKh. Without it and without
        ``head_box``, a head is as long as from upper neck to head top, and a person without these
        is measured by a tenth of 200 times the scale.
    skeleton
        The keypoints wanted, found by name. When None, MPII's own.
    broken
        ``"refuse"`` or ``"skip"`` what is wrong, see `posetrack.training.read_coco`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If it is not such a file, something in it is wrong and not skipped, or nobody is left.

    Notes
    -----
    As in the authors' code, centres move down by 15 times the scale and scales grow by 1.25 to
    have the feet on the crop, unless the centre's x is -1.
    """
    path, root = Path(path), Path(images)
    rows = read_json(path)
    if not isinstance(rows, list):
        raise ValueError(f"{path}: expected a list of objects, one a person")
    corners = None if heads is None else read_mpii_truth(Path(heads)).heads
    if corners is not None and len(corners) != len(rows):
        raise ValueError(f"{heads}: {len(corners)} head boxes for {len(rows)} people of {path}")
    problems: list[Problem] = []
    kept: list[tuple[Any, ...]] = []
    left_out = 0
    for position, row in enumerate(rows):
        person = _person(row, root)
        if isinstance(person, str):
            problems.append(Problem(person, f"person {position}"))
        elif not np.isfinite(person[1]).any():
            left_out += 1
        else:
            box = row.get("head_box") if corners is None else corners[position]
            kept.append((*person, _head(box, person[1], person[3]), f"person {position}"))
    settle(path, problems, broken)
    if not kept:
        raise ValueError(f"{path}: nobody with a labelled keypoint; {left_out} people left out")
    files, xy, center, scale, sizes, names = zip(*kept, strict=True)
    samples = Samples(
        MPII_16,
        files,
        np.array(xy),
        None,
        np.array(center),
        np.array(scale),
        np.array(sizes, np.float64),
        names,
        (),
        tuple(problems),
        left_out,
    )
    return samples.mapped_to(skeleton or MPII_16)


def _person(row: Any, root: Path) -> tuple[Any, ...] | str:
    """File, keypoints from pixel 0, centre and scale; or what is wrong."""
    if not isinstance(row, dict) or not isinstance(row.get("image"), str):
        return "a person without image"
    file = root / row["image"]
    if ".." in Path(row["image"]).parts or Path(row["image"]).is_absolute():
        return "an image that leads out of the folder"
    if not file.is_file():
        return "an image file that is missing"
    try:
        center = np.array(row["center"], np.float64).reshape(2)
        scale = float(row["scale"])
        joints = np.array(row["joints"], np.float64).reshape(_COUNT, 2)
        visible = np.array(row["joints_vis"], np.float64).reshape(_COUNT) > 0
    except (KeyError, TypeError, ValueError):
        return "a person without center, scale, 16 joints and 16 joints_vis"
    if not (np.isfinite(joints[visible]).all() and np.isfinite(center).all() and 0 < scale < 1e4):
        return "a center, scale or joint that is not a sensible number"
    if center[0] != -1:
        center[1] += 15 * scale
        scale *= 1.25
    xy = np.where(visible[:, None], joints - 1, np.nan)
    return file, xy, center - 1, np.array([scale, scale])


def _head(box: Any, xy: Any, scale: Any) -> float:
    if box is not None and np.shape(box) == (4,):
        return float(head_sizes(np.asarray(box, np.float64)[None])[0])
    top, neck = xy[MPII_16.index("head_top")], xy[MPII_16.index("upper_neck")]
    length = float(np.hypot(*(top - neck)))
    return length if length > 0 else float(20 * scale[0])
