"""Plot one keypoint's height against time for each person, from a table that a run has written.

    posetrack track match.mp4 -o out/
    python examples/plot_keypoints.py out/match.parquet left_wrist wrist.png

Needs matplotlib.
"""

import sys

import matplotlib.pyplot as plt
import pandas as pd

table, keypoint, picture = sys.argv[1:4]
people = pd.read_parquet(table) if table.endswith(".parquet") else pd.read_csv(table)
figure, axes = plt.subplots(figsize=(9, 4))
for identity, rows in people.groupby("id"):
    axes.plot(rows["seconds"], rows[f"{keypoint}_y"], label=f"person {identity}")
axes.invert_yaxis()  # image rows grow downward
axes.set(xlabel="time (s)", ylabel=f"{keypoint} y (px)")
axes.legend()
figure.savefig(picture, dpi=120, bbox_inches="tight")
