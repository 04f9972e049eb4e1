"""OpenPose's JSON, a file a frame, read and written; also files by others in its layout.

Body, face and hands stand in lists of their own.

Source: its documentation, "Output", versions 0.1 to 1.3 of the file.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from posetrack.files import dump_json, read_json
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.numbers import Number, threes, whole
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import (
    BODY_25,
    BODY_135,
    COCO_17,
    COCO_18,
    COCO_WHOLEBODY_133,
    HALPE_26,
    HALPE_136,
    MPII_16,
    OPENPOSE_137,
    OPENPOSE_MPI_15,
    Skeleton,
    add_face_and_hands,
)
from posetrack.structures import Tracks


def _part(name: str, keypoints: Sequence[str]) -> Skeleton:
    sigmas = [OPENPOSE_137.sigmas[OPENPOSE_137.index(keypoint)] for keypoint in keypoints]
    return Skeleton(name, tuple(keypoints), (), (), tuple(sigmas))


_BEFORE_KEYPOINTS = re.compile(r"(?<![A-Za-z0-9])(\d{1,18})_keypoints", re.ASCII)
_NUMBER = re.compile(r"(?<![A-Za-z0-9])(\d{1,18})(?![A-Za-z0-9])", re.ASCII)
_OWN: Final = (BODY_25, COCO_18)
_WHOLE: Final = (COCO_WHOLEBODY_133, BODY_135, HALPE_136)
_BY_COUNT: Final = {
    len(known): known for known in (*_OWN, OPENPOSE_MPI_15, MPII_16, COCO_17, HALPE_26, *_WHOLE)
}
_OTHERS: Final = (
    "pose_keypoints_3d",
    "face_keypoints_3d",
    "hand_left_keypoints_3d",
    "hand_right_keypoints_3d",
)
_MOST_BYTES = 16_000_000
_MOST_FRAMES = 10_000_000
_LARGEST = 1e9
_HAND: Final = 21
_PARTS: Final = {
    "face_keypoints_2d": _part("face", [f"face-{point}" for point in range(70)]),
    "hand_left_keypoints_2d": _part("left_hand", OPENPOSE_137.keypoints[-2 * _HAND : -_HAND]),
    "hand_right_keypoints_2d": _part("right_hand", OPENPOSE_137.keypoints[-_HAND:]),
}


def write_openpose(folder: str | Path, table: TrackTable, skeleton: Skeleton = BODY_25) -> None:
    """Write a folder with ``NAME_000000000000_keypoints.json`` for each frame.

    Keypoints go by name into OpenPose's slots, a face and hands into their lists where the tracks
    have some; those that are not known are 0, 0, 0. ``person_id``
    is the person's id, which OpenPose itself leaves at -1. Boxes and times are not kept, places
    are to a thousandth of a pixel.

    Parameters
    ----------
    folder
        Must not exist; it appears with all its files or not at all.
    table
        What to write.
    skeleton
        `BODY_25` or `COCO_18`.

    Raises
    ------
    ValueError
        If the skeleton is another.
    FileExistsError
        If the folder is there.
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk"
    >>> write_openpose(path, table)
    >>> sorted(file.name for file in path.iterdir())[0]
    'walk_000000000000_keypoints.json'
    """
    if skeleton not in _OWN:
        raise ValueError(f"OpenPose knows body_25 and coco_18, got {skeleton!r}")
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; move it away first")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"cannot write {folder}: there is no folder {folder.parent}")
    name = folder.name.removesuffix(".openpose")
    partial_folder = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        for index, _, tracks in table.frames():
            file = partial_folder / f"{name}_{index:012d}_keypoints.json"
            file.write_bytes(dump_json({"version": 1.3, "people": _people(tracks, skeleton)}))
        partial_folder.chmod(0o755)
        partial_folder.rename(folder)
    except BaseException:
        shutil.rmtree(partial_folder, ignore_errors=True)
        raise


def _people(tracks: Tracks, skeleton: Skeleton) -> list[dict[str, Any]]:
    lists = {"pose_keypoints_2d": _slots(tracks, skeleton)}
    for key, part in _PARTS.items():
        present = set(part.keypoints) & set(tracks.skeleton.keypoints)
        lists[key] = _slots(tracks, part) if present else [[] for _ in range(len(tracks))]
    rows = zip(*lists.values(), strict=True)
    return [
        {"person_id": [identity]} | dict(zip(lists, row, strict=True)) | {n: [] for n in _OTHERS}
        for identity, row in zip(tracks.ids.tolist(), rows, strict=True)
    ]


def _slots(tracks: Tracks, skeleton: Skeleton) -> list[list[float]]:
    """A flat list of x, y and score a person."""
    xy, scores = tracks.skeleton.map_to(skeleton, tracks.xy, tracks.scores)
    points = np.concatenate([np.nan_to_num(xy), scores[..., None]], axis=-1).astype(np.float64)
    points[~np.isfinite(xy).all(axis=-1)] = 0
    return _flat_lists(points)


def _flat_lists(points: NDArray[np.float64]) -> list[list[float]]:
    """(N, K, 3) as N flat lists: places to a thousandth, scores to six decimals."""
    points[..., :2] = points[..., :2].round(3)
    points[..., 2] = points[..., 2].round(6)
    nested: list[list[float]] = points.reshape(len(points), 3 * points.shape[1]).tolist()
    return nested


class _Person(msgspec.Struct):
    """A person as releases 1.2 and later, 1.0 and 0.1 call the keypoints."""

    person_id: list[Number] | Number | None = None
    pose_keypoints_2d: list[Number] | None = None
    pose_keypoints: list[Number] | None = None
    joints: list[Number] | None = None
    face_keypoints_2d: list[Number] | None = None
    face_keypoints: list[Number] | None = None
    hand_left_keypoints_2d: list[Number] | None = None
    hand_left_keypoints: list[Number] | None = None
    hand_right_keypoints_2d: list[Number] | None = None
    hand_right_keypoints: list[Number] | None = None

    @property
    def body(self) -> list[Number] | None:
        """Keypoints of the body."""
        return self.pose_keypoints_2d or self.pose_keypoints or self.joints

    @property
    def parts(self) -> tuple[list[Number] | None, ...]:
        """Keypoints of the face, the left and the right hand."""
        return (
            self.face_keypoints_2d or self.face_keypoints,
            self.hand_left_keypoints_2d or self.hand_left_keypoints,
            self.hand_right_keypoints_2d or self.hand_right_keypoints,
        )


class _File(msgspec.Struct):
    people: list[_Person] | None = None
    bodies: list[_Person] | None = None


def read_openpose(folder: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a folder of files in OpenPose's form, of one video.

    A keypoint with score 0 is not seen. Boxes are those of the seen keypoints. Where someone has
    a face or hands, they are read with the body; give ``skeleton`` of the body to read it alone:
    people without body keypoints are then left out.

    Parameters
    ----------
    folder
        With ``..._NUMBER_keypoints.json`` files, or whatever else ends in ``.json`` and has a
        number by itself in its name; others in it are ignored.
    hints
        Its ``rate`` is needed: the files have no times. Its ``skeleton`` is needed where the
        keypoints are not 15, 16, 17, 18, 25, 26, 133 or 136. Without ``untracked`` people need an
        identity that is not -1, as OpenPose writes it.

    Raises
    ------
    ValueError
        If a file is broken or too large, people have different numbers of keypoints, or no
        identity, or all are left out; the message names the file. Or if there is no rate.
    FileNotFoundError
        If the folder has no such file.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk"
    >>> write_openpose(path, table)
    >>> read_openpose(path, Hints(rate=25)).xy.shape
    (6, 25, 2)
    """
    folder = Path(folder)
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        number = frame_number(path.name)
        if number is None:
            continue
        if number in files:
            raise ValueError(f"{path}: frame {number} is in two files; of two videos?")
        files[number] = path
    if not files:
        raise FileNotFoundError(f"{folder}: no files called NUMBER_keypoints.json")
    if len(files) > _MOST_FRAMES:
        raise ValueError(f"{folder}: {len(files)} files; at most {_MOST_FRAMES} are read")
    frames = {index: _read_file(path) for index, path in sorted(files.items())}
    layout = _layout(folder, frames, hints)
    people = People(str(folder), hints)
    for index, rows in frames.items():
        people.add_frame(index)
        _add_file(people, index, files[index], rows, layout)
    given = hints.skeleton
    if given is None or people.keypoints not in (None, len(given)):
        given = layout.skeleton
    return people.table(given)


class _Layout(NamedTuple):
    """How many keypoints body, face and hands have, 0 for what is not read, and what they are."""

    counts: tuple[int, int, int, int]
    skeleton: Skeleton


def _layout(folder: Path, frames: Mapping[int, list[_Person]], hints: Hints) -> _Layout:
    """The keypoints that the files' people have; the body's alone if asked for."""
    rows = [person for people in frames.values() for person in people]
    found = [max((len(values or ()) for values in part), default=0) // 3 for part in
             zip(*((person.body, *person.parts) for person in rows), strict=True)]  # fmt: skip
    bodies, face, *hands = found or [0, 0, 0, 0]
    given = hints.skeleton
    if not bodies:
        bodies = len(BODY_25) if face or any(hands) else 0
    if bodies and given is not None and len(given) == bodies:
        return _Layout((bodies, 0, 0, 0), given)
    if face not in (0, 68, 70) or any(hand not in (0, _HAND) for hand in hands):
        raise ValueError(
            f"{folder}: a face of {face} and hands of {hands[0]} and {hands[1]} keypoints; faces "
            f"have 68 or 70, hands {_HAND}"
        )
    body = _BY_COUNT.get(bodies, BODY_25)
    hand = _HAND if any(hands) else 0
    if (not face and not hand) or body in _WHOLE:
        return _Layout((bodies, 0, 0, 0), body if bodies else given or BODY_25)
    if bodies not in _BY_COUNT:
        return _Layout((bodies, 0, 0, 0), body)
    name = "openpose_137" if (bodies, face, hand) == (25, 70, _HAND) else f"{body.name}_whole"
    whole = add_face_and_hands(body, name, face=face, hands=bool(hand))
    return _Layout((bodies, face, hand, hand), whole)


def frame_number(name: str) -> int | None:
    """The number of a file's frame; None if it is not such a file.

    Examples
    --------
    >>> frame_number("cam1_000000000012_keypoints.json"), frame_number("walk-7.json")
    (12, 7)
    >>> frame_number("cam1.json")
    """
    if not name.lower().endswith(".json"):
        return None
    found = _BEFORE_KEYPOINTS.findall(name) or _NUMBER.findall(name)
    return int(found[-1]) if found else None


def _read_file(path: Path) -> list[_Person]:
    file = read_json(path, _File, max_bytes=_MOST_BYTES)
    found = file.bodies if file.people is None else file.people
    if found is None:
        raise ValueError(f"{path}: not a file of OpenPose: no 'people'")
    return found


def _add_file(
    people: People, frame: int, path: Path, found: Sequence[_Person], layout: _Layout
) -> None:
    seen: set[int] = set()
    bodies, *others = layout.counts
    for number, person in enumerate(found):
        title = f"{path}: person {number}"
        identity = _id(person.person_id, title)
        if not person.body and not (any(others) and any(person.parts)):
            people.leave_out("without body keypoints")
            continue
        points = threes(person.body or [0.0] * 3 * bodies, title)
        given = people.hints.skeleton
        if len(points) not in _BY_COUNT and (given is None or len(points) != len(given)):
            raise ValueError(
                f"{title}: {len(points)} keypoints; {', '.join(map(str, sorted(_BY_COUNT)))} are "
                "known, others by skeleton= (--skeleton on the line)"
            )
        for count, values in zip(others, person.parts, strict=True):
            part = threes(values, title) if count and values else np.zeros((count, 3))
            if len(part) != count:
                raise ValueError(f"{title}: {len(part)} keypoints of face or hand, others {count}")
            points = np.concatenate([points, part])
        if not (np.abs(points) < _LARGEST).all():
            raise ValueError(f"{title}: a number is not finite")
        points[points[:, 2] <= 0, :2] = np.nan
        if identity is not None and identity in seen:
            raise ValueError(f"{path}: an id occurs twice: {identity}")
        seen |= set() if identity is None else {identity}
        people.add(frame, identity, points, part=f"/{path.name}, person {number}")


def _id(value: list[Number] | Number | None, title: str) -> int | None:
    given = value[0] if isinstance(value, list) and len(value) == 1 else value
    if given is None or given == -1 or given == []:
        return None
    if isinstance(given, list) or given < 0:
        raise ValueError(f"{title}: person_id {value!r:.40} is not an identity")
    return whole(given, f"{title}: 'person_id'")
