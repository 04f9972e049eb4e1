"""Give identities to poses that you have already, from whatever estimator.

    python examples/own_poses.py

Neither network is run and nothing is downloaded; without images the poses are compared where they
are, with images (the first argument of ``update``) they are moved by optical flow first.
"""

import numpy as np

from posetrack import COCO_17, Poses, Tracker

rng = np.random.default_rng(0)
body = rng.uniform(-40, 40, (17, 2))
tracker = Tracker()
for frame in range(5):
    # Two people walk towards each other; your estimator gives them in any order.
    places = ((100 + 8 * frame, 200), (400 - 8 * frame, 210))
    people = np.stack([body + np.array(place) for place in places])
    order = rng.permutation(2)
    xy = people[order] + rng.normal(0, 1, (2, 17, 2))
    scores = rng.uniform(0.6, 0.9, (2, 17))
    tracks = tracker.update(poses=Poses.from_keypoints(xy, scores, COCO_17))
    for person in tracks:  # in the order given
        print(frame, person.id, "nose at", np.round(person.xy[0]).tolist())
