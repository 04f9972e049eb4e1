"""Whole images with the boxes of their people, for detectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from posetrack.formats.coco import Category, Person, read_what_is_right
from posetrack.formats.numbers import Id
from posetrack.training.annotations import Placement
from posetrack.training.appearance import change_pixels
from posetrack.training.augmentation import Augmentation, Change, draw, generator
from posetrack.training.bottom_up_data import image_matrix
from posetrack.training.dataset import Key, read_file
from posetrack.training.detection_targets import centre_targets
from posetrack.training.reading_coco import image_entries, problems_of
from posetrack.training.samples import Broken, Problem, settle

Float64Array = NDArray[np.float64]

GREY = (114, 114, 114)
"""Where there is no image."""

_LEAST_SHOWN = 0.3
"""Part of a box that must be in view; with less it is neither person nor background."""

_LEAST_SIDE = 4.0
"""Input pixels; a smaller box is neither, too."""


@dataclass(frozen=True, eq=False)
class AnnotatedImages:
    """N images with the boxes of all people in them, possibly none.

    Parameters
    ----------
    images
        N files.
    boxes
        N times (M, 4) float64 xyxy, pixel edges: the whole image is 0, 0, width, height.
    ignored
        N times (I, 4), boxes of crowds.
    problems
        What was wrong in the file and is left out.
    """

    images: tuple[Path, ...]
    boxes: tuple[Float64Array, ...]
    ignored: tuple[Float64Array, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"AnnotatedImages({len(self)} images, {sum(map(len, self.boxes))} people)"


def read_boxes(
    path: str | Path, images: str | Path, *, broken: Broken = "refuse"
) -> AnnotatedImages:
    """Images and people's boxes of a file in COCO's form.

    Parameters
    ----------
    path
        A JSON file with ``images``, ``annotations`` and ``categories``. People are of the category
        named ``person``, or of the only one there is. Keypoints are not needed.
    images
        The folder that the file's ``file_name`` start from.
    broken
        ``"refuse"`` a file with anything wrong, or ``"skip"`` what is wrong.

    Returns
    -------
    annotated
        In the order of the file. Images without people are kept: they are examples of background.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is not such a file, something in it is wrong and not skipped, or nobody is in it.
    """
    path = Path(path)
    document, wrong = read_what_is_right(path, needs=("images", "annotations", "categories"))
    problems = problems_of(wrong)
    bad = {shift for shift, *_ in wrong.get("annotations", ())}
    known = image_entries(document.images, Path(images), problems)
    person = _person(document.categories or [], path)
    people: dict[Any, list[Float64Array]] = {key: [] for key in known}
    crowds: dict[Any, list[Float64Array]] = {key: [] for key in known}
    for position, row in enumerate(document.annotations):
        found = None if position in bad else _box(row, position, known, problems)
        if found is not None and row.category_id == person:
            (crowds if row.iscrowd else people)[row.image_id].append(found)
    settle(path, problems, broken)
    if not any(people.values()):
        raise ValueError(f"{path}: no box of a person (category {person!r}) in any image")
    return AnnotatedImages(
        tuple(image.file for image in known.values()),
        tuple(np.reshape(rows, (-1, 4)) for rows in people.values()),
        tuple(np.reshape(rows, (-1, 4)) for rows in crowds.values()),
        tuple(problems),
    )


def _person(categories: Sequence[Category], path: Path) -> Id:
    known = [row for row in categories if row.id is not None]
    named = [row for row in known if (row.name or "").lower() == "person"]
    if not named and len(known) != 1:
        raise ValueError(f"{path}: no category is named 'person', and there are {len(known)}")
    return cast(Id, (named or known)[0].id)


def _box(
    row: Person, position: int, images: Mapping[Id, Placement], problems: list[Problem]
) -> Float64Array | None:
    """Corners within the image; None if there is no box, or a broken one."""
    name = f"annotation {position if row.id is None else row.id}"
    if row.image_id is None:
        problems.append(Problem("an annotation without an image_id", name))
        return None
    if row.image_id not in images:
        problems.append(Problem("an annotation of an image that is not there", name))
        return None
    if row.bbox is None or len(row.bbox) != 4 or max(map(abs, row.bbox)) > 1e18:
        problems.append(Problem("a bbox that is not x, y, width, height", name))
        return None
    image = images[row.image_id]
    x, y, wide, tall = image.xywh(row.bbox)
    right, bottom = min(image.width, x + wide), min(image.height, y + tall)
    box = np.array([max(0.0, x), max(0.0, y), right, bottom])
    return box if (box[2:] > box[:2]).all() and math.isfinite(box.sum()) else None


class DetectionBatch(NamedTuple):
    """Images (N, H, W, 3) uint8 BGR, and `centre_targets` with N in front."""

    images: Tensor
    heat: Tensor
    counted: Tensor
    sides: Tensor
    weights: Tensor


class BoxDataset(Dataset[DetectionBatch]):
    """Training images with targets, by epoch and position.

    Parameters
    ----------
    annotated
        Images and boxes.
    input_size
        Width and height of what the network sees: the image scaled to fit, then larger or smaller
        as drawn, anywhere.
    stride
        Input pixels from one cell of the targets to the next.
    augmentation
        Without rotation and half bodies: a turned box is no box.
    seed
        Of what is drawn.

    Raises
    ------
    ValueError
        If rotation or half bodies are wanted. On fetching, if an image cannot be read.
    """

    def __init__(
        self,
        annotated: AnnotatedImages,
        *,
        input_size: tuple[int, int],
        stride: int,
        augmentation: Augmentation,
        seed: int = 0,
    ) -> None:
        if augmentation.rotation or augmentation.half_body:
            raise ValueError("boxes cannot be turned, or halved: rotation and half_body must be 0")
        self.annotated, self.input_size, self.stride = annotated, input_size, stride
        self.augmentation, self.seed = augmentation, seed

    def __len__(self) -> int:
        return len(self.annotated)

    def __getitem__(self, key: Key) -> DetectionBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> DetectionBatch:
        """Return the images of a batch at once."""
        width, height = self.input_size
        cells = (width // self.stride, height // self.stride)
        images = np.empty((len(keys), height, width, 3), np.uint8)
        views = [
            centre_targets(*self._box_in_picture(epoch, index, image), cells)
            for (epoch, index), image in zip(keys, images, strict=True)
        ]
        parts = [torch.from_numpy(np.stack(part)) for part in zip(*views, strict=True)]
        return DetectionBatch(torch.from_numpy(images), *parts)

    def _box_in_picture(
        self, epoch: int, index: int, image: NDArray[np.uint8]
    ) -> tuple[Float64Array, Float64Array]:
        """Fill an image; boxes (M, 4) of the people in it, and (I, 4) of what does not count."""
        source = read_file(self.annotated.images[index])
        rng = generator(self.seed, epoch, index)
        change, shift = draw(self.augmentation, rng), rng.random(2)
        size = source.shape[1], source.shape[0]
        fit = min(self.input_size[0] / size[0], self.input_size[1] / size[1])
        seen = (max(1, round(size[0] * fit)), max(1, round(size[1] * fit)))
        small = _shrunk(source, seen, change)
        matrix = image_matrix(
            (small.shape[1], small.shape[0]), seen, self.input_size, change, shift
        )
        cv2.warpAffine(small, matrix, self.input_size, dst=image, borderValue=GREY)
        change_pixels(image, self.augmentation.appearance, rng)
        to_small = np.divide((small.shape[1], small.shape[0]), size)
        boxes, ignored = (
            _map_boxes(part[index] * np.tile(to_small, 2), matrix)
            for part in (self.annotated.boxes, self.annotated.ignored)
        )
        return _in_view(boxes, ignored, self.input_size)


def _shrunk(image: NDArray[np.uint8], seen: tuple[int, int], change: Change) -> NDArray[np.uint8]:
    """The image by area averages in the size it will be shown in, where that is smaller."""
    size = (max(1, round(seen[0] / change.factor)), max(1, round(seen[1] / change.factor)))
    if size[0] >= image.shape[1]:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _map_boxes(boxes: Float64Array, matrix: Float64Array) -> Float64Array:
    """Boxes under a matrix that is for pixel centres, while their sides are pixel edges."""
    corners = (boxes.reshape(-1, 2, 2) - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _in_view(
    boxes: Float64Array, ignored: Float64Array, size: tuple[int, int]
) -> tuple[Float64Array, Float64Array]:
    """Boxes cut to the view; those that show too little of someone join the ignored."""
    cut = [np.clip(part, 0, np.tile(size, 2)) for part in (boxes, ignored)]
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    sides = cut[0][:, 2:] - cut[0][:, :2]
    shown = sides.prod(axis=1) >= _LEAST_SHOWN * area
    shown &= (sides >= _LEAST_SIDE).all(axis=1)
    rest = np.concatenate([cut[0][~shown], cut[1]])
    return cut[0][shown], rest[(rest[:, 2:] > rest[:, :2]).all(axis=1)]
