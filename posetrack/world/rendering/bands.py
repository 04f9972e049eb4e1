"""Bands of rows, drawn by threads, and the rays through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from posetrack.world.rendering import raster
from posetrack.world.rendering.perspective import Camera

Float64Array = NDArray[np.float64]

BAND = 24  # rows drawn at once: few enough for the processor's cache


def rays_of(camera: Camera, first: int, rows: int, per_pixel: int) -> tuple[Float64Array, ...]:
    """Of the columns, and of the rows from ``first`` on, ``per_pixel`` in each pixel."""
    (width, height), focal = camera.size, float(camera.focal)
    return (
        raster.rays(per_pixel * width, per_pixel, 0, (width - 1) / 2, focal),
        raster.rays(per_pixel * rows, per_pixel, first, (height - 1) / 2, focal),
    )


def in_bands(draw: Callable[[Sequence[tuple[int, int]]], None], height: int, threads: int) -> None:
    """Call ``draw`` in each thread with its bands: the first row and the one after the last."""
    bands = list(pairwise([*range(0, height, BAND), height]))
    if threads == 1:
        draw(bands)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(draw, bands[i::threads]) for i in range(threads)]:
            done.result()
