"""A whole video's poses over time: arrays over frames, people and keypoints, and their files."""

from posetrack.trajectories.files import Scan, load, save, scan
from posetrack.trajectories.values import Origin, Trajectories

__all__ = ["Origin", "Scan", "Trajectories", "load", "save", "scan"]
