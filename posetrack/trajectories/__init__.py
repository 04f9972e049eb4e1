"""A whole video's poses over time: arrays over frames, people and keypoints, and their files."""

from posetrack.formats.table import NOBODY, Origin
from posetrack.trajectories.raw import Raw
from posetrack.trajectories.storage import Scan, load, save, scan
from posetrack.trajectories.values import Trajectories

__all__ = ["NOBODY", "Origin", "Raw", "Scan", "Trajectories", "load", "save", "scan"]
