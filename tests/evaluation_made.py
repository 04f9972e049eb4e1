"""PoseTrack18 documents made from arrays, for tests of the evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from posetrack.evaluation.posetrack_files import sequence_of
from posetrack.evaluation.sequences import AnnotatedSequence
from posetrack.skeletons import POSETRACK_17


def document(
    xy: np.ndarray,
    ids: np.ndarray,
    *,
    seen: np.ndarray | None = None,
    scores: np.ndarray | None = None,
    present: np.ndarray | None = None,
    number: int = 1,
    regions: dict[int, list[list[tuple[float, float]]]] | None = None,
) -> dict[str, Any]:
    """A document of T frames and N people.

    Parameters
    ----------
    xy
        (T, N, 17, 2) pixels.
    ids
        (T, N).
    seen
        (T, N, 17), which keypoints are there; all but the ears when None.
    scores
        (T, N, 17); no scores when None.
    present
        (T, N), who is there; everybody when None.
    number
        Of the video.
    regions
        Polygons to ignore by frame.
    """
    frames, people = ids.shape
    seen = np.ones((frames, people, 17), bool) if seen is None else seen.copy()
    seen[:, :, 3:5] = False
    images, annotations = [], []
    for t in range(frames):
        polygons = (regions or {}).get(t, [])
        images.append(
            {
                "id": 10**10 + number * 10**4 + t,
                "file_name": f"images/val/{number:06}_mpii_test/{t:06}.jpg",
                "is_labeled": True,
                "ignore_regions_x": [[x for x, _ in corners] for corners in polygons],
                "ignore_regions_y": [[y for _, y in corners] for corners in polygons],
            }
        )
        for n in range(people):
            if present is not None and not present[t, n]:
                continue
            points = np.where(seen[t, n, :, None], xy[t, n], 0.0)
            flags = seen[t, n, :, None].astype(float)
            person = {
                "image_id": images[-1]["id"],
                "track_id": int(ids[t, n]),
                "keypoints": np.concatenate([points, flags], axis=1).ravel().tolist(),
                "bbox_head": [*xy[t, n, 0].tolist(), 30.0, 40.0],
                "bbox": [*xy[t, n].min(axis=0).tolist(), 100.0, 200.0],
            }
            if scores is not None:
                person["scores"] = scores[t, n].tolist()
            annotations.append(person)
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.keypoints)}
    return {"images": images, "annotations": annotations, "categories": [category]}


def sequence(*args: Any, name: str = "made", **kwargs: Any) -> AnnotatedSequence:
    """The same, read."""
    return sequence_of(document(*args, **kwargs), "made.json", name)


def people_apart(frames: int, people: int, seed: int) -> np.ndarray:
    """(T, N, 17, 2): people who walk far from each other."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(10, 110, (people, 17, 2))
    start = np.stack([np.arange(people) * 400.0 + 100, np.full(people, 100.0)], axis=1)
    steps = rng.uniform(-2, 2, (frames, people, 1, 2)).cumsum(axis=0)
    return (start[None, :, None] + body[None] + steps).round(2)


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Arguments of `document`: people walking apart, with gaps and unseen keypoints."""
    frames, people = draw(st.integers(2, 8)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    present = rng.random((frames, people)) < draw(st.sampled_from([0.6, 1.0]))
    present[:, 0] = True  # a labelled frame has somebody in it
    seen = rng.random((frames, people, 17)) < draw(st.sampled_from([0.7, 1.0]))
    seen[:, 0] = True  # every keypoint occurs
    ids = np.tile(rng.choice(9000, people, replace=False), (frames, 1))
    return {
        "xy": people_apart(frames, people, draw(st.integers(0, 10**6))),
        "ids": ids,
        "seen": seen,
        "present": present,
        "scores": rng.random((frames, people, 17)).round(3),
    }
