"""Video in and out: files, folders of images, cameras and streams, as frames with a ledger.

    from posetrack.video import VideoWriter, open_video

    with open_video("match.mp4") as video, VideoWriter("copy.mp4", rate=video.rate) as copy:
        for frame in video:
            copy.write(frame.image, frame.seconds)

A frame's index is its place in the file, counted from 0 in the order of showing, whatever was
skipped or could not be decoded before it. Its time is the stream's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.video.again import Video as Video
    from posetrack.video.frames import Frame as Frame
    from posetrack.video.frames import Ledger as Ledger
    from posetrack.video.frames import Source as Source
    from posetrack.video.frames import Status as Status
    from posetrack.video.reader import VideoReader as VideoReader
    from posetrack.video.reader import open_video as open_video
    from posetrack.video.writer import VideoWriter as VideoWriter

# Loaded on first use: the writer alone needs no reader, and neither costs at import.
__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "again": ["Video"],
        "frames": ["Frame", "Ledger", "Source", "Status"],
        "reader": ["VideoReader", "open_video"],
        "writer": ["VideoWriter"],
    },
)
