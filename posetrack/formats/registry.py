"""The formats of tracks: how each is recognised, what reads and writes it, what it keeps.

One table for `posetrack.load`, the commands, the tests and docs/formats.md. A format is added by a
file with its reader and its writer, and an entry here. A number is the largest error; ``0`` is
exact. None: the format has no place for it.
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
    reader, writer
        Who reads and who writes it, as ``module:function`` in `posetrack.formats`; empty where
        nobody does. A reader takes a path and `posetrack.formats.hints.Hints` and gives a
        `posetrack.formats.TrackTable`. A writer takes a path and a table (and
        ``metres_per_pixel`` or ``skeleton`` where it has such a parameter), or is a class of
        `posetrack.formats.sinks.FrameWriter`.
    known_by
        What a file of the format holds, each with what sort of file it is (see
        `posetrack.formats.reading.contents`): keys of JSON, datasets of HDF5, the first word of
        CSV. Of several formats the one of which most is found wins.
    ids
        Identities: ``kept``; ``if there`` in files that may lack them; ``name`` where only the
        file's name has them; None.
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
    reader: str
    writer: str
    known_by: tuple[tuple[str, ...], ...]
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

    @property
    def reads(self) -> bool:
        """Whether there is a reader."""
        return bool(self.reader)

    @property
    def writes(self) -> bool:
        """Whether there is a writer."""
        return bool(self.writer)


_OWN: Final = ("kept", "kept", 0.0, 0.0, 0.0, 0.0, True, "kept", True, "yes")
_ARRAYS: Final = ("kept", "rate", 0.0, 0.0, None, None, False, "names", False)

FORMATS: Final[dict[str, Format]] = {
    "parquet": Format(
        "own table, Parquet", ".parquet", "reading:read_own", "table_writers:write_table",
        (("arrow",),), *_OWN,
    ),
    "csv": Format(
        "own table, CSV", ".csv", "reading:read_own", "table_writers:write_table",
        (("csv", "frame"),), *_OWN, note="and .csv.meta.json beside it"),
    "posetrack17": Format(
        "PoseTrack 2017 JSON", ".pt17.json", "posetrack17:read_posetrack17",
        "posetrack17:write_posetrack17", (("object", "annolist"),),
        "kept", "kept", 0.005, 1e-6, None, None,
        False, "posetrack_15", False, "yes",
    ),
    "posetrack18": Format(
        "PoseTrack 2018 and 2021 JSON", ".json", "posetrack18:read_posetrack18",
        "posetrack18:PoseTrack18Writer", (("object", "images", "annotations"),),
        "kept", "kept", 0.005, 1e-6, 0.01,
        1e-6, False, "posetrack_17", True, "yes",
        note="PoseTrack21's evaluation reads the same file; annotations of both years are read",
    ),
    "coco": Format(
        "COCO keypoint results", ".coco.json", "coco:read_coco_results", "coco:CocoWriter",
        (("list", "image_id", "keypoints"), ("empty list",)),
        "kept", "kept", 0.005, 1e-6, 0.01, 1e-6,
        False, "kept", True, "no", note="skeleton and provenance in .meta.json beside it",
    ),
    "openpose": Format(
        "OpenPose JSON, a file a frame", ".openpose", "openpose:read_openpose",
        "openpose:write_openpose", (("folder",), ("folder", "*.json", "*_keypoints.json")),
        "kept", "rate", 0.0005, 1e-6,
        None, None, False, "body_25 or coco_18", False, "yes",
        note="a folder; ids in person_id, which OpenPose itself leaves at -1; faces and hands, too",
    ),
    "movement": Format(
        "movement netCDF", ".movement.nc", "movement:read_movement", "movement:write_movement",
        (("hdf5", "position"),), "kept", "kept", 0.0, 0.0, None, None, False,
        "names", False, "yes", "formats",
    ),
    "nwb": Format(
        "NWB with ndx-pose", ".nwb", "nwb:read_nwb", "nwb:write_nwb",
        (("hdf5", "nwb_version"),), "kept", "kept", 0.0, 0.0, None, None, False,
        "names", False, "yes", "nwb", "a PoseEstimation a person; to read it, h5py is enough",
    ),
    "dlc": Format(
        "DeepLabCut CSV", ".dlc.csv", "dlc:read_dlc", "dlc:write_dlc", (("csv", "scorer"),),
        *_ARRAYS, "yes", note="rows from frame 0 on; single-animal files are read, too",
    ),
    "dlc-h5": Format(
        "DeepLabCut HDF5", ".dlc.h5", "dlc:read_dlc_h5", "dlc:write_dlc_h5",
        (("hdf5", "df_with_missing"), ("hdf5", "pandas_type within")), *_ARRAYS, "yes", "formats",
        "rows from frame 0 on; about 30 people of 17 keypoints at most",
    ),
    "dlc-labels": Format(
        "DeepLabCut labelled data", ".labeled-data", "dlc:read_dlc", "dlc:write_dlc_labels", (),
        "kept", "rate", 1e-4, None, None, None, False, "names", False, "no", "formats",
        "a folder with CollectedData in CSV and HDF5, to correct; both are read, by image",
    ),
    "sleap": Format(
        "SLEAP analysis HDF5", ".sleap.h5", "sleap:read_sleap", "sleap:write_sleap",
        (("hdf5", "tracks"), ("csv", "frame_idx")), *_ARRAYS, "yes", "formats",
        "rows from frame 0 on; analysis CSV is read, too",
    ),
    "slp": Format(
        "SLEAP project", ".slp", "slp:read_slp", "slp:write_slp",
        (("hdf5", "metadata", "frames", "instances"),), "if there", "rate", 0.0, 1e-6, None, 1e-6,
        False, "names", True, "yes", "sleap",
        "predicted instances with scores and tracks; the video by its name",
    ),
    "mot": Format(
        "MOT Challenge text", ".mot.txt", "mot:read_mot", "mot:write_mot", (("text",),),
        "kept", "rate", None, None, 0.01, 1e-6,
        False, None, False, "no", note="boxes alone; keypoints are read as unseen",
    ),
    "trc": Format(
        "OpenSim markers", ".trc", "opensim:read_trc", "opensim:write_trc", (("trc",),),
        "name", "kept", 1e-6, None, None, None, False,
        "names", False, "no", note="a file a person; metres with a scale, else the units read",
    ),
    "opensim-mot": Format(
        "OpenSim motion", ".mot", "", "opensim:write_opensim_mot", (),
        "name", "kept", None, None, None, None, False, None,
        False, "no", note="a file a person: angles in degrees; read_opensim_mot reads them",
    ),
    "c3d": Format(
        "C3D", ".c3d", "c3d:read_c3d", "c3d:write_c3d", (("c3d",),),
        "kept", "rate", 0.001, None, None, None, False, "names", False,
        "yes", "c3d", "rows from frame 0 on; labels id_3:left_knee; units as trc; read without it",
    ),
    "ultralytics": Format(
        "Ultralytics summary JSON", ".ultralytics.json", "ultralytics:read_ultralytics",
        "ultralytics:write_ultralytics",
        (("list", "box", "confidence", "class"), ("list of lists",), ("list of lists", "box"),
         ("lines", "box"), ("object", "box within"), ("object", "results within"),
         ("lines", "results"), ("lines", "detections"), ("list", "results", "no image_id"),
         ("list", "detections", "no image_id")),
        "kept", "rate", 1e-5, 1e-6, 1e-5, 1e-6, False, None, False, "yes",
        note="rows from frame 0 on; lists a frame, by image or by line are read",
    ),
    "yolo": Format(
        "YOLO-pose labels", ".yolo", "yolo:read_yolo", "yolo:write_yolo",
        (("folder", "*.txt"), ("folder", "*.txt", "*.yaml"), ("folder", "*.txt", "*.yml")),
        None, "rate", 1e-4, None, 1e-4, None, False, None, False, "yes", "formats",
        "a folder with data.yaml; places are fractions of the image, of which the size is needed",
    ),
    "yolo-tracks": Format(
        "Ultralytics save_txt", ".yolo-tracks", "yolo:read_yolo", "yolo:write_yolo_tracks", (),
        "if there", "rate", 1e-4, 1e-6, 1e-4, 1e-6, False, None, False, "yes", "formats",
        "as yolo, with scores and ids",
    ),
    "openpifpaf": Format(
        "OpenPifPaf predictions", ".openpifpaf.json", "openpifpaf:read_openpifpaf", "",
        (("lines", "predictions", "frame"), ("object", "predictions", "frame"),
         ("list", "keypoints", "bbox", "score", "no image_id"), ("folder", "*.predictions.json")),
        "if there", "rate", 0.0, 0.0, 0.0, 0.0, False, None, False, "yes",
        note="JSON lines of a video, or a file an image",
    ),
    "cvat": Format(
        "CVAT XML", ".xml", "cvat:read_cvat", "", (("xml", "annotations"),),
        "if there", "rate", 0.0, None, None, None, False, "names", False, "yes",
        note="for images and for video, the zip or folder as it comes; COCO and YOLO exports, too",
    ),
    "label-studio": Format(
        "Label Studio JSON", ".json", "label_studio:read_label_studio", "",
        (("list", "data", "annotations"), ("list", "data", "completions"),
         ("list", "annotation_id", "lead_time")),
        None, "rate", 1e-4, None, 1e-4, None, False, "names", False, "yes",
        note="JSON and JSON-MIN, the zip or folder as it comes; COCO and YOLO exports, too",
    ),
    "mmpose": Format(
        "MMPose predictions", ".json", "mmpose:read_mmpose", "",
        (("object", "instance_info"), ("list", "instances"),
         ("list", "keypoints", "keypoint_scores", "no image_id")),
        "if there", "rate", 0.0, 0.0, 0.0, 0.0, False,
        "names", False, "yes",
    ),
    "alphapose": Format(
        "AlphaPose results", ".json", "alphapose:read_alphapose", "",
        (("list", "image_id", "keypoints", "idx"), ("list", "image_id", "keypoints", "box"),
         ("list", "image_id", "keypoints", "image_id in words"),
         ("object", "bodies within"), ("object", "people within")),
        "if there", "rate", 0.0, 0.0, 0.0, None, False,
        None, False, "no", note="16, 17, 26, 133 or 136 keypoints; --format open and cmu, too",
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
