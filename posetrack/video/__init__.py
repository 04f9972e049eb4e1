"""Video in and out: files, folders of images, cameras and streams, as frames with a ledger.

    from posetrack.video import VideoWriter, open_video

    with open_video("match.mp4") as video, VideoWriter("copy.mp4", rate=video.rate) as copy:
        for frame in video:
            copy.write(frame.image, frame.seconds)

A frame's index is its place in the file, counted from 0 in the order of showing, whatever was
skipped or could not be decoded before it. Its time is the stream's own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "Frame": "frames",
    "Ledger": "frames",
    "Source": "frames",
    "Status": "frames",
    "VideoReader": "reader",
    "VideoWriter": "writer",
    "open_video": "reader",
}

if TYPE_CHECKING:
    from posetrack.video.frames import Frame, Ledger, Source, Status
    from posetrack.video.reader import VideoReader, open_video
    from posetrack.video.writer import VideoWriter

__all__ = [
    "Frame",
    "Ledger",
    "Source",
    "Status",
    "VideoReader",
    "VideoWriter",
    "open_video",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the writer alone needs no reader, and neither costs at import.
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.video' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.video.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
