"""Strategies that make tracks, for the tests of what is written to files."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from posetrack.skeletons import Skeleton
from posetrack.structures import Detections, Poses, Tracks

Frame = tuple[int, float, Tracks]

coordinates = st.floats(-1e4, 1e5, width=32) | st.sampled_from([np.nan, 1e-30, -0.0, 3e38])
unit = st.floats(0, 1, width=32)


@st.composite
def tracks(draw: Any, skeleton: Skeleton) -> Tracks:
    count = draw(st.integers(0, 4))
    xy = draw(hnp.arrays(np.float32, (count, len(skeleton), 2), elements=coordinates))
    scores = draw(hnp.arrays(np.float32, (count, len(skeleton)), elements=unit))
    corner = draw(hnp.arrays(np.float32, (count, 2), elements=st.floats(-99, 999, width=32)))
    size = draw(hnp.arrays(np.float32, (count, 2), elements=st.floats(0, 999, width=32)))
    boxes = Detections(np.hstack([corner, corner + size]), draw_scores(draw, count))
    ids = draw(st.lists(st.integers(1, 2**62), min_size=count, max_size=count, unique=True))
    ages = draw(hnp.arrays(np.int64, count, elements=st.integers(0, 30)))
    return Tracks(Poses(xy, scores, boxes, skeleton), ids, ages)


def draw_scores(draw: Any, count: int) -> Any:
    return draw(hnp.arrays(np.float32, count, elements=unit))


@st.composite
def frames(draw: Any, skeleton: Skeleton) -> list[Frame]:
    steps = draw(st.lists(st.integers(1, 3), max_size=6))
    indices = np.cumsum([0, *steps])[1:].tolist()
    return [(index, index / 30, draw(tracks(skeleton))) for index in indices]
