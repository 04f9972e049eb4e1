"""Tracks drawn over images: skeletons, boxes, ids and trails, in colours that stay with ids."""

from posetrack.draw.colours import colour_of
from posetrack.draw.overlay import draw_tracks
from posetrack.draw.trails import Trails

__all__ = ["Trails", "colour_of", "draw_tracks"]
