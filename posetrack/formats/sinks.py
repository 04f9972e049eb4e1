"""Where tracks go, frame by frame, and the files that appear whole or not at all.

While a run is under way its output lies beside the place it is meant for, under a name that says
so: ``match.csv`` is ``match.partial.csv`` until it is closed. Closing flushes it to the disk and
renames it in one step. So

* what was under the name before stays until the new file is whole;
* an exception or Ctrl-C leaves a readable ``match.partial.csv`` with every frame so far;
* a killed process leaves it too, short of at most the last second;
* the next run does not touch it: it takes ``match.partial-2.csv``, and two runs at once never
  write into one file.

Formats that cannot be read before their end is written (Parquet, JSON) keep a spool beside them
that can, see `posetrack.formats.recovery.recover`.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks

_MOST_PARTIALS = 1000


class FrameSink(Protocol):
    """Takes the tracks of one frame after another; the writers here are all of this kind.

    One thread at a time. As a context manager it closes at the end of the block, and aborts when
    the block ends with an exception.
    """

    def write(self, index: int, seconds: float, tracks: Tracks, /) -> None:
        """Add a frame: its index in the video, its time, and who is in it (nobody is fine)."""
        ...

    def close(self) -> None:
        """Finish: the file appears under its name. A second call does nothing."""
        ...

    def abort(self) -> Path | None:
        """Give up, keep what there is beside the name, and say where; None if there is nothing."""
        ...


class FrameWriter(ABC):
    """What the writers of this package share: order of frames, states, the ``with`` statement.

    Parameters
    ----------
    path
        Where the file is to appear. Its folder must exist.
    skeleton
        What the keypoints are; tracks of another skeleton are refused.
    """

    def __init__(self, path: str | Path, skeleton: Skeleton) -> None:
        self.path = Path(path)
        self.skeleton = skeleton
        self.frames = 0
        self._last_index: int | None = None
        self._done = False

    def write(self, index: int, seconds: float, tracks: Tracks, /) -> None:
        """Add a frame.

        Parameters
        ----------
        index
            The frame's index in the video, larger than the last one's; gaps are fine.
        seconds
            The frame's time.
        tracks
            Who is in it, with the keypoints of the writer's skeleton.

        Raises
        ------
        ValueError
            If the writer is closed, the index does not grow, the time is not finite, or the
            skeleton is another.
        OSError
            If the disk is full or gone. What was written before stays readable.
        """
        if self._done:
            raise ValueError(f"{self.path}: this writer is closed; open a new one")
        if index < 0 or (self._last_index is not None and index <= self._last_index):
            raise ValueError(
                f"{self.path}: frame indices must grow from 0; got {index} after {self._last_index}"
            )
        if not math.isfinite(seconds):
            raise ValueError(f"{self.path}: frame {index} has no finite time: {seconds}")
        if tracks.skeleton is not self.skeleton and tracks.skeleton != self.skeleton:
            raise ValueError(
                f"{self.path}: opened for {self.skeleton!r}, got tracks of {tracks.skeleton!r}; "
                "map them with Poses.to, or open the writer with their skeleton"
            )
        self._add(index, seconds, tracks)
        self._last_index = index
        self.frames += 1

    def close(self) -> None:
        """Finish: the file appears under its name. A second call does nothing."""
        if not self._done:
            self._done = True
            try:
                self._finish()
            except BaseException as error:
                error.add_note(
                    f"{self.path}: the frames are kept beside it, in an unfinished file "
                    "(.partial); posetrack.formats.recover makes spools whole"
                )
                raise

    def abort(self) -> Path | None:
        """Give up, keep what there is beside the name, and say where; None if there is nothing."""
        if self._done:
            return None
        self._done = True
        if not self.frames:
            self._discard()
            return None
        return self._keep()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.abort()
        except OSError as second:
            # The first error is the one to see: a full disk fails again while tidying up.
            error.add_note(f"{self.path}: could not save all of what there was: {second}")

    @abstractmethod
    def _add(self, index: int, seconds: float, tracks: Tracks) -> None: ...

    @abstractmethod
    def _finish(self) -> None: ...

    @abstractmethod
    def _keep(self) -> Path: ...

    @abstractmethod
    def _discard(self) -> None: ...


def partial_name(path: Path, number: int = 1, suffix: str | None = None) -> Path:
    """The name of an unfinished file beside ``path``.

    Parameters
    ----------
    path
        Where the whole file will be.
    number
        From 1; larger where earlier runs have left theirs.
    suffix
        Another ending, for spools; ``path``'s own when None.

    Examples
    --------
    >>> partial_name(Path("out/match.csv")).name, partial_name(Path("a.parquet"), 2, ".arrows").name
    ('match.partial.csv', 'a.partial-2.arrows')
    """
    mark = ".partial" if number == 1 else f".partial-{number}"
    return path.with_name(path.stem + mark + (path.suffix if suffix is None else suffix))


class PartialFile:
    """An unfinished file beside ``path``, created anew, never over an existing one.

    Parameters
    ----------
    path
        Where the whole file is to appear.
    suffix
        The ending of the unfinished one; ``path``'s own when None.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written to, or ``path`` is a folder: at once,
        not after an hour of tracking.
    """

    def __init__(self, path: Path, suffix: str | None = None) -> None:
        if not path.parent.is_dir():
            raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise IsADirectoryError(f"cannot write {path}: it is a folder; give a file name")
        self.path = path
        for number in range(1, _MOST_PARTIALS):
            self.partial = partial_name(path, number, suffix)
            if partial_name(path, number).exists():
                continue  # what a spool becomes when its run is aborted must be free, too
            try:
                # Unbuffered: what was written is with the operating system, and survives a kill.
                self._stream = self.partial.open("xb", buffering=0)
            except FileExistsError:
                continue
            except OSError as error:
                raise type(error)(f"cannot write {path}: {error}") from error
            self._length = 0
            return
        raise FileExistsError(f"{_MOST_PARTIALS} unfinished files beside {path}; remove some")

    def write(self, data: bytes | memoryview) -> None:
        """Append all of ``data``, or, where that fails, nothing of it."""
        view = memoryview(data).cast("B")
        try:
            while view:
                view = view[self._stream.write(view) or 0 :]
        except BaseException:
            # Half a row would spoil the rows before it for most readers.
            self._stream.truncate(self._length)
            self._stream.seek(self._length)
            raise
        self._length = self._stream.tell()

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more; libraries that write to files ask."""
        return self._stream.closed

    def flush(self) -> None:
        """Do nothing: all that was written has left."""

    def keep(self) -> Path:
        """Close it where it is."""
        if not self._stream.closed:
            os.fsync(self._stream.fileno())
            self._stream.close()
        return self.partial

    def publish(self) -> None:
        """Close it, safe on the disk, and give it its name in one step."""
        self.keep()
        self.partial.replace(self.path)
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Close and remove it."""
        self._stream.close()
        self.partial.unlink(missing_ok=True)


def write_whole(*files: tuple[Path, Iterable[bytes]]) -> None:
    """Write files piece by piece so that all appear, whole, or none does.

    They take their names in the order given, once all are safe on the disk.
    """
    written: list[PartialFile] = []
    try:
        for path, pieces in files:
            written.append(PartialFile(path))
            for piece in pieces:
                written[-1].write(piece)
            written[-1].keep()
        for file in written:
            file.publish()
    except BaseException:
        for file in written:
            file.discard()
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
