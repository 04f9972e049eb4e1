"""Many videos on whatever machines there are: processes of this one, or Ray's over several.

What is done with a video is a function of its source (`posetrack.cluster.jobs.Work`); here it is
decided where and when, and what happens when a process dies.
"""
