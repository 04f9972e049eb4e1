"""Textures on triangles and on the backdrop: compiled loops.

Arguments are checked and cast by `render`. Kernels of one file call each other only: Numba notices
a changed kernel by its own file alone. Colours are linear: the square of a texture's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import compile_kernel
from posetrack.world.rendering.shading import Samples

Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]
Int32Array = NDArray[np.int32]
UInt16Array = NDArray[np.uint16]
UInt8Array = NDArray[np.uint8]

Colour = tuple[float, float, float]
MAX_LEVELS = 12  # of a texture's pyramid
TAPS = 4  # at most, along the longer side of a pixel's shape on a texture
SHARP = 1.4  # texels of a level that a look may skip
U, V = 1, 2  # planes of a triangle, as the rasteriser fills them


class Textures(NamedTuple):
    """All textures and their halves, one after the other; the last is the backdrop's."""

    texels: UInt16Array  # linear colours
    levels: Int64Array  # (S + 1, MAX_LEVELS, 3) where each level begins, its height and width
    repeats: UInt8Array  # (S + 1,) 0: the border goes on; 1: repeats; 2: repeats, mirrored


@compile_kernel
def pack_texture(texture: UInt8Array, texels: UInt16Array, start: int, levels: Int64Array) -> int:
    """Write the linear colours of a texture and of its halves from ``start`` on; returns the end.

    A colour's square is linear enough, and cheap both ways.
    """
    height, width = texture.shape[:2]
    flat = texture.reshape(-1)
    for i in range(len(flat)):
        value = np.uint16(flat[i])
        texels[start + i] = np.uint16(value * value)
    at = start + len(flat)
    sums = np.empty(3 * width, np.int32)
    levels[0, 0], levels[0, 1], levels[0, 2] = start, height, width
    for level in range(1, len(levels)):
        if height == 1 and width == 1:
            levels[level] = levels[level - 1]
            continue
        h, w = max(height // 2, 1), max(width // 2, 1)
        above = levels[level - 1, 0]
        levels[level, 0], levels[level, 1], levels[level, 2] = at, h, w
        right, low = 3 * min(width - 1, 1), 3 * width * min(height - 1, 1)
        for y in range(h):
            upper = above + 6 * y * width
            for x in range(3 * width):
                sums[x] = np.int32(texels[upper + x]) + np.int32(texels[upper + low + x])
            for x in range(w):
                for c in range(6 * x, 6 * x + 3):
                    texels[at] = (sums[c] + sums[c + right] + 2) >> 2
                    at += 1
        height, width = h, w
    return at


@compile_kernel
def paint_triangles(
    samples: Samples,
    planes: Float64Array,
    surfaces: Int32Array,
    textures: Textures,
    focal: float,
    colours: Float64Array,
) -> None:
    """Fill ``colours`` (P, 3) of the samples on triangles with their textures."""
    _, face, xs, ys, side = samples
    texels, levels, repeats = textures
    for s in range(len(face)):
        f = face[s]
        if f < 0:
            continue
        x, y = xs[s], ys[s]
        share = 1 / (planes[f, 0, 0] * x + planes[f, 0, 1] * y + planes[f, 0, 2])
        u = (planes[f, U, 0] * x + planes[f, U, 1] * y + planes[f, U, 2]) * share
        v = (planes[f, V, 0] * x + planes[f, V, 1] * y + planes[f, V, 2]) * share
        step = side[s] / focal * share  # the quotient rule for two planes
        u_x = (planes[f, U, 0] - u * planes[f, 0, 0]) * step
        v_x = (planes[f, V, 0] - v * planes[f, 0, 0]) * step
        u_y = (planes[f, U, 1] - u * planes[f, 0, 1]) * step
        v_y = (planes[f, V, 1] - v * planes[f, 0, 1]) * step
        of = surfaces[f]
        colour = _texture(texels, levels, of, repeats[of], u, v, u_x, v_x, u_y, v_y)
        colours[s, 0], colours[s, 1], colours[s, 2] = colour


@compile_kernel
def paint_backdrop(
    samples: Samples,
    rotation: Float64Array,
    span: tuple[float, float],
    centre: tuple[float, float],
    textures: Textures,
    focal: float,
    colours: Float64Array,
) -> None:
    """Fill ``colours`` (P, 3) of the samples where no triangle is."""
    _, face, xs, ys, side = samples
    texels, levels, repeats = textures
    m, last = rotation, len(levels) - 1
    for s in range(len(face)):
        if face[s] >= 0:
            continue
        x, y, step = xs[s], ys[s], side[s] / focal
        east = m[0, 0] * x + m[1, 0] * y + m[2, 0]
        north = m[0, 1] * x + m[1, 1] * y + m[2, 1]
        up = m[0, 2] * x + m[1, 2] * y + m[2, 2]
        around = _angle(east, north) - centre[0]
        if around > math.pi:
            around -= 2 * math.pi
        elif around < -math.pi:
            around += 2 * math.pi
        height = _angle(up, math.sqrt(east * east + north * north)) - centre[1]
        u, v = 0.5 + around / span[0], 0.5 - height / span[1]
        colour = _texture(
            texels, levels, last, repeats[last], u, v, step / span[0], 0.0, 0.0, step / span[1]
        )
        colours[s, 0], colours[s, 1], colours[s, 2] = colour


@compile_kernel
def _angle(y: float, x: float) -> float:
    """About ``math.atan2(y, x)``, at most 0.004 beside it, without steps, and thrice as fast.

    Where in the backdrop a direction falls must be the same in each picture, but need not be
    exact.
    """
    low, high = min(abs(x), abs(y)), max(abs(x), abs(y))
    share = low / high if high > 0 else 0.0
    angle = share * (0.25 * math.pi + 0.273 * (1 - share))
    angle = 0.5 * math.pi - angle if abs(y) > abs(x) else angle
    angle = math.pi - angle if x < 0 else angle
    return angle if y >= 0 else -angle


@compile_kernel
def _texture(
    texels: UInt16Array,
    levels: Int64Array,
    of: int,
    repeats: int,
    u: float,
    v: float,
    u_x: float,
    v_x: float,
    u_y: float,
    v_y: float,
) -> Colour:
    """Mean colour of a pixel's shape on texture ``of``; ``u_x`` ... are the shape's sides.

    Several looks along its longer side, each into the level whose texels are about as big as
    the rest.
    """
    height, width = levels[of, 0, 1], levels[of, 0, 2]
    along_x = (u_x * width) ** 2 + (v_x * height) ** 2
    along_y = (u_y * width) ** 2 + (v_y * height) ** 2
    if along_x < along_y:
        along_x, along_y, u_x, v_x = along_y, along_x, u_y, v_y
    taps, level = 1, 0
    if along_x > 1:
        longer = math.sqrt(along_x)
        taps = max(min(int(longer / max(math.sqrt(along_y), 1.0) + 0.5), TAPS), 1)
        each = longer / taps
        while each > SHARP and level < MAX_LEVELS - 1:
            each, level = each / 2, level + 1
    start, height, width = levels[of, level, 0], levels[of, level, 1], levels[of, level, 2]
    blue, green, red = 0.0, 0.0, 0.0
    for tap in range(taps):
        position = (tap + 0.5) / taps - 0.5
        b, g, r = _texel(
            texels, start, height, width, repeats, u + position * u_x, v + position * v_x
        )
        blue, green, red = blue + b, green + g, red + r
    return blue / taps, green / taps, red / taps


@compile_kernel
def _texel(
    texels: UInt16Array, start: int, height: int, width: int, repeats: int, u: float, v: float
) -> Colour:
    """Colour, bilinear, of one level of a texture."""
    x, y = _fold(u, repeats) * width - 0.5, _fold(v, repeats) * height - 0.5
    column, row = math.floor(x), math.floor(y)
    right, low = x - column, y - row
    x0, x1 = _texel_index(column, width, repeats), _texel_index(column + 1, width, repeats)
    y0, y1 = _texel_index(row, height, repeats), _texel_index(row + 1, height, repeats)
    a, b = start + 3 * (y0 * width + x0), start + 3 * (y0 * width + x1)
    c, d = start + 3 * (y1 * width + x0), start + 3 * (y1 * width + x1)
    wa, wb = (1 - right) * (1 - low), right * (1 - low)
    wc, wd = (1 - right) * low, right * low
    return (
        wa * texels[a] + wb * texels[b] + wc * texels[c] + wd * texels[d],
        wa * texels[a + 1] + wb * texels[b + 1] + wc * texels[c + 1] + wd * texels[d + 1],
        wa * texels[a + 2] + wb * texels[b + 2] + wc * texels[c + 2] + wd * texels[d + 2],
    )


@compile_kernel
def _fold(position: float, repeats: int) -> float:
    """Where in [0, 1] of a texture a place beyond it falls."""
    if repeats == 0:
        return min(max(position, 0.0), 1.0)
    if repeats == 1:
        return position - math.floor(position)
    position -= 2 * math.floor(0.5 * position)
    return min(position, 2 - position)


@compile_kernel
def _texel_index(index: int, size: int, repeats: int) -> int:
    """The texel for an index at most one beyond a row of ``size``."""
    if 0 <= index < size:
        return index
    if repeats == 1:
        return size - 1 if index < 0 else 0
    return 0 if index < 0 else size - 1
