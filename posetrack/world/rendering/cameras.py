"""Cameras over time: one that stands, pans, zooms, shakes or follows.

Each is a function from seconds to a `Camera`, and they can be put into each other: a shaking
camera that follows someone is ``shaking(following(...))``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.rendering.perspective import Camera, looking_at

Float64Array = NDArray[np.float64]
CameraPath: TypeAlias = Callable[[float], Camera]
"""Seconds to the camera at that moment."""


def standing(camera: Camera) -> CameraPath:
    """The same camera at all times.

    Examples
    --------
    >>> camera = looking_at((0, -5, 1), (0, 0, 1), focal=500, size=(640, 360))
    >>> standing(camera)(7.0) is camera
    True
    """
    return lambda _: camera


def panning(
    camera: CameraPath, *, angle: float, period: float, tilt: float = 0.0, phase: float = 0.0
) -> CameraPath:
    """A camera that turns to and fro.

    Parameters
    ----------
    camera
        What it would see at rest.
    angle, tilt
        Radians to each side, and up and down.
    period
        Seconds for to and fro.
    phase
        Radians of the swing at second 0; at 0 it looks straight ahead and turns to the right.

    Examples
    --------
    >>> still = standing(looking_at((0, -5, 1), (0, 0, 1), focal=500, size=(641, 361)))
    >>> swinging = panning(still, angle=0.1, period=4)
    >>> swinging(1.0).project((0, 0, 1))[0].round(1).tolist()  # turned right, so it moves left
    [269.8, 180.0]
    """

    def at(seconds: float) -> Camera:
        swing = np.sin(2 * np.pi * seconds / period + phase)
        return turn_camera(camera(seconds), right=angle * swing, up=tilt * swing)

    return at


def shaking(camera: CameraPath, *, angle: float, seed: int = 0, rate: float = 2.5) -> CameraPath:
    """A camera in a hand: smooth small turns, by ``angle`` radians as a standard deviation.

    The turns are sums of six waves of ``0.3 .. rate`` per second with drawn phases, so that any
    moment can be asked for by itself.
    """
    rng = np.random.default_rng((seed, 77))
    speeds = 2 * np.pi * rng.uniform(0.3, rate, (3, 6))
    phases = rng.uniform(0, 2 * np.pi, (3, 6))

    def at(seconds: float) -> Camera:
        right, up, roll = angle * np.sqrt(2 / 6) * np.sin(speeds * seconds + phases).sum(axis=1)
        return turn_camera(camera(seconds), right=right, up=up, roll=roll / 2)

    return at


def following(
    target: Callable[[float], ArrayLike],
    *,
    offset: ArrayLike,
    focal: float,
    size: tuple[int, int],
    lag: float = 0.0,
) -> CameraPath:
    """A camera that goes with someone.

    Parameters
    ----------
    target
        Seconds to the (3,) place that is kept in the middle.
    offset
        (3,) metres from the target to the camera.
    focal, size
        As for `Camera`.
    lag
        By how many seconds the camera is behind.
    """
    away = np.asarray(offset, float)

    def at(seconds: float) -> Camera:
        aim = np.asarray(target(seconds - lag), float)
        return looking_at(aim + away, aim, focal=focal, size=size)

    return at


def turn_camera(
    camera: Camera, *, right: float = 0.0, up: float = 0.0, roll: float = 0.0
) -> Camera:
    """A camera in the same place that looks further right, up, or is rolled clockwise, in radians.

    Examples
    --------
    >>> camera = looking_at((0, -5, 1), (0, 0, 1), focal=500, size=(641, 361))
    >>> turn_camera(camera, up=0.1).project((0, 0, 1))[0].round(1).tolist()
    [320.0, 230.2]
    """
    c, s = np.cos(right), np.sin(right)
    around_up = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T  # about the world's upright axis
    rotation: Float64Array = camera.rotation @ around_up.T
    c, s = np.cos(up), np.sin(up)
    rotation = np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) @ rotation
    c, s = np.cos(roll), np.sin(roll)
    rotation = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ rotation
    return replace(camera, rotation=rotation)
