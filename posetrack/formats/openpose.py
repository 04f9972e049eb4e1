"""OpenPose's JSON, a file a frame. Source: its documentation, "Output", version 1.3 of the file."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.files import dump_json
from posetrack.formats.hints import Hints, Untracked
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import BODY_25, COCO_18, Skeleton
from posetrack.structures import Tracks

_NAME = re.compile(r"(?:.*_)?(\d{1,18})_keypoints\.json", re.ASCII)
_BY_LENGTH: Final = {3 * len(skeleton): skeleton for skeleton in (BODY_25, COCO_18)}
_OTHERS: Final = (
    "face_keypoints_2d",
    "hand_left_keypoints_2d",
    "hand_right_keypoints_2d",
    "pose_keypoints_3d",
    "face_keypoints_3d",
    "hand_left_keypoints_3d",
    "hand_right_keypoints_3d",
)
_MOST_BYTES = 16_000_000
_MOST_FRAMES = 10_000_000


def write_openpose(folder: str | Path, table: TrackTable, skeleton: Skeleton = BODY_25) -> None:
    """Write a folder with ``NAME_000000000000_keypoints.json`` for each frame.

    Keypoints go by name into OpenPose's slots; those that are not known are 0, 0, 0. ``person_id``
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
    """
    if skeleton not in _BY_LENGTH.values():
        raise ValueError(f"OpenPose knows body_25 and coco_18, got {skeleton!r}")
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; move it away first")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"cannot write {folder}: there is no folder {folder.parent}")
    name = folder.name.removesuffix(".openpose")
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        for index, _, tracks in table.frames():
            file = made / f"{name}_{index:012d}_keypoints.json"
            file.write_bytes(dump_json({"version": 1.3, "people": _people(tracks, skeleton)}))
        made.chmod(0o755)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _people(tracks: Tracks, skeleton: Skeleton) -> list[dict[str, Any]]:
    xy, scores = tracks.skeleton.map_to(skeleton, tracks.xy, tracks.scores)
    points = np.concatenate([np.nan_to_num(xy), scores[..., None]], axis=-1).astype(np.float64)
    points[~np.isfinite(xy).all(axis=-1)] = 0
    flat = _rounded(points)
    return [
        {"person_id": [who], "pose_keypoints_2d": row} | {name: [] for name in _OTHERS}
        for who, row in zip(tracks.ids.tolist(), flat, strict=True)
    ]


def _rounded(points: NDArray[np.float64]) -> list[list[float]]:
    """(N, K, 3) as N flat lists: places to a thousandth, scores to six decimals."""
    points[..., :2] = points[..., :2].round(3)
    points[..., 2] = points[..., 2].round(6)
    nested: list[list[float]] = points.reshape(len(points), 3 * points.shape[1]).tolist()
    return nested


def read_openpose(
    folder: str | Path,
    *,
    rate: float | None = None,
    skeleton: Skeleton | None = None,
    untracked: Untracked = False,
) -> TrackTable:
    """Read a folder of OpenPose's files, of one video.

    A keypoint with score 0 is not seen. Boxes are those of the seen keypoints.

    Parameters
    ----------
    folder
        With ``..._NUMBER_keypoints.json`` files; others in it are ignored.
    rate
        Frames a second: the files tell no times.
    skeleton
        What the keypoints are, where nobody is in any file.
    untracked
        Whether people without identity (-1, as OpenPose writes them) may be read, see
        `posetrack.formats.hints.Hints`.

    Raises
    ------
    ValueError
        If a file is broken or too large, has neither 25 nor 18 keypoints a person, or gives no
        identity; the message names the file. Or if there is no rate.
    FileNotFoundError
        If the folder has no such file.
    """
    folder = Path(folder)
    hints = Hints(rate, skeleton, None, untracked)
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        named = _NAME.fullmatch(path.name)
        if named is None:
            continue
        if int(named[1]) in files:
            raise ValueError(f"{path}: frame {int(named[1])} is in two files; of two videos?")
        files[int(named[1])] = path
    if not files:
        raise FileNotFoundError(f"{folder}: no files called NUMBER_keypoints.json")
    if len(files) > _MOST_FRAMES:
        raise ValueError(f"{folder}: {len(files)} files; at most {_MOST_FRAMES} are read")
    people = People(str(folder), hints)
    for index, path in sorted(files.items()):
        people.add_frame(index)
        ids, points = _read_frame(path)
        for number, who in enumerate(ids):
            people.add(index, who, points[number], place=f"/{path.name}, person {number}")
    by_count = {len(known): known for known in _BY_LENGTH.values()}
    return people.table(by_count[people.keypoints] if people.keypoints else skeleton or BODY_25)


def _read_frame(path: Path) -> tuple[list[int | None], NDArray[np.float32]]:
    """Ids and (N, K, 3) of a file."""
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size:,} bytes; a frame needs far less")
    try:
        people = json.loads(path.read_bytes())["people"]
        ids = [_id(path, person.get("person_id", -1)) for person in people]
        rows = [np.array(person["pose_keypoints_2d"], np.float32) for person in people]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: not a file of OpenPose: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}".replace(f"{path}: {path}", str(path))) from error
    known = [who for who in ids if who is not None]
    if len(set(known)) != len(known):
        raise ValueError(f"{path}: an id occurs twice: {known}")
    for number, row in enumerate(rows):
        if row.shape != rows[0].shape or row.shape not in [(size,) for size in _BY_LENGTH]:
            raise ValueError(f"{path}: person {number}: expected 75 or 54 numbers, got {row.shape}")
        if not np.isfinite(row).all():
            raise ValueError(f"{path}: person {number}: a number is not finite")
    keypoints = len(rows[0]) // 3 if rows else 25
    points = np.array(rows, np.float32).reshape(len(rows), keypoints, 3)
    points[points[..., 2] <= 0, :2] = np.nan
    return ids, points


def _id(path: Path, value: object) -> int | None:
    given = value[0] if isinstance(value, list) and len(value) == 1 else value
    if given == -1 or given == []:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < 2**63:
        raise ValueError(f"{path}: person_id {value!r:.40} is no identity")
    return given
