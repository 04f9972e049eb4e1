"""A run: a video by its name, through networks by their names, to trajectories and files.

What the command line and `posetrack.track` share.
"""
