"""Track a video file and print where everybody's left wrist is.

    python examples/track_file.py match.mp4

Networks are fetched on first use; name others, or files of your own, with --detector and
--estimator.
"""

import argparse

import posetrack

parser = argparse.ArgumentParser()
parser.add_argument("video")
parser.add_argument("--detector", help="a name or file")
parser.add_argument("--estimator", help="a name or file")
arguments = parser.parse_args()

for frame, people in posetrack.track_frames(
    arguments.video, detector=arguments.detector, estimator=arguments.estimator
):
    for person in people:
        x, y, score = person["left_wrist"]
        print(f"{frame.seconds:8.3f} s  person {person.id:3}  {x:7.1f} {y:7.1f}  {score:.2f}")
