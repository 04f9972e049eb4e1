"""Numba kernels of `posetrack.world.render`: the colours of what is seen.

Arguments are checked and cast by `render`. Kernels of one file call each other only: Numba notices
a changed kernel by its own file alone. Colours are linear: the square of a texture's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack._compiled import compiled

Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]
Int32Array = NDArray[np.int32]
UInt16Array = NDArray[np.uint16]
UInt8Array = NDArray[np.uint8]
Colour = tuple[float, float, float]

MAX_LEVELS = 12  # of a texture's pyramid
TAPS = 4  # at most, along the longer side of a pixel's shape on a texture
BLOCK = 8  # pixels of the shadow map
SHARP = 1.4  # texels of a level that a look may skip
U, V, NORMAL = 1, 2, 3  # planes of a triangle, as the rasteriser fills them


class Samples(NamedTuple):
    """Places in a picture for which a colour is wanted."""

    pixel: Int32Array  # (P,) row * width + column
    face: Int32Array  # (P,) the triangle seen there, -1 for the backdrop
    x: Float64Array  # (P,) the ray (x, y, 1)
    y: Float64Array
    side: Float64Array  # (P,) of the square that the colour is for, in pixels


class Textures(NamedTuple):
    """All textures and their halves, one after the other; the last is the backdrop's."""

    texels: UInt16Array  # linear colours
    levels: Int64Array  # (S + 1, MAX_LEVELS, 3) where each level begins, its height and width
    repeats: UInt8Array  # (S + 1,) 0: the border goes on; 1: repeats; 2: repeats, mirrored


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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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
            direct *= _reached(
                x * z, y * z, z, nx, ny, nz, to_map, turn, focal, texel, shadow_map, blocks
            )
        direct, up = max(direct, 0.0), 0.5 + 0.5 * nz
        for c in range(3):
            colours[s, c] *= direct * sun[c] + up * sky[c] + (1 - up) * ground[c]


@compiled
def _reached(
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
    if here >= blocks[row // BLOCK, column // BLOCK]:  # nothing near it is in the way
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


@compiled
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


@compiled
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
        place = (tap + 0.5) / taps - 0.5
        b, g, r = _texel(texels, start, height, width, repeats, u + place * u_x, v + place * v_x)
        blue, green, red = blue + b, green + g, red + r
    return blue / taps, green / taps, red / taps


@compiled
def _texel(
    texels: UInt16Array, start: int, height: int, width: int, repeats: int, u: float, v: float
) -> Colour:
    """Colour, bilinear, of one level of a texture."""
    x, y = _folded(u, repeats) * width - 0.5, _folded(v, repeats) * height - 0.5
    column, row = math.floor(x), math.floor(y)
    right, low = x - column, y - row
    x0, x1 = _place(column, width, repeats), _place(column + 1, width, repeats)
    y0, y1 = _place(row, height, repeats), _place(row + 1, height, repeats)
    a, b = start + 3 * (y0 * width + x0), start + 3 * (y0 * width + x1)
    c, d = start + 3 * (y1 * width + x0), start + 3 * (y1 * width + x1)
    wa, wb = (1 - right) * (1 - low), right * (1 - low)
    wc, wd = (1 - right) * low, right * low
    return (
        wa * texels[a] + wb * texels[b] + wc * texels[c] + wd * texels[d],
        wa * texels[a + 1] + wb * texels[b + 1] + wc * texels[c + 1] + wd * texels[d + 1],
        wa * texels[a + 2] + wb * texels[b + 2] + wc * texels[c + 2] + wd * texels[d + 2],
    )


@compiled
def _folded(place: float, repeats: int) -> float:
    """Where in [0, 1] of a texture a place beyond it falls."""
    if repeats == 0:
        return min(max(place, 0.0), 1.0)
    if repeats == 1:
        return place - math.floor(place)
    place -= 2 * math.floor(0.5 * place)
    return min(place, 2 - place)


@compiled
def _place(index: int, size: int, repeats: int) -> int:
    """The texel for an index at most one beyond a row of ``size``."""
    if 0 <= index < size:
        return index
    if repeats == 1:
        return size - 1 if index < 0 else 0
    return 0 if index < 0 else size - 1
