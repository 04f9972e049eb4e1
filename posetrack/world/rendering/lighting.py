"""Light of the world: a sun, the sky's and the ground's glow, and what the sun cannot reach."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.rendering.perspective import Camera

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """A distant light and what comes from all around; colours are BGR gains, 1 is plain light.

    A surface of linear colour ``c`` with normal ``n`` shows ``c`` times the sum of
    ``sun * max(n . direction, 0)``, where nothing shades it, and a mix of ``sky`` and ``ground``
    by how much ``n`` points up (hemisphere lighting).

    Parameters
    ----------
    direction
        From the scene to the sun: east, north, up. Any length but 0.
    sun
        Colour of the direct light.
    sky, ground
        Colours of the light from above and from below.

    Raises
    ------
    ValueError
        If the direction has no length, or a colour is negative.

    Examples
    --------
    >>> Light().direction
    (0.4, -0.5, 0.8)
    """

    direction: tuple[float, float, float] = (0.4, -0.5, 0.8)
    sun: Colour = (0.75, 0.8, 0.82)
    sky: Colour = (0.5, 0.46, 0.42)
    ground: Colour = (0.2, 0.21, 0.22)

    def __post_init__(self) -> None:
        if not 0 < math.hypot(*self.direction) < math.inf:
            raise ValueError(f"a light's direction needs a length, got {self.direction}")
        if min(*self.sun, *self.sky, *self.ground) < 0:
            raise ValueError("colours of light must not be negative")


def random_light(rng: np.random.Generator) -> Light:
    """Noon or evening, sun or clouds, street lamps or a room: at random.

    Examples
    --------
    >>> light = random_light(np.random.default_rng(0))
    >>> light.direction[2] > 0
    True
    """
    azimuth, height = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 1.4)
    flat = math.cos(height)
    direction = (flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(height))
    share = rng.beta(1.5, 1.2)  # of the direct light: 0 on a cloudy day
    strength = rng.uniform(0.8, 1.3)
    warmth = rng.normal(0, 0.12)  # the sun redder and the sky bluer, or the reverse
    tint = rng.normal(0, 0.03, 3)
    sun = strength * 1.1 * share * np.array([1 - warmth, 1, 1 + warmth]) + tint
    sky = strength * (0.85 - 0.5 * share) * np.array([1 + warmth / 2, 1, 1 - warmth / 2])
    ground = sky * rng.uniform(0.3, 0.8) * rng.uniform(0.85, 1.15, 3)
    return Light(direction, _colour(sun), _colour(sky + tint), _colour(ground))


def _colour(values: NDArray[np.float64]) -> Colour:
    blue, green, red = np.maximum(values, 0).tolist()
    return blue, green, red


def shadow_camera(light: Light, points: ArrayLike, size: int) -> Camera:
    """A camera in the sun that just sees all ``points``: what it does not see lies in shadow.

    Parameters
    ----------
    light
        Where the sun is.
    points
        (P, 3) metres, what is to be in the picture; at least one.
    size
        Width and height of the picture in pixels.

    Examples
    --------
    >>> camera = shadow_camera(Light((0, 0, 1)), [[-1, -1, 0], [1, 1, 1]], 100)
    >>> xy, _ = camera.project([[-1, -1, 0], [1, 1, 1]])
    >>> bool((xy > 0).all() and (xy < 99).all())
    True
    """
    forward = -np.asarray(light.direction, float) / np.linalg.norm(light.direction)
    aside = np.array([1.0, 0, 0]) if abs(forward[2]) > 0.99 else np.array([0, 0, 1.0])
    right = np.cross(forward, aside)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    turned = np.asarray(points, float) @ rotation.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    # In steps, so that the pixels of the shadow stay on their places while people walk.
    step = 0.5
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step + step
    reach = float(max(high - low)) / 2
    middle = (low + high) / 2 - (0, 0, 40 * reach)  # from so far that rays are nearly parallel
    focal = (size / 2 - 3) / (reach / (39 * reach))
    return Camera(middle @ rotation, rotation, focal, (size, size))
