"""Any file of tracks as a table: what kind it is shows in its content, not in a name given to it.

============================  ====================================================================
a folder                      OpenPose's files
``.parquet .arrows``          the project's own table
``.csv``                      the project's own, or DeepLabCut's (its first word is ``scorer``)
``.json``                     PoseTrack of any year, COCO results, AlphaPose, MMPose: by their keys
``.h5 .hdf5 .nc``             DeepLabCut, SLEAP's analysis, movement: by their datasets
``.txt``                      MOT Challenge
============================  ====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posetrack.files import read_json, read_text
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.json_reading import entries
from posetrack.formats.table import TrackTable

_OWN = (".parquet", ".arrows", ".csv")
_HDF5 = (".h5", ".hdf5", ".nc", ".nc4")


def read_any(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read tracks from a file or folder of whatever kind is known.

    Parameters
    ----------
    path
        The file, or a folder of OpenPose's.
    hints
        What the file may not say.

    Raises
    ------
    ValueError
        If it is of no kind that is read, broken, or a hint is needed; the message names the file.
    FileNotFoundError
        If it is not there.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "match.txt"
    >>> _ = path.write_text("1,4,11,21,30,60,0.9")
    >>> read_any(path, Hints(rate=25)).ids.tolist()
    [4]
    """
    path = Path(path)
    if path.is_dir():
        from posetrack.formats.openpose import read_openpose

        return read_openpose(
            path, rate=hints.rate, skeleton=hints.skeleton, untracked=hints.untracked
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    ending = path.suffix.lower()
    if ending in _OWN and not _is_dlc(path):
        from posetrack.formats.table_reading import read_table

        return read_table(path)
    if ending == ".csv":
        from posetrack.formats.dlc import read_dlc

        return read_dlc(path, hints)
    if ending == ".json":
        return _read_json(path, hints)
    if ending in _HDF5:
        return _read_hdf5(path, hints)
    if ending == ".txt":
        from posetrack.formats.mot import read_mot

        return read_mot(path, hints)
    known = ", ".join((*_OWN, ".json", *_HDF5, ".txt"))
    raise ValueError(f"{path}: expected a folder of OpenPose's or a file that ends in {known}")


def is_own(path: Path) -> bool:
    """Whether a file is the project's own table, by its name and first word."""
    return path.suffix.lower() in _OWN and not _is_dlc(path)


def _is_dlc(path: Path) -> bool:
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(10).removeprefix(b"\xef\xbb\xbf")[:7].strip() in (b"scorer", b"scorer,")


def _read_json(path: Path, hints: Hints) -> TrackTable:
    from posetrack.formats.coco_reading import alphapose_table, coco_table
    from posetrack.formats.mmpose import mmpose_table
    from posetrack.formats.posetrack_reading import posetrack_table

    document = read_json(path, nan=True)
    if isinstance(document, Mapping):
        if "instance_info" in document:
            return mmpose_table(document, path, hints)
        if "annolist" in document or {"images", "annotations"} <= set(document):
            return posetrack_table(document, path, hints)
        raise ValueError(
            f"{path}: keys {', '.join(map(str, list(document)[:8]))}; expected 'annolist' or "
            "'images' and 'annotations' (PoseTrack), or 'instance_info' (MMPose)"
        )
    first: Mapping[str, Any] = next(iter(entries(document, str(path))), {})
    if "instances" in first:
        return mmpose_table(document, path, hints)
    if "idx" in first or "box" in first or isinstance(first.get("image_id"), str):
        return alphapose_table(document, path, hints)
    if first and not {"image_id", "keypoints"} <= set(first):
        raise ValueError(f"{path}: a list of {sorted(first)[:8]}; expected COCO results or alike")
    return coco_table(document, path, hints)


def _read_hdf5(path: Path, hints: Hints) -> TrackTable:
    from posetrack.formats.dlc import read_dlc_h5
    from posetrack.formats.hdf5 import opened
    from posetrack.formats.movement import read_movement
    from posetrack.formats.sleap import read_sleap

    with opened(path) as file:
        names = list(file)
    readers = {"df_with_missing": read_dlc_h5, "position": read_movement, "tracks": read_sleap}
    for name, read in readers.items():
        if name in names:
            return read(path, hints)
    raise ValueError(
        f"{path}: holds {', '.join(names[:8]) or 'nothing'}; expected 'df_with_missing' "
        "(DeepLabCut), 'tracks' (SLEAP's analysis) or 'position' (movement)"
    )


def read_images(path: str | Path) -> list[int | str]:
    """Images of a video in order: ids from a COCO file's ``images``, else a name a line.

    Raises
    ------
    ValueError
        If a JSON file has no ``images``, or one is there twice.
    """
    path = Path(path)
    found: list[Any]
    if path.suffix.lower() == ".json":
        document = read_json(path, nan=True)
        images = document.get("images") if isinstance(document, Mapping) else None
        found = [image.get("id") for image in entries(images, f"{path}: 'images'")]
    else:
        lines = read_text(path, 500_000_000).splitlines()
        found = [line.strip() for line in lines if line.strip()]
    if not all(isinstance(name, int | str) for name in found) or len(set(found)) < len(found):
        raise ValueError(f"{path}: an image has no id, or one is there twice")
    return found
