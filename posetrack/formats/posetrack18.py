"""PoseTrack's JSON of 2018 and 2021, read and written as the official evaluation reads it.

COCO's annotation files have the same layout and are read, too, where people have ``track_id``.
Sources: the layout of the dataset's annotation files (posetrack.net, 2018), and what the official
evaluation (``leonid-pishchulin/poseval``) and that of PoseTrack21 check in predictions.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack.files import read_json
from posetrack.formats.coco import Document, Person, have_whole_bodies, identity
from posetrack.formats.hints import NO_HINTS, Hints, skeleton_of_names
from posetrack.formats.json_writer import JsonWriter, boxes_xywh, round_nested
from posetrack.formats.numbers import Number, array_of, number, threes, whole, xyxy_of
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import (
    COCO_17,
    COCO_WHOLEBODY_133,
    POSETRACK_15,
    POSETRACK_17,
    Skeleton,
)
from posetrack.structures import FloatArray, Tracks

ID_LIMIT: Final = 10_000
"""Track ids and frame numbers must be smaller for the official evaluation."""

_FRAME = re.compile(r"(?:.*\D)?(\d{1,18})\.\w+", re.ASCII | re.DOTALL)
_SOURCES = {"mpii": 1, "bonn": 2, "mpiinew": 3}
_SEQUENCE = re.compile(r"(\d{1,6})_(mpii|bonn|mpiinew)(?:_[\w.-]*)?", re.ASCII)


class PoseTrack18Writer(JsonWriter):
    """Write tracks as PoseTrack18 JSON: 17 keypoints, a score for each, every frame an image.

    Keypoints go by name into PoseTrack's slots; those that the tracks' skeleton lacks and those
    that were not seen are (0, 0, 0) with score 0, which the evaluation takes as not predicted.
    Places are written to a hundredth of a pixel, scores to six decimals.

    Parameters
    ----------
    path
        The JSON file; its folder must exist. The official evaluation pairs files by name.
    skeleton
        What the keypoints of the tracks are.
    image_size
        Width and height of the frames in pixels, if known.
    rate
        Frames a second, if known.
    provenance
        What made the file; goes under the key ``info``, which the evaluation does not read.
    sequence
        The sequence's name, ``NUMBER_SOURCE`` and what you like after one more underscore, where
        the source is mpii, bonn or mpiinew: ids of images are made of it. The file's own name if
        it is of that form, else ``000000_mpii_`` and the file's name.
    first_number
        Number of the frame with index 0 in names of images and ids.
    approximate_head
        Place the ends of the head from nose and shoulders if the skeleton lacks them, as COCO's
        does. Without it two of the fifteen scored keypoints are missed in every frame. On the 13
        people of three annotated frames where it could be tried, with nose and shoulders as
        annotated, the head's bottom is then found 13 times and its top 7 times (within half a
        head, the evaluation's limit), so each of the other 9 counts as a false alarm.
    min_score
        Keypoints that score less are written as not predicted. Tracking accuracy (MOTA) counts
        every false alarm, average precision wants all: so 0 keeps all, the paper's MOTA wants
        more.
    resume
        The `progress` of an earlier writer with the same arguments, whose file is gone on with.

    Raises
    ------
    ValueError
        If ``sequence`` is not of that form.
    OSError
        If nothing can be written there.

    Warns
    -----
    UserWarning
        Once, if the video goes beyond what the official evaluation takes: 10,000 frames or 10,000
        people. The file is complete all the same.

    Notes
    -----
    Ids of 10,000 and more, and negative ones, get a free smaller number, counted from 9999 down;
    such a person then also has ``original_track_id``. All others keep theirs.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "000342_mpii_test.json"
    >>> with PoseTrack18Writer(path, COCO_17) as file:
    ...     file.write(0, 0.0, Tracks.empty(COCO_17))
    >>> [image["id"] for image in json.loads(path.read_text())["images"]]
    [10003420000]
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        *,
        image_size: tuple[int, int] | None = None,
        rate: float | None = None,
        provenance: Mapping[str, Any] | None = None,
        sequence: str | None = None,
        first_number: int = 0,
        approximate_head: bool = True,
        min_score: float = 0.0,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        name = Path(path).stem.split(".")[0]
        self.sequence = sequence_name(name) if sequence is None else sequence
        self._first_id = first_image_id(self.sequence)
        self._image_size = image_size
        self._first_number = first_number
        self._approximate_head = approximate_head
        self._min_score = min_score
        self._small_ids = SmallIds() if resume is None else SmallIds.from_state(resume["ids"])
        self._people = 0 if resume is None else int(resume["people"])
        self._warned = False
        info = {
            "rate": rate,
            "tracked_skeleton": skeleton.to_json(),
            "approximate_head": approximate_head,
            "min_score": min_score,
            "provenance": dict(provenance or {}),
        }
        header = {"format": "posetrack18", "categories": [person_category()], "info": info}
        super().__init__(path, skeleton, header, resume)

    def _state(self) -> dict[str, Any]:
        return {"people": self._people, "ids": self._small_ids.state}

    def _add(self, index: int, seconds: float, tracks: Tracks) -> None:
        number = index + self._first_number
        image_id = self._first_id + number
        if number >= ID_LIMIT:
            self._warn(f"frame {number}: the official evaluation takes frame numbers below 10000")
        image = {
            "file_name": f"images/{self.sequence}/{number:06d}.jpg",
            "id": image_id,
            "frame_id": image_id,
            "vid_id": self.sequence.split("_")[0],
            "is_labeled": True,
            "has_labeled_person": len(tracks) > 0,
            "seconds": seconds,
        }
        if self._image_size is not None:
            image["width"], image["height"] = (int(side) for side in self._image_size)
        self._image(image)
        if len(tracks):
            self._add_people(image_id, tracks)
        self._end_of_frame()

    def _add_people(self, image_id: int, tracks: Tracks) -> None:
        xy, scores = self.skeleton.map_to(
            POSETRACK_17, tracks.xy, tracks.scores, approximate_head=self._approximate_head
        )
        keypoints, scores = keypoints_and_scores(xy, scores, self._min_score)
        seen = np.count_nonzero(keypoints[:, :, 2], axis=1).tolist()
        # Floats throughout: where all numbers of a frame are integers, the evaluation of
        # PoseTrack21 cuts the scores to integers with them.
        flat = round_nested(keypoints.reshape(len(tracks), -1), 2)
        boxes = boxes_xywh(tracks.boxes.xyxy)
        pose_scores = round_nested(tracks.scores.mean(axis=1), 6)
        box_scores = round_nested(tracks.boxes.scores, 6)
        score_lists = round_nested(scores, 6)
        for row, track_id in enumerate(tracks.ids.tolist()):
            self._people += 1
            small = self._small_ids(track_id)
            if small >= ID_LIMIT:
                self._warn("over 10,000 people: the official evaluation takes ids below 10000")
            person = {
                "id": self._people,
                "image_id": image_id,
                "category_id": 1,
                "track_id": small,
                "bbox": boxes[row],
                "box_score": box_scores[row],
                "keypoints": flat[row],
                "scores": score_lists[row],
                "score": pose_scores[row],
                "num_keypoints": seen[row],
            }
            if small != track_id:
                person["original_track_id"] = track_id
            self._person(person)

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"{self.path}: {message}", UserWarning, stacklevel=5)


class SmallIds:
    """Track ids below a limit: own ones stay, others get free numbers from the top down.

    Memory is bounded by the limit.

    Examples
    --------
    >>> small = SmallIds(10)
    >>> [small(i) for i in (3, 12, 9, 12, 3)]
    [3, 9, 8, 9, 3]
    """

    def __init__(self, limit: int = ID_LIMIT) -> None:
        self.limit = limit
        self._own = np.zeros(limit, bool)  # numbers that their bearers brought
        self._lent = np.zeros(limit, bool)  # numbers given to someone else
        self._changed: dict[int, int] = {}
        self._next = limit - 1

    @property
    def state(self) -> dict[str, Any]:
        """All it knows, in what JSON can hold: numbers that their bearers brought as runs."""
        edges = np.flatnonzero(np.diff(self._own, prepend=False, append=False))
        changed = [[identity, number] for identity, number in self._changed.items()]
        return {"limit": self.limit, "own": edges.tolist(), "changed": changed, "next": self._next}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> SmallIds:
        """Go on from another one's `state`.

        Examples
        --------
        >>> small = SmallIds(10)
        >>> _ = small(3), small(12)
        >>> SmallIds.from_state(small.state)(14)
        8
        """
        self = cls(int(state["limit"]))
        edges = list(map(int, state["own"]))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            self._own[begin:end] = True
        self._changed = {int(track_id): int(small) for track_id, small in state["changed"]}
        self._lent[list(self._changed.values())] = True
        self._next = int(state["next"])
        return self

    def __call__(self, track_id: int) -> int:
        """The number for ``track_id``, always the same; itself when none is free."""
        if track_id in self._changed:
            return self._changed[track_id]
        if 0 <= track_id < self.limit and not self._lent[track_id]:
            self._own[track_id] = True
            return track_id
        while self._next >= 0 and (self._own[self._next] or self._lent[self._next]):
            self._next -= 1
        if self._next < 0:
            return track_id
        self._lent[self._next] = True
        self._changed[track_id] = self._next
        return self._next


def sequence_name(name: str) -> str:
    """A name of the dataset's form, made from a file's where it is not.

    Examples
    --------
    >>> sequence_name("003418_mpii_test"), sequence_name("my match")
    ('003418_mpii_test', '000000_mpii_my-match')
    """
    if _SEQUENCE.fullmatch(name):
        return name
    return "000000_mpii_" + re.sub(r"[^A-Za-z0-9.-]+", "-", name)


def first_image_id(sequence: str) -> int:
    """Id of a sequence's image 0: source * 10^10 + number * 10^4.

    Examples
    --------
    >>> first_image_id("003418_mpii_test")
    10034180000
    """
    parts = _SEQUENCE.fullmatch(sequence)
    if parts is None:
        raise ValueError(
            f"sequence must look like 003418_mpii_test (a number, then mpii, bonn or mpiinew), "
            f"got {sequence!r}"
        )
    return _SOURCES[parts[2]] * 10**10 + int(parts[1]) * 10**4


def keypoints_and_scores(
    xy: FloatArray, scores: FloatArray, min_score: float
) -> tuple[FloatArray, FloatArray]:
    """Keypoints as x, y and 1, or all 0 where not seen or below ``min_score``.

    Parameters
    ----------
    xy
        (N, K, 2) pixels, NaN where not seen.
    scores
        (N, K).
    min_score
        In the scores' unit.

    Returns
    -------
    keypoints
        (N, K, 3).
    scores
        (N, K), 0 where the keypoint is.

    Examples
    --------
    >>> keypoints_and_scores(np.array([[[3.0, 4.0], [5.0, 6.0]]]), np.array([[0.9, 0.1]]), 0.5)[0]
    array([[[3., 4., 1.],
            [0., 0., 0.]]])
    """
    seen = np.isfinite(xy).all(axis=-1) & (scores >= min_score)
    whole = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)
    return np.where(seen[..., None], whole, 0), np.where(seen, scores, 0)


def person_category(skeleton: Skeleton = POSETRACK_17) -> dict[str, Any]:
    """COCO's and the dataset's one category; edges count from 1."""
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(skeleton.keypoints),
        "skeleton": (skeleton.edge_indices + 1).tolist(),
    }


def read_posetrack18(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a file of one sequence, predictions or annotations.

    A frame's index is the number that its image's name ends in, or its place in the file where
    names do not end in different numbers. A keypoint marked 0 is not seen. Crowds and annotations
    without keypoints are left out.

    Parameters
    ----------
    path
        A ``.json`` file.
    hints
        Its ``rate`` is needed where the images do not have ``seconds``, as ours do.

    Raises
    ------
    ValueError
        If it is not such a file, of several videos, without identities, or all in it is left out;
        the message names the file and the place.

    Examples
    --------
    >>> import json, tempfile
    >>> image = {"id": 1, "file_name": "images/val/000001_mpii_test/000007.jpg"}
    >>> person = {"image_id": 1, "track_id": 4, "keypoints": [5.0, 6.0, 1] * 17}
    >>> category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.keypoints)}
    >>> document = {"images": [image], "annotations": [person], "categories": [category]}
    >>> path = Path(tempfile.mkdtemp()) / "walk.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> read_posetrack18(path, Hints(rate=25)).frame.tolist()
    [7]
    """
    path = Path(path)
    document = read_json(path, Document, nan=True)
    people = People(str(path), hints)
    videos = {str(image.vid_id) for image in document.images if image.vid_id is not None}
    if len(videos) > 1:
        raise ValueError(f"{path}: {len(videos)} videos in one file: {sorted(videos)[:5]}")
    indices = frames_by_name([image.file_name or "" for image in document.images])
    frame_of: dict[Any, int] = {}
    for n, (index, image) in enumerate(zip(indices, document.images, strict=True)):
        if image.id is None:
            raise ValueError(f"{path}, image {n}: no 'id'")
        frame_of[image.id] = index
        people.add_frame(index, number(image.seconds, f"{path}, image {n}: 'seconds'"))
    if len(frame_of) < len(document.images):
        raise ValueError(f"{path}: two images have one id")
    whole_bodies = have_whole_bodies(document.annotations)
    for n, row in enumerate(document.annotations):
        if row.image_id not in frame_of:
            raise ValueError(
                f"{path}, annotation {n}: image {row.image_id!r:.40} is not in the file"
            )
        if row.iscrowd or row.keypoints is None:
            people.leave_out("crowds" if row.iscrowd else "without keypoints")
        else:
            values = row.whole_body if whole_bodies else row.keypoints
            _add(people, frame_of[row.image_id], row, values, f", annotation {n}")
    info = document.info if isinstance(document.info, Mapping) else {}
    provenance = info.get("provenance")
    size = {(image.width, image.height) for image in document.images}
    metadata: dict[str, Any] = {}
    if isinstance(provenance, Mapping):
        metadata["provenance"] = provenance
    if len(size) == 1 and None not in (sides := size.pop()):
        metadata["image_size"] = [whole(side, f"{path}: 'width' or 'height'") for side in sides]
    skeleton = _skeleton(document, people.keypoints, path, hints)
    return people.table(skeleton, rate=info.get("rate"), metadata=metadata)


def _add(
    people: People, frame: int, row: Person, values: Sequence[Number] | None, part: str
) -> None:
    title = f"{people.where}{part}"
    points = threes(values, f"{title}: 'keypoints'")
    points[points[:, 2] == 0, :2] = np.nan
    if row.scores:
        points[:, 2] = array_of(row.scores, f"{title}: 'scores'", len(points))
    else:
        points[:, 2] = np.minimum(points[:, 2], 1)  # COCO marks visible keypoints with 2
    box = xyxy_of(row.bbox, f"{title}: 'bbox'") if row.bbox else None
    given = row.track_id if row.original_track_id is None else row.original_track_id
    if given is None and isinstance(row.attributes, Mapping):  # as CVAT writes it
        given = row.attributes.get("track_id")
    score = number(row.box_score, f"{title}: 'box_score'")
    people.add(frame, identity(given, title), points, box, score, part=part)


def frames_by_name(names: list[str]) -> list[int]:
    """Indices of frames by the numbers that images' names end in, else by place.

    Examples
    --------
    >>> frames_by_name(["a/000004.jpg", "a/000007.jpg"]), frames_by_name(["a.jpg", "b.jpg"])
    ([4, 7], [0, 1])
    """
    found = [_FRAME.fullmatch(name) for name in names]
    indices = [int(match[1]) for match in found if match]
    if len(indices) == len(names) and len(set(indices)) == len(names):
        return indices
    return list(range(len(names)))


def _skeleton(document: Document, keypoints: int | None, path: Path, hints: Hints) -> Skeleton:
    categories = [one for one in document.categories or [] if one.keypoints]
    if keypoints == len(COCO_WHOLEBODY_133) and hints.skeleton is None:
        return COCO_WHOLEBODY_133
    if len(categories) == 1 and categories[0].keypoints:
        try:
            return skeleton_of_names(categories[0].keypoints, path.stem, hints.skeleton)
        except ValueError as error:
            raise ValueError(f"{path}: 'categories': {error}") from error
    if hints.skeleton is not None:
        return hints.skeleton
    return POSETRACK_15 if keypoints == 15 else POSETRACK_17 if keypoints in (17, None) else COCO_17
