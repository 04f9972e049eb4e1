"""People of labels that other tools keep: YOLO-pose, DeepLabCut, SLEAP, CVAT and Label Studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from posetrack.formats.cvat import read_cvat_labels
from posetrack.formats.dlc import read_dlc_labels
from posetrack.formats.exports import find_export, find_files
from posetrack.formats.hints import plain_name, skeleton_of_names
from posetrack.formats.label_studio import read_label_studio_labels
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels
from posetrack.formats.slp import read_slp_labels
from posetrack.formats.yolo import label_files, read_yolo_labels
from posetrack.skeletons import Skeleton
from posetrack.training.annotations import (
    ANNOTATED,
    MAX_PIXEL,
    Placement,
    at_one_point,
    box_within,
    check_people,
    find_placement,
    image_file,
)
from posetrack.training.samples import Broken, Float64Array, Problem, Samples

LABELS: Final[dict[str, Callable[[Path], Labels]]] = {
    "yolo": read_yolo_labels,
    "deeplabcut": read_dlc_labels,
    "sleap": read_slp_labels,
    "cvat": read_cvat_labels,
    "label-studio": read_label_studio_labels,
}
"""What reads the labels of each tool."""

_SPLITS: Final = ("train", "val", "valid", "test")


def read_labels(
    tool: str,
    path: str | Path,
    images: str | Path | None = None,
    *,
    skeleton: Skeleton | None = None,
    broken: Broken = "refuse",
) -> Samples:
    """People labelled in images with another tool.

    Parameters
    ----------
    tool
        ``yolo``, ``deeplabcut``, ``sleap``, ``cvat`` or ``label-studio``.
    path
        The tool's file, or the folder that it exported: for ``yolo`` one part, such as
        ``labels/train``; for ``deeplabcut`` a project, all of whose labelled data is read.
    images
        The images' folder. When None, ``images`` beside the labels, else the labels' own folder;
        YOLO's are those that belong to the label files.
    skeleton
        The keypoints wanted, found by name; those of the labels when None, their names written as
        ours are (``Left Wrist`` is ``left_wrist``).
    broken
        ``"refuse"`` or ``"skip"`` what is wrong, see `posetrack.training.read_coco`.

    Returns
    -------
    samples
        In the order of the images. A person without a box has one around the keypoints, 15 %
        longer on each axis. Labels of a video's frames need the frames as images, each with its
        number in its name.

    Raises
    ------
    FileNotFoundError
        If the file or folder is missing.
    ValueError
        If it is not such a file, something in it is wrong and not skipped, or nobody is left.
    ModuleNotFoundError
        If what reads the format is not installed.
    """
    path = Path(path)
    if tool not in LABELS:
        raise ValueError(f"expected one of {', '.join(LABELS)}, got {tool!r}")
    problems: list[Problem] = []
    rows: list[tuple[Path, Float64Array, list[float], str]] = []
    left_out = 0
    own: Skeleton | None = None
    for file in _files(tool, path):
        labels = LABELS[tool](file)
        problems += [Problem(kind, at) for kind, at in labels.problems]
        left_out += sum(labels.left_out.values())
        given = labels.skeleton
        if given is None:
            continue
        given = _plain(given)
        own = own or given
        root = _image_folder(file, None if images is None else Path(images))
        numbered = _by_number(root) if images is not None else {}
        for image in labels.images:
            if not image.people:
                continue
            # YOLO's are those that lie beside the labels; other files name theirs themselves.
            found = Path(image.name) if tool == "yolo" else _find(image, root, numbered)
            placement = _placement(found, image, problems)
            if placement is None:
                continue
            for person in image.people:
                row = _row(person, placement, given, own)
                if isinstance(row, str):
                    problems.append(Problem(row, person.name))
                elif row is None:
                    left_out += 1
                else:
                    rows.append((placement.file, *row, person.name))
    target = own or skeleton
    if target is None:
        raise ValueError(f"{path}: nobody is labelled in it")
    boxes = np.array([row[2] for row in rows], np.float64).reshape(-1, 4)
    people = Samples(
        target,
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows], np.float64).reshape(-1, len(target), 2),
        boxes,
        None,
        None,
        (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=1.0),
        tuple(row[3] for row in rows),
        (),
        tuple(problems),
        left_out,
    )
    people = check_people(path, people, broken)
    return people if skeleton is None else people.map_to(skeleton)


def _files(tool: str, path: Path) -> list[Path]:
    """What to read: a folder of YOLO's, all of DeepLabCut's labelled data, or the one file."""
    if path.suffix.lower() == ".zip" and path.is_file():
        raise ValueError(f"{path}: networks learn from the images in it; unpack it into a folder")
    if tool == "yolo":
        folder = path if path.is_dir() else path.parent
        parts = {part for file in label_files(folder) for part in file.relative_to(folder).parts}
        found = [split for split in _SPLITS if split in parts]
        if len(found) > 1:
            raise ValueError(
                f"{path} holds the parts {', '.join(found)}: name the labels of one, such as "
                f"{folder / 'labels' / found[0]}"
            )
        return [folder]
    if not path.is_dir():
        return [path]
    if tool == "deeplabcut":
        sheets = [file for file in find_files(path) if file.name.startswith("CollectedData")]
        csv = [file for file in sheets if file.suffix == ".csv"]
        found_csv = {file.parent for file in csv}
        return csv + [f for f in sheets if f.suffix == ".h5" and f.parent not in found_csv]
    projects = [file for file in find_files(path) if file.suffix == ".slp"]
    chosen = projects[0] if tool == "sleap" and len(projects) == 1 else find_export(path)
    if chosen is None:
        raise FileNotFoundError(f"{path}: no file of labels in this folder; name it")
    return [chosen]


def _plain(skeleton: Skeleton) -> Skeleton:
    """The skeleton with names as we write them, where they stay different."""
    plain = tuple(plain_name(name) for name in skeleton.keypoints)
    if plain == skeleton.keypoints or len(set(plain)) < len(plain):
        return skeleton
    edges = tuple((plain_name(a), plain_name(b)) for a, b in skeleton.edges)
    return skeleton_of_names(plain, ANNOTATED, edges=edges)


def _image_folder(file: Path, images: Path | None) -> Path:
    if images is not None:
        return images
    folder = file if file.is_dir() else file.parent
    return folder / "images" if (folder / "images").is_dir() else folder


def _by_number(root: Path) -> dict[int, Path]:
    """Images of a folder by the number that their names end in, where these differ."""
    found: dict[int, Path] = {}
    for file in sorted(root.iterdir()) if root.is_dir() else ():
        digits = file.stem[len(file.stem.rstrip("0123456789")) :]
        if digits and len(digits) < 16:
            if int(digits) in found:
                return {}
            found[int(digits)] = file
    return found


def _find(image: LabelledImage, root: Path, numbered: dict[int, Path]) -> Path | None:
    """The file that labels name: in the folder by its path, its name or its number; else None."""
    name = image.name.replace("\\", "/")
    short = root / PurePosixPath(name).name
    file = short if Path(name).is_absolute() else image_file(root, name)
    if file is None or file.is_file():
        return file
    if short.is_file() or image.frame is None:
        return short
    return numbered.get(image.frame, file)


def _placement(
    file: Path | None, image: LabelledImage, problems: list[Problem]
) -> Placement | None:
    """How labels lie on an image; None, and a problem, where that is not known."""
    if file is None:
        problems.append(Problem("an image's name that leads out of the folder", image.name))
        return None
    if not file.is_file():
        kind = "an image file that is missing"
        if image.frame is not None:
            kind += " (of a video: write its frames with their numbers into --images, such as by "
            kind += "ffmpeg -i VIDEO -start_number 0 FOLDER/%06d.png)"
        problems.append(Problem(kind, str(file)))
        return None
    placed = find_placement(file, *(image.size or (None, None)))
    if isinstance(placed, str):
        problems.append(Problem(placed, str(file)))
        return None
    return placed


def _row(
    person: LabelledPerson, image: Placement, given: Skeleton, own: Skeleton
) -> tuple[Float64Array, list[float]] | str | None:
    """Keypoints and box; None if there is nothing to learn, text if something is wrong."""
    xy = person.points[:, :2]
    if given is not own:
        xy = given.map_to(own, xy, np.isfinite(xy).all(axis=1))[0].astype(np.float64)
    if not np.isfinite(xy).any() or (person.xyxy is None and at_one_point(xy)):
        return None
    if np.nanmax(np.abs(xy)) > MAX_PIXEL:
        return "a keypoint more than a million pixels away"
    xy = image.xy(xy)
    box = None
    if person.xyxy is not None:
        left, top, right, bottom = person.xyxy.tolist()
        box = image.xywh([left, top, right - left, bottom - top])
    within = box_within(box, xy, image.width, image.height)
    return "a box that is not inside the image" if within is None else (xy, within)
