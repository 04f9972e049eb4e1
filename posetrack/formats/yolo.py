"""Ultralytics' label folders for poses: a text file an image, a person a line, and ``data.yaml``.

Two kinds have the same lines: labels to train on, whose keypoints are marked 0, 1 or 2, and what
``predict save_txt`` and ``track save_txt`` write, with scores and identities behind. Places are
fractions of the image. Source: Ultralytics' documentation, "Pose datasets", and
``engine/results.py``, ``save_txt``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from posetrack.files import as_kind, read_text
from posetrack.formats.exports import PICTURES, find_files
from posetrack.formats.hdf5 import library
from posetrack.formats.hints import NO_HINTS, Hints, skeleton_of_names
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels, table_of_labels
from posetrack.formats.table import TrackTable
from posetrack.skeletons import Skeleton, skeleton_of_count
from posetrack.skeletons.skeleton import sigma_of
from posetrack.structures import Tracks
from posetrack.video.headers import image_orientation, image_size

_MOST_KEYPOINTS = 10_000
_MOST_BYTES = 16_000_000
_NO_LABELS: Final = ("classes.txt", "train.txt", "val.txt", "test.txt", "obj.names", "readme.txt",
                     "README.roboflow.txt", "README.dataset.txt", "notes.txt")  # fmt: skip
_UP = 3


class _Data(msgspec.Struct):
    """What is taken from ``data.yaml``."""

    kpt_shape: list[int] | None = None
    flip_idx: list[int] | None = None
    names: dict[int | str, str] | list[str] | None = None
    kpt_names: dict[int | str, list[str]] | list[str] | None = None


@dataclass(frozen=True)
class _Layout:
    """What a line holds: K keypoints of 2 or 3 numbers, and a score and an id behind, if any."""

    keypoints: int
    each: int
    score: bool = False
    identity: bool = False


def read_yolo(folder: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a folder of label files as tracks: labels, or what ``save_txt`` wrote of a video.

    Ultralytics counts a video's frames from 1 in names without zeros before them
    (``walk_1.txt``); other numbers are the frame's index.

    Parameters
    ----------
    folder
        With ``labels`` in it, or the labels themselves; ``data.yaml`` in it or above.
    hints
        Its ``rate`` is needed. Its ``image_size`` is needed where the images are not beside the
        labels, its ``skeleton`` where there is no ``data.yaml`` and keypoints are not 17, 26 or
        133. Without ``untracked`` people need ids, which ``track save_txt`` writes.

    Raises
    ------
    ValueError
        If a line is broken or a hint is needed; the message names the file and the line.
    FileNotFoundError
        If there is no label file.
    ModuleNotFoundError
        If there is a ``data.yaml`` and PyYAML is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk"
    >>> write_yolo_tracks(path, table, image_size=(320, 240))
    >>> read_yolo(path, Hints(rate=25, image_size=(320, 240))).ids.tolist()
    [1, 2, 1, 2, 1, 2]
    """
    folder = Path(folder)
    return table_of_labels(read_yolo_labels(folder, hints), str(folder), hints)


def read_yolo_labels(folder: Path, hints: Hints = NO_HINTS) -> Labels:
    """People of all label files in a folder, and the images that are beside them.

    Raises
    ------
    ValueError, FileNotFoundError, ModuleNotFoundError
        See `read_yolo`; broken lines are problems of the result.
    """
    files = label_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder}: no label files (.txt)")
    data = _data_above(folder)
    problems: list[tuple[str, str]] = []
    rows = [(file, list(_lines(file, problems))) for file in files]
    layout = _layout(folder, data, [row for _, lines in rows for _, row in lines], hints)
    left_out: Counter[str] = Counter()
    kept = _class_of_people(data, rows)
    images = []
    unpadded = not any(_padded(file.stem) for file in files)
    for file, lines in rows:
        picture = _picture_of(file)
        size = hints.image_size if picture is None else _size_of(picture)
        if size is None and lines:
            raise ValueError(
                f"{file}: places are fractions of an image whose size is not known; put the images "
                "beside the labels, or give image_size= (--image-size on the line)"
            )
        people = []
        for number, row in lines:
            if row[0] != kept:
                left_out["of another class"] += 1
                continue
            if len(row) == 5:
                left_out["without keypoints"] += 1
                continue
            found = _person(row, layout, size or (1, 1), f"{file.name}, line {number}")
            if isinstance(found, str):
                problems.append((found, f"{file.name}, line {number}"))
            else:
                people.append(found)
        name = file.stem if picture is None else str(picture)
        images.append(LabelledImage(name, tuple(people), size, _frame(file.stem)))
    if unpadded and all(image.frame for image in images) and not any(map(_picture_of, files)):
        images = [
            LabelledImage(image.name, image.people, image.size, (image.frame or 1) - 1)
            for image in images
        ]
    skeleton = _skeleton(data, layout, folder, hints)
    return Labels(skeleton, tuple(images), tuple(problems), dict(left_out))


def label_files(folder: Path) -> list[Path]:
    """Text files of labels: those in folders called ``labels`` if there are any, else all."""
    files = [
        file
        for file in find_files(folder)
        if file.suffix.lower() == ".txt" and file.name not in _NO_LABELS
    ]
    within = [file for file in files if "labels" in file.relative_to(folder).parts[:-1]]
    return within or files


def _data_above(folder: Path) -> _Data:
    """``data.yaml`` of a data set, in the folder or above; empty where there is none.

    It may have any name. Above the folder there may be YAML of other programs, too, in dialects of
    their own: what cannot be read there is none of ours.
    """
    for level in (folder, *folder.resolve().parents[:_UP]):
        for file in sorted([*level.glob("*.yaml"), *level.glob("*.yml")]):
            try:
                document = read_yaml(file)
            except (ValueError, OSError):
                if level == folder or file.stem == "data":
                    raise
                continue
            if isinstance(document, dict) and "kpt_shape" in document:
                return _data(file, document)
    return _Data()


def read_yaml(path: Path) -> Any:
    """What a YAML file holds, of plain values alone: lists, tables, numbers and text.

    Raises
    ------
    ModuleNotFoundError
        If PyYAML is not installed.
    ValueError
        If it is too large or not such a file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "data.yaml"
    >>> _ = path.write_text("kpt_shape: [17, 3]")
    >>> read_yaml(path)
    {'kpt_shape': [17, 3]}
    """
    yaml = library("yaml")
    text = read_text(path)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error


def _data(file: Path, document: Mapping[Any, Any]) -> _Data:
    known = {key: document.get(key) for key in _Data.__struct_fields__}
    data: _Data = as_kind(known, str(file), _Data)
    shape = data.kpt_shape or []
    if len(shape) != 2 or not 0 < shape[0] <= _MOST_KEYPOINTS or shape[1] not in (2, 3):
        raise ValueError(f"{file}: kpt_shape must be keypoints and 2 or 3, got {shape}")
    flip = data.flip_idx
    if flip and sorted(flip) != list(range(shape[0])):
        raise ValueError(f"{file}: flip_idx must name each of {shape[0]} keypoints once")
    return data


def _lines(file: Path, problems: list[tuple[str, str]]) -> Iterator[tuple[int, list[float]]]:
    for number, line in enumerate(read_text(file, _MOST_BYTES).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            problems.append((f"not numbers: {line[:40]!r}", f"{file.name}, line {number}"))
            continue
        if len(row) < 5 or not np.isfinite(row).all():
            problems.append(("not a class, a box and keypoints", f"{file.name}, line {number}"))
            continue
        yield number, row


def _layout(folder: Path, data: _Data, rows: Sequence[list[float]], hints: Hints) -> _Layout:
    """What lines hold, by their numbers of numbers and what is known of the keypoints."""
    counts = Counter(len(row) for row in rows if len(row) > 5)
    if not counts:
        shape = data.kpt_shape or [1 if hints.skeleton is None else len(hints.skeleton), 3]
        return _Layout(shape[0], shape[1])
    usual = counts.most_common(1)[0][0]
    if data.kpt_shape is not None:
        shapes = [(data.kpt_shape[0], data.kpt_shape[1])]
        # A network whose labels had marks predicts scores; one without predicts places alone.
        shapes += [(data.kpt_shape[0], 5 - data.kpt_shape[1])]
    elif hints.skeleton is not None:
        shapes = [(len(hints.skeleton), 3), (len(hints.skeleton), 2)]
    else:
        shapes = [(count, each) for count in (17, 26, 133) for each in (3, 2)]
    for keypoints, each in shapes:
        more = usual - 5 - keypoints * each
        if more in (0, 1, 2):
            last = [row[-1] for row in rows if len(row) == usual]
            whole = all(value >= 1 and value == int(value) for value in last)
            identity = more == 2 or (more == 1 and whole)
            return _Layout(keypoints, each, more == 2 or (more == 1 and not whole), identity)
    raise ValueError(
        f"{folder}: lines of {usual} numbers do not fit "
        + (f"kpt_shape {data.kpt_shape}" if data.kpt_shape else "17, 26 or 133 keypoints")
        + "; add data.yaml with kpt_shape, or give skeleton= (--skeleton on the line)"
    )


def _class_of_people(
    data: _Data, rows: Sequence[tuple[Path, list[tuple[int, list[float]]]]]
) -> float:
    """The class called person, else the one that most have."""
    names = data.names or {}
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    for key, name in pairs:
        if name.strip().lower() == "person" and str(key).isdecimal():
            return float(key)
    counts = Counter(row[0] for _, lines in rows for _, row in lines)
    return counts.most_common(1)[0][0] if counts else 0.0


def _person(
    row: list[float], layout: _Layout, size: tuple[int, int], name: str
) -> LabelledPerson | str:
    """A line's person, or what is wrong with it."""
    count = layout.keypoints * layout.each
    wanted = 5 + count + layout.score + layout.identity
    # Ultralytics leaves the id out where the tracker has not yet given one.
    if len(row) not in (wanted, wanted - layout.identity):
        return f"{len(row)} numbers, others have {wanted}"
    if max(map(abs, row[1 : 5 + count])) > 100:
        return "places are not fractions of the image"
    x, y, width, height = np.array(row[1:5]) * (*size, *size)
    if width < 0 or height < 0:
        return "a box of negative size"
    points = np.ones((layout.keypoints, 3))
    values = np.array(row[5 : 5 + count]).reshape(layout.keypoints, layout.each)
    points[:, :2] = values[:, :2] * size
    unseen = (values[:, :2] == 0).all(axis=1)
    if layout.each == 3:
        unseen |= values[:, 2] <= 0
        points[:, 2] = np.minimum(values[:, 2], 1)
    points[unseen, :2] = np.nan
    points[unseen, 2] = 0
    box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    identity = int(row[-1]) if layout.identity and len(row) == wanted else None
    score = row[5 + count] if layout.score else np.nan
    return LabelledPerson(points, box, score, identity, name)


def _picture_of(file: Path) -> Path | None:
    """The image of a label file: in ``images`` where that is in ``labels``, or beside it."""
    folders = [file.parent]
    parts = file.parts
    for number in range(len(parts) - 2, -1, -1):
        if parts[number] == "labels":
            folders.insert(0, Path(*parts[:number], "images", *parts[number + 1 : -1]))
            folders.append(Path(*parts[:number]))  # where ``predict`` draws what it found
            break
    for folder in folders:
        for ending in PICTURES:
            for found in (folder / f"{file.stem}{ending}", folder / f"{file.stem}{ending.upper()}"):
                if found.is_file():
                    return found
    return None


def _size_of(picture: Path) -> tuple[int, int] | None:
    """Width and height of an image as it is shown, which is how Ultralytics sees it."""
    with picture.open("rb") as stream:
        size = image_size(stream)
        turned = size is not None and image_orientation(stream)[0]
    return (size[1], size[0]) if size is not None and turned else size


def _frame(stem: str) -> int | None:
    digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits and len(digits) <= 15 else None


def _padded(stem: str) -> bool:
    digits = stem[len(stem.rstrip("0123456789")) :]
    return digits.startswith("0")


def _skeleton(data: _Data, layout: _Layout, folder: Path, hints: Hints) -> Skeleton | None:
    """By the names of keypoints, if there are any, else by their count."""
    names = data.kpt_names
    given = next(iter(names.values()), []) if isinstance(names, dict) else names or []
    if len(given) == layout.keypoints:
        return skeleton_of_names(given, folder.name, hints.skeleton)
    if hints.skeleton is not None and len(hints.skeleton) == layout.keypoints:
        return hints.skeleton
    usual = skeleton_of_count(layout.keypoints)
    if usual is not None or data.kpt_shape is None:
        return usual
    numbered = tuple(f"keypoint_{number}" for number in range(layout.keypoints))
    mirrored = tuple(
        (numbered[number], numbered[other])
        for number, other in enumerate(data.flip_idx or [])
        if number < other
    )
    sigmas = tuple(sigma_of(name) for name in numbered)
    return Skeleton(folder.name or "yolo", numbered, (), mirrored, sigmas)


def write_yolo(
    folder: str | Path, table: TrackTable, *, image_size: tuple[int, int] | None = None
) -> None:
    """Write label files to train on or to correct, and ``data.yaml``, as Ultralytics reads them.

    ``labels/NAME_000012.txt`` for frame 12; put the frames beside them, as
    ``images/NAME_000012.jpg``. Keypoints are marked 2 where seen, else 0. Identities, scores and
    times are not kept; `write_yolo_tracks` keeps the first two.

    Parameters
    ----------
    folder
        Must not exist; it appears with all its files or not at all.
    table
        What to write.
    image_size
        Width and height in pixels, where the table does not say.

    Raises
    ------
    ValueError
        If the size of the images is not known.
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
    >>> write_yolo(path, table, image_size=(320, 240))
    >>> sorted(file.name for file in (path / "labels").iterdir())
    ['walk_000000.txt', 'walk_000001.txt', 'walk_000002.txt']
    """
    _write(Path(folder), table, image_size, "labels")


def write_yolo_tracks(
    folder: str | Path, table: TrackTable, *, image_size: tuple[int, int] | None = None
) -> None:
    """Write what ``yolo track save_txt save_conf`` writes: scores and identities in the lines.

    ``labels/NAME_13.txt`` is frame 12. See `write_yolo` for the rest.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk"
    >>> write_yolo_tracks(path, table, image_size=(320, 240))
    >>> sorted(file.name for file in (path / "labels").iterdir())
    ['walk_1.txt', 'walk_2.txt', 'walk_3.txt']
    """
    _write(Path(folder), table, image_size, "tracks")


def _write(
    folder: Path,
    table: TrackTable,
    size: tuple[int, int] | None,
    kind: Literal["labels", "tracks"],
) -> None:
    given = size or table.metadata.get("image_size")
    if not given:
        raise ValueError(
            f"{folder}: places are fractions of the image, whose size is not known; give "
            "image_size= (--image-size on the line)"
        )
    width, height = (int(side) for side in given)
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; move it away first")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"cannot write {folder}: there is no folder {folder.parent}")
    name = folder.name.split(".")[0]
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        (draft / "labels").mkdir()
        (draft / "images").mkdir()
        for index, _, tracks in table.frames():
            number = f"{index:06d}" if kind == "labels" else index + 1
            text = _text(tracks, (width, height), kind)
            (draft / "labels" / f"{name}_{number}.txt").write_text(text, encoding="utf-8")
        (draft / "data.yaml").write_text(_yaml(table.skeleton), encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _text(tracks: Tracks, size: tuple[int, int], kind: Literal["labels", "tracks"]) -> str:
    """A line a person; labels lie within the image, as those who train on them want."""
    whole = np.array(size, np.float64)
    boxes = tracks.boxes.xyxy.astype(np.float64) / (*size, *size)
    xy = tracks.xy.astype(np.float64) / whole
    seen = np.asarray(np.isfinite(xy).all(axis=-1))
    if kind == "labels":
        boxes = boxes.clip(0, 1)
        seen &= ((xy >= 0) & (xy <= 1)).all(axis=-1)
    marks = np.where(seen, 2.0 if kind == "labels" else tracks.scores, 0)
    points = np.concatenate([np.where(seen[..., None], xy, 0), marks[..., None]], axis=-1)
    corners = boxes[:, :2], boxes[:, 2:]
    xywh = np.concatenate([(corners[0] + corners[1]) / 2, corners[1] - corners[0]], axis=1)
    rows: NDArray[np.float64] = np.concatenate(
        [xywh, points.reshape(len(tracks), 3 * xy.shape[1])], axis=1
    )
    lines = []
    for row, score, identity in zip(
        rows.tolist(), tracks.boxes.scores.tolist(), tracks.ids.tolist(), strict=True
    ):
        words = ["0", *(f"{value:.9g}" for value in row)]
        words += [] if kind == "labels" else [f"{score:.9g}", str(identity)]
        lines.append(" ".join(words) + "\n")
    return "".join(lines)


def _yaml(skeleton: Skeleton) -> str:
    names = "".join(f'    - "{name}"\n' for name in skeleton.keypoints)
    flip = ", ".join(str(number) for number in skeleton.mirror_order.tolist())
    # Without a path, which Ultralytics takes from where it runs: then it is this file's folder.
    return (
        "train: images\nval: images\n"
        f"kpt_shape: [{len(skeleton)}, 3]\nflip_idx: [{flip}]\n"
        f"names:\n  0: person\nkpt_names:\n  0:\n{names}"
    )
