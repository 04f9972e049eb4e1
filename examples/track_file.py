"""Track a video file and print where everybody's left wrist is.

    python examples/track_file.py match.mp4

Networks are fetched on first use; give your own with --detector and --estimator (ONNX files).
"""

import argparse

from posetrack import Tracker
from posetrack.detectors.onnx import OnnxDetector
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.tracking.pipeline import track_video
from posetrack.video import open_video

parser = argparse.ArgumentParser()
parser.add_argument("video")
parser.add_argument("--detector", help="an ONNX file")
parser.add_argument("--estimator", help="an ONNX file")
arguments = parser.parse_args()

tracker = Tracker(
    OnnxDetector(arguments.detector) if arguments.detector else None,
    OnnxTopDown(arguments.estimator) if arguments.estimator else None,
)
with open_video(arguments.video) as video:
    for frame, people in track_video(video, tracker):
        for person in people:
            x, y, score = person["left_wrist"]
            print(f"{frame.seconds:8.3f} s  person {person.id:3}  {x:7.1f} {y:7.1f}  {score:.2f}")
