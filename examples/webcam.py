"""Track the people in front of a webcam and show them; press q to stop.

python examples/webcam.py 0
"""

import sys

import cv2

from posetrack import Tracker
from posetrack.draw import Trails, draw_tracks
from posetrack.video import open_video

tracker = Tracker(detect_every=3)  # flow carries the boxes between
trails = Trails()
with open_video(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as camera:
    for frame in camera:
        people = tracker.update(frame.image)
        cv2.imshow("posetrack", draw_tracks(frame.image, people, trails=trails))
        if cv2.waitKey(1) == ord("q"):
            break
