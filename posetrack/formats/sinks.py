"""Where tracks go, frame by frame, and the files that appear whole or not at all.

During a run the output has a temporary name beside the final one: ``match.csv`` is
``match.partial.csv`` until it is closed. Closing flushes it to the disk and renames it in one
step. So

* what was under the name before stays until the new file is whole;
* an exception or Ctrl-C leaves a readable ``match.partial.csv`` with every frame so far;
* a killed process leaves it too, short of at most the last second;
* the next run does not touch it: it takes ``match.partial-2.csv``, and two runs at once never
  write into one file.

Formats that cannot be read before their end is written (Parquet, JSON) keep a spool beside them
that can, see `posetrack.formats.recovery.recover`.

A run can go on in another process: `FrameWriter.progress` says how far an unfinished file has come,
`FrameWriter.suspend` leaves it as it is, and a writer opened with ``resume`` cuts it there and goes
on, to the same bytes as those of a writer that was never stopped.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from posetrack.files import PartialFile
from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks


class FrameSink(Protocol):
    """Takes the tracks of one frame after another; the writers here are all of this kind.

    One thread at a time. As a context manager it closes at the end of the block, and aborts when
    the block ends with an exception.
    """

    def write(self, index: int, seconds: float, tracks: Tracks, /) -> None:
        """Add a frame: its index in the video, its time, and its people, who may be none."""
        ...

    def close(self) -> None:
        """Finish: the file appears under its name. A second call does nothing."""
        ...

    def abort(self) -> Path | None:
        """Give up, keep what there is beside the name, and say where; None if there is nothing."""
        ...


def open_partial(
    path: Path, suffix: str | None = None, resume: Mapping[str, Any] | None = None
) -> PartialFile:
    """An unfinished file: a new one, or one of before with its name and length in ``resume``.

    Raises
    ------
    OSError, ValueError
        See `posetrack.files.PartialFile`.
    """
    if resume is None:
        return PartialFile(path, suffix)
    partial = path.with_name(Path(resume["file"]).name)
    return PartialFile.reopen(path, partial, int(resume["length"]))


class PartialWriter(ABC):
    """Shared by all that fill an unfinished file: another writer can go on with it."""

    path: Path
    _file: PartialFile
    _done = False

    def progress(self) -> dict[str, Any]:
        """How far it has come, in what JSON can hold, once all of that is safe on the disk.

        It is what another writer of the same file needs as ``resume``; there must be a frame.
        """
        self._flush()
        length = self._file.sync()
        return {"file": self._file.partial.name, "length": length, **self._state()}

    def suspend(self) -> Path:
        """Give up, and leave the unfinished file as it is, for a writer that goes on with it."""
        self._done = True
        try:
            self._flush()
        finally:
            self._file.keep()
        return self._file.partial

    @abstractmethod
    def _flush(self) -> None:
        """Write what is gathered to the unfinished file."""

    def _state(self) -> dict[str, Any]:
        """What else a writer must know to go on."""
        return {}


class FrameWriter(PartialWriter):
    """Shared by the writers: order of frames, states, the ``with`` statement.

    Parameters
    ----------
    path
        Where the file is to appear. Its folder must exist.
    skeleton
        What the keypoints are; tracks of another skeleton are refused.
    suffix
        The ending of the unfinished file; the path's own when None.
    resume
        The `progress` of an earlier writer with the same arguments, whose file is gone on with.
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        suffix: str | None = None,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.skeleton = skeleton
        self.frames = 0 if resume is None else int(resume["frames"])
        self._last_index: int | None = None if resume is None else int(resume["last"])
        self._file = open_partial(self.path, suffix, resume)

    def write(self, index: int, seconds: float, tracks: Tracks, /) -> None:
        """Add a frame.

        Parameters
        ----------
        index
            The frame's index in the video, larger than the last one's; gaps are fine.
        seconds
            The frame's time.
        tracks
            The people in it, with the keypoints of the writer's skeleton.

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

    def progress(self) -> dict[str, Any]:
        """See `PartialWriter.progress`."""
        return {**super().progress(), "frames": self.frames, "last": self._last_index}

    def close(self) -> None:
        """Finish: the file appears under its name. A second call does nothing."""
        if not self._done:
            self._done = True
            try:
                self._finish()
            except BaseException as error:
                error.add_note(
                    f"{self.path}: the frames are kept beside it, in an unfinished file "
                    "(.partial); `posetrack recover` makes spools whole"
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


class SpoolWriter(FrameWriter):
    """Fills a spool with frames, and on closing makes the file of it."""

    @abstractmethod
    def _convert(self, spool: Path, target: Path) -> None:
        """Make the file of a whole spool."""

    def _finish(self) -> None:
        self._flush()
        spool = self._file.keep()
        self._convert(spool, self.path)
        spool.unlink()

    def _keep(self) -> Path:
        try:
            self._flush()
        finally:
            spool = self._file.keep()
        partial = spool.with_suffix(self.path.suffix)  # free, see PartialFile
        self._convert(spool, partial)
        spool.unlink()
        return partial

    def _discard(self) -> None:
        self._file.discard()
