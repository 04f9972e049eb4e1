"""The method: poses in a stream of images, with identities.

`posetrack.tracking.tracker` is the object with memory, `posetrack.tracking.pipeline` takes a whole
video through it, `posetrack.tracking.linking` gives identities to poses from elsewhere.
"""
