"""Compiled loops of people: bones in a chain, and a skin that follows them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import compile_kernel

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]


def _locate(
    local: Float64Array,
    offsets: Float64Array,
    parents: NDArray[np.int64],
    turned: Float64Array,
    places: Float64Array,
) -> None:
    """Fill in rotations (J, 3, 3) and places (J, 3) of joints in the world; the first is given."""
    for joint in range(1, len(parents)):
        parent = parents[joint]
        for row in range(3):
            position = places[parent, row]
            for column in range(3):
                total = 0.0
                for inner in range(3):
                    total += turned[parent, row, inner] * local[joint, inner, column]
                turned[joint, row, column] = total
                position += turned[parent, row, column] * offsets[joint, column]
            places[joint, row] = position


def _skin(
    vertices: Float32Array, weights: Float32Array, motion: Float32Array, moved: Float32Array
) -> None:
    """Fill in vertices (V, 3), moved by the weighted mean of the joints' motions (J, 3, 4)."""
    for vertex in range(len(vertices)):
        x, y, z = vertices[vertex]
        a = b = c = np.float32(0.0)
        for joint in range(weights.shape[1]):
            weight = weights[vertex, joint]
            if weight > 0:
                m = motion[joint]
                a += weight * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
                b += weight * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
                c += weight * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
        moved[vertex, 0], moved[vertex, 1], moved[vertex, 2] = a, b, c


locate = compile_kernel(_locate)
skin = compile_kernel(_skin)
