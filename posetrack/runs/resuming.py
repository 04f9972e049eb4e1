"""Where a run stands, so that another process goes on from there: ``NAME.resume`` in its folder.

Every few seconds a run that can be resumed makes all its unfinished files safe on the disk and then
writes a `Point`: the tracker's state, the frame to go on at, and how far each file has come. A
process that is killed, a machine that loses its power or a full disk leaves the last point; the
files are cut to where they were then. In the end the point says that the run is finished, and of
which files, so that another call passes over it.

A point is one line of JSON and, behind it, the bytes of the arrays that the line lists.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from posetrack.checks import no_such_file
from posetrack.files import dump_json, errors_naming, parse_json, printable, read_bytes, write_whole
from posetrack.formats.provenance import as_json
from posetrack.runs.segments import Position

if TYPE_CHECKING:
    from posetrack.runs.writer import ResultPaths
    from posetrack.tracking.state import Arrays

EVERY: float = 5.0
"""Seconds between two points, at least."""
MOST_OF_THE_TIME: float = 0.005
"""The part of a run's time that goes into points, at most: where writing is slow they are rarer."""

_FORMAT: Final = "posetrack resume 1"
_MAX_BYTES: Final = 1 << 31
_BLOCK, _BLOCKS = 1 << 16, 256
_KINDS: Final = "biufU"
# What a file depends on nowhere but in its provenance, which is the first process's.
_FREE: Final = ("out", "progress", "show", "resume")

Stage = Literal["begun", "tracking", "ending", "finished"]


@dataclass(frozen=True, eq=False)
class Point:
    """Where a run stands.

    Parameters
    ----------
    stage
        "begun": nothing can be gone on with yet. "tracking": at ``begin``. "ending": all frames
        are in the unfinished files. "finished": all files are whole.
    inputs
        What the results depend on, see `inputs_of`.
    provenance
        What the files say of their making: the first process's, with its date.
    others
        Unfinished files that were there before.
    begin, tracked
        The index of the frame to go on at, and how many from there on are in the files already.
    frames
        How many there were.
    size, skeleton
        Of the first image and pose.
    damaged
        Whether what follows may depend on all that was read.
    files
        What each sink needs to go on, see `posetrack.runs.writer.Sink`.
    people
        Identities so far.
    sizes
        Shapes of images so far.
    remarks, lines
        What is to be said in the end.
    whole
        Of a finished run: its files and their bytes.
    position
        Among the run's segments; None: it has none.
    turning
        Whether the present segment has all its frames and is to be made whole first.
    tracker
        The tracker's state.
    """

    stage: Stage
    inputs: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] | None = None
    others: Sequence[str] = ()
    begin: int = 0
    tracked: int = 0
    frames: int = 0
    size: tuple[int, int] = (0, 0)
    skeleton: Mapping[str, Any] | None = None
    damaged: bool = False
    files: Sequence[Mapping[str, Any]] = ()
    people: Sequence[int] = ()
    sizes: Sequence[Sequence[int]] = ()
    remarks: Sequence[str] = ()
    lines: Sequence[str] = ()
    whole: Sequence[Sequence[Any]] = ()
    position: Position | None = None
    turning: bool = False
    tracker: Arrays = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Lay it out as a file."""
        record = {name: value for name, value in vars(self).items() if name != "tracker"}
        arrays = {name: np.asarray(array) for name, array in self.tracker.items()}
        listed = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
        line = dump_json({"format": _FORMAT, **record, "arrays": listed})
        return b"".join([line, b"\n", *(array.tobytes() for array in arrays.values())])

    @classmethod
    def from_bytes(cls, data: bytes, title: str) -> Point:
        """Read what `to_bytes` gave.

        Raises
        ------
        ValueError
            If it is something else, or not whole.

        Examples
        --------
        >>> point = Point("tracking", begin=7, tracker={"a": np.arange(3)})
        >>> again = Point.from_bytes(point.to_bytes(), "here")
        >>> again.begin, again.tracker["a"].tolist()
        (7, [0, 1, 2])
        """
        line, _, rest = data.partition(b"\n")
        with errors_naming(title):
            record = parse_json(line, title)
            if not isinstance(record, dict) or record.pop("format", None) != _FORMAT:
                raise ValueError("does not say how to go on with a run")
            arrays: Arrays = {}
            for name, (kind, shape) in record.pop("arrays").items():
                wanted = np.dtype(kind)
                if wanted.kind not in _KINDS or not all(0 <= side < _MAX_BYTES for side in shape):
                    raise ValueError(f"no array of numbers: {name}")
                length = int(np.prod(shape, dtype=object)) * wanted.itemsize
                if length > len(rest):
                    raise ValueError("it is not whole")
                values = np.frombuffer(rest[:length], np.uint8).view(wanted)
                arrays[name], rest = values.reshape(shape).copy(), rest[length:]
            if record["stage"] not in ("begun", "tracking", "ending", "finished"):
                raise ValueError(f"no stage of a run: {record['stage']!r:.40}")
            for name in ("begin", "tracked", "frames"):
                if type(record[name]) is not int or record[name] < 0:
                    raise ValueError(f"no number of a frame: {name} {record[name]!r:.40}")
            width, height = record.pop("size")
            if record["position"] is not None:
                record["position"] = Position.from_json(record["position"])
            return cls(**record, size=(int(width), int(height)), tracker=arrays)


class Points:
    """The points of one video's run, written now and then.

    Parameters
    ----------
    results
        Where the video's files are.
    inputs
        See `inputs_of`.

    Raises
    ------
    ValueError
        If the results in the folder are of other inputs: the message says of which; or if the last
        point cannot be read.
    """

    def __init__(self, results: ResultPaths, inputs: Mapping[str, Any]) -> None:
        self.path = results.folder / f"{results.name}.resume"
        self._results = results
        self._inputs = parse_json(dump_json(dict(inputs)), str(self.path))  # as it is read again
        self.last = self._read()
        """The point to go on from; None: there is none."""
        self._written, self._cost = time.monotonic(), 0.0
        if self.last is not None and self.last.stage == "finished" and not self._is_whole():
            self.last = None
        if self.last is not None and self.last.stage == "begun":
            self._others, self.last = self.last.others, None
        elif self.last is not None:
            self._others = self.last.others
        else:
            self._others = [*map(self._name, self._list_unfinished(["*"]))]

    def begin(self) -> None:
        """Note that a run begins, so that what it leaves is known to be its own."""
        self._write(Point("begun", self._inputs, others=self._others))

    @property
    def due(self) -> bool:
        """Whether it is time for another one."""
        passed = time.monotonic() - self._written
        return passed >= max(EVERY, self._cost / MOST_OF_THE_TIME)

    def write(self, make: Callable[[], Point]) -> None:
        """Write a point; what it says of files must be safe on the disk.

        Parameters
        ----------
        make
            Gives it; what that takes counts.

        Raises
        ------
        OSError
            If it cannot be written; the one before stays.
        """
        begun = time.monotonic()
        self._write(replace(make(), inputs=self._inputs, others=self._others))
        self._written = time.monotonic()
        self._cost = self._written - begun

    def finish(
        self, *, frames: int, people: Iterable[int], remarks: Sequence[str], lines: Sequence[str]
    ) -> None:
        """Note that all is done, and remove what killed processes of this run left half."""
        paths = list(dict.fromkeys(self._results.paths))
        whole = [[path.name, path.stat().st_size] for path in paths if path.is_file()]
        self._write(
            Point(
                "finished",
                self._inputs,
                frames=frames,
                people=sorted(people),
                remarks=remarks,
                lines=lines,
                whole=whole,
            )
        )
        for left in self._list_unfinished([re.escape(path.stem) for path in paths]):
            if self._name(left) not in self._others:
                left.unlink(missing_ok=True)

    def _write(self, point: Point) -> None:
        write_whole(self.path, point.to_bytes())

    def _read(self) -> Point | None:
        if not self.path.is_file():
            return None
        advice = f"remove {self.path} to begin again"
        try:
            point = Point.from_bytes(read_bytes(self.path, _MAX_BYTES), str(self.path))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{error}; {advice}") from error
        changes = differences(point.inputs, self._inputs)
        if point.stage == "begun":
            return point
        if changes:
            raise ValueError(
                f"{self._results.name}: --resume goes on with the same settings, networks and "
                f"video; changed since: {'; '.join(changes)}. Give those of before, or {advice}"
            )
        return point

    def _is_whole(self) -> bool:
        """Whether the files of a finished run are there."""
        assert self.last is not None
        paths = [(self._results.folder / Path(name).name, size) for name, size in self.last.whole]
        return all(path.is_file() and path.stat().st_size == size for path, size in paths)

    def _name(self, path: Path) -> str:
        """A file's name in the results' folder, such as ``match.partial.csv``."""
        return path.relative_to(self._results.folder).as_posix()

    def _list_unfinished(self, stems: Iterable[str]) -> list[Path]:
        """Unfinished files of results by the patterns of their stems, of points, and of pictures.

        Drawn pictures of several images stand in a folder of the results' own name.
        """
        folder, own = self._results.folder, re.escape(self._results.name)
        if not folder.is_dir():
            return []
        either = "|".join(".*" if stem == "*" else stem for stem in [*stems, own])
        mark, sidecar = r"\.partial(?:-\d+)?", r"\.(?:csv|json)\.meta"
        named = re.compile(
            rf"(?:{either})(?:{mark})?(?:{sidecar})?{mark}\.\w+|(?:{either}){mark}{sidecar}\.json"
        )
        pictures, drawn = re.compile(rf"{own}(?:-tracked)*"), re.compile(rf".+{mark}\.(?:jpg|png)")
        found = [path for path in folder.iterdir() if named.fullmatch(path.name)]
        for path in folder.iterdir():
            if pictures.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                found += [inner for inner in path.iterdir() if drawn.fullmatch(inner.name)]
        return [path for path in found if path.is_file() and not path.is_symlink()]


def inputs_of(
    source: Any,
    provenance: Mapping[str, Any],
    wanted: Any,
    reading: Mapping[str, Any],
    *,
    unrelated: bool,
) -> dict[str, Any]:
    """All that results depend on, in what JSON can hold: another of it is another run.

    Parameters
    ----------
    source
        The video: a file, or a folder, pattern or list of images.
    provenance
        Of `posetrack.formats.describe_run`: settings, networks, versions.
    wanted, reading
        The outputs, and settings of `posetrack.video.open_video`.
    unrelated
        Whether the images are no video.
    """
    settings = {name: value for name, value in provenance["settings"].items() if name not in _FREE}
    return {
        "video": fingerprint(source),
        "settings": settings,
        "networks": provenance["weights"],
        "versions": {"posetrack": provenance["posetrack"], **provenance["libraries"]},
        "outputs": as_json(wanted),
        "reading": as_json({**reading, "unrelated": unrelated}),
    }


def fingerprint(source: Any) -> dict[str, Any]:
    """What a video is, by its content and not by its name, place or date.

    Of long videos 16 MB are read, in blocks all over them, so that hours of video cost no more than
    a moment; another encoding, another cut or another recording differ in them.

    Raises
    ------
    ValueError
        If it cannot be read twice: a camera, an address.

    Examples
    --------
    >>> fingerprint(__file__)["bytes"] == Path(__file__).stat().st_size
    True
    """
    from posetrack.video.reader import find_source

    found = find_source(source)
    if isinstance(found, str | int):
        raise ValueError(
            "--resume goes on with what can be read again: a file, or images; a camera or an "
            "address cannot"
        )
    paths = found if isinstance(found, list) else [found]
    sizes = [path.stat().st_size for path in paths]
    digest = hashlib.sha256()
    if isinstance(found, list):
        for path, size in zip(paths, sizes, strict=True):
            digest.update(f"{printable(path.name)} {size}\n".encode())
    ends = np.cumsum(sizes)
    for start in np.linspace(0, max(ends[-1] - _BLOCK, 0), _BLOCKS).astype(np.int64).tolist():
        number = min(int(np.searchsorted(ends, start, "right")), len(paths) - 1)
        with paths[number].open("rb") as file:
            file.seek(start - int(ends[number]) + sizes[number])
            digest.update(file.read(_BLOCK))
    return {"bytes": int(ends[-1]), "files": len(paths), "sha256_of_parts": digest.hexdigest()}


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """What is not as it was, by name.

    Examples
    --------
    >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})
    ['a c (2 then, 3 now)']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        if name == "video" and before != now:
            return ["the video"]
        keys = dict.fromkeys([*before, *now])
        found = [
            difference
            for key in keys
            for difference in differences(before.get(key), now.get(key), f"{name} {key}".strip())
        ]
        return found if len(found) <= 12 else [*found[:12], f"and {len(found) - 12} more"]
    return [] if before == now else [f"{name} ({before!s:.60} then, {now!s:.60} now)"]


def read_point(path: Path) -> Point:
    """Read a point's file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is something else.
    """
    if not path.is_file():
        raise no_such_file(path)
    return Point.from_bytes(read_bytes(path, _MAX_BYTES), str(path))
