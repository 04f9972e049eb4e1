"""PoseTrack files of any year as the arrays that the metrics take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from posetrack.evaluation.sequences import AnnotatedSequence, Floats, Ints, Region, SparePoints
from posetrack.files import as_kind, json_files, json_stem, read_json
from posetrack.formats import coco, posetrack17
from posetrack.formats.numbers import Number
from posetrack.formats.posetrack17 import One, first_of
from posetrack.skeletons import POSETRACK_15


def sequence_name(path: Path) -> str:
    """Name of the sequence in a file: the file's name up to its first dot.

    Examples
    --------
    >>> sequence_name(Path("val/000342_mpii_test.json.gz"))
    '000342_mpii_test'
    """
    return path.name.split(".")[0]


def _pair_files(truth: Path, predictions: Path) -> list[tuple[Path, Path]]:
    """Ground-truth files with their predictions, by ascending name.

    Parameters
    ----------
    truth
        A folder of ``*.json`` (or ``*.json.gz``), one a sequence; or one file.
    predictions
        A folder with files of the same names, or with a folder ``sequences`` that holds them; or
        one file if ``truth`` is one. Further files in it are not read.

    Raises
    ------
    FileNotFoundError
        If a folder or a prediction is missing; the message names the sequences.
    ValueError
        If the ground-truth folder is empty or holds a sequence twice.
    """
    if truth.is_file() and predictions.is_file():
        return [(truth, predictions)]
    for what, path in (("ground truth", truth), ("predictions", predictions)):
        if not path.exists():
            raise FileNotFoundError(f"no {what} at {path}: expected a folder or a file")
    if predictions.is_file():
        raise ValueError(f"{truth} is a folder, {predictions} is a file: give both alike")
    wanted = [truth] if truth.is_file() else json_files(truth)
    if not wanted:
        raise ValueError(f"no .json files in {truth}")
    if (predictions / "sequences").is_dir() and not json_files(predictions):
        predictions = predictions / "sequences"
    given = {json_stem(path): path for path in json_files(predictions)}
    missing = [path.name for path in wanted if json_stem(path) not in given]
    if missing:
        names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise FileNotFoundError(
            f"{len(missing)} of {len(wanted)} sequences have no prediction in {predictions}: "
            f"{names}. A sequence without people still needs its file, with its images listed."
        )
    return [(path, given[json_stem(path)]) for path in wanted]


Source: TypeAlias = "str | PathLike[str] | Sequence[AnnotatedSequence]"
"""A file, a folder, or sequences already read."""

Part = TypeVar("Part")

_MAX_ID = 10**18
_COUNT = len(POSETRACK_15)


class _AnyYear(msgspec.Struct):
    """The keys of all years, so that a file is read once."""

    images: list[coco.Picture] | None = None
    annotations: list[coco.Person] | None = None
    categories: list[coco.Category] | None = None
    annolist: list[posetrack17.Frame] | None = None


def read_sequence(path: str | Path) -> AnnotatedSequence:
    """Read a PoseTrack 2017, 2018 or 2021 file, distinguished by its keys.

    Parameters
    ----------
    path
        A ``.json`` or ``.json.gz`` file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is not such a file, or something in it is missing or wrong; the message names the
        file, the place and the key.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from posetrack.skeletons import POSETRACK_17
    >>> image = {"id": 1, "file_name": "images/val/000001_mpii_test/000000.jpg", "is_labeled": True}
    >>> points = [value for k in range(17) for value in (10.0 * k + 5, 50.0, 1)]
    >>> person = {"image_id": 1, "track_id": 7, "keypoints": points, "bbox": [0, 40, 180, 20]}
    >>> person |= {"bbox_head": [5, 40, 20, 20], "scores": [0.9] * 17, "id": 1, "category_id": 1}
    >>> category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.keypoints)}
    >>> image |= {"ignore_regions_x": [], "ignore_regions_y": []}
    >>> document = {"images": [image], "annotations": [person], "categories": [category]}
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "000001_mpii_test.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> sequence = read_sequence(path)
    >>> sequence.name, sequence.ids.tolist(), sequence.keypoints.shape
    ('000001_mpii_test', [7], (1, 17, 3))
    """
    path = Path(path)
    return sequence_of(read_json(path, _AnyYear), str(path), sequence_name(path))


def sequence_of(document: Any, source: str, name: str) -> AnnotatedSequence:
    """Arrays of a parsed file of any year.

    What one of the two protocols refuses and the other does not read (categories, head boxes,
    numbers of scores, annotations without image) is passed on for the protocol to judge.

    Parameters
    ----------
    document
        The parsed JSON.
    source
        The file, for messages.
    name
        The sequence.

    Raises
    ------
    ValueError
        If something is missing or not what its name says; the message says where.
    """
    whole = document if isinstance(document, _AnyYear) else as_kind(document, source, _AnyYear)
    if whole.annolist is not None:
        return _of_2017(whole.annolist, source, name)
    if whole.images is None or whole.annotations is None:
        key = "images" if whole.images is None else "annotations"
        raise ValueError(
            f"{source}: no {key!r}. Expected a PoseTrack18 file with 'images' and "
            "'annotations', or a PoseTrack17 file with 'annolist'"
        )
    return _of_2018(whole.images, whole.annotations, whole.categories, source, name)


def _of_2018(
    images: list[coco.Picture],
    annotations: list[coco.Person],
    categories: list[coco.Category] | None,
    source: str,
    name: str,
) -> AnnotatedSequence:
    for i, image in enumerate(images):
        if image.id is None:
            raise ValueError(f"{source}: image {i}: no 'id'")
    image_ids = tuple(image.id for image in images)
    frame, strays = _frames(annotations, image_ids, source)
    order = np.argsort(frame, kind="stable")[strays:]
    rows = [annotations[i] for i in order.tolist()]
    frame = frame[order]
    keypoints = _keypoints(rows, source)
    scores, score_counts = _scores(rows, keypoints.shape[1], source)
    return AnnotatedSequence(
        source=source,
        name=name,
        image_names=tuple(image.file_name or "" for image in images),
        image_ids=image_ids,
        labelled=tuple(
            None if image.is_labeled is None else bool(image.is_labeled) for image in images
        ),
        regions=tuple(
            image_regions(image, f"{source}: image {i}") for i, image in enumerate(images)
        ),
        annotated=np.bincount(frame, minlength=len(images)) > 0,
        frame=frame,
        ids=np.array([_track_id(row, source) for row in rows], np.int64),
        keypoints=keypoints,
        scores=scores,
        score_counts=score_counts,
        heads=_heads(rows, source),
        areas=np.array([_area(row) for row in rows], np.float64),
        landmarks=_landmarks(categories),
        whole_numbers=np.array(
            [all(type(value) is int for value in row.keypoints or ()) for row in rows], np.bool_
        ),
        strays=strays,
    )


def _frames(
    annotations: list[coco.Person], image_ids: tuple[Any, ...], source: str
) -> tuple[Ints, int]:
    """Position of each annotation's image, -1 where the file has none such, and how many have."""
    position = {image: i for i, image in enumerate(image_ids)}
    if len(position) != len(image_ids):
        twice = next(image for image in image_ids if image_ids.count(image) > 1)
        raise ValueError(f"{source}: image id {twice} occurs twice")
    if any(row.image_id is None for row in annotations):
        raise ValueError(f"{source}: an annotation has no 'image_id'")
    frame = np.array([position.get(row.image_id, -1) for row in annotations], np.int64)
    return frame, int(np.count_nonzero(frame < 0))


def _keypoints(rows: list[coco.Person], source: str) -> Floats:
    if not rows:
        return np.zeros((0, 17, 3))
    for row in rows:
        if row.keypoints is None:
            raise ValueError(f"{_person(source, row)}: no 'keypoints'")
    try:
        values = np.array([row.keypoints for row in rows])
    except ValueError:  # lists of different lengths
        raise ValueError(f"{source}: the numbers of keypoints differ between people") from None
    values = _numbers(values.reshape(len(rows), -1), f"{source}: keypoints")
    if values.shape[1] == 0 or values.shape[1] % 3:
        raise ValueError(
            f"{source}: keypoints must be x, y and visibility of each; "
            f"{values.shape[1]} numbers are not a multiple of three"
        )
    return values.reshape(len(rows), -1, 3)


def _numbers(values: NDArray[Any], title: str) -> Floats:
    """``values`` as finite floats; whole numbers that no float64 holds are refused."""
    if values.dtype.kind not in "iuf" and values.size:
        raise ValueError(f"{title} must be numbers, all of them")
    numbers = values.astype(np.float64, copy=False)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{title} must be finite")
    return numbers


def _scores(rows: list[coco.Person], count: int, source: str) -> tuple[Floats, Ints]:
    """(P, K) scores, cut or filled with NaN to K, and how many the file gives."""
    given = [row.scores for row in rows]
    scores = np.full((len(rows), count), np.nan)
    counts = np.array([-1 if values is None else len(values) for values in given], np.int64)
    for length in np.unique(counts[counts > 0]):
        same = np.flatnonzero(counts == length)
        values = _numbers(np.array([given[i] for i in same]), f"{source}: scores")
        scores[same, :length] = values[:, :count]
    return scores, counts


def _track_id(row: coco.Person, source: str) -> int:
    value = row.track_id
    if value is None:
        raise ValueError(f"{_person(source, row)}: no 'track_id'")
    if abs(value) < _MAX_ID and value == int(value):
        return int(value)
    raise ValueError(
        f"{_person(source, row)}: 'track_id' must be a whole number of at most 18 digits, got "
        f"{value!r}"
    )


def _heads(rows: list[coco.Person], source: str) -> Floats:
    """Corners as the official tools compute them: x + w is rounded once."""
    heads = np.full((len(rows), 4), np.nan)
    have = [i for i, row in enumerate(rows) if row.bbox_head is not None]
    if not have:
        return heads
    try:
        xywh = np.array([rows[i].bbox_head for i in have]).reshape(len(have), 4)
    except ValueError:
        raise ValueError(
            f"{source}: 'bbox_head' must be x, y, width and height of the head box"
        ) from None
    xywh = _numbers(xywh, f"{source}: 'bbox_head'")
    heads[have] = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return heads


def _area(row: coco.Person) -> float:
    """Size of a person in pixels; NaN if the file does not give it."""
    if row.area is not None:
        return float(row.area)
    return float(row.bbox[2]) * float(row.bbox[3]) if row.bbox and len(row.bbox) > 3 else np.nan


def image_regions(image: coco.Picture, title: str) -> tuple[Region, ...] | None:
    """Polygons to ignore in an image; None if the file does not have both keys."""
    all_x, all_y = image.ignore_regions_x, image.ignore_regions_y
    if all_x is None or all_y is None:
        return None
    message = (
        f"{title}: 'ignore_regions_x' and 'ignore_regions_y' must be lists of polygons of equal "
        "lengths, each polygon a list of numbers"
    )
    if len(all_x) != len(all_y):
        raise ValueError(message)
    regions = []
    for xs, ys in zip(all_x, all_y, strict=True):
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise ValueError(message)
        regions.append(polygon(xs, ys, title))
    return tuple(regions)


def polygon(xs: Sequence[Number], ys: Sequence[Number], title: str) -> Region:
    """A polygon from its coordinates; one or two corners are refused, none is allowed."""
    if 0 < len(xs) < 3:
        raise ValueError(f"{title}: a polygon of {len(xs)} corners; expected at least three")
    corners = np.array([xs, ys]).reshape(2, -1)
    return _numbers(corners, f"{title}: a polygon's coordinates").T.copy()


def _landmarks(categories: list[coco.Category] | None) -> tuple[str, ...] | None:
    """Names of the keypoints if the file has exactly one category, called person."""
    if categories is None or len(categories) != 1 or categories[0].name != "person":
        return None
    names = categories[0].keypoints
    return None if names is None else tuple(names)


def _person(source: str, row: coco.Person) -> str:
    return f"{source}: a person of image {row.image_id}"


def _of_2017(images: list[posetrack17.Frame], source: str, name: str) -> AnnotatedSequence:
    """Arrays of a file of 2017.

    Rectangles without ``point`` are left out, as the official evaluator removes them; an image
    with such rectangles alone is annotated all the same. Of several points with one id the first
    counts; the others are spare, and so are points whose id is not 0 to 14.
    """
    people = _Rows()
    labelled: list[bool | None] = []
    repeated: tuple[int, int] | None = None
    for t, image in enumerate(images):
        title = f"{source}: image {t}"
        if image.annorect is None:
            raise ValueError(f"{title}: 'annorect' must be there, a list of objects")
        seen: set[float] = set()
        for rectangle in image.annorect:
            points = rectangle.points()
            if rectangle.track_id is not None:
                track = _one(rectangle.track_id, "track_id", title)
                if track in seen and repeated is None:
                    repeated = (t, int(track))
                seen.add(track)
            if points is not None:
                people.add(t, rectangle, points, title)
        flag = image.is_labeled
        labelled.append(bool(flag[0]) if isinstance(flag, list) and flag else None)
        if image.name is None:
            raise ValueError(f"{source}: 'image' must be a list of one object with a 'name'")
    return people.finish(
        source=source,
        name=name,
        image_names=tuple(image.name for image in images),
        image_ids=tuple(range(len(images))),
        labelled=tuple(labelled),
        regions=tuple(_regions(image, f"{source}: image {t}") for t, image in enumerate(images)),
        repeated=repeated,
        annotated=np.array([bool(image.annorect) for image in images], np.bool_),
    )


def _one(given: One, key: str, title: str) -> Number:
    """The number in a list of one, or alone."""
    value = first_of(given)
    if value is None or (isinstance(given, list) and len(given) != 1):
        raise ValueError(f"{title}: {key!r} must be one number in a list, got {given!r}")
    return value


def _regions(image: posetrack17.Frame, title: str) -> tuple[Region, ...] | None:
    if image.ignore_regions is None:
        return None
    regions = []
    for region in image.ignore_regions:
        if region.point is None:
            raise ValueError(f"{title}: 'point' must be there, a list of objects")
        xs = [_one(corner.x, "x", title) for corner in region.point]
        ys = [_one(corner.y, "y", title) for corner in region.point]
        regions.append(polygon(xs, ys, title))
    return tuple(regions)


class _Rows:
    """Columns that grow person by person."""

    def __init__(self) -> None:
        self.frame: list[int] = []
        self.ids: list[int] = []
        self.keypoints: list[list[tuple[float, float, float]]] = []
        self.scores: list[list[float]] = []
        self.heads: list[list[float]] = []
        self.spare: list[tuple[int, int, float, float, float]] = []

    def add(
        self,
        frame: int,
        rectangle: posetrack17.Rectangle,
        points: list[posetrack17.Point],
        title: str,
    ) -> None:
        if rectangle.track_id is None:
            raise ValueError(f"{title}: a rectangle with points has no 'track_id'")
        track = _one(rectangle.track_id, "track_id", title)
        if abs(track) >= 2**62 or track != int(track):
            raise ValueError(f"{title}: 'track_id' must be a whole number, got {track}")
        places = [(np.nan, np.nan, 0.0)] * _COUNT
        scores = [np.nan] * _COUNT
        filled: set[int] = set()
        for point in points:
            # The official evaluator passes over points whose id is null.
            given = -1 if point.id is None else _one(point.id, "id", title)
            keypoint = int(given) if given == int(given) else -1
            score = np.nan if point.score is None else float(_one(point.score, "score", title))
            x, y = float(_one(point.x, "x", title)), float(_one(point.y, "y", title))
            if keypoint in filled or not 0 <= keypoint < _COUNT:
                known = keypoint if 0 <= keypoint < _COUNT else -1
                self.spare.append((len(self.ids), known, x, y, score))
            else:
                filled.add(keypoint)
                places[keypoint] = (x, y, 1.0)
                scores[keypoint] = score
        self.frame.append(frame)
        self.ids.append(int(track))
        self.keypoints.append(places)
        self.scores.append(scores)
        corners = (rectangle.x1, rectangle.y1, rectangle.x2, rectangle.y2)
        self.heads.append(
            [np.nan] * 4
            if None in corners
            else [float(_one(value, "x1, y1, x2, y2", title)) for value in corners]
        )

    def finish(self, **fields: Any) -> AnnotatedSequence:
        spare = np.array(self.spare, np.float64).reshape(-1, 5)
        scores = np.array(self.scores, np.float64).reshape(-1, _COUNT)
        return AnnotatedSequence(
            frame=np.array(self.frame, np.int64),
            ids=np.array(self.ids, np.int64),
            keypoints=np.array(self.keypoints, np.float64).reshape(-1, _COUNT, 3),
            scores=scores,
            score_counts=np.where(np.isnan(scores).all(axis=1), -1, _COUNT),
            heads=np.array(self.heads, np.float64).reshape(-1, 4),
            areas=np.full(len(self.ids), np.nan),
            landmarks=POSETRACK_15.keypoints,
            whole_numbers=np.zeros(len(self.ids), np.bool_),
            spare=SparePoints(
                spare[:, 0].astype(np.int64),
                spare[:, 1].astype(np.int64),
                spare[:, 2:4].copy(),
                spare[:, 4].copy(),
            ),
            **fields,
        )


def _pair_sources(
    truth: Source, predictions: Source
) -> Iterable[tuple[Path | AnnotatedSequence, Path | AnnotatedSequence]]:
    """Pairs of true and predicted sequences, by ascending name."""
    if isinstance(truth, str | PathLike) and isinstance(predictions, str | PathLike):
        return _pair_files(Path(truth), Path(predictions))
    if isinstance(truth, str | PathLike) or isinstance(predictions, str | PathLike):
        raise TypeError("give paths for both sides, or sequences for both")
    by_name = {sequence.name: sequence for sequence in predictions}
    missing = [sequence.name for sequence in truth if sequence.name not in by_name]
    if missing:
        raise ValueError(f"no predictions for {', '.join(missing)}")
    return [(s, by_name[s.name]) for s in sorted(truth, key=lambda sequence: sequence.name)]


def evaluate_pairs(
    evaluate: Callable[[AnnotatedSequence, AnnotatedSequence], Part],
    truth: Source,
    predictions: Source,
    *,
    workers: int = 1,
) -> list[Part]:
    """What ``evaluate`` gives for each true sequence and its predictions, by ascending name.

    Parameters
    ----------
    evaluate
        Called with both, read.
    truth, predictions
        What to pair.
    workers
        Threads over sequences; each reads its own files.
    """

    def read_and_evaluate(pair: tuple[Path | AnnotatedSequence, ...]) -> Part:
        true, predicted = (
            part if isinstance(part, AnnotatedSequence) else read_sequence(part) for part in pair
        )
        return evaluate(true, predicted)

    with ThreadPoolExecutor(max(1, workers)) as threads:
        return list(threads.map(read_and_evaluate, _pair_sources(truth, predictions)))
