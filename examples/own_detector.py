"""Use a detector of your own: any function from an image to boxes.

    python examples/own_detector.py match.mp4 --estimator pose.onnx

Here it is background subtraction: whatever is large, upright and moves counts as a person.
"""

import argparse

import cv2
import numpy as np

from posetrack import Detections, Tracker
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.video import open_video

parser = argparse.ArgumentParser()
parser.add_argument("video")
parser.add_argument("--estimator", help="an ONNX file")
arguments = parser.parse_args()

background = cv2.createBackgroundSubtractorMOG2(detectShadows=False)


def moving_people(image: np.ndarray) -> Detections:
    """Boxes around large moving regions that are taller than wide."""
    moving = cv2.morphologyEx(background.apply(image), cv2.MORPH_CLOSE, np.ones((15, 15)))
    _, _, regions, _ = cv2.connectedComponentsWithStats(moving)
    left, top, width, height, area = regions[1:].T  # the first region is the background
    good = (area > 0.002 * moving.size) & (height > width)
    xyxy = np.stack([left, top, left + width, top + height], axis=1)[good]
    return Detections(xyxy, (area / (width * height))[good])


estimator = OnnxTopDown(arguments.estimator) if arguments.estimator else None
tracker = Tracker(moving_people, estimator)
with open_video(arguments.video) as video:
    for frame in video:
        people = tracker.update(frame.image)
        print(frame.index, people.ids.tolist())
