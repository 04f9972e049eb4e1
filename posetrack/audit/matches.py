"""What the tracker noted of every match, in a file beside the table: ``NAME.audit.parquet``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import no_such_file
from posetrack.files import errors_naming
from posetrack.formats.recovery import parquet_from_spool
from posetrack.formats.sinks import PartialWriter, open_partial
from posetrack.structures import Tracks
from posetrack.tracking.explanation import Explanation, Reason

_NAMES: Final = ("frame", "id", "reason", "similarity", "margin", "runner_up", "gap")
_FORMAT: Final = b"posetrack audit 1"
_MOST_ROWS: Final = 50_000_000
_MOST_SECONDS: Final = 1.0  # what a killed process loses at most


@dataclass(frozen=True, eq=False, repr=False)
class Matches:
    """Matches of a whole video, R rows, one a person a frame.

    Parameters
    ----------
    frame
        (R,) int64 index in the video.
    ids, reason, similarity, margin, runner_up, gap
        (R,) each, see `posetrack.tracking.explanation.Explanation`.
    """

    frame: NDArray[np.int64]
    ids: NDArray[np.int64]
    reason: NDArray[np.int64]
    similarity: NDArray[np.float64]
    margin: NDArray[np.float64]
    runner_up: NDArray[np.int64]
    gap: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"Matches({len(self)} rows)"


def matches_path(table: str | Path) -> Path:
    """Where the matches of a table lie.

    Examples
    --------
    >>> matches_path("out/match.raw.parquet").name
    'match.audit.parquet'
    """
    table = Path(table)
    return table.with_name(f"{table.stem.removesuffix('.raw')}.audit.parquet")


class MatchWriter(PartialWriter):
    """Writes a tracker's explanations frame by frame; the file appears when closed.

    Rows go to ``NAME.audit.partial.arrows`` at least once a second, as those of the table do, so
    that a killed process loses no more; `posetrack.formats.recover` makes Parquet of it.

    Parameters
    ----------
    path
        The file; its folder must exist.
    explain
        Gives the explanation of the frame that is written: ``lambda: tracker.explanation``.
    resume
        The `progress` of an earlier writer of the same file, which is gone on with.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "walk.audit.parquet"
    >>> from posetrack import Tracker
    >>> from posetrack.testing import SceneDetector, SceneEstimator, crossing
    >>> scene = crossing(frames=3)
    >>> tracker = Tracker(SceneDetector(scene), SceneEstimator(scene))
    >>> writer = MatchWriter(path, lambda: tracker.explanation)
    >>> for number, image in enumerate(scene):
    ...     writer.write(number, number / 25, tracker.update(image))
    >>> writer.close()
    >>> read_matches(path).ids.tolist()
    [1, 2, 1, 2, 1, 2]
    """

    def __init__(
        self,
        path: str | Path,
        explain: Callable[[], Explanation],
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self._explain = Path(path), explain
        self._file = open_partial(self.path, ".arrows", resume)
        if resume is None:
            self._file.write(memoryview(_schema().serialize()))
        self._parts: list[tuple[int, Explanation]] = []
        self._rows = 0 if resume is None else int(resume["rows"])
        self._flushed = time.monotonic()

    def write(self, index: int, seconds: float, tracks: Tracks, /) -> None:
        """Add a frame, as the other sinks do; its time and tracks are in the table."""
        del seconds
        found = self._explain()
        if found.ids.tolist() != tracks.ids.tolist():
            raise ValueError(f"{self.path}: frame {index} is not the one that is explained")
        if len(found):
            self._parts.append((index, found))
            self._rows += len(found)
        if time.monotonic() - self._flushed >= _MOST_SECONDS:
            self._flush()

    def _state(self) -> dict[str, Any]:
        return {"rows": self._rows}

    def close(self) -> None:
        """Finish: the file appears under its name. A second call does nothing."""
        if not self._done:
            self._done = True
            try:
                self._make(self.path)
            except OSError as error:
                error.add_note(f"{self.path}: its rows are kept in {self._file.partial}")
                raise

    def abort(self) -> Path | None:
        """Give up, keep what there is beside the name, and say where."""
        if self._done:
            return None
        self._done = True
        if not self._rows:
            self._file.discard()
            return None
        partial = self._file.partial.with_suffix(self.path.suffix)  # free, see PartialFile
        self._make(partial)
        return partial

    def _flush(self) -> None:
        if self._parts:
            self._file.write(memoryview(_batch(self._parts).serialize()))
            self._parts = []
        self._flushed = time.monotonic()

    def _make(self, target: Path) -> None:
        try:
            self._flush()
        finally:
            spool = self._file.keep()
        parquet_from_spool(spool, target, None)
        spool.unlink()


def _schema() -> Any:
    import pyarrow as pa

    kinds = {"reason": pa.string(), "similarity": pa.float32(), "margin": pa.float32()}
    columns = [(name, kinds.get(name, pa.int64())) for name in _NAMES]
    return pa.schema(columns, metadata={b"format": _FORMAT})


def _batch(parts: Sequence[tuple[int, Explanation]]) -> Any:
    """The rows of some frames as Arrow."""
    import pyarrow as pa

    from posetrack.formats.arrow_arrays import column_of, words_column

    found = {
        field.name: np.concatenate([getattr(part, field.name) for _, part in parts])
        for field in fields(Explanation)
    }
    frames = np.repeat([index for index, _ in parts], [len(part) for _, part in parts])
    reasons = [_words(reason) for reason in Reason]
    columns = {
        "frame": column_of(frames.astype(np.int64), pa.int64()),
        "id": column_of(found["ids"], pa.int64()),
        "reason": words_column(found["reason"].astype(np.intp), reasons),
        "similarity": column_of(found["similarity"], pa.float32()),
        "margin": column_of(found["margin"], pa.float32(), np.isnan(found["margin"])),
        "runner_up": column_of(found["runner_up"], pa.int64()),
        "gap": column_of(found["gap"], pa.int64()),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in _NAMES], schema=_schema())


def read_matches(path: str | Path) -> Matches:
    """Read what `MatchWriter` wrote.

    Raises
    ------
    ValueError
        If the file is something else, or broken.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "other.parquet"
    >>> _ = path.write_text("frame,id")
    >>> read_matches(path)
    Traceback (most recent call last):
        ...
    ValueError: ...other.parquet...
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from posetrack.formats.arrow_arrays import open_arrow_file, values_of

    path = Path(path)
    if not path.is_file():
        raise no_such_file(path)
    try:
        file = pq.ParquetFile(open_arrow_file(path))
        if (file.schema_arrow.metadata or {}).get(b"format") != _FORMAT:
            raise ValueError("it does not say that it is the tracker's matches")
        if file.metadata.num_rows > _MOST_ROWS:
            raise ValueError(f"{file.metadata.num_rows:,} rows are more than can be true")
        names = list(_NAMES)
        # Where nobody was found there is no group of rows, which older pyarrow cannot read.
        some = file.metadata.num_row_groups > 0
        table = file.read(columns=names) if some else file.schema_arrow.empty_table().select(names)
        numbers = {name: values_of(table[name]) for name in _NAMES if name != "reason"}
        words = table["reason"].to_pylist()
        known = {_words(reason): int(reason) for reason in Reason}
        reason = np.array([known[word] for word in words], np.int64)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as matches: {error}") from error
    with errors_naming(path):
        return Matches(
            numbers["frame"].astype(np.int64),
            numbers["id"].astype(np.int64),
            reason,
            numbers["similarity"].astype(np.float64),
            numbers["margin"].astype(np.float64),
            numbers["runner_up"].astype(np.int64),
            numbers["gap"].astype(np.int64),
        )


def _words(reason: Reason) -> str:
    return "re-entered" if reason is Reason.REENTERED else reason.name.lower()
