"""A window that shows people as they are tracked."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Final

from posetrack.structures import Tracks

_TRY: Final = "import cv2; cv2.namedWindow('posetrack'); cv2.waitKey(1); cv2.destroyAllWindows()"
_ENDING_KEYS: Final = (27, ord("q"))
_PATIENCE: Final = 30.0


def check_display() -> None:
    """Refuse where no window can be opened; OpenCV would end the whole process there.

    Raises
    ------
    RuntimeError
        With the reason.
    """
    reason = ""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        reason = "neither DISPLAY nor WAYLAND_DISPLAY is set"
    else:
        try:
            tried = subprocess.run(
                [sys.executable, "-c", _TRY], capture_output=True, check=False, timeout=_PATIENCE
            )
        except subprocess.TimeoutExpired:
            reason = "the display does not answer"
        else:
            if tried.returncode:
                lines = tried.stderr.decode(errors="replace").strip().splitlines()
                named = [line for line in lines if "display" in line.lower()]
                reason = (named or lines or ["OpenCV cannot open a window"])[0]
    if reason:
        raise RuntimeError(
            f"show: there is no display here ({reason}); leave it away, and look at the overlay "
            "that is written"
        )


class Window:
    """Shows each frame with its people; used by the main thread alone.

    ``closed`` is true once someone has pressed q or Escape, or closed the window.
    """

    def __init__(self, title: str) -> None:
        self.title, self.closed = title, False
        self._open = False

    def show(self, frame: Any, tracks: Tracks) -> None:
        """Draw a copy of the frame's image and show it."""
        import cv2

        from posetrack.draw.overlay import draw_tracks

        if not self._open:
            cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(self.title, *_fitting(frame.image.shape[1], frame.image.shape[0]))
            self._open = True
        cv2.imshow(self.title, draw_tracks(frame.image, tracks))
        pressed = cv2.waitKey(1) & 0xFF
        gone = cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1
        self.closed = self.closed or gone or pressed in _ENDING_KEYS

    def close(self) -> None:
        """Take the window away, if there is one."""
        import cv2

        if self._open and not self.closed:
            cv2.destroyWindow(self.title)
        self._open = False


def _fitting(width: int, height: int) -> tuple[int, int]:
    """A size for a window, within 1280 x 720.

    Examples
    --------
    >>> _fitting(1920, 1080), _fitting(320, 240)
    ((1280, 720), (320, 240))
    """
    share = min(1.0, 1280 / width, 720 / height)
    return max(1, round(width * share)), max(1, round(height * share))
