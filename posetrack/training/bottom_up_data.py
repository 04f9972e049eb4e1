"""Whole images with all their people, in batches, as workers make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from posetrack.ops.crops import Normalisation, transform_points
from posetrack.training.appearance import change_pixels
from posetrack.training.augmentation import Augmentation, Change, draw, generator
from posetrack.training.bottom_up_regions import Polygons, cells_that_count
from posetrack.training.dataset import Key, read_image
from posetrack.training.samples import Samples

Float64Array = NDArray[np.float64]
Targets = Callable[[Float64Array], tuple[NDArray[np.float32], ...]]
Fit = Callable[[int, int], tuple[int, int]]


class Cells(NamedTuple):
    """Where the cells of a network's maps are in its input.

    Cell ``i`` has its middle at ``stride * (i + middle)`` input pixels.
    """

    size: tuple[int, int]
    """Width and height of the maps."""
    stride: int
    middle: float


class ImageDataset(Dataset[Any]):
    """Training images, by epoch and position.

    Each is warped once: scaled to fit as it is when the network is used, from the upper left
    corner, and then scaled, turned and mirrored as drawn, anywhere in the input. What the image
    does not cover has the mean colour.

    Parameters
    ----------
    samples
        The people.
    regions
        Outlines by image file of people who are not labelled.
    input_size
        Width and height of what the network sees.
    fit
        Width and height of an image scaled for the network, from those of the image.
    cells
        Of the network's maps.
    targets
        Arrays of the network's maps, from people (N, K, 2) in input pixels.
    batch
        A NamedTuple of images, the targets' arrays, counted cells and positions.
    normalisation
        Its mean colour fills the borders.
    augmentation
        Without half bodies.
    area
        Make images smaller by area averages first, not by the warp alone: without, what is much
        smaller has lost every other pixel. As the network is used.
    seed
        Of what is drawn.

    Raises
    ------
    ValueError
        If half bodies are wanted. On fetching, if an image cannot be read.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        regions: Mapping[Path, Polygons],
        input_size: tuple[int, int],
        fit: Fit,
        cells: Cells,
        targets: Targets,
        batch: Callable[..., Any],
        normalisation: Normalisation,
        augmentation: Augmentation,
        area: bool = False,
        seed: int = 0,
    ) -> None:
        if augmentation.half_body > 0:
            raise ValueError("half bodies are for crops of people, not for whole images")
        self.samples, self.regions = samples, regions
        self.input_size, self.fit, self.cells = input_size, fit, cells
        self.targets, self.batch = targets, batch
        self.augmentation, self.area, self.seed = augmentation, area, seed
        self.rows = rows_by_image(samples)
        self.colour = _mean_colour(normalisation)
        self.mirror_order = samples.skeleton.mirror_order

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Key) -> Any:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> Any:
        """Return the images of a batch at once."""
        width, height = self.input_size
        images = np.empty((len(keys), height, width, 3), np.uint8)
        views = [
            self._make(epoch, index, image)
            for (epoch, index), image in zip(keys, images, strict=True)
        ]
        parts = [torch.from_numpy(np.stack(part)) for part in zip(*views, strict=True)]
        positions = torch.tensor([index for _, index in keys])
        return self.batch(torch.from_numpy(images), *parts, positions)

    def _make(self, epoch: int, index: int, image: NDArray[np.uint8]) -> tuple[Any, ...]:
        """Fill an image; its targets and counted cells."""
        rows = self.rows[index]
        source = read_image(self.samples, int(rows[0]))
        rng = generator(self.seed, epoch, index)
        change = draw(self.augmentation, rng)
        size = source.shape[1], source.shape[0]
        seen = self.fit(*size)
        shift = rng.random(2) if self.augmentation.scale or self.augmentation.rotation else (0, 0)
        matrix = image_matrix(size, seen, self.input_size, change, shift)
        source, warp = self._shrunk(source, matrix, np.divide(seen, change.factor))
        cv2.warpAffine(source, warp, self.input_size, dst=image, borderValue=self.colour)
        change_pixels(image, self.augmentation.appearance, rng)
        moved = matrix.copy()
        # Used, the network's answer is multiplied by the scale: the middle of the first pixel,
        # which lies half a scaled pixel inside, has to come out at 0.
        moved[:, 2] += 0.5 * (1 - np.divide(seen, size) / change.factor)
        xy: Float64Array = transform_points(
            np.repeat(moved[None], len(rows), axis=0), self.samples.xy[rows]
        )
        if change.mirrored:
            xy = xy[:, self.mirror_order]
        to_cells = moved / self.cells.stride
        to_cells[:, 2] -= self.cells.middle
        regions = self.regions.get(self.samples.images[int(rows[0])], ())
        return *self.targets(xy), cells_that_count(regions, to_cells, self.cells.size)

    def _shrunk(
        self, image: NDArray[np.uint8], matrix: Float64Array, shown: Float64Array
    ) -> tuple[NDArray[np.uint8], Float64Array]:
        """The image by area averages in the size it will be shown in, and the matrix from it."""
        height, width = image.shape[:2]
        if not self.area or shown[0] >= width:
            return image, matrix
        small = max(round(shown[0]), 1), max(round(shown[1]), 1)
        factors = np.divide((width, height), small)
        warp = matrix * np.append(factors, 1.0)
        warp[:, 2] += matrix[:, :2] @ (factors / 2 - 0.5)
        return np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8), warp


def rows_by_image(samples: Samples) -> list[NDArray[np.intp]]:
    """Positions of the people of each image, images in the order of their first."""
    rows: dict[Path, list[int]] = {}
    for position, file in enumerate(samples.images):
        rows.setdefault(file, []).append(position)
    return [np.array(positions, np.intp) for positions in rows.values()]


def posenet_fit(
    width: int, height: int, *, input_size: tuple[int, int], output_stride: int
) -> tuple[int, int]:
    """Width and height in which a `PoseNetEstimator` shows its network an image.

    Examples
    --------
    >>> posenet_fit(640, 425, input_size=(257, 257), output_stride=16)
    (257, 177)
    """
    across, down = ((side - 1) // output_stride for side in input_size)
    cell = max(width / max(across, 1), height / max(down, 1))
    wide, high = (max(round(side / cell), 1) * output_stride + 1 for side in (width, height))
    return wide, high


def paf_fit(width: int, height: int, *, input_size: tuple[int, int]) -> tuple[int, int]:
    """Width and height in which a `TrtPoseEstimator` shows its network an image.

    Examples
    --------
    >>> paf_fit(640, 425, input_size=(224, 224))
    (224, 149)
    """
    scale = min(input_size[0] / width, input_size[1] / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _mean_colour(normalisation: Normalisation) -> tuple[int, int, int]:
    """Blue, green and red that come nearest to 0 when normalised.

    Examples
    --------
    >>> from posetrack.ops.crops import IMAGENET_RGB
    >>> _mean_colour(IMAGENET_RGB)
    (104, 116, 124)
    """
    mean = normalisation.mean[::-1] if normalisation.rgb else normalisation.mean
    blue, green, red = (round(255 * value) for value in mean)
    return blue, green, red


def image_matrix(
    size: tuple[int, int],
    seen: tuple[int, int],
    input_size: tuple[int, int],
    change: Change,
    shift: Sequence[float] | Float64Array = (0, 0),
) -> Float64Array:
    """Affine matrix from an image to the network's input, pixel centres at integers.

    Parameters
    ----------
    size
        Width and height of the image.
    seen
        Width and height of the image scaled for the network.
    input_size
        Width and height of the network's input.
    change
        What was drawn: scale (more than 1 shows the image smaller), rotation, mirrored.
    shift
        In [0, 1] for each axis: where in the room that the scaled image leaves, or which part of
        it where it is too large. 0 is the upper left corner.

    Returns
    -------
    matrix
        (2, 3) float64. Nothing drawn, it is what ``cv2.resize`` to ``seen`` does.

    Examples
    --------
    >>> image_matrix((40, 20), (20, 10), (32, 32), Change(1.0, 0.0, False)).tolist()
    [[0.5, 0.0, -0.25], [0.0, 0.5, -0.25]]
    """
    angle = np.deg2rad(change.rotation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shown = np.divide(seen, change.factor)
    linear = turn @ np.diag(shown / size)
    center = (np.array(size, np.float64) - 1) / 2
    to = shown / 2 - 0.5 + (np.array(input_size) - shown) * np.asarray(shift)
    if change.mirrored:
        linear[:, 0] = 0.0 - linear[:, 0]
    matrix: Float64Array = np.column_stack([linear, to - linear @ center])
    return matrix
