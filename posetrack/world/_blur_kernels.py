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
    total = np.zeros(3)
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
            total[:] = 0
            for tap in range(taps):
                t = (tap + 0.5) / taps - 0.5
                i = min(max(int(row + t * dy + 0.5), 0), height - 1)
                j = min(max(int(column + t * dx + 0.5), 0), width - 1)
                way = abs(t) * longest
                theirs = math.hypot(blur[i, j, 0], blur[i, j, 1]) / 2
                # What is in front covers what is behind as far as its own motion carries it;
                # what is behind is laid open as far as that of what is in front does.
                reach = theirs if depth[i, j] <= depth[row, column] * 1.02 else own
                share = min(max(reach - way + 1.0, 0.0), 1.0)
                for c in range(3):
                    there, here = np.float64(image[i, j, c]), np.float64(image[row, column, c])
                    total[c] += share * there * there + (1 - share) * here * here
            for c in range(3):
                out[row, column, c] = int(math.sqrt(total[c] / taps) + 0.5)
