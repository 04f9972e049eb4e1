"""What each format keeps and loses, one table for the tests, the command and docs/formats.md.

A number is the largest error; ``0`` is exact. None: the format has no place for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Format:
    """What a file format keeps of a table of tracks.

    Parameters
    ----------
    title
        What it is called.
    ending
        Of our files.
    reads, writes
        Whether it is read and written.
    ids
        Identities: ``kept``; ``if there`` in files that may lack them; ``name`` where only the
        file's name tells; None.
    seconds
        ``kept``; ``rate`` where frames are kept and times follow from a rate; None.
    xy, scores, boxes, box_scores
        Largest error, in pixels or units of score; None where not kept. Boxes that are not kept
        become those of the keypoints.
    origin
        Whether detected, carried by flow and so on, and ``flow_age``, are kept.
    skeleton
        ``kept``; ``names`` of keypoints alone; a skeleton's name where keypoints go into its
        slots; None.
    provenance
        Whether the settings and weights that made the tracks are kept.
    empty
        Whether frames without people are kept: ``yes``; ``up to the last person``; ``no``.
    extra
        What must be installed beside the package, as an extra.
    note
        A word more.
    """

    title: str
    ending: str
    reads: bool
    writes: bool
    ids: Literal["kept", "if there", "name"] | None
    seconds: Literal["kept", "rate"] | None
    xy: float | None
    scores: float | None
    boxes: float | None
    box_scores: float | None
    origin: bool
    skeleton: str | None
    provenance: bool
    empty: Literal["yes", "up to the last person", "no"]
    extra: str = ""
    note: str = ""


_OWN: Final = ("kept", "kept", 0.0, 0.0, 0.0, 0.0, True, "kept", True, "yes")
_ARRAYS: Final = ("kept", "rate", 0.0, 0.0, None, None, False, "names", False)

FORMATS: Final[dict[str, Format]] = {
    "parquet": Format("own table, Parquet", ".parquet", True, True, *_OWN),
    "csv": Format("own table, CSV", ".csv", True, True, *_OWN, note="and .csv.meta.json beside it"),
    "posetrack17": Format(
        "PoseTrack 2017 JSON", ".pt17.json", True, True, "kept", "kept", 0.005, 1e-6, None, None,
        False, "posetrack_15", False, "yes",
    ),
    "posetrack18": Format(
        "PoseTrack 2018 and 2021 JSON", ".json", True, True, "kept", "kept", 0.005, 1e-6, 0.01,
        1e-6, False, "posetrack_17", True, "yes",
        note="PoseTrack21's evaluation reads the same file; annotations of both years are read",
    ),
    "coco": Format(
        "COCO keypoint results", ".coco.json", True, True, "kept", "kept", 0.005, 1e-6, 0.01, 1e-6,
        False, "kept", True, "no", note="skeleton and provenance in .meta.json beside it",
    ),
    "openpose": Format(
        "OpenPose JSON, a file a frame", ".openpose", True, True, "kept", "rate", 0.0005, 1e-6,
        None, None, False, "body_25 or coco_18", False, "yes",
        note="a folder; ids in person_id, which OpenPose itself leaves at -1",
    ),
    "movement": Format(
        "movement netCDF", ".movement.nc", True, True, "kept", "kept", 0.0, 0.0, None, None, False,
        "names", False, "yes", "formats",
    ),
    "dlc": Format("DeepLabCut CSV", ".dlc.csv", True, True, *_ARRAYS, "yes",
                  note="rows from frame 0 on; single-animal files are read, too"),
    "dlc-h5": Format(
        "DeepLabCut HDF5", ".dlc.h5", True, True, *_ARRAYS, "yes", "formats",
        "rows from frame 0 on; about 30 people of 17 keypoints at most",
    ),
    "sleap": Format(
        "SLEAP analysis HDF5", ".sleap.h5", True, True, *_ARRAYS, "yes", "formats",
        "rows from frame 0 on",
    ),
    "mot": Format(
        "MOT Challenge text", ".mot.txt", True, True, "kept", "rate", None, None, 0.01, 1e-6,
        False, None, False, "no", note="boxes alone; keypoints are read as unseen",
    ),
    "trc": Format(
        "OpenSim markers", ".trc", False, True, "name", "kept", 1e-6, None, None, None, False,
        "names", False, "no", note="a file a person; metres with a scale, else pixels",
    ),
    "opensim-mot": Format(
        "OpenSim motion", ".mot", False, True, "name", "kept", None, None, None, None, False, None,
        False, "no", note="a file a person: angles in degrees",
    ),
    "c3d": Format(
        "C3D", ".c3d", False, True, "kept", "rate", 0.001, None, None, None, False, "names", False,
        "yes", "c3d", "labels id_3:left_knee; metres with a scale, else pixels",
    ),
    "mmpose": Format(
        "MMPose predictions", ".json", True, False, "if there", "rate", 0.0, 0.0, 0.0, 0.0, False,
        "names", False, "yes",
    ),
    "alphapose": Format(
        "AlphaPose results", ".json", True, False, "if there", "rate", 0.0, 0.0, 0.0, None, False,
        None, False, "no", note="COCO's 17, MPII's 16, Halpe's 26; 136 are read as 26",
    ),
}  # fmt: skip
"""By the name that the command line knows."""

_COLUMNS: Final = (
    "format", "name", "in", "out", "ids", "seconds", "places", "scores", "boxes", "box scores",
    "origin", "skeleton", "provenance", "empty frames", "note",
)  # fmt: skip


def rows() -> list[tuple[str, ...]]:
    """The table as text: a heading, then a row a format.

    Examples
    --------
    >>> rows()[0][:4], rows()[1][:4]
    (('format', 'name', 'in', 'out'), ('own table, Parquet', 'parquet', 'yes', 'yes'))
    """
    return [_COLUMNS, *(_row(name, known) for name, known in FORMATS.items())]


def _row(name: str, known: Format) -> tuple[str, ...]:
    notes = [known.note, f'pip install "posetrack[{known.extra}]"' if known.extra else ""]
    ids = {"name": "in the file's name", None: "no"}.get(known.ids, str(known.ids))
    seconds = {"rate": "from the rate", None: "no"}.get(known.seconds, str(known.seconds))
    return (
        known.title,
        name,
        _yes(known.reads),
        _yes(known.writes),
        ids,
        seconds,
        _error(known.xy, " px"),
        _error(known.scores, ""),
        _error(known.boxes, " px"),
        _error(known.box_scores, ""),
        _yes(known.origin),
        known.skeleton or "no",
        _yes(known.provenance),
        known.empty,
        "; ".join(note for note in notes if note),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _error(error: float | None, unit: str) -> str:
    if error is None:
        return "no"
    return "exact" if error == 0 else f"to {error:g}{unit}"


def as_text() -> str:
    """The table in columns, for a terminal; the notes below it."""
    table = [row[1:-1] for row in rows()]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    notes = [f"{row[1]}: {row[0]}" + (f" ({row[-1]})" if row[-1] else "") for row in rows()[1:]]
    return "\n".join([*lines, "", *notes])


def as_markdown() -> str:
    """The table in Markdown, for docs/formats.md."""
    head, *body = (row[:-1] for row in rows())
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
