"""Answers: people as JSON, or drawn over the picture."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from posetrack.files import dump_json
from posetrack.interfaces import Image
from posetrack.structures import Tracks

Out: TypeAlias = Literal["json", "jpg", "png", "mp4"]

MEDIA: Final = {
    "json": "application/json",
    "jpg": "image/jpeg",
    "png": "image/png",
    "mp4": "video/mp4",
}


class Answer(NamedTuple):
    """What a client gets.

    Parameters
    ----------
    body
        All of it.
    media
        What it is, in the words of HTTP.
    """

    body: bytes
    media: str


def people_of(tracks: Tracks) -> list[dict[str, Any]]:
    """Everybody in a frame: id, box, score, and (x, y, score) of each keypoint.

    A keypoint that was not observed has null in place of its coordinates.

    Examples
    --------
    >>> from posetrack import COCO_17
    >>> from posetrack.testing import crossing
    >>> poses, ids = crossing(frames=1).truth(0)
    >>> person = people_of(Tracks(poses, ids, np.zeros(len(ids))))[0]
    >>> sorted(person), len(person["keypoints"])
    (['box', 'id', 'keypoints', 'score'], 17)
    """
    xy = np.round(tracks.xy.astype(float), 2)
    scores = np.round(tracks.scores.astype(float), 4)
    return [
        {
            "id": int(tracks.ids[row]),
            "box": np.round(tracks.boxes.xyxy[row].astype(float), 2).tolist(),
            "score": round(float(tracks.boxes.scores[row]), 4),
            "keypoints": [
                [*(point if np.isfinite(point).all() else (None, None)), float(score)]
                for point, score in zip(xy[row].tolist(), scores[row], strict=True)
            ],
        }
        for row in range(len(tracks))
    ]


def answer_with_json(document: dict[str, Any], tracks: Tracks | None) -> Answer:
    """A document with what the keypoints are, where there was an image."""
    if tracks is not None:
        document["skeleton"] = tracks.skeleton.to_json()
    return Answer(dump_json(document), MEDIA["json"])


def answer_with_picture(image: Image, tracks: Tracks, kind: Literal["jpg", "png"]) -> Answer:
    """The picture with people drawn over it."""
    from posetrack.draw.overlay import draw_tracks
    from posetrack.runs.pictures import encode_picture

    drawn = draw_tracks(image, tracks, out=image)
    return Answer(encode_picture(drawn, kind), MEDIA[kind])
