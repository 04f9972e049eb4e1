"""Crops and targets in batches, as workers make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from posetrack.ops.crops import box_to_center_scale, transform_points
from posetrack.training.appearance import change_pixels
from posetrack.training.augmentation import (
    NONE,
    Augmentation,
    augment_matrix,
    draw,
    generator,
    half_body,
)
from posetrack.training.samples import Samples
from posetrack.training.targets import SIGMA_48, gaussian_targets

Float64Array = NDArray[np.float64]
Key = tuple[int, int]
"""Epoch and position of a person."""


class Batch(NamedTuple):
    """Crops (N, height, width, 3) uint8 BGR, targets (N, K, h, w), weights (N, K), people (N,)."""

    crops: Tensor
    targets: Tensor
    weights: Tensor
    rows: Tensor


class CropDataset(Dataset[Batch]):
    """Training crops of people, by epoch and position.

    Parameters
    ----------
    samples
        The people.
    input_size
        Width and height of the crops.
    heatmap_size
        Width and height of the targets.
    augmentation
        `posetrack.training.augmentation.NONE` for validation.
    sigma, unbiased, keypoint_weights
        See `posetrack.training.gaussian_targets`.
    seed
        Of what is drawn.

    Raises
    ------
    ValueError
        On fetching, if an image cannot be read; the message names the file.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        input_size: tuple[int, int],
        heatmap_size: tuple[int, int],
        augmentation: Augmentation = NONE,
        sigma: float = SIGMA_48,
        unbiased: bool = False,
        keypoint_weights: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> None:
        self.samples = samples
        self.input_size = input_size
        self.heatmap_size = heatmap_size
        self.augmentation = augmentation
        self.sigma = sigma
        self.unbiased = unbiased
        self.keypoint_weights = keypoint_weights
        self.seed = seed
        self.center, self.scale = centers_and_scales(samples, input_size)
        self.mirror_order = samples.skeleton.mirror_order

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return the people of a batch at once; their crops are cut straight into its memory."""
        width, height = self.input_size
        crops = np.empty((len(keys), height, width, 3), np.uint8)
        xy = np.empty((len(keys), len(self.samples.skeleton), 2))
        for row, (epoch, index) in enumerate(keys):
            xy[row] = self._cut(epoch, index, crops[row])
        targets, weights = gaussian_targets(
            xy,
            np.isfinite(xy).all(axis=2),
            input_size=self.input_size,
            heatmap_size=self.heatmap_size,
            sigma=self.sigma,
            unbiased=self.unbiased,
            keypoint_weights=self.keypoint_weights,
        )
        return Batch(
            torch.from_numpy(crops),
            torch.from_numpy(targets),
            torch.from_numpy(weights),
            torch.tensor([index for _, index in keys]),
        )

    def view(self, epoch: int, index: int) -> tuple[NDArray[np.uint8], Float64Array]:
        """One person's crop (height, width, 3) BGR and its keypoints (K, 2) in pixels of it."""
        width, height = self.input_size
        crop = np.empty((height, width, 3), np.uint8)
        return crop, self._cut(epoch, index, crop)

    def _cut(self, epoch: int, index: int, crop: NDArray[np.uint8]) -> Float64Array:
        """Fill a crop; its keypoints (K, 2) in pixels of it."""
        image = read_image(self.samples, index)
        rng = generator(self.seed, epoch, index)
        xy, center, scale = self.samples.xy[index], self.center[index], self.scale[index]
        if self.augmentation.half_body > 0 and rng.random() < self.augmentation.half_body:
            half = None
            if np.isfinite(xy).all(axis=1).sum() > 8:
                half = half_body(xy, self.samples.skeleton, self.input_size, rng)
            center, scale = half or (center, scale)
        change = draw(self.augmentation, rng)
        matrix = augment_matrix(center, scale, self.input_size, change, image_width=image.shape[1])
        cv2.warpAffine(image, matrix, self.input_size, dst=crop, flags=cv2.INTER_LINEAR)
        change_pixels(crop, self.augmentation.appearance, rng)
        moved: Float64Array = transform_points(matrix[None], xy[None])[0]
        return moved[self.mirror_order] if change.mirrored else moved


def centers_and_scales(
    samples: Samples, input_size: tuple[int, int]
) -> tuple[Float64Array, Float64Array]:
    """(N, 2) centres and scales of the people's crops."""
    if samples.boxes is not None:
        center, scale = box_to_center_scale(samples.boxes, input_size=input_size)
        return center.astype(np.float64), scale.astype(np.float64)
    assert samples.center is not None
    assert samples.scale is not None
    return samples.center, samples.scale


def read_image(samples: Samples, index: int) -> NDArray[np.uint8]:
    """Read one person's image, see `read_file`; errors name the person, too."""
    try:
        return read_file(samples.images[index])
    except ValueError as error:
        raise ValueError(f"{error} ({samples.names[index]})") from None


def read_file(file: Path) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) BGR, never turned by EXIF: annotations are not.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    image = cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError(f"{file}: not an image that OpenCV can read")
    return np.asarray(image, np.uint8)


class EpochBatches(Sampler[list[Key]]):
    """Positions of each batch of one epoch after the other, and this process's part of them.

    A batch is the same whatever the number of processes: each takes a piece of it, so that
    their gradients together are those of the whole.

    Parameters
    ----------
    count
        Number of people.
    batch_size
        Of all processes together.
    shuffle
        In an order that depends on seed and epoch.
    seed
        Of the order.
    rank, world
        This process's number and how many there are.

    Raises
    ------
    ValueError
        If a batch cannot be divided among the processes.

    Examples
    --------
    >>> batches = EpochBatches(5, 2, shuffle=False)
    >>> [[index for _, index in batch] for batch in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch_size < world or batch_size % world:
            raise ValueError(
                f"batch_size {batch_size} must be a multiple of the number of processes, {world}"
            )
        self.count, self.batch_size, self.shuffle = count, batch_size, shuffle
        self.seed, self.rank, self.world = seed, rank, world
        self.epoch = 0

    def __len__(self) -> int:
        whole, rest = divmod(self.count, self.batch_size)
        return whole + (rest >= self.world)

    def batch_sizes(self) -> list[int]:
        """People in each batch, over all processes."""
        return [
            min(self.batch_size, self.count - number * self.batch_size)
            for number in range(len(self))
        ]

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.arange(self.count)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        for number in range(len(self)):
            batch = order[number * self.batch_size : (number + 1) * self.batch_size]
            piece = np.array_split(batch, self.world)[self.rank]
            yield [(self.epoch, int(index)) for index in piece]


def loader(
    dataset: Dataset[Any], batches: EpochBatches, *, workers: int = 0, pinned: bool = False
) -> DataLoader[Any]:
    """Batches in order, made by worker processes that live as long as the loader.

    Parameters
    ----------
    dataset, batches
        What, by ``__getitems__``, and in which order; set ``batches.epoch`` before each pass.
    workers
        Number of processes; 0 makes them here.
    pinned
        Put them into memory from which CUDA copies without waiting.
    """
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pinned,
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )


def _as_it_is(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
