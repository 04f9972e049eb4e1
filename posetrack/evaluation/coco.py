"""COCO keypoint AP and AR, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack.evaluation.sequences import Floats
from posetrack.files import read_json

NAMES: Final = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
"""The ten numbers of the COCO keypoint challenge."""

_GT_KEYS: Final = ("id", "image_id", "category_id", "area", "iscrowd", "num_keypoints", "bbox")
_DT_KEYS: Final = ("image_id", "category_id", "score")


@dataclass(frozen=True, eq=False)
class CocoResult:
    """The ten numbers, as fractions; -1 where there is nothing to evaluate.

    Parameters
    ----------
    names, values
        (10,).
    thresholds
        (10,) OKS thresholds, 0.50 to 0.95.
    ap_by_threshold, ar_by_threshold
        (10,), over people of all sizes.
    """

    names: tuple[str, ...]
    values: Floats
    thresholds: Floats
    ap_by_threshold: Floats
    ar_by_threshold: Floats

    @property
    def row(self) -> dict[str, float]:
        """The ten numbers in percent."""
        return {name: 100 * float(v) for name, v in zip(self.names, self.values, strict=True)}


def evaluate_coco(
    truth: str | PathLike[str],
    predictions: str | PathLike[str],
    *,
    like_xtcocotools: bool = False,
) -> CocoResult:
    """COCO keypoint AP and AR at OKS 0.50 to 0.95.

    Parameters
    ----------
    truth
        A COCO keypoint annotation file.
    predictions
        A COCO result file: a list with image_id, category_id, keypoints (17 times x, y, v) and
        score of each person.
    like_xtcocotools
        What mmpose's evaluator does otherwise: annotations with the id 0 can be matched, people
        are ignored if no keypoint of theirs is visible whatever ``num_keypoints`` says, and
        detections whose visibility flags are all 0 are dropped.

    Raises
    ------
    ModuleNotFoundError
        If pycocotools is not installed.
    FileNotFoundError
        If a file is missing.
    ValueError
        If a key is missing, a result is for an image that the annotations do not have, or
        keypoints are not 17.
    """
    try:
        from pycocotools.coco import COCO  # type: ignore[import-untyped]
        from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'COCO metrics need pycocotools: pip install "posetrack[eval]"', name=error.name
        ) from error
    annotations = _read_annotations(Path(truth))
    results = _read_results(Path(predictions), annotations)
    if like_xtcocotools:
        annotations, results = _as_xtcocotools(annotations, results)
    with contextlib.redirect_stdout(io.StringIO()):
        given = COCO()
        given.dataset = annotations
        given.createIndex()
        if results:
            found = given.loadRes(results)
        else:  # pycocotools cannot load nothing
            found = COCO()
            found.dataset = {**annotations, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(given, found, "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, 0, 0, 0]
    return CocoResult(
        NAMES,
        np.asarray(evaluation.stats, np.float64),
        np.asarray(evaluation.params.iouThrs, np.float64),
        np.array([row[row > -1].mean() if (row > -1).any() else -1.0 for row in precision]),
        np.asarray(evaluation.eval["recall"][:, 0, 0, 0], np.float64),
    )


def _read_annotations(path: Path) -> dict[str, Any]:
    document = read_json(path)
    for key in ("images", "annotations", "categories"):
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise ValueError(f"{path}: no list {key!r}; expected COCO keypoint annotations")
    rows = document["annotations"]
    _check_rows(rows, (*_GT_KEYS, "keypoints"), path)
    ids = [row["id"] for row in rows]
    if len(set(ids)) < len(ids):
        twice = next(value for value in ids if ids.count(value) > 1)
        raise ValueError(f"{path}: annotation id {twice} occurs twice")
    return dict(document)


def _read_results(path: Path, annotations: dict[str, Any]) -> list[dict[str, Any]]:
    rows = read_json(path)
    if isinstance(rows, dict) and isinstance(rows.get("annotations"), list):
        rows = rows["annotations"]
    if not isinstance(rows, list):
        raise ValueError(f"{path}: expected a list of results, one a person")
    _check_rows(rows, (*_DT_KEYS, "keypoints"), path)
    known = {image.get("id") for image in annotations["images"]}
    strange = [row["image_id"] for row in rows if row["image_id"] not in known]
    if strange:
        raise ValueError(
            f"{path}: {len(strange)} results are for images that the annotations do not have, "
            f"such as {strange[0]}"
        )
    return rows


def _check_rows(rows: Sequence[Any], keys: Sequence[str], path: Path) -> None:
    for i, row in enumerate(rows):
        missing = [key for key in keys if not isinstance(row, dict) or key not in row]
        if missing:
            raise ValueError(f"{path}: entry {i} has no {', '.join(map(repr, missing))}")
        if not isinstance(row["keypoints"], list) or len(row["keypoints"]) != 51:
            raise ValueError(
                f"{path}: 'keypoints' of entry {i} must be 17 times x, y and visibility"
            )


def _as_xtcocotools(
    annotations: dict[str, Any], results: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    renumbered = [
        {**row, "id": i + 1, "num_keypoints": sum(v > 0 for v in row["keypoints"][2::3])}
        for i, row in enumerate(annotations["annotations"])
    ]
    seen = [row for row in results if any(row["keypoints"][2::3])]
    return {**annotations, "annotations": renumbered}, seen
