"""Numba kernel of `posetrack.world.effects`: motion blur."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from posetrack._compiled import compiled

Float32Array = NDArray[np.float32]
UInt8Array = NDArray[np.uint8]


@compiled
def blurred(
    image: UInt8Array,
    blur: Float32Array,
    dominant: Float32Array,
    depth: Float32Array,
    tile: int,
    out: UInt8Array,
) -> None:
    """Fill ``out`` with means along the strongest motion around each pixel.

    Parameters
    ----------
    image, depth
        (H, W, 3) and (H, W).
    blur
        (H, W, 2), the way in pixels that each point goes while the shutter is open.
    dominant
        (ceil(H / tile), ceil(W / tile), 2), the longest way in and around each tile.
    tile
        Side of a tile in pixels.
    """
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            dx, dy = dominant[row // tile, column // tile]
            longest = math.sqrt(dx * dx + dy * dy)
            if longest < 0.5:
                for c in range(3):
                    out[row, column, c] = image[row, column, c]
                continue
            own = math.hypot(blur[row, column, 0], blur[row, column, 1]) / 2
            taps = min(2 * int(longest / 2) + 3, 25)
            blue, green, red, total = 0.0, 0.0, 0.0, 0.0
            for tap in range(taps):
                t = (tap + 0.5) / taps - 0.5
                i, j = int(row + t * dy + 0.5), int(column + t * dx + 0.5)
                if not (0 <= i < height and 0 <= j < width):
                    continue
                way = abs(t) * longest
                theirs = math.hypot(blur[i, j, 0], blur[i, j, 1]) / 2
                # What is in front is smeared over what is behind it by its own motion; what is
                # behind shows as far as the motion of what is in front lays it open.
                reach = theirs if depth[i, j] <= depth[row, column] * 1.02 else own
                weight = min(max(reach - way + 1.0, 0.0), 1.0)
                blue += weight * image[i, j, 0] * image[i, j, 0]
                green += weight * image[i, j, 1] * image[i, j, 1]
                red += weight * image[i, j, 2] * image[i, j, 2]
                total += weight
            if total > 0:
                out[row, column, 0] = int(math.sqrt(blue / total) + 0.5)
                out[row, column, 1] = int(math.sqrt(green / total) + 0.5)
                out[row, column, 2] = int(math.sqrt(red / total) + 0.5)
            else:
                for c in range(3):
                    out[row, column, c] = image[row, column, c]
