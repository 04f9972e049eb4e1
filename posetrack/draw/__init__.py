"""Tracks drawn over images: skeletons, boxes, ids and trails, in colours that stay with ids.

Faces can be covered, and whole videos be drawn again from stored tracks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posetrack.draw.colours import colour_of
from posetrack.draw.faces import FaceCover, cover_regions, find_heads
from posetrack.draw.overlay import draw_tracks
from posetrack.draw.trails import Trails

if TYPE_CHECKING:
    from posetrack.draw.video import draw_video

__all__ = [
    "FaceCover",
    "Trails",
    "colour_of",
    "cover_regions",
    "draw_tracks",
    "draw_video",
    "find_heads",
]


def __getattr__(name: str) -> Any:
    # Drawing over an image needs no video.
    if name != "draw_video":
        raise AttributeError(f"module 'posetrack.draw' has no attribute {name!r}")
    from posetrack.draw.video import draw_video

    return draw_video
