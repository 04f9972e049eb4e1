"""Shared by the JSON writers: one spool of JSON lines, flushed every second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.files import dump_json
from posetrack.formats.recovery import END, IMAGE, PERSON, json_from_spool
from posetrack.formats.sinks import SpoolWriter
from posetrack.skeletons import Skeleton
from posetrack.structures import FloatArray

_MOST_BYTES = 250_000
_MOST_SECONDS = 1.0


class JsonWriter(SpoolWriter):
    """Writes images and people to a spool of JSON lines and, on closing, the JSON file.

    JSON cannot be read before its last bracket; the spool (``match.partial.jsonl``) can, line by
    line, and it lets images and people, which the file holds one after the other, be written as
    they come in flat memory.

    Parameters
    ----------
    path
        The JSON file.
    skeleton
        What the keypoints of the tracks are.
    header
        All that the file says of itself, its ``format`` among it.
    resume
        The `progress` of an earlier writer with the same arguments, whose file is gone on with.
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        header: Mapping[str, Any],
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        first = dump_json(dict(header))
        super().__init__(path, skeleton, ".jsonl", resume)
        self._lines: list[bytes] = []
        self._size = 0
        self._flushed = time.monotonic()
        if resume is None:
            self._file.write(first + b"\n" + END)

    def _image(self, image: Mapping[str, Any]) -> None:
        self._line(IMAGE, image)

    def _person(self, person: Mapping[str, Any]) -> None:
        self._line(PERSON, person)

    def _line(self, kind: bytes, value: Mapping[str, Any]) -> None:
        line = kind + dump_json(value) + b"}\n"
        self._lines.append(line)
        self._size += len(line)

    def _end_of_frame(self) -> None:
        # Whole frames only: a spool never holds half of one.
        if self._size > _MOST_BYTES or time.monotonic() - self._flushed >= _MOST_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            self._file.write(b"".join([*self._lines, END]))
        self._lines, self._size = [], 0
        self._flushed = time.monotonic()

    def _convert(self, spool: Path, target: Path) -> None:
        json_from_spool(spool, target)


def round_nested(values: FloatArray, decimals: int) -> list[Any]:
    """Nested lists of short decimals.

    Examples
    --------
    >>> round_nested(np.array([0.1, 2 / 3], np.float32), 2)
    [0.1, 0.67]
    """
    nested: list[Any] = values.astype(np.float64).round(decimals).tolist()
    return nested


def boxes_xywh(xyxy: FloatArray) -> list[list[float]]:
    """(N, 4) boxes as lists of left, top, width and height, to a hundredth of a pixel."""
    wide = xyxy.astype(np.float64)
    wide[:, 2:] -= wide[:, :2]
    return round_nested(wide, 2)
