"""Read any PoseTrack file, whatever its year."""

from __future__ import annotations

from pathlib import Path

from posetrack.evaluation.documents import sequence_name
from posetrack.evaluation.reading_posetrack17 import read_posetrack17
from posetrack.evaluation.reading_posetrack18 import read_posetrack18
from posetrack.evaluation.sequences import AnnotatedSequence
from posetrack.files import read_json


def read_sequence(path: str | Path) -> AnnotatedSequence:
    """Read a PoseTrack 2017, 2018 or 2021 file, told apart by its keys.

    Parameters
    ----------
    path
        A ``.json`` or ``.json.gz`` file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file, or something in it is missing or wrong; the message names the
        file, the place and the key.
    """
    path = Path(path)
    document = read_json(path)
    read = (
        read_posetrack17
        if isinstance(document, dict) and "annolist" in document
        else read_posetrack18
    )
    return read(document, str(path), sequence_name(path))
