"""PoseTrack21's box metrics: HOTA, and CLEAR and identity with or without ignore regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack.evaluation.assignment import assign
from posetrack.evaluation.clear import TrackingCounts, identity_matches, tracking_counts
from posetrack.evaluation.event_log import FALSE_POSITIVE, Rows, events_of_distances
from posetrack.evaluation.hota import Hota, combine
from posetrack.evaluation.posetrack_files import image_regions
from posetrack.evaluation.regions import Trapezoids, region_iou, trapezoids
from posetrack.evaluation.score_tables import Result, Row, name_rows
from posetrack.evaluation.sequences import Bools, Floats, Ints, Region
from posetrack.evaluation.whole_poses import FrameSimilarities, iou_similarities
from posetrack.files import read_json
from posetrack.formats.coco import Picture
from posetrack.formats.mot import read_lines

_COLUMNS = 7


@dataclass(frozen=True, eq=False)
class BoxSequence:
    """True and predicted boxes of a sequence, in the order of their files.

    Parameters
    ----------
    name
        The sequence.
    regions
        For each of the T frames the polygons to ignore.
    true_frame, true_ids, true_xywh, true_flags
        (P,) frame from 0, (P,) id, (P, 4) left, top, width, height in pixels, and the seventh
        number of each line: CLEAR metrics count only boxes where it is 1.
    frame, ids, xywh, scores
        The same of the predictions.
    """

    name: str
    regions: tuple[tuple[Region, ...], ...]
    true_frame: Ints
    true_ids: Ints
    true_xywh: Floats
    true_flags: Floats
    frame: Ints
    ids: Ints
    xywh: Floats
    scores: Floats


def read_box_sequences(truth: Path, predictions: Path) -> list[BoxSequence]:
    """Read all sequences of a folder by name.

    Parameters
    ----------
    truth
        A folder with, for each sequence, ``<sequence>/gt/gt.txt`` and
        ``<sequence>/image_info.json``.
    predictions
        A folder with ``<sequence>.txt`` (or ``<sequence>``) for each.

    Raises
    ------
    FileNotFoundError
        If something is missing.
    ValueError
        If a line is not frame, id, left, top, width, height and confidence, a frame is not in
        ``image_info.json``, or an id occurs twice in a frame.
    """
    if not truth.is_dir():
        raise FileNotFoundError(f"no folder of ground truth at {truth}")
    folders = sorted(path for path in truth.iterdir() if (path / "gt" / "gt.txt").is_file())
    if not folders:
        raise FileNotFoundError(f"no <sequence>/gt/gt.txt in {truth}")
    return [_read(folder, predictions) for folder in folders]


def _read(folder: Path, predictions: Path) -> BoxSequence:
    info_path = folder / "image_info.json"
    regions = tuple(
        image_regions(_nest_polygons(image), f"{info_path}: image {i}") or ()
        for i, image in enumerate(read_json(info_path, list[Picture]))
    )
    found = [predictions / (folder.name + end) for end in (".txt", "")]
    given = [path for path in found if path.is_file()]
    if not given:
        raise FileNotFoundError(f"no predictions for {folder.name}: expected {found[0]}")
    return BoxSequence(
        folder.name,
        regions,
        *_read_boxes(folder / "gt" / "gt.txt", len(regions), of_truth=True),
        *_read_boxes(given[0], len(regions), of_truth=False),
    )


def _nest_polygons(image: Picture) -> Picture:
    """A single polygon may stand without the list around it."""

    def nest(value: Any) -> Any:
        return [value] if value and not isinstance(value[0], list) else value

    return Picture(
        ignore_regions_x=nest(image.ignore_regions_x),
        ignore_regions_y=nest(image.ignore_regions_y),
    )


def _read_boxes(path: Path, frames: int, *, of_truth: bool) -> tuple[Ints, Ints, Floats, Floats]:
    boxes = read_lines(path, least=_COLUMNS + of_truth)
    if of_truth and (boxes.classes != -1).any():
        raise ValueError(f"{path}: the eighth number of every line must be -1")
    outside = boxes.frame >= frames
    if outside.any():
        raise ValueError(
            f"{path}: frame {int(boxes.frame[np.argmax(outside)]) + 1}; 'image_info.json' lists "
            f"{frames} images, counted from 1"
        )
    keys = np.stack([boxes.frame, boxes.ids], axis=1)
    keys, counts = np.unique(keys, axis=0, return_counts=True)
    if (counts > 1).any():
        twice = keys[np.argmax(counts > 1)]
        raise ValueError(f"{path}: id {twice[1]} occurs twice in frame {twice[0] + 1}")
    return boxes.frame, boxes.ids, boxes.xywh, boxes.confidences


_MIN_IOU: Final = 0.5
_MAX_REGION_IOU: Final = 0.1
_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class BoxResult(Result):
    """Box tracking metrics of one run.

    Parameters
    ----------
    sequences
        Names.
    hota, hota_by_sequence
        HOTA on IoU, without unmatched boxes in ignore regions, (19,).
    clear, clear_by_sequence
        CLEAR and identity counts, every prediction counted.
    clear_ignoring, clear_ignoring_by_sequence
        The same without unmatched predictions in ignore regions.
    """

    sequences: tuple[str, ...]
    hota: Hota
    hota_by_sequence: tuple[Hota, ...]
    clear: TrackingCounts
    clear_by_sequence: tuple[TrackingCounts, ...]
    clear_ignoring: TrackingCounts
    clear_ignoring_by_sequence: tuple[TrackingCounts, ...]

    def rows(self) -> dict[str, Row]:
        """Totals in percent (and counts), ignore regions applied."""
        return {"boxes": self._row(-1)}

    def by_sequence(self) -> dict[str, dict[str, Row]]:
        """The same row of each sequence."""
        rows = [self._row(s) for s in range(len(self.sequences))]
        return {"boxes": name_rows(self.sequences, rows)}

    def _row(self, sequence: int) -> Row:
        mean = (*self.hota_by_sequence, self.hota)[sequence].mean()
        clear = (*self.clear_ignoring_by_sequence, self.clear_ignoring)[sequence]
        ratios: dict[str, Any] = {
            "HOTA": mean.hota, "DetA": mean.det_a, "AssA": mean.ass_a, "LocA": mean.loc_a,
            "FragA": mean.frag_a, "FA-HOTA": mean.fa_hota, "MOTA": clear.mota,
            "IDF1": clear.idf1, "Prec": clear.precision, "Rec": clear.recall,
        }  # fmt: skip
        return {
            **{name: 100 * float(value) for name, value in ratios.items()},
            "IDs": clear.switches,
            "Frag": clear.fragmentations,
        }


def evaluate_posetrack21_boxes(
    truth: str | PathLike[str], predictions: str | PathLike[str]
) -> BoxResult:
    """Box tracking as PoseTrack21's two tools have it.

    Parameters
    ----------
    truth, predictions
        Folders; see `posetrack.evaluation.boxes21.read_box_sequences`.

    Raises
    ------
    FileNotFoundError, ValueError
        See `posetrack.evaluation.boxes21.read_box_sequences`.

    Notes
    -----
    The tool for CLEAR cuts true boxes to whole pixels and takes one pixel off all four numbers of
    predicted ones, the tool for HOTA does neither. A box whose IoU with a single region exceeds
    0.1 is ignored if no true box is matched to it.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "walk/gt").mkdir(parents=True)
    >>> _ = (folder / "walk/gt/gt.txt").write_text("1,7,10,10,50,100,1,-1")
    >>> _ = (folder / "walk/image_info.json").write_text(json.dumps([{"frame_id": 1}]))
    >>> _ = (folder / "walk.txt").write_text("1,3,10,10,50,100,1")
    >>> float(evaluate_posetrack21_boxes(folder, folder).hota.hota.mean())
    1.0
    """
    sequences = read_box_sequences(Path(truth), Path(predictions))
    hota = tuple(_hota(sequence) for sequence in sequences)
    both = [_clear(sequence) for sequence in sequences]
    plain, ignoring = zip(*both, strict=True)
    return BoxResult(
        sequences=tuple(sequence.name for sequence in sequences),
        hota=combine(hota),
        hota_by_sequence=hota,
        clear=_sum(plain),
        clear_by_sequence=plain,
        clear_ignoring=_sum(ignoring),
        clear_ignoring_by_sequence=ignoring,
    )


def _sum(parts: Sequence[TrackingCounts]) -> TrackingCounts:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _in_regions(regions: Sequence[Trapezoids], xywh: Floats) -> Bools:
    """(P,), boxes that overlap a single region by more than a tenth."""
    boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return np.array(
        [any(region_iou(region, box) > _MAX_REGION_IOU for region in regions) for box in boxes],
        np.bool_,
    )


def _cut(sequence: BoxSequence) -> list[list[Trapezoids]]:
    return [[trapezoids(region) for region in frame if len(region)] for frame in sequence.regions]


def _hota(sequence: BoxSequence) -> Hota:
    regions = _cut(sequence)
    true_ids, ids, matrices = [], [], []
    for f in range(len(regions)):
        g = np.flatnonzero(sequence.true_frame == f)
        p = np.flatnonzero(sequence.frame == f)
        iou = iou_similarities(sequence.true_xywh[g], sequence.xywh[p])
        if len(g) and len(p) and regions[f]:
            ignored = ~_find_matches(iou) & _in_regions(regions[f], sequence.xywh[p])
            p, iou = p[~ignored], iou[:, ~ignored]
        true_ids.append(sequence.true_ids[g])
        ids.append(sequence.ids[p])
        matrices.append(iou)
    frames = np.arange(len(regions))
    similar = FrameSimilarities(sequence.name, frames, tuple(true_ids), tuple(ids), tuple(matrices))
    return similar.hota()


def _find_matches(iou: Floats) -> Bools:
    """(P,), predictions that an assignment of the pairs above 0.5 uses."""
    scores = np.where(iou < _MIN_IOU - _EPS, 0.0, iou)
    columns = assign(-scores)
    rows = np.flatnonzero(columns >= 0)
    used = rows[scores[rows, columns[rows]] > _EPS]
    matched = np.zeros(iou.shape[1], np.bool_)
    matched[columns[used]] = True
    return matched


def _clear(sequence: BoxSequence) -> tuple[TrackingCounts, TrackingCounts]:
    """Counts without and with ignore regions."""
    regions = _cut(sequence)
    true_xywh = np.trunc(sequence.true_xywh)
    xywh = sequence.xywh - 1
    # People come in the order in which their tracks first appear in the file.
    _, first, track = np.unique(sequence.ids, return_index=True, return_inverse=True)
    order = np.lexsort((first[track], sequence.frame))
    true_ids, ids, distances, candidates = [], [], [], []
    for f in range(len(regions)):
        g = np.flatnonzero((sequence.true_frame == f) & (sequence.true_flags == 1))
        p = order[sequence.frame[order] == f]
        apart = 1 - iou_similarities(true_xywh[g], xywh[p])
        true_ids.append(sequence.true_ids[g])
        ids.append(sequence.ids[p])
        distances.append(np.where(apart > 1 - _MIN_IOU, np.nan, apart))
        candidates.append(
            _in_regions(regions[f], xywh[p]) if regions[f] else np.zeros(len(p), np.bool_)
        )
    rows, _, known = events_of_distances(true_ids, ids, distances)
    plain = _counts(rows, true_ids, ids, distances)
    ignored = _find_ignorable(rows, known, ids, candidates)
    kept_rows = rows.take(~ignored)
    far = [
        candidate & np.isnan(distance).all(axis=0)
        for candidate, distance in zip(candidates, distances, strict=True)
    ]
    ids = [of_frame[~gone] for of_frame, gone in zip(ids, far, strict=True)]
    distances = [matrix[:, ~gone] for matrix, gone in zip(distances, far, strict=True)]
    return plain, _counts(kept_rows, true_ids, ids, distances)


def _find_ignorable(rows: Rows, known: Ints, ids: list[Ints], candidates: list[Bools]) -> Bools:
    """False positives that are candidates to be ignored."""
    gone = {
        (f, track)
        for f, (of_frame, is_candidate) in enumerate(zip(ids, candidates, strict=True))
        for track in of_frame[is_candidate].tolist()
    }
    names = np.append(known, 0)[rows.predicted]
    return np.array(
        [
            kind == FALSE_POSITIVE and (frame, name) in gone
            for kind, frame, name in zip(
                rows.kind.tolist(), rows.frame.tolist(), names.tolist(), strict=True
            )
        ],
        np.bool_,
    )


def _counts(
    rows: Rows, true_ids: list[Ints], ids: list[Ints], distances: list[Floats]
) -> TrackingCounts:
    return tracking_counts(
        rows,
        frames=len(ids),
        predictions=sum(map(len, ids)),
        idtp=identity_matches(true_ids, ids, distances),
    )
