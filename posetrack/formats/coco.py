"""COCO keypoint results: a list with one entry a person a frame.

Source: cocodataset.org, "Results format", keypoint detection; checked with pycocotools' loadRes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.json_writer import JsonWriter, boxes_xywh, rounded
from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks


class CocoWriter(JsonWriter):
    """Write tracks as COCO keypoint results, which ``COCO.loadRes`` reads.

    Each entry has ``image_id``, ``category_id``, ``keypoints`` (x, y and score of each; 0, 0, 0
    where not seen), ``score`` and ``bbox`` (left, top, width, height) as COCO wants them, and
    ``box_score``, ``track_id``, ``frame`` and ``seconds``, which COCO ignores. Frames without
    people leave no entry. What the file is and what made it lies beside it, in
    ``NAME.json.meta.json``: a list has no place for it. Places are written to a hundredth of a
    pixel, scores to six decimals.

    Parameters
    ----------
    path
        The JSON file; its folder must exist.
    skeleton
        What the keypoints of the tracks are; they are written in its order. COCO's own evaluation
        wants its 17.
    image_size
        Width and height of the frames in pixels, if known.
    rate
        Frames a second, if known.
    provenance
        What made the file.
    image_id
        The id of the image with a frame's index; the index itself when None.
    category_id
        COCO's person is 1.
    min_score
        Keypoints that score more count in the mean of a person's score, see `pose_scores`.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.structures import Poses
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "results.json"
    >>> with CocoWriter(path, COCO_17) as file:
    ...     poses = Poses.from_keypoints(np.ones((1, 17, 2)), np.full((1, 17), 0.5), COCO_17)
    ...     file.write(8, 0.32, Tracks(poses, [4]))
    >>> entry = json.loads(path.read_text())[0]
    >>> entry["image_id"], entry["track_id"], entry["score"], entry["keypoints"][:3]
    (8, 4, 0.25, [1.0, 1.0, 0.5])
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        *,
        image_size: tuple[int, int] | None = None,
        rate: float | None = None,
        provenance: Mapping[str, Any] | None = None,
        image_id: Callable[[int], int] | None = None,
        category_id: int = 1,
        min_score: float = 0.2,
    ) -> None:
        self._image_id = image_id
        self._category_id = category_id
        self._min_score = min_score
        header = {
            "format": "coco",
            "skeleton": skeleton.to_json(),
            "image_size": None if image_size is None else [int(side) for side in image_size],
            "rate": rate,
            "min_score": min_score,
            "provenance": dict(provenance or {}),
        }
        super().__init__(path, skeleton, header)

    def _add(self, index: int, seconds: float, tracks: Tracks) -> None:
        if len(tracks):
            self._add_people(index, seconds, tracks)
        self._end_of_frame()

    def _add_people(self, index: int, seconds: float, tracks: Tracks) -> None:
        seen = np.isfinite(tracks.xy).all(axis=-1, keepdims=True)
        places = np.where(seen, tracks.xy.astype(np.float64).round(2), 0)
        marks = np.where(seen, tracks.scores[..., None].astype(np.float64).round(6), 0)
        keypoints = np.concatenate([places, marks], axis=-1).reshape(len(tracks), -1).tolist()
        boxes = boxes_xywh(tracks.boxes.xyxy)
        scores = rounded(pose_scores(tracks, self._min_score), 6)
        box_scores = rounded(tracks.boxes.scores, 6)
        image_id = index if self._image_id is None else int(self._image_id(index))
        for row, track_id in enumerate(tracks.ids.tolist()):
            self._person(
                {
                    "image_id": image_id,
                    "category_id": self._category_id,
                    "keypoints": keypoints[row],
                    "score": scores[row],
                    "bbox": boxes[row],
                    "box_score": box_scores[row],
                    "track_id": track_id,
                    "frame": index,
                    "seconds": seconds,
                }
            )


def pose_scores(tracks: Tracks, min_score: float) -> NDArray[np.float32]:
    """A person's score for COCO: box score times the mean score of the surer keypoints.

    Parameters
    ----------
    tracks
        N people.
    min_score
        Keypoints that score more enter the mean. 0.2 is what the authors of *Simple Baselines*
        evaluate with; a person without such a keypoint scores 0.

    Returns
    -------
    (N,)
        In [0, 1] where boxes and keypoints are.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> pose_scores(Tracks.empty(COCO_17), 0.2)
    array([], dtype=float32)
    """
    surer = tracks.scores > min_score
    total = np.where(surer, tracks.scores, 0).sum(axis=1)
    mean = total / np.maximum(surer.sum(axis=1), 1)
    scores: NDArray[np.float32] = (mean * tracks.boxes.scores).astype(np.float32)
    return scores
