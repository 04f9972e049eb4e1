"""A perspective camera: where the points of the world fall in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without distortion.

    Parameters
    ----------
    position
        (3,), metres: x to the east, y to the north, z up.
    rotation
        (3, 3), rows are the camera's right, down and forward in the world.
    focal
        Pixels.
    size
        Width and height of the picture in pixels. The axis meets its middle, (width - 1) / 2 and
        (height - 1) / 2: pixel centres lie at integers.

    Examples
    --------
    >>> camera = looking_at((0, -5, 1), (0, 0, 1), focal=500, size=(641, 361))
    >>> xy, depth = camera.project([[0, 0, 1], [1, 0, 1], [0, 0, 2]])
    >>> xy.round(6).tolist(), depth.tolist()
    ([[320.0, 180.0], [420.0, 180.0], [320.0, 80.0]], [5.0, 5.0, 5.0])
    """

    position: Float64Array
    rotation: Float64Array
    focal: float
    size: tuple[int, int]

    def to_camera(self, points: ArrayLike) -> Float64Array:
        """(..., 3) points of the world as right, down, forward of the camera in metres."""
        return np.asarray((np.asarray(points, float) - self.position) @ self.rotation.T)

    def project(self, points: ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Pixels (..., 2) and depth (...) in metres of points (..., 3).

        Points at or behind the camera, with a depth of 0 or less, have NaN pixels.
        """
        seen = self.to_camera(points)
        depth = seen[..., 2]
        middle = (np.array(self.size, float) - 1) / 2
        ahead = np.where(depth > 0, depth, np.nan)
        return self.focal * seen[..., :2] / ahead[..., None] + middle, depth


def looking_at(
    position: ArrayLike,
    target: ArrayLike,
    *,
    focal: float,
    size: tuple[int, int],
    roll: float = 0.0,
) -> Camera:
    """A camera at a place that looks at another; upright but for ``roll`` in radians.

    Raises
    ------
    ValueError
        If the two places are the same, or one is straight above the other.

    Examples
    --------
    >>> camera = looking_at((0, -5, 1), (0, 0, 1), focal=500, size=(641, 361))
    >>> camera.project([[0, 0, 1]])[0].tolist()  # what it looks at is in the middle
    [[320.0, 180.0]]
    """
    eye, aim = np.asarray(position, float), np.asarray(target, float)
    forward = aim - eye
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) < 1e-9:
        raise ValueError(f"a camera at {eye} cannot look at {aim} and be upright")
    forward, right = forward / np.linalg.norm(forward), right / np.linalg.norm(right)
    down = np.cross(forward, right)
    turned = np.cos(roll) * right + np.sin(roll) * down
    rotation = np.stack([turned, np.cross(forward, turned), forward])
    return Camera(eye, rotation, focal, size)
