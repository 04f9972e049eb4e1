"""MPII annotations in the JSON form that the paper's authors publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.evaluation.sequences import head_sizes
from posetrack.files import as_kind, read_json
from posetrack.formats.mpii import Person, joints_of, read_mpii_truth
from posetrack.formats.numbers import array_of
from posetrack.skeletons import MPII_16, Skeleton
from posetrack.training.annotations import MAX_PIXEL
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

    Examples
    --------
    >>> import cv2, json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> person = {"image": "a.jpg", "center": [60, 60], "scale": 0.5, "joints_vis": [1] * 16}
    >>> person["joints"] = [[10.0 * k + 1, 51.0] for k in range(16)]
    >>> _ = (folder / "a.json").write_text(json.dumps([person]))
    >>> _ = cv2.imwrite(str(folder / "a.jpg"), np.zeros((120, 160, 3), np.uint8))
    >>> read_mpii(folder / "a.json", folder).xy[0, 1].tolist()
    [10.0, 50.0]
    """
    path, root = Path(path), Path(images)
    rows, problems = _rows(path)
    corners = None if heads is None else read_mpii_truth(Path(heads)).heads
    if corners is not None and len(corners) != len(rows):
        raise ValueError(f"{heads}: {len(corners)} head boxes for {len(rows)} people of {path}")
    kept: list[tuple[Any, ...]] = []
    left_out = 0
    for position, row in enumerate(rows):
        if row is None:
            continue
        person = _person(row, root)
        if isinstance(person, str):
            problems.append(Problem(person, f"person {position}"))
        elif not np.isfinite(person[1]).any():
            left_out += 1
        else:
            box = row.head_box if corners is None else corners[position]
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
    return samples.map_to(skeleton or MPII_16)


def _rows(path: Path) -> tuple[Sequence[Person | None], list[Problem]]:
    """The entries, None instead of those of wrong types, which are problems."""
    try:
        return read_json(path, list[Person]), []
    except ValueError:
        entries = read_json(path, list[Any])
    rows: list[Person | None] = []
    problems = []
    for position, entry in enumerate(entries):
        try:
            rows.append(as_kind(entry, f"person {position}", Person))
        except ValueError as error:
            rows.append(None)
            problems.append(Problem("a person of wrong types", str(error)))
    return rows, problems


def _person(row: Person, root: Path) -> tuple[Any, ...] | str:
    """File, keypoints from pixel 0, centre and scale; or what is wrong."""
    if row.image is None:
        return "a person without image"
    file = root / row.image
    if ".." in Path(row.image).parts or Path(row.image).is_absolute():
        return "an image that leads out of the folder"
    if not file.is_file():
        return "an image file that is missing"
    if row.scale is None:
        return "a person without center, scale, 16 joints and 16 joints_vis"
    try:
        center = array_of(row.center, "center", 2)
        joints, visible = joints_of(row, "person")
    except ValueError:
        return "a person without center, scale, 16 joints and 16 joints_vis"
    scale = row.scale
    if not (np.isfinite(joints[visible]).all() and np.isfinite(center).all() and 0 < scale < 1e4):
        return "a center, scale or joint that is not a sensible number"
    if max(np.abs(joints[visible]).max(initial=0), np.abs(center).max()) > MAX_PIXEL:
        return "a center or joint more than a million pixels away"
    if center[0] != -1:
        center[1] += 15 * scale
        scale *= 1.25
    xy = np.where(visible[:, None], joints - 1, np.nan)
    return file, xy, center - 1, np.array([scale, scale])


def _head(box: Any, xy: Any, scale: Any) -> float:
    if box is not None and np.shape(box) == (4,) and np.abs(box).max() <= MAX_PIXEL:
        return float(head_sizes(np.asarray(box, np.float64)[None])[0])
    top, neck = xy[MPII_16.index("head_top")], xy[MPII_16.index("upper_neck")]
    length = float(np.hypot(*(top - neck)))
    return length if length > 0 else float(20 * scale[0])
