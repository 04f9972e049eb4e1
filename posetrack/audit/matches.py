"""What the tracker noted of every match, in a file beside the table: ``NAME.audit.parquet``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.files import PartialFile, errors_naming
from posetrack.structures import Tracks
from posetrack.tracking.explanation import Explanation, Reason

_NAMES: Final = ("frame", "id", "reason", "similarity", "margin", "runner_up", "gap")
_FORMAT: Final = b"posetrack audit 1"
_MOST_ROWS: Final = 50_000_000


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


class MatchWriter:
    """Gathers a tracker's explanations frame by frame, and writes them when closed.

    Parameters
    ----------
    path
        The file; its folder must exist.
    explain
        Gives the explanation of the frame that is written: ``lambda: tracker.explanation``.
    """

    def __init__(self, path: str | Path, explain: Callable[[], Explanation]) -> None:
        self.path, self._explain = Path(path), explain
        self._frames: list[NDArray[np.int64]] = []
        self._parts: list[Explanation] = []
        self._done = False

    def write(self, index: int, seconds: float, tracks: Tracks, /) -> None:
        """Add a frame, as the other sinks do; its time and tracks are in the table."""
        del seconds
        found = self._explain()
        if found.ids.tolist() != tracks.ids.tolist():
            raise ValueError(f"{self.path}: frame {index} is not the one that is explained")
        if len(found):
            self._frames.append(np.full(len(found), index, np.int64))
            self._parts.append(found)

    def close(self) -> None:
        """Write the file. A second call does nothing."""
        if not self._done:
            self._done = True
            self._write().publish()

    def abort(self) -> Path | None:
        """Give up, keep what there is beside the name, and say where."""
        if self._done or not self._parts:
            return None
        self._done = True
        return self._write().keep()

    def _write(self) -> PartialFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from posetrack.formats.arrow_arrays import column_of, words_column

        parts = self._parts or [Explanation.empty()]
        found = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Explanation)
        }
        reasons = [_words(reason) for reason in Reason]
        columns: dict[str, Any] = {
            "frame": column_of(np.concatenate([np.zeros(0, np.int64), *self._frames]), pa.int64()),
            "id": column_of(found["ids"], pa.int64()),
            "reason": pa.DictionaryArray.from_arrays(
                column_of(found["reason"], pa.int8()),
                words_column(np.arange(len(reasons)), reasons),
            ),
            "similarity": column_of(found["similarity"], pa.float32()),
            "margin": column_of(found["margin"], pa.float32(), np.isnan(found["margin"])),
            "runner_up": column_of(found["runner_up"], pa.int64()),
            "gap": column_of(found["gap"], pa.int64()),
        }
        table = pa.Table.from_arrays(list(columns.values()), list(columns)).replace_schema_metadata(
            {b"format": _FORMAT}
        )
        file = PartialFile(self.path)
        pq.write_table(table, file, compression="zstd")
        return file


def read_matches(path: str | Path) -> Matches:
    """Read what `MatchWriter` wrote.

    Raises
    ------
    ValueError
        If the file is something else, or broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from posetrack.formats.arrow_arrays import values_of

    path = Path(path)
    try:
        file = pq.ParquetFile(path)
        if (file.schema_arrow.metadata or {}).get(b"format") != _FORMAT:
            raise ValueError("it does not say that it is the tracker's matches")
        if file.metadata.num_rows > _MOST_ROWS:
            raise ValueError(f"{file.metadata.num_rows:,} rows are more than can be true")
        table = file.read(columns=list(_NAMES))
        numbers = {name: values_of(table[name]) for name in _NAMES if name != "reason"}
        words = table["reason"].to_pylist()
        known = {_words(reason): int(reason) for reason in Reason}
        reason = np.array([known[word] for word in words], np.int64)
    except (pa.ArrowException, KeyError, ValueError) as error:
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
