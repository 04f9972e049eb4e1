"""Pose estimators: callables that find the keypoints of the person in each given box."""
