"""Detectors: callables that find the people in an image, one third-party library a file.

Any function from an image to `posetrack.Detections` is a detector; these are those at hand.
"""
