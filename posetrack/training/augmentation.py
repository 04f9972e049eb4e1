"""Which part of the image a training crop shows: scaled, turned, mirrored, cut to half a body.

All of it goes into one affine matrix, so that each crop is interpolated once. What is drawn
depends on a seed, the epoch and the person, and on nothing else: not on workers, nor on what was
trained before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.crops import box_to_center_scale, crop_matrices
from posetrack.skeletons import Skeleton
from posetrack.training.appearance import Appearance

Float64Array = NDArray[np.float64]

_LEGS = ("hip", "knee", "ankle", "toe", "heel", "foot", "pelvis")


@dataclass(frozen=True)
class Augmentation:
    """How much crops differ from epoch to epoch.

    Parameters
    ----------
    scale
        Largest change of the crop's size, 0.3 for +-30 %.
    rotation
        Degrees, see ``distribution``.
    flip
        Probability of mirroring.
    half_body
        Probability of showing only the upper or the lower body of someone with more than 8
        labelled keypoints. HRNet's authors have 0.3; the paper has 0.
    distribution
        ``"normal"`` as in the authors' code: the factor is normal with deviation ``scale``,
        cut off at +-``scale``; the angle is normal with deviation ``rotation``, cut off at twice
        that, and 0 for 4 of 10 people. ``"uniform"``: both uniform within the bounds, which are
        then hard ones.
    appearance
        How much colours, sharpness and the like differ; in the paper not at all.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    Xiao et al. (ECCV 2018), section 4.1: scale +-30 %, rotation +-40 degrees, and flip. Half
    bodies: Z. Wang et al., *Mask-guided pose estimation* (MSPN's and HRNet's training code).

    Examples
    --------
    >>> Augmentation(flip=0.0).rotation
    40.0
    """

    scale: float = 0.3
    rotation: float = 40.0
    flip: float = 0.5
    half_body: float = 0.0
    distribution: Literal["normal", "uniform"] = "normal"
    appearance: Appearance = field(default_factory=Appearance)

    def __post_init__(self) -> None:
        if not (0 <= self.scale < 1 and 0 <= self.rotation <= 180):
            raise ValueError(
                "scale must be in [0, 1) and rotation in [0, 180] degrees, "
                f"got {self.scale} and {self.rotation}"
            )
        if not (0 <= self.flip <= 1 and 0 <= self.half_body <= 1):
            raise ValueError(
                f"flip and half_body are probabilities, got {self.flip} and {self.half_body}"
            )
        if self.distribution not in ("normal", "uniform"):
            raise ValueError(f"distribution must be normal or uniform, got {self.distribution!r}")


NONE = Augmentation(scale=0.0, rotation=0.0, flip=0.0)
"""Crops as in validation."""


@dataclass(frozen=True)
class Change:
    """What was drawn for one person: factor of the scale, degrees, mirrored or not."""

    factor: float
    rotation: float
    mirrored: bool


def generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Random numbers of one person in one epoch.

    Examples
    --------
    >>> generator(1, 2, 3).random() == generator(1, 2, 3).random()
    True
    """
    return np.random.default_rng((seed, epoch, index))


def draw(augmentation: Augmentation, rng: np.random.Generator) -> Change:
    """Draw the change of one person in one epoch.

    Examples
    --------
    >>> draw(NONE, generator(0, 0, 0))
    Change(factor=1.0, rotation=0.0, mirrored=False)
    """
    spread, turn = augmentation.scale, augmentation.rotation
    if augmentation.distribution == "normal":
        factor = np.clip(rng.standard_normal() * spread + 1, 1 - spread, 1 + spread)
        angle = np.clip(rng.standard_normal() * turn, -2 * turn, 2 * turn)
        angle = angle + 0.0 if rng.random() <= 0.6 else 0.0
    else:
        factor = rng.uniform(1 - spread, 1 + spread)
        angle = rng.uniform(-turn, turn)
    return Change(float(factor), float(angle), bool(rng.random() < augmentation.flip))


def augment_matrix(
    center: ArrayLike,
    scale: ArrayLike,
    input_size: tuple[int, int],
    change: Change,
    *,
    image_width: int,
) -> Float64Array:
    """Affine matrix from the image to the changed crop.

    Parameters
    ----------
    center, scale
        (2,) each, pixels and units of 200 pixels.
    input_size
        Width and height of the crop.
    change
        What was drawn.
    image_width
        In pixels. A mirrored crop is that of the mirrored image, to the last bit of rounding.

    Returns
    -------
    matrix
        (2, 3) float64.

    Examples
    --------
    >>> change = Change(1.0, 0.0, mirrored=True)
    >>> augment_matrix((25, 50), (0.25, 0.5), (50, 100), change, image_width=100).tolist()
    [[-1.0, 0.0, 50.0], [0.0, 1.0, 0.0]]
    """
    middle = np.array(center, np.float64)
    if change.mirrored:
        middle[0] = image_width - 1 - middle[0]
    size = np.asarray(scale, np.float64) * change.factor
    matrix: Float64Array = crop_matrices(
        middle[None], size[None], input_size, rotation=change.rotation
    )[0]
    if change.mirrored:
        matrix[:, 2] += matrix[:, 0] * (image_width - 1)
        matrix[:, 0] = 0.0 - matrix[:, 0]
    return matrix


def half_body(
    xy: Float64Array,
    skeleton: Skeleton,
    input_size: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Float64Array, Float64Array] | None:
    """Centre and scale of a crop of someone's upper or lower half.

    Parameters
    ----------
    xy
        (K, 2) pixels, NaN where not labelled.
    skeleton
        Hips, knees, ankles and feet by name are the lower half.
    input_size
        Width and height of the crop.
    rng
        Decides which half.

    Returns
    -------
    center, scale
        (2,) each; or None where neither half has more than two labelled keypoints.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> body = np.stack([np.arange(17.0), np.arange(17.0) * 2], axis=1)
    >>> center, scale = half_body(body, COCO_17, (192, 256), np.random.default_rng(0))
    >>> center.tolist()
    [13.5, 27.0]
    """
    low = np.array([name.endswith(_LEGS) for name in skeleton.keypoints])
    known = np.isfinite(xy).all(axis=1)
    halves = [~low & known, low & known]
    if rng.random() >= 0.5:
        halves.reverse()
    chosen = next((half for half in halves if half.sum() > 2), None)
    if chosen is None:
        return None
    points = xy[chosen]
    center = points.mean(axis=0)
    sides = np.ptp(points, axis=0)
    box = np.concatenate([center - sides / 2, center + sides / 2])
    _, scale = box_to_center_scale(box[None], input_size=input_size, padding=1.5)
    return center, scale[0].astype(np.float64)
