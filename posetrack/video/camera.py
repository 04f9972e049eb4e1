"""A camera of this machine as frames, through OpenCV."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2

from posetrack.video.frames import Facts, Frame, Row, Selection, Source, Status, Step

_LOST = 30  # frames that fail in a row before the camera counts as gone
_ROWS_AT_ONCE = 256


class CameraSteps:
    """A camera's frames as steps, timed by this machine's clock from the first one.

    Parameters
    ----------
    number
        OpenCV's index of the camera, 0 for the first.
    selection
        Which frames are wanted; skipped ones are taken from the camera and not decoded.
    size, rate
        Width and height, and frames a second, to ask the camera for; None: what it gives. It may
        give others, which `facts` say.

    Raises
    ------
    FileNotFoundError
        If there is no such camera.
    OSError
        If it cannot be opened: another program has it, or it may not be used.
    """

    def __init__(
        self,
        number: int,
        selection: Selection,
        *,
        size: tuple[int, int] | None = None,
        rate: float | None = None,
    ) -> None:
        if number < 0:
            raise ValueError(f"cameras are counted from 0, got {number}")
        check_exists(number)
        self._selection = selection
        self._camera = cv2.VideoCapture(number)
        if not self._camera.isOpened():
            self._camera.release()
            raise OSError(
                f"camera {number} cannot be opened: is another program using it, "
                "and may this one use it?"
            )
        if size is not None:
            self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if rate is not None:
            self._camera.set(cv2.CAP_PROP_FPS, rate)
        width = int(self._camera.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._camera.get(cv2.CAP_PROP_FRAME_HEIGHT))
        given = self._camera.get(cv2.CAP_PROP_FPS)
        self._name = f"camera {number}"
        self.facts = Facts(
            source=Source(name=self._name, kind="camera", decoder=f"OpenCV {cv2.__version__}"),
            size=(width, height) if width > 0 and height > 0 else None,
            rate=Fraction(given).limit_denominator(1001) if 0 < given < 1000 else Fraction(30),
            count=None,
            seconds=None,
            live=True,
        )

    def steps(self) -> Generator[Step, None, None]:
        """Frames until the selection ends or the camera is gone."""
        rows: list[Row] = []
        index = failures = 0
        begin: float | None = None
        problem = None
        try:
            while not self._selection.is_past(index):
                grabbed = self._camera.grab()
                now = time.monotonic()
                begin = now if begin is None else begin
                image, status = self._read_grabbed(index, grabbed)
                failures = 0 if grabbed else failures + 1
                if failures > _LOST:
                    problem = f"{self._name}: no frame after the {index - _LOST} received"
                    break
                rows.append((now - begin, status))
                if image is not None:
                    yield Step(rows, Frame(image, index, now - begin))
                    rows = []
                elif len(rows) >= _ROWS_AT_ONCE:
                    yield Step(rows)
                    rows = []
                index += 1
            yield Step(rows, problem=problem)
        finally:
            self._camera.release()

    def _read_grabbed(self, index: int, grabbed: bool) -> tuple[Any, Status]:
        """The image of the frame at hand, if it is wanted and whole."""
        if not self._selection.wants(index):
            return None, Status.SKIPPED
        whole, image = self._camera.retrieve() if grabbed else (False, None)
        return (image, Status.DECODED) if whole and image is not None else (None, Status.CORRUPT)


def check_exists(number: int) -> None:
    """Look for the device where the system shows them as files, before OpenCV complains."""
    if not sys.platform.startswith("linux") or Path(f"/dev/video{number}").exists():
        return
    there = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video[0-9]*"))
    known = f"there are {', '.join(there)}" if there else "this machine has none"
    raise FileNotFoundError(f"no camera {number}: {known}")
