"""PoseTrack17 JSON: 15 keypoints, everything in lists of one element.

Source: the annotation files of the dataset of 2017 (posetrack.net) and what the official evaluation
(``leonid-pishchulin/poseval``) reads in predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.files import dump_json, write_whole
from posetrack.formats.json_writer import rounded
from posetrack.formats.posetrack18 import sequence_name
from posetrack.formats.table import TrackTable
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Tracks


def write_posetrack17(
    path: str | Path, table: TrackTable, *, approximate_head: bool = True
) -> None:
    """Write predictions as PoseTrack17 JSON.

    Keypoints go by name into PoseTrack's 15 slots; those that were not seen are left out. Places
    are to a hundredth of a pixel, scores to six decimals; boxes are not kept.

    Parameters
    ----------
    path
        The JSON file; the official evaluation pairs files by name.
    table
        What to write.
    approximate_head
        Place the ends of the head from nose and shoulders if the skeleton lacks them, see
        `posetrack.formats.PoseTrack18Writer`.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    path = Path(path)
    write_whole(path, _pieces(sequence_name(path.stem.split(".")[0]), table, approximate_head))


def _pieces(sequence: str, table: TrackTable, approximate_head: bool) -> Iterator[bytes]:
    yield b'{"annolist":['
    comma = b"\n"
    for index, seconds, tracks in table.frames():
        image = {
            "image": [{"name": f"images/{sequence}/{index:06d}.jpg"}],
            "imgnum": [index + 1],
            "seconds": [seconds],
            "annorect": _people(tracks, approximate_head),
            "is_labeled": [1],
        }
        yield comma + dump_json(image)
        comma = b",\n"
    rate = table.metadata.get("rate")
    yield b"]" + (b',"rate":' + dump_json([rate]) if rate else b"") + b"}\n"


def _people(tracks: Tracks, approximate_head: bool) -> list[dict[str, Any]]:
    xy, scores = tracks.skeleton.map_to(
        POSETRACK_15, tracks.xy, tracks.scores, approximate_head=approximate_head
    )
    seen: NDArray[np.bool_] = np.isfinite(xy[..., 0])
    places, marks = rounded(xy, 2), rounded(scores, 6)
    means = rounded(tracks.scores.mean(axis=1), 6)
    return [
        {
            "track_id": [who],
            "score": [means[row]],
            "annopoints": [
                {
                    "point": [
                        {"id": [k], "x": [x], "y": [y], "score": [marks[row][k]]}
                        for k, (x, y) in enumerate(places[row])
                        if seen[row, k]
                    ]
                }
            ],
        }
        for row, who in enumerate(tracks.ids.tolist())
    ]
