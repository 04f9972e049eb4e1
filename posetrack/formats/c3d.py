"""C3D, the binary format of motion capture: written through ezc3d, read by itself.

Source: c3d.org, "User Guide". Files of Intel's, DEC's and SGI's processors are read, with whole
numbers or floating-point ones; a reader of our own, since what comes from outside may be damaged.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import require_library
from posetrack.files import read_bytes, write_whole
from posetrack.formats.dense import MOST_VALUES, every_frame
from posetrack.formats.hints import NO_HINTS, Hints, ids_of_names, skeleton_of_names
from posetrack.formats.markers import in_space, rate_of, table_in_image, units_of
from posetrack.formats.table import TrackTable

_MOST_BYTES: Final = 2_000_000_000
_BLOCK: Final = 512
_INTEL, _DEC, _SGI = 84, 85, 86
_MOST_RECORDS = 20_000


def write_c3d(
    path: str | Path, table: TrackTable, *, metres_per_pixel: float | None = None
) -> None:
    """Write keypoints as points called ``id_3:left_knee``, a frame each from frame 0 on.

    Axes and units are those of `posetrack.formats.markers.markers`; a keypoint that was not seen
    is an invalid point. Scores and boxes are not kept.

    Parameters
    ----------
    path
        The file.
    table
        What to write.
    metres_per_pixel
        The scale; without one the file is in pixels.

    Raises
    ------
    ModuleNotFoundError
        If ezc3d is not installed.
    ValueError
        If nobody is in it, the scale is not positive, or the video is too long to lay out at once.
    OSError
        If nothing can be written there.
    """
    with require_library("this format needs ezc3d", "posetrack[c3d]"):
        ezc3d = import_module("ezc3d")
    path = Path(path)
    whole_table = every_frame(table)
    if not whole_table.xy.size:
        raise ValueError(f"{path}: nobody is in it, and C3D has no file of nobody; write CSV")
    xyz = in_space(table, whole_table, metres_per_pixel).reshape(len(whole_table.frame), -1, 3)
    file = ezc3d.c3d()
    points = file["parameters"]["POINT"]
    points["RATE"]["value"] = [rate_of(table, whole_table)]
    points["UNITS"]["value"] = [units_of(table, metres_per_pixel)]
    points["LABELS"]["value"] = [
        f"id_{person}:{name}"
        for person in whole_table.ids.tolist()
        for name in table.skeleton.keypoints
    ]
    file["data"]["points"] = np.ones((4, xyz.shape[1], len(xyz)))
    file["data"]["points"][:3] = xyz.transpose(2, 1, 0)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.c3d"
        file.write(str(draft))
        write_whole(path, draft.read_bytes())


def read_c3d(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read points as keypoints; the part of a label before a colon is who they belong to.

    Places are in the file's units, y down, and so is what is written again; see
    `posetrack.formats.markers.table_in_image`. Points without a label (``*``) are left out.
    Analogue channels are passed over.

    Parameters
    ----------
    path
        A ``.c3d`` file.
    hints
        Its ``rate`` wins over the file's.

    Raises
    ------
    ValueError
        If it is not such a file or damaged.

    Warns
    -----
    UserWarning
        If the points do not lie in a plane.
    """
    path = Path(path)
    data = read_bytes(path, _MOST_BYTES)
    try:
        numbers, parameters = _read_parameters(data)
        xyz, first, rate = _read_points(data, numbers, parameters)
    except (struct.error, IndexError, ValueError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"{path}: not a whole C3D file: {error}") from error
    labels = _texts(parameters, "LABELS")[: xyz.shape[1]]
    columns = [
        (n, *_parts_of(label)) for n, label in enumerate(labels) if label[:1] not in ("", "*")
    ]
    names = list(dict.fromkeys(name for _, _, name in columns))
    people = list(dict.fromkeys(person for _, person, _ in columns))
    if not names:
        raise ValueError(f"{path}: no labelled points in it")
    if len(xyz) * len(people) * len(names) > MOST_VALUES:
        raise ValueError(f"{path}: over {MOST_VALUES:,} keypoints; at most that many are read")
    laid = np.full((len(xyz), len(people), len(names), 3), np.nan)
    for n, person, name in columns:
        laid[:, people.index(person), names.index(name)] = xyz[:, n]
    ids, named = ids_of_names(people)
    frames = np.arange(first, first + len(xyz), dtype=np.int64)
    skeleton = skeleton_of_names(names, path.stem, hints.skeleton)
    units = next(iter(_texts(parameters, "UNITS")), "")
    metadata = {"rate": hints.rate or rate, "individuals": named or None}
    seconds = hints.seconds(frames, str(path), rate)
    return table_in_image(str(path), frames, seconds, ids, laid, skeleton, units, metadata)


def _parts_of(label: str) -> tuple[str, str]:
    """Person and keypoint of a label."""
    person, colon, name = label.rpartition(":")
    return (person, name) if colon and name else ("id_1", label)


class _Numbers:
    """How numbers are stored, by the processor that wrote them."""

    def __init__(self, processor: int) -> None:
        if processor not in (_INTEL, _DEC, _SGI):
            raise ValueError(f"a processor of type {processor}")
        self.order = ">" if processor == _SGI else "<"
        self.dec = processor == _DEC

    def whole(self, data: bytes, at: int) -> int:
        return int(struct.unpack_from(f"{self.order}h", data, at)[0])

    def floats(self, data: bytes) -> NDArray[np.float32]:
        if self.dec:  # halves exchanged, and an exponent that is larger by two
            halves = np.frombuffer(data, "<u2").reshape(-1, 2)[:, ::-1]
            return (np.ascontiguousarray(halves).view("<f4").ravel() / 4).astype(np.float32)
        return np.frombuffer(data, f"{self.order}f4").astype(np.float32)


def _read_parameters(data: bytes) -> tuple[_Numbers, dict[str, tuple[int, list[int], bytes]]]:
    """Type, sizes and bytes of the parameters of the groups ``POINT`` and ``TRIAL``, by name."""
    if len(data) < 2 * _BLOCK or data[1] != 0x50 or not 1 < data[0] < 128:
        raise ValueError("no mark of C3D's in its beginning")
    start = (data[0] - 1) * _BLOCK
    numbers = _Numbers(data[start + 3])
    at, groups = start + 4, dict[int, str]()
    found: list[tuple[int, str, tuple[int, list[int], bytes]]] = []
    for _ in range(_MOST_RECORDS):
        length, group = struct.unpack_from("bb", data, at)
        length = abs(length)
        if not length or not group:
            break
        name = data[at + 2 : at + 2 + length].decode("ascii", "replace").upper()
        here = at + 2 + length
        step = numbers.whole(data, here)
        if group < 0:
            groups[-group] = name
        else:
            kind = struct.unpack_from("b", data, here + 2)[0]
            sizes = list(data[here + 4 : here + 4 + data[here + 3]])
            size = math.prod(sizes) * abs(kind)
            begin = here + 4 + len(sizes)
            found.append((group, name, (kind, sizes, data[begin : begin + size])))
        if step <= 0:
            break
        at = here + step
    wanted = {"POINT", "TRIAL"}
    return numbers, {name: value for group, name, value in found if groups.get(group) in wanted}


def _texts(parameters: Mapping[str, tuple[int, list[int], bytes]], name: str) -> list[str]:
    """Texts of a parameter, and of those that go on with it (``LABELS2``)."""
    texts: list[str] = []
    for number in range(1, 100):
        kind, sizes, data = parameters.get(name if number == 1 else f"{name}{number}", (0, [], b""))
        if kind != -1:
            break
        width = sizes[0] if sizes else 1
        texts += [
            data[n : n + width].decode("utf-8", "replace").strip("\0 ")
            for n in range(0, len(data), max(width, 1))
        ]
    return texts


def _read_points(
    data: bytes, numbers: _Numbers, parameters: Mapping[str, tuple[int, list[int], bytes]]
) -> tuple[NDArray[np.float64], int, float | None]:
    """(T, K, 3) places, NaN where invalid; the first frame, from 0; frames a second."""

    def word_at(at: int) -> int:
        return numbers.whole(data, at) & 0xFFFF

    def number_of(name: str, default: float) -> float:
        kind, _, value = parameters.get(name, (0, [], b""))
        if kind == 4 and len(value) >= 4:
            return float(numbers.floats(value[:4])[0])
        return float(numbers.whole(value, 0) & 0xFFFF) if kind == 2 and len(value) >= 2 else default

    count, analogue = word_at(2), word_at(4)
    first, last = word_at(6), word_at(8)
    scale = number_of("SCALE", float(numbers.floats(data[12:16])[0]))
    rate = number_of("RATE", float(numbers.floats(data[20:24])[0]))
    frames = last - first + 1
    if last == 0xFFFF or frames < 0:  # more than the header can say
        frames = int(number_of("LONG_FRAMES", number_of("FRAMES", frames)))
    start = (int(number_of("DATA_START", word_at(16))) - 1) * _BLOCK
    size = 4 if scale < 0 else 2
    each = (4 * count + analogue) * size
    held = max(len(data) - start, 0) // each if each else 0
    if start < _BLOCK or frames < 0 or (count and frames > held):
        raise ValueError(f"{frames} frames of {count} points, and bytes for {held}")
    body = data[start : start + frames * each]
    if scale < 0:
        values = numbers.floats(body).astype(np.float64)
    else:
        values = np.frombuffer(body, f"{numbers.order}i2").astype(np.float64)
    points = values.reshape(frames, 4 * count + analogue)[:, : 4 * count].reshape(frames, count, 4)
    xyz = points[..., :3] * (1.0 if scale < 0 else scale)
    xyz[points[..., 3] < 0] = np.nan
    xyz[~np.isfinite(xyz).all(axis=-1)] = np.nan
    known: Any = rate if 0 < rate < 1e9 else None
    return xyz, max(first - 1, 0), known
