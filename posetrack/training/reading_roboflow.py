"""Folders that Roboflow exports as COCO keypoints."""

from __future__ import annotations

from pathlib import Path

from posetrack.skeletons import Skeleton
from posetrack.training.reading_coco import read_coco
from posetrack.training.samples import Broken, Samples

ANNOTATIONS = "_annotations.coco.json"
_SPLITS = ("train", "valid", "test")


def read_roboflow(
    path: str | Path,
    images: str | Path | None = None,
    *,
    skeleton: Skeleton | None = None,
    broken: Broken = "refuse",
) -> Samples:
    """People of one part of a Roboflow export: images with their ``_annotations.coco.json``.

    Parameters
    ----------
    path
        The folder of a part, ``export/train``, or its annotation file.
    images
        The images' folder; that of the annotations when None, as Roboflow writes them.
    skeleton, broken
        See `posetrack.training.read_coco`. The category that only groups the others (Roboflow's
        category 0) has no keypoints, and people of it are left out.

    Raises
    ------
    FileNotFoundError
        If there is no annotation file.
    ValueError
        If the folder is the whole export, of which a part must be chosen, or as `read_coco` says.

    Notes
    -----
    The layout is that of https://roboflow.com/formats/coco-keypoint. Export the keypoint form:
    COCO without keypoints is refused, since no category names any.
    """
    path = Path(path)
    file = path / ANNOTATIONS if path.is_dir() else path
    parts = [part for part in _SPLITS if (path / part / ANNOTATIONS).is_file()]
    if not file.is_file() and parts:
        raise ValueError(
            f"{path} holds the parts {', '.join(parts)}: name one of them, such as "
            f"{path / parts[0]}, and another to validate on"
        )
    if not file.is_file():
        raise FileNotFoundError(f"no {ANNOTATIONS} in {path}: expected a part of a Roboflow export")
    return read_coco(file, file.parent if images is None else images, skeleton=skeleton,
                     broken=broken)  # fmt: skip
