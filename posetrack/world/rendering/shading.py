"""The colours of what is seen: compiled loops.

Arguments are checked and cast by `render`. Kernels of one file call each other only: Numba notices
a changed kernel by its own file alone. Colours are linear: the square of a texture's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import compile_kernel

Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Int32Array = NDArray[np.int32]
UInt8Array = NDArray[np.uint8]

BLOCK = 8  # pixels of the shadow map
NORMAL = 3  # first of a triangle's planes for it, as the rasteriser fills them


class Samples(NamedTuple):
    """Places in a picture for which a colour is wanted."""

    pixel: Int32Array  # (P,) row * width + column
    face: Int32Array  # (P,) the triangle seen there, -1 for the backdrop
    x: Float64Array  # (P,) the ray (x, y, 1)
    y: Float64Array
    side: Float64Array  # (P,) of the square that the colour is for, in pixels


class Lamp(NamedTuple):
    """The light, and the map of what it reaches."""

    direction: Float64Array
    sun: Float64Array
    sky: Float64Array
    ground: Float64Array
    to_map: Float64Array  # (3, 4) from the camera's space to that of the shadow map
    turn: Float64Array  # (3, 3) from the world's axes to those of the shadow map
    focal: float  # of the map, in its pixels
    texel: float  # metres between two pixels of the map
    map: Float32Array  # 1 / depth, seen from the sun; 0 x 0 for no shadows
    blocks: Float32Array  # the greatest of BLOCK x BLOCK pixels of the map and of the next ones


@compile_kernel
def collect(
    ids: Int32Array,
    xs: Float64Array,
    ys: Float64Array,
    fine_xs: Float64Array,
    fine_ys: Float64Array,
    samples: Samples,
) -> int:
    """Fill ``samples`` from four triangles' ids in each pixel; returns how many there are.

    One in a pixel's middle if the four are the same, else four.
    """
    pixel, face, x, y, side = samples
    at, width = 0, len(xs)
    for row in range(len(ys)):
        for column in range(width):
            f = ids[2 * row, 2 * column]
            if (
                f == ids[2 * row, 2 * column + 1]
                and f == ids[2 * row + 1, 2 * column]
                and f == ids[2 * row + 1, 2 * column + 1]
            ):
                pixel[at], face[at] = row * width + column, f
                x[at], y[at], side[at] = xs[column], ys[row], 1.0
                at += 1
                continue
            for i in range(2 * row, 2 * row + 2):
                for j in range(2 * column, 2 * column + 2):
                    pixel[at], face[at] = row * width + column, ids[i, j]
                    x[at], y[at], side[at] = fine_xs[j], fine_ys[i], 0.5
                    at += 1
    return at


@compile_kernel
def light_up(
    samples: Samples,
    planes: Float64Array,
    scale: Float64Array,
    lamp: Lamp,
    colours: Float64Array,
) -> None:
    """Multiply the samples' colours with the light that falls there."""
    _, face, xs, ys, _ = samples
    direction, sun, sky, ground, to_map, turn, focal, texel, shadow_map, blocks = lamp
    for s in range(len(face)):
        f = face[s]
        if f < 0:
            continue
        x, y = xs[s], ys[s]
        total = planes[f, 0, 0] * x + planes[f, 0, 1] * y + planes[f, 0, 2]
        nx = planes[f, NORMAL, 0] * x + planes[f, NORMAL, 1] * y + planes[f, NORMAL, 2]
        ny = planes[f, NORMAL + 1, 0] * x + planes[f, NORMAL + 1, 1] * y + planes[f, NORMAL + 1, 2]
        nz = planes[f, NORMAL + 2, 0] * x + planes[f, NORMAL + 2, 1] * y + planes[f, NORMAL + 2, 2]
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        if length > 0:
            even = 1 / length if scale[f] > 0 else -1 / length  # a sheet's back is lit as its front
            nx, ny, nz = nx * even, ny * even, nz * even
        direct = nx * direction[0] + ny * direction[1] + nz * direction[2]
        if direct > 0 and len(shadow_map):
            z = 1 / (total * abs(scale[f]))
            direct *= _sun_share(
                x * z, y * z, z, nx, ny, nz, to_map, turn, focal, texel, shadow_map, blocks
            )
        direct, up = max(direct, 0.0), 0.5 + 0.5 * nz
        for c in range(3):
            colours[s, c] *= direct * sun[c] + up * sky[c] + (1 - up) * ground[c]


@compile_kernel
def _sun_share(
    x: float,
    y: float,
    z: float,
    nx: float,
    ny: float,
    nz: float,
    m: Float64Array,
    turn: Float64Array,
    focal: float,
    texel: float,
    shadow_map: Float32Array,
    blocks: Float32Array,
) -> float:
    """Share of the sun that reaches a place: 0 in the shadow, 1 in the light, between at its edge.

    Percentage-closer filtering (Reeves, Salesin, Cook, Rendering antialiased shadows with depth
    maps, 1987) over 3 x 3 pixels of the map. The place is lifted off its surface a little, lest
    the surface shade itself.
    """
    lift, middle = 2.5 * texel, (len(shadow_map) - 1) / 2
    qx = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    qy = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    qz = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    qx += lift * (turn[0, 0] * nx + turn[0, 1] * ny + turn[0, 2] * nz)
    qy += lift * (turn[1, 0] * nx + turn[1, 1] * ny + turn[1, 2] * nz)
    qz += lift * (turn[2, 0] * nx + turn[2, 1] * ny + turn[2, 2] * nz)
    if not qz > texel:
        return 1.0
    share = focal / qz
    u, v = qx * share + middle - 1, qy * share + middle - 1
    limit = len(shadow_map) - 4
    if not (u >= 0 and v >= 0 and u < limit and v < limit):
        return 1.0
    here = np.float32(1 / (qz - 0.5 * texel))
    column, row = int(u), int(v)
    if here >= blocks[row // BLOCK, column // BLOCK]:  # nothing near it can hide it
        return 1.0
    right, low = u - column, v - row
    lit = 0.0
    for i in range(4):
        along = (1 - right) * (here >= shadow_map[row + i, column])
        along += 1.0 * (here >= shadow_map[row + i, column + 1])
        along += 1.0 * (here >= shadow_map[row + i, column + 2])
        along += right * (here >= shadow_map[row + i, column + 3])
        lit += along * (1 - low if i == 0 else low if i == 3 else 1.0)
    return lit / 9


@compile_kernel
def write_colours(samples: Samples, colours: Float64Array, image: UInt8Array) -> None:
    """Fill some rows of an image with the mean colour of each pixel's samples."""
    pixel, _, _, _, side = samples
    width, at = image.shape[1], 0
    while at < len(pixel):
        i, j = pixel[at] // width, pixel[at] % width
        if side[at] == 1:
            for c in range(3):
                image[i, j, c] = min(int(math.sqrt(colours[at, c]) + 0.5), 255)
            at += 1
        else:
            for c in range(3):
                mean = 0.25 * (
                    colours[at, c] + colours[at + 1, c] + colours[at + 2, c] + colours[at + 3, c]
                )
                image[i, j, c] = min(int(math.sqrt(mean) + 0.5), 255)
            at += 4
