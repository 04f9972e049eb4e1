"""COCO's JSON, read and written: annotations of images, and lists of keypoint results.

PoseTrack's files of 2018 and 2021 have the layout of COCO's annotations with more in it, and are
read by the same schema. Whoever needs boxes, truths or people to learn from takes them from
`Document` and `Person`, whose types are checked, and passes over what he does not need.

Sources: cocodataset.org, "Data format" and "Results format"; the results that are written were
checked with pycocotools' loadRes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from posetrack.files import MAX_JSON_BYTES, as_kind, read_bytes, read_json
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.json_writer import JsonWriter, boxes_xywh, round_nested
from posetrack.formats.metadata import parse_metadata, sidecar_path
from posetrack.formats.numbers import Id, Number, number, threes, whole, xyxy_of
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17, Skeleton, skeleton_of_count
from posetrack.structures import Tracks

_PARTS: Final = (
    ("foot_kpts", 6), ("face_kpts", 68), ("lefthand_kpts", 21), ("righthand_kpts", 21),
)  # fmt: skip
"""COCO-WholeBody's fields besides ``keypoints``, in the order of its 133."""

_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe \t\r\n"


class Picture(msgspec.Struct, gc=False):
    """An entry of ``images``; None where the file says nothing."""

    id: Id | None = None
    file_name: str | None = None
    width: Number | None = None
    height: Number | None = None
    seconds: Number | None = None
    vid_id: Id | None = None
    is_labeled: bool | Number | None = None
    ignore_regions_x: list[list[Number] | Number] | None = None
    ignore_regions_y: list[list[Number] | Number] | None = None


class Person(msgspec.Struct, gc=False):
    """An entry of ``annotations``, or of a list of results; None where the file says nothing."""

    id: Id | None = None
    image_id: Id | None = None
    category_id: Id | None = None
    iscrowd: bool | Number | None = None
    bbox: list[Number] | None = None
    area: Number | None = None
    keypoints: list[Number] | None = None
    foot_kpts: list[Number] | None = None
    face_kpts: list[Number] | None = None
    lefthand_kpts: list[Number] | None = None
    righthand_kpts: list[Number] | None = None
    num_keypoints: Number | None = None
    score: Number | None = None
    scores: list[Number] | None = None
    track_id: Number | None = None
    original_track_id: Number | None = None
    bbox_head: list[Number] | None = None
    box_score: Number | None = None
    frame: Number | None = None
    seconds: Number | None = None
    segmentation: Any = None
    attributes: Any = None

    @property
    def whole_body(self) -> list[Number] | None:
        """Keypoints, and behind them those of feet, face and hands, 0 where there are none."""
        if self.keypoints is None:
            return None
        given = (getattr(self, name) or [0.0] * 3 * count for name, count in _PARTS)
        return [*self.keypoints, *(value for part in given for value in part)]


class Category(msgspec.Struct):
    """An entry of ``categories``."""

    id: Id | None = None
    name: str | None = None
    keypoints: list[str] | None = None
    skeleton: Any = None


class Document(msgspec.Struct):
    """Annotations of images."""

    images: list[Picture]
    annotations: list[Person]
    categories: list[Category] | None = None
    info: Any = None


def read_document(
    path: str | Path,
    *,
    needs: Sequence[str] = ("images", "annotations"),
    nan: bool = False,
) -> Document:
    """Read a file of annotations.

    Parameters
    ----------
    path
        A ``.json`` or ``.json.gz`` file.
    needs
        Lists that must be there.
    nan
        Whether NaN, which JSON does not know, is read.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is something else, or a value in it is of the wrong type; the message names the file
        and the place.
    """
    try:
        document = read_json(path, Document, nan=nan)
    except ValueError:
        check_lists(read_json(path, nan=nan), str(path), needs)
        raise
    if "categories" in needs and document.categories is None:
        raise ValueError(f"{path}: no list 'categories'; expected annotations in COCO's form")
    return document


def check_lists(document: Any, title: str, needs: Iterable[str]) -> None:
    """Raise for a document without the lists of a file of annotations."""
    for key in needs:
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise ValueError(f"{title}: no list {key!r}; expected annotations in COCO's form")


def read_what_is_right(
    path: str | Path, *, needs: Sequence[str] = ("images", "annotations")
) -> tuple[Document, dict[str, list[tuple[int, str, str]]]]:
    """Read a file of annotations, leaving out entries that are broken.

    Returns
    -------
    document
        An empty entry stands for each broken one, so that places in the lists are kept.
    broken
        By list, the places of the broken entries, their ids (else places), and what is wrong.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is no file of annotations at all.
    """
    try:
        return read_document(path, needs=needs), {}
    except ValueError:
        document = read_json(path)
        check_lists(document, str(path), needs)
    broken: dict[str, list[tuple[int, str, str]]] = {}

    def entries(key: str, kind: Any) -> list[Any]:
        found_rows = []
        given = document.get(key)
        for index, entry in enumerate(given if isinstance(given, list) else []):
            try:
                found_rows.append(as_kind(entry, "entry", kind))
            except ValueError as error:
                own = entry.get("id") if isinstance(entry, dict) else None
                name = str(own if isinstance(own, int | str) else index)
                reason = str(error).removeprefix("entry: ")
                broken.setdefault(key, []).append((index, name, reason))
                found_rows.append(kind())
        return found_rows

    return (
        Document(
            entries("images", Picture),
            entries("annotations", Person),
            entries("categories", Category),
        ),
        broken,
    )


def read_results(path: str | Path, *, nan: bool = False) -> list[Person]:
    """Read a list of results, or the annotations of a document; types are checked.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is neither, or a value is of the wrong type; the message names the file and the
        place.
    """
    if is_object(path):
        return read_json(path, _Annotated, nan=nan).annotations
    return read_json(path, list[Person], nan=nan)


def is_object(path: str | Path) -> bool:
    """Whether a JSON file begins as an object does, not as a list."""
    path = Path(path)
    if not path.is_file() or path.suffix == ".gz":
        return read_bytes(path, MAX_JSON_BYTES).lstrip().startswith(b"{")
    with path.open("rb") as stream:
        return stream.read(64).replace(b"\0", b"").lstrip(_BEFORE_JSON).startswith(b"{")


class _Annotated(msgspec.Struct):
    annotations: list[Person]


def read_coco_results(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a list of keypoint results.

    The frame is the entry's ``frame`` as ours have it, else the place of ``image_id`` in
    ``hints.images``, else ``image_id`` itself. Identities are ``track_id``. Results of other
    categories than 1, COCO's person, are left out.

    Parameters
    ----------
    path
        A ``.json`` file; a ``.json.meta.json`` beside it holds skeleton and rate.
    hints
        Its ``rate`` is needed where entries do not have ``seconds``; its ``skeleton`` where there
        are not 17, 26, 133 or 136 keypoints.

    Raises
    ------
    ValueError
        If it is not such a file, without identities, or all in it is left out; the message names
        the file and the entry.

    Examples
    --------
    >>> import json, tempfile
    >>> person = {"image_id": 7, "category_id": 1, "track_id": 4, "score": 0.9}
    >>> document = [person | {"keypoints": [5.0, 6.0, 0.9] * 17}]
    >>> path = Path(tempfile.mkdtemp()) / "walk.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> read_coco_results(path, Hints(rate=25)).ids.tolist()
    [4]
    """
    path = Path(path)
    people = People(str(path), hints)
    frames: dict[Any, int] = {name: index for index, name in enumerate(hints.images or ())}
    rows = read_json(path, list[Person], nan=True)
    whole_bodies = have_whole_bodies(rows)
    for n, row in enumerate(rows):
        title = f"{path}, entry {n}"
        if row.frame is not None:
            frame = whole(row.frame, f"{title}: 'frame'")
            people.add_frame(frame, number(row.seconds, f"{title}: 'seconds'"))
        else:
            frame = frame_of(row.image_id, frames, title)
        if row.category_id not in (None, 1):
            people.leave_out("of another category than 1")
            continue
        box = xyxy_of(row.bbox, f"{title}: 'bbox'") if row.bbox else None
        score = number(row.box_score, f"{title}: 'box_score'")
        points = points_of(
            row.whole_body if whole_bodies else row.keypoints, f"{title}: 'keypoints'"
        )
        people.add(frame, identity(row.track_id, title), points, box, score, part=f", entry {n}")
    described: dict[str, Any] = {}
    beside = sidecar_path(path)
    if beside.is_file():
        described = parse_metadata(beside.read_bytes(), str(beside))
    usual = None if people.keypoints is None else skeleton_of_count(people.keypoints)
    skeleton = hints.skeleton or usual or COCO_17
    if "skeleton" in described:
        skeleton = Skeleton.from_json(described["skeleton"], str(beside))
    metadata = {key: described.get(key) for key in ("provenance", "image_size")}
    return people.table(skeleton, rate=described.get("rate"), metadata=metadata)


def have_whole_bodies(rows: Iterable[Person]) -> bool:
    """Whether someone has keypoints of face, feet or hands beside COCO's 17."""
    return any(getattr(row, name) for row in rows for name, _ in _PARTS)


def points_of(values: Sequence[Number] | None, title: str) -> NDArray[np.float64]:
    """(K, 3) of a result: NaN where it says that a keypoint is not there.

    A point may have been placed and given no confidence; only (0, 0) with 0 says "not there".
    """
    points = threes(values, title)
    points[~points.any(axis=1), :2] = np.nan
    return points


def identity(value: Number | None, title: str) -> int | None:
    """A person's ``track_id``, if any."""
    return None if value is None else whole(value, f"{title}: 'track_id'")


def frame_of(image: Id | None, frames: Mapping[Any, int], title: str) -> int:
    """A frame by its place in the list of images, else by the number that the image is called."""
    if frames:
        if image not in frames:
            raise ValueError(f"{title}: image {image!r:.60} is not among images=")
        return frames[image]
    index = whole(image, f"{title}: 'image_id'")
    if index < 0:
        raise ValueError(f"{title}: image_id {index} counts no frames; give images=")
    return index


class CocoWriter(JsonWriter):
    """Write tracks as COCO keypoint results, which ``COCO.loadRes`` reads.

    Each entry has ``image_id``, ``category_id``, ``keypoints`` (x, y and score of each; 0, 0, 0
    where not seen), ``score`` and ``bbox`` (left, top, width, height) as COCO wants them, and
    ``box_score``, ``track_id``, ``frame`` and ``seconds``, which COCO ignores. Frames without
    people leave no entry. What the file is and what made it lies beside it, in
    ``NAME.json.meta.json``: a list has no place for it. Places are written to a hundredth of a
    pixel, scores to six decimals.

    Parameters
    ----------
    path
        The JSON file; its folder must exist.
    skeleton
        What the keypoints of the tracks are; they are written in its order. COCO's own evaluation
        wants its 17.
    image_size
        Width and height of the frames in pixels, if known.
    rate
        Frames a second, if known.
    provenance
        What made the file.
    image_id
        The id of the image with a frame's index; the index itself when None.
    category_id
        COCO's person is 1.
    min_score
        Keypoints that score more count in the mean of a person's score, see `pose_scores`.
    resume
        The `progress` of an earlier writer with the same arguments, whose file is gone on with.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.structures import Poses
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "results.json"
    >>> with CocoWriter(path, COCO_17) as file:
    ...     poses = Poses.from_keypoints(np.ones((1, 17, 2)), np.full((1, 17), 0.5), COCO_17)
    ...     file.write(8, 0.32, Tracks(poses, [4]))
    >>> entry = json.loads(path.read_text())[0]
    >>> entry["image_id"], entry["track_id"], entry["score"], entry["keypoints"][:3]
    (8, 4, 0.25, [1.0, 1.0, 0.5])
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        *,
        image_size: tuple[int, int] | None = None,
        rate: float | None = None,
        provenance: Mapping[str, Any] | None = None,
        image_id: Callable[[int], int] | None = None,
        category_id: int = 1,
        min_score: float = 0.2,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        self._image_id = image_id
        self._category_id = category_id
        self._min_score = min_score
        header = {
            "format": "coco",
            "skeleton": skeleton.to_json(),
            "image_size": None if image_size is None else [int(side) for side in image_size],
            "rate": rate,
            "min_score": min_score,
            "provenance": dict(provenance or {}),
        }
        super().__init__(path, skeleton, header, resume)

    def _add(self, index: int, seconds: float, tracks: Tracks) -> None:
        if len(tracks):
            self._add_people(index, seconds, tracks)
        self._end_of_frame()

    def _add_people(self, index: int, seconds: float, tracks: Tracks) -> None:
        seen = np.isfinite(tracks.xy).all(axis=-1, keepdims=True)
        places = np.where(seen, tracks.xy.astype(np.float64).round(2), 0)
        keypoint_scores = np.where(seen, tracks.scores[..., None].astype(np.float64).round(6), 0)
        keypoints = (
            np.concatenate([places, keypoint_scores], axis=-1).reshape(len(tracks), -1).tolist()
        )
        boxes = boxes_xywh(tracks.boxes.xyxy)
        scores = round_nested(pose_scores(tracks, self._min_score), 6)
        box_scores = round_nested(tracks.boxes.scores, 6)
        image_id = index if self._image_id is None else int(self._image_id(index))
        for row, track_id in enumerate(tracks.ids.tolist()):
            self._person(
                {
                    "image_id": image_id,
                    "category_id": self._category_id,
                    "keypoints": keypoints[row],
                    "score": scores[row],
                    "bbox": boxes[row],
                    "box_score": box_scores[row],
                    "track_id": track_id,
                    "frame": index,
                    "seconds": seconds,
                }
            )


def pose_scores(tracks: Tracks, min_score: float) -> NDArray[np.float32]:
    """A person's score for COCO: box score times the mean score of the surer keypoints.

    Parameters
    ----------
    tracks
        N people.
    min_score
        Keypoints that score more enter the mean. 0.2 is what the authors of *Simple Baselines*
        evaluate with; a person without such a keypoint scores 0.

    Returns
    -------
    (N,)
        In [0, 1] where boxes and keypoints are.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> pose_scores(Tracks.empty(COCO_17), 0.2)
    array([], dtype=float32)
    """
    surer = tracks.scores > min_score
    total = np.where(surer, tracks.scores, 0).sum(axis=1)
    mean = total / np.maximum(surer.sum(axis=1), 1)
    scores: NDArray[np.float32] = (mean * tracks.boxes.scores).astype(np.float32)
    return scores
