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

from posetrack.checks import require_library
from posetrack.evaluation.score_tables import Result, Row
from posetrack.evaluation.sequences import Floats
from posetrack.formats.coco import Person, read_document, read_results

NAMES: Final = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
"""The ten numbers of the COCO keypoint challenge."""

_GT_KEYS: Final = ("id", "image_id", "category_id", "area", "iscrowd", "num_keypoints", "bbox")
_LARGEST: Final = 1e15
_DT_KEYS: Final = ("image_id", "category_id", "score")


@dataclass(frozen=True, eq=False)
class CocoResult(Result):
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

    def rows(self) -> dict[str, Row]:
        """The ten numbers in percent."""
        return {"OKS": {n: 100 * float(v) for n, v in zip(self.names, self.values, strict=True)}}


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
        What mmpose's evaluator does differently: annotations with the id 0 can be matched, people
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

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> points = [value for k in range(17) for value in (10 * k + 5, 50, 2)]
    >>> person = {"image_id": 1, "category_id": 1, "keypoints": points}
    >>> facts = {"id": 1, "bbox": [0, 40, 180, 20], "area": 3600, "iscrowd": 0}
    >>> facts["num_keypoints"] = 17
    >>> truth = {"images": [{"id": 1}], "annotations": [{**person, **facts}]}
    >>> truth["categories"] = [{"id": 1}]
    >>> _ = (folder / "truth.json").write_text(json.dumps(truth))
    >>> _ = (folder / "found.json").write_text(json.dumps([{**person, "score": 0.9}]))
    >>> result = evaluate_coco(folder / "truth.json", folder / "found.json")
    >>> result.names[0], float(result.values[0].round(6))
    ('AP', 1.0)
    """
    with require_library("COCO metrics need pycocotools", "posetrack[eval]"):
        from pycocotools.coco import COCO  # type: ignore[import-untyped]
        from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]
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
    document = read_document(path, needs=("images", "annotations", "categories"))
    rows = _rows(document.annotations, _GT_KEYS, path)
    ids = [row["id"] for row in rows]
    if len(set(ids)) < len(ids):
        twice = next(value for value in ids if ids.count(value) > 1)
        raise ValueError(f"{path}: annotation id {twice} occurs twice")
    words = next((value for value in ids if isinstance(value, str)), None)
    if words is not None:
        raise ValueError(f"{path}: annotation id {words!r:.40} is no number")
    for name, entries in (("image", document.images), ("category", document.categories or [])):
        known = [entry.id for entry in entries]
        if None in known or len({type(key) is str for key in known}) > 1:
            raise ValueError(f"{path}: an {name} has no 'id', or some ids are texts")
    categories = [{"id": entry.id} for entry in document.categories or []]
    return {
        "images": [{"id": image.id} for image in document.images],
        "annotations": rows,
        "categories": categories,
    }


def _read_results(path: Path, annotations: dict[str, Any]) -> list[dict[str, Any]]:
    rows = _rows(read_results(path), _DT_KEYS, path)
    known = {image["id"] for image in annotations["images"]}
    strange = [row["image_id"] for row in rows if row["image_id"] not in known]
    if strange:
        raise ValueError(
            f"{path}: {len(strange)} results are for images that the annotations do not have, "
            f"such as {strange[0]}"
        )
    categories = {category["id"] for category in annotations["categories"]}
    absent = {row["category_id"] for row in rows} - categories
    if rows and absent == {row["category_id"] for row in rows}:
        raise ValueError(
            f"{path}: results of category {', '.join(sorted(map(str, absent)))} alone; the "
            f"annotations have {', '.join(sorted(map(str, categories)))}"
        )
    return rows


def _rows(people: Sequence[Person], keys: Sequence[str], path: Path) -> list[dict[str, Any]]:
    """Each entry in the form that pycocotools needs."""
    rows = []
    for i, person in enumerate(people):
        row = {key: getattr(person, key) for key in (*keys, "keypoints")}
        missing = [key for key, value in row.items() if value is None]
        if missing:
            raise ValueError(f"{path}: entry {i} has no {', '.join(map(repr, missing))}")
        if len(row["keypoints"]) != 51:
            raise ValueError(
                f"{path}: 'keypoints' of entry {i} must be 17 times x, y and visibility"
            )
        if "bbox" in row and len(row["bbox"]) != 4:
            raise ValueError(f"{path}: 'bbox' of entry {i} must be x, y, width and height")
        numbers = [*row["keypoints"], row.get("area", 0), row.get("score", 0), *row.get("bbox", ())]
        if max(map(abs, numbers)) > _LARGEST:
            raise ValueError(f"{path}: a number of entry {i} is beyond {_LARGEST:g}")
        rows.append(row)
    return rows


def _as_xtcocotools(
    annotations: dict[str, Any], results: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    renumbered = [
        {**row, "id": i + 1, "num_keypoints": sum(v > 0 for v in row["keypoints"][2::3])}
        for i, row in enumerate(annotations["annotations"])
    ]
    seen = [row for row in results if any(row["keypoints"][2::3])]
    return {**annotations, "annotations": renumbered}, seen
