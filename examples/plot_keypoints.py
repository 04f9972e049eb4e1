"""Plot keypoints against time for each person, from a table that a run has written.

    posetrack track match.mp4 -o out/
    python examples/plot_keypoints.py out/match.parquet left_wrist,right_wrist wrist.png

The same as `posetrack plot out/match.parquet --keypoint left_wrist,right_wrist -o wrist.png`.
Needs matplotlib.
"""

import sys

import posetrack
from posetrack.plots import plot_keypoint

table, keypoints, picture = sys.argv[1:4]
plot_keypoint(posetrack.load(table), keypoints.split(","), picture)
