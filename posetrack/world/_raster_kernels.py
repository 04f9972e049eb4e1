"""Numba kernels of `posetrack.world.render`. Arguments are checked and cast there.

Kernels of one file call each other only: Numba notices a changed kernel by its own file alone.

Triangles are drawn in homogeneous coordinates (Olano and Greer, Triangle scan conversion using 2D
homogeneous coordinates, 1997): through a pixel goes the ray ``d = (x, y, 1)`` of the camera, and
vertex ``i``'s share of the point that it meets is ``d . (v_j x v_k)`` over the sum of the three.
No triangle is cut at the near plane, and on an edge that two triangles share their shares
are the same number but for its sign: no pixel falls between them.
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
Sample = tuple[float, float, float]

MAX_LEVELS = 12  # of a texture's pyramid
TAPS = 6  # at most, along the longer side of a pixel's shape on a texture


class Triangles(NamedTuple):
    """The triangles of all surfaces, as one camera sees them."""

    faces: Int32Array  # (F, 3)
    edges: Float64Array  # (F, 3, 3) vertex i's share at the ray (x, y, 1): a x + b y + c
    scale: Float64Array  # (F,) shares in metres**-1 of depth; negative if seen from behind
    bounds: Float64Array  # (F, 4) x from, y from, x to, y to in pixels
    surface: Int32Array  # (F,) whose


class Looks(NamedTuple):
    """What the surfaces look like, and where they go."""

    uv: Float64Array  # (V, 2)
    normals: Float64Array  # (V, 3) in the world
    then: Float64Array  # (V, 3) in the next camera
    parts: UInt8Array  # (F,)
    owners: Int32Array  # (S,)
    texels: UInt16Array  # all textures' linear colours, level below level
    levels: Int64Array  # (S + 1, MAX_LEVELS, 3) first texel's place, height, width; last: backdrop
    repeats: UInt8Array  # (S + 1,) 0: the border goes on; 1: repeats; 2: repeats, mirrored


class View(NamedTuple):
    """The camera, the next one, and the backdrop's place."""

    focal: float
    x: float  # the axis in the picture
    y: float
    rotation: Float64Array
    then_focal: float
    turn: Float64Array  # from the camera's axes to those of the next
    near: float
    span: tuple[float, float]  # radians that the backdrop covers to the side and up
    centre: tuple[float, float]  # azimuth and height of its middle


class Lamp(NamedTuple):
    """The light, and the map of what it reaches."""

    direction: Float64Array
    sun: Float64Array
    sky: Float64Array
    ground: Float64Array
    to_map: Float64Array  # (3, 4) from the camera's space to that of the shadow map
    turn: Float64Array  # (3, 3) from the world's axes to those of the shadow map
    focal: float
    middle: float
    map: Float32Array  # 1 / depth, seen from the sun; 0 x 0 for no shadows
    texel: float  # metres between two pixels of the map


class Truth(NamedTuple):
    """What is written."""

    image: UInt8Array
    owner: NDArray[np.int16]
    part: UInt8Array
    depth: Float32Array
    flow: Float32Array


@compiled
def transformed(points: Float32Array, rotation: Float64Array, origin: Float64Array) -> Float64Array:
    """(V, 3), points in a camera's space."""
    out = np.empty(points.shape, np.float64)
    for i in range(len(points)):
        x = points[i, 0] - origin[0]
        y = points[i, 1] - origin[1]
        z = points[i, 2] - origin[2]
        for k in range(3):
            out[i, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z
    return out


@compiled
def vertex_normals(points: Float32Array, faces: Int32Array) -> Float64Array:
    """(V, 3), mean direction of the triangles around each vertex, weighted by their area."""
    normals = np.zeros(points.shape, np.float64)
    u, v, n = np.empty(3), np.empty(3), np.empty(3)
    for f in range(len(faces)):
        for k in range(3):
            u[k] = np.float64(points[faces[f, 1], k]) - points[faces[f, 0], k]
            v[k] = np.float64(points[faces[f, 2], k]) - points[faces[f, 0], k]
        n[0] = u[1] * v[2] - u[2] * v[1]
        n[1] = u[2] * v[0] - u[0] * v[2]
        n[2] = u[0] * v[1] - u[1] * v[0]
        for i in range(3):
            for k in range(3):
                normals[faces[f, i], k] += n[k]
    for i in range(len(points)):
        length = math.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2)
        if length > 0:
            for k in range(3):
                normals[i, k] /= length
    return normals


@compiled
def pack_texture(texture: UInt8Array, texels: UInt16Array, start: int, levels: Int64Array) -> int:
    """Write the linear colours of a texture and of its halves from ``start`` on; returns the end.

    A colour's square is linear enough, and cheap both ways.
    """
    height, width = texture.shape[:2]
    at = start
    for y in range(height):
        for x in range(width):
            for c in range(3):
                value = np.int64(texture[y, x, c])
                texels[at] = value * value
                at += 1
    levels[0, 0], levels[0, 1], levels[0, 2] = start, height, width
    for level in range(1, len(levels)):
        if height == 1 and width == 1:
            levels[level] = levels[level - 1]
            continue
        h, w = max(height // 2, 1), max(width // 2, 1)
        above = levels[level - 1, 0]
        levels[level, 0], levels[level, 1], levels[level, 2] = at, h, w
        for y in range(h):
            upper, lower = min(2 * y, height - 1), min(2 * y + 1, height - 1)
            for x in range(w):
                left, right = min(2 * x, width - 1), min(2 * x + 1, width - 1)
                for c in range(3):
                    total = np.int64(texels[above + 3 * (upper * width + left) + c])
                    total += texels[above + 3 * (upper * width + right) + c]
                    total += texels[above + 3 * (lower * width + left) + c]
                    total += texels[above + 3 * (lower * width + right) + c]
                    texels[at] = (total + 2) // 4
                    at += 1
        height, width = h, w
    return at


@compiled
def set_up(
    seen: Float64Array,
    faces: Int32Array,
    focal: float,
    x: float,
    y: float,
    near: float,
    edges: Float64Array,
    scale: Float64Array,
    bounds: Float64Array,
) -> None:
    """Fill what `Triangles` keeps of each triangle; empty bounds if none of it shows."""
    cross = np.empty((3, 3))
    for f in range(len(faces)):
        bounds[f, 0], bounds[f, 1], bounds[f, 2], bounds[f, 3] = 1e18, 1e18, -1e18, -1e18
        for i in range(3):
            p, q = seen[faces[f, (i + 1) % 3]], seen[faces[f, (i + 2) % 3]]
            cross[i, 0] = p[1] * q[2] - p[2] * q[1]
            cross[i, 1] = p[2] * q[0] - p[0] * q[2]
            cross[i, 2] = p[0] * q[1] - p[1] * q[0]
        v = seen[faces[f, 0]]
        volume = v[0] * cross[0, 0] + v[1] * cross[0, 1] + v[2] * cross[0, 2]
        if not abs(volume) > 1e-15:  # seen from its edge, or no triangle at all
            continue
        sign = 1.0 if volume > 0 else -1.0
        for i in range(3):
            for k in range(3):
                edges[f, i, k] = sign * cross[i, k]
        scale[f] = -1.0 / volume  # outside in front: the volume is negative
        for i in range(3):
            _reach(seen[faces[f, i]], seen[faces[f, (i + 1) % 3]], focal, near, bounds[f])
        bounds[f, 0] += x
        bounds[f, 1] += y
        bounds[f, 2] += x
        bounds[f, 3] += y


@compiled
def _reach(
    p: Float64Array, q: Float64Array, focal: float, near: float, bounds: Float64Array
) -> None:
    """Grow bounds around ``p``, and around where the edge to ``q`` meets the near plane."""
    if p[2] >= near:
        _grow(bounds, focal * p[0] / p[2], focal * p[1] / p[2])
    if (p[2] >= near) != (q[2] >= near):
        t = (near - p[2]) / (q[2] - p[2])
        _grow(bounds, focal * (p[0] + t * (q[0] - p[0])) / near,
              focal * (p[1] + t * (q[1] - p[1])) / near)  # fmt: skip


@compiled
def _grow(bounds: Float64Array, x: float, y: float) -> None:
    bounds[0], bounds[2] = min(bounds[0], x), max(bounds[2], x)
    bounds[1], bounds[3] = min(bounds[1], y), max(bounds[3], y)


@compiled
def _rasterise(
    triangles: Triangles,
    per_pixel: int,
    first: int,
    xs: Float64Array,
    ys: Float64Array,
    nearest: float,
    inverse: Float32Array,
    ids: Int32Array,
) -> None:
    """Draw all triangles into a grid of samples that lies evenly in the pixels from row ``first``.

    ``xs`` and ``ys`` are the rays of its columns and rows. ``inverse`` (1 / depth, 0 where there
    is nothing) and ``ids`` (which triangle) keep what is in front; what is nearer than
    1 / ``nearest`` is not drawn. Of two triangles at the same depth the first stays.
    """
    bounds, edges = triangles.bounds, triangles.edges
    height, width = len(ys), len(xs)
    for f in range(len(bounds)):
        y_from = (bounds[f, 1] - first + 0.5) * per_pixel - 0.5
        y_to = (bounds[f, 3] - first + 0.5) * per_pixel - 0.5
        x_from = (bounds[f, 0] + 0.5) * per_pixel - 0.5
        x_to = (bounds[f, 2] + 0.5) * per_pixel - 0.5
        if not (y_to >= 0 and y_from <= height - 1 and x_to >= 0 and x_from <= width - 1):
            continue
        top, bottom = int(max(y_from, 0.0)), int(min(y_to, height - 2.0)) + 1
        left, right = int(max(x_from, 0.0)), int(min(x_to, width - 2.0)) + 1
        a0, a1, a2 = edges[f, 0, 0], edges[f, 1, 0], edges[f, 2, 0]
        scale = abs(triangles.scale[f])
        for row in range(top, bottom + 1):
            y = ys[row]
            r0 = edges[f, 0, 1] * y + edges[f, 0, 2]
            r1 = edges[f, 1, 1] * y + edges[f, 1, 2]
            r2 = edges[f, 2, 1] * y + edges[f, 2, 2]
            for column in range(left, right + 1):
                x = xs[column]
                e0, e1, e2 = a0 * x + r0, a1 * x + r1, a2 * x + r2
                if e0 >= 0 and e1 >= 0 and e2 >= 0:
                    value = np.float32((e0 + e1 + e2) * scale)
                    if value > inverse[row, column] and value <= nearest:
                        inverse[row, column] = value
                        ids[row, column] = f


@compiled
def _rays(count: int, per_pixel: int, first: int, middle: float, focal: float) -> Float64Array:
    """Rays of ``count`` samples, ``per_pixel`` of them in each pixel from ``first`` on."""
    rays = np.empty(count)
    for i in range(count):
        rays[i] = (first + (i + 0.5) / per_pixel - 0.5 - middle) / focal
    return rays


@compiled
def draw_shadows(triangles: Triangles, focal: float, first: int, out: Float32Array) -> None:
    """Fill ``out``, rows of a shadow map from ``first`` on, with 1 / depth."""
    rows, size = out.shape
    middle = (size - 1) / 2
    ids = np.empty(out.shape, np.int32)
    _rasterise(triangles, 1, first, _rays(size, 1, 0, middle, focal),
               _rays(rows, 1, first, middle, focal), np.inf, out, ids)  # fmt: skip


@compiled
def draw_rows(
    first: int, last: int, triangles: Triangles, looks: Looks, view: View, lamp: Lamp, truth: Truth
) -> None:
    """Draw the picture's rows ``first`` to ``last`` - 1 and their truth."""
    rows, width = last - first, truth.image.shape[1]
    xs = _rays(width, 1, 0, view.x, view.focal)
    ys = _rays(rows, 1, first, view.y, view.focal)
    inverse = np.zeros((rows, width), np.float32)
    ids = np.full((rows, width), -1, np.int32)
    _rasterise(triangles, 1, first, xs, ys, 1 / view.near, inverse, ids)
    fine_xs = _rays(2 * width, 2, 0, view.x, view.focal)
    fine_ys = _rays(2 * rows, 2, first, view.y, view.focal)
    fine = np.zeros((2 * rows, 2 * width), np.float32)
    fine_ids = np.full((2 * rows, 2 * width), -1, np.int32)
    _rasterise(triangles, 2, first, fine_xs, fine_ys, 1 / view.near, fine, fine_ids)
    for row in range(rows):
        for column in range(width):
            x, y = xs[column], ys[row]
            _write_truth(first + row, column, x, y, ids[row, column], triangles, looks, view, truth)
            f = fine_ids[2 * row, 2 * column]
            if (
                f == fine_ids[2 * row, 2 * column + 1]
                and f == fine_ids[2 * row + 1, 2 * column]
                and f == fine_ids[2 * row + 1, 2 * column + 1]
            ):
                colour = _colour(f, x, y, 1.0, triangles, looks, view, lamp)
                _write_colour(truth.image[first + row, column], colour, 1.0)
                continue
            blue, green, red = 0.0, 0.0, 0.0
            for i in range(2 * row, 2 * row + 2):
                for j in range(2 * column, 2 * column + 2):
                    b, g, r = _colour(
                        fine_ids[i, j], fine_xs[j], fine_ys[i], 0.5, triangles, looks, view, lamp
                    )
                    blue, green, red = blue + b, green + g, red + r
            _write_colour(truth.image[first + row, column], (blue, green, red), 0.25)


@compiled
def _write_colour(pixel: UInt8Array, colour: Sample, gain: float) -> None:
    for c in range(3):
        pixel[c] = min(int(math.sqrt(colour[c] * gain) + 0.5), 255)


@compiled
def _write_truth(
    row: int,
    column: int,
    x: float,
    y: float,
    f: int,
    triangles: Triangles,
    looks: Looks,
    view: View,
    truth: Truth,
) -> None:
    """Owner, part, depth and flow of what the ray (x, y, 1) meets; ``f`` is -1 for the backdrop."""
    px, py, pz = 0.0, 0.0, 0.0
    if f < 0:
        truth.owner[row, column], truth.part[row, column] = 0, 0
        truth.depth[row, column] = np.inf
        turn = view.turn
        px = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2]
        py = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2]
        pz = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2]
    else:
        truth.owner[row, column] = looks.owners[triangles.surface[f]]
        truth.part[row, column] = looks.parts[f]
        total = 0.0
        for i in range(3):
            edge = triangles.edges[f, i]
            share = edge[0] * x + edge[1] * y + edge[2]
            point = looks.then[triangles.faces[f, i]]
            total += share
            px += share * point[0]
            py += share * point[1]
            pz += share * point[2]
        truth.depth[row, column] = 1 / (total * abs(triangles.scale[f]))
    if pz > 0:
        truth.flow[row, column, 0] = view.then_focal * px / pz - view.focal * x
        truth.flow[row, column, 1] = view.then_focal * py / pz - view.focal * y
    else:  # it goes behind the camera
        truth.flow[row, column, 0] = truth.flow[row, column, 1] = np.nan


@compiled
def _colour(
    f: int,
    x: float,
    y: float,
    side: float,
    triangles: Triangles,
    looks: Looks,
    view: View,
    lamp: Lamp,
) -> Sample:
    """Linear colour of triangle ``f``, or of the backdrop if -1, at the ray (x, y, 1).

    ``side`` is that of the square in the picture that the colour is for, in pixels.
    """
    if f < 0:
        return _backdrop(x, y, side, looks, view)
    edge, faces, uv, normals = triangles.edges[f], triangles.faces[f], looks.uv, looks.normals
    i, j, k = faces[0], faces[1], faces[2]
    p = edge[0, 0] * x + edge[0, 1] * y + edge[0, 2]
    q = edge[1, 0] * x + edge[1, 1] * y + edge[1, 2]
    r = edge[2, 0] * x + edge[2, 1] * y + edge[2, 2]
    total = p + q + r
    p, q, r = p / total, q / total, r / total
    u = p * uv[i, 0] + q * uv[j, 0] + r * uv[k, 0]
    v = p * uv[i, 1] + q * uv[j, 1] + r * uv[k, 1]
    # How fast uv changes along x and y: the quotient rule on shares over their sum.
    di, dj, dk = uv[i, 0] - u, uv[j, 0] - u, uv[k, 0] - u
    ei, ej, ek = uv[i, 1] - v, uv[j, 1] - v, uv[k, 1] - v
    step = side / (view.focal * total)
    colour = _texture(
        looks,
        triangles.surface[f],
        u,
        v,
        (edge[0, 0] * di + edge[1, 0] * dj + edge[2, 0] * dk) * step,
        (edge[0, 0] * ei + edge[1, 0] * ej + edge[2, 0] * ek) * step,
        (edge[0, 1] * di + edge[1, 1] * dj + edge[2, 1] * dk) * step,
        (edge[0, 1] * ei + edge[1, 1] * ej + edge[2, 1] * ek) * step,
    )
    nx = p * normals[i, 0] + q * normals[j, 0] + r * normals[k, 0]
    ny = p * normals[i, 1] + q * normals[j, 1] + r * normals[k, 1]
    nz = p * normals[i, 2] + q * normals[j, 2] + r * normals[k, 2]
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    facing = 1.0 if triangles.scale[f] > 0 else -1.0  # the back of a sheet is lit as its front
    facing = facing / length if length > 0 else 0.0
    depth = 1 / (total * abs(triangles.scale[f]))
    light = _light(x * depth, y * depth, depth, nx * facing, ny * facing, nz * facing, lamp)
    return colour[0] * light[0], colour[1] * light[1], colour[2] * light[2]


@compiled
def _light(x: float, y: float, z: float, nx: float, ny: float, nz: float, lamp: Lamp) -> Sample:
    """What falls on a place in the camera's space with a normal in the world's."""
    up = 0.5 + 0.5 * nz
    direct = nx * lamp.direction[0] + ny * lamp.direction[1] + nz * lamp.direction[2]
    if direct > 0 and len(lamp.map):
        direct *= _reached(x, y, z, nx, ny, nz, lamp)
    direct = max(direct, 0.0)
    sun, sky, ground = lamp.sun, lamp.sky, lamp.ground
    return (
        direct * sun[0] + up * sky[0] + (1 - up) * ground[0],
        direct * sun[1] + up * sky[1] + (1 - up) * ground[1],
        direct * sun[2] + up * sky[2] + (1 - up) * ground[2],
    )


@compiled
def _reached(x: float, y: float, z: float, nx: float, ny: float, nz: float, lamp: Lamp) -> float:
    """Share of the sun that reaches a place: 0 in the shadow, 1 in the light, between at its edge.

    Percentage-closer filtering (Reeves, Salesin, Cook, Rendering antialiased shadows with depth
    maps, 1987) over 3 x 3 pixels of the map. The place is lifted off its surface a little, lest
    the surface shade itself.
    """
    m, t, lift = lamp.to_map, lamp.turn, 2.5 * lamp.texel
    qx = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    qy = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    qz = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    qx += lift * (t[0, 0] * nx + t[0, 1] * ny + t[0, 2] * nz)
    qy += lift * (t[1, 0] * nx + t[1, 1] * ny + t[1, 2] * nz)
    qz += lift * (t[2, 0] * nx + t[2, 1] * ny + t[2, 2] * nz)
    u, v = lamp.focal * qx / qz + lamp.middle - 1, lamp.focal * qy / qz + lamp.middle - 1
    if not (u >= 0 and v >= 0 and u < len(lamp.map) - 4 and v < len(lamp.map) - 4):
        return 1.0
    here = np.float32(1 / (qz - 0.5 * lamp.texel))
    column, row = int(u), int(v)
    right, low = u - column, v - row
    lit = 0.0
    for i in range(4):
        values = lamp.map[row + i]
        along = (1 - right) * (here >= values[column]) + right * (here >= values[column + 3])
        along += 1.0 * (here >= values[column + 1]) + 1.0 * (here >= values[column + 2])
        lit += along * (1 - low if i == 0 else low if i == 3 else 1.0)
    return lit / 9


@compiled
def _backdrop(x: float, y: float, side: float, looks: Looks, view: View) -> Sample:
    """Linear colour of the backdrop where the ray (x, y, 1) goes."""
    m = view.rotation
    east = m[0, 0] * x + m[1, 0] * y + m[2, 0]
    north = m[0, 1] * x + m[1, 1] * y + m[2, 1]
    up = m[0, 2] * x + m[1, 2] * y + m[2, 2]
    around = math.atan2(east, north) - view.centre[0]
    if around > math.pi:
        around -= 2 * math.pi
    elif around < -math.pi:
        around += 2 * math.pi
    height = math.atan2(up, math.sqrt(east * east + north * north)) - view.centre[1]
    u, v = 0.5 + around / view.span[0], 0.5 - height / view.span[1]
    step = side / view.focal
    return _texture(
        looks, len(looks.levels) - 1, u, v, step / view.span[0], 0.0, 0.0, step / view.span[1]
    )


@compiled
def _texture(
    looks: Looks,
    surface: int,
    u: float,
    v: float,
    u_x: float,
    v_x: float,
    u_y: float,
    v_y: float,
) -> Sample:
    """Mean linear colour of a pixel's shape on a texture; ``u_x`` ... are the shape's sides.

    Several looks along its longer side, each into the level whose texels are as big as the rest.
    """
    levels, repeats = looks.levels[surface], looks.repeats[surface]
    height, width = levels[0, 1], levels[0, 2]
    along_x = (u_x * width) ** 2 + (v_x * height) ** 2
    along_y = (u_y * width) ** 2 + (v_y * height) ** 2
    if along_x < along_y:
        along_x, along_y, u_x, v_x = along_y, along_x, u_y, v_y
    if along_x <= 1:
        return _texel(looks.texels, levels[0], repeats, u, v)
    longer = math.sqrt(along_x)
    taps = min(int(longer / max(math.sqrt(along_y), 1.0)) + 1, TAPS)
    level = max(math.log2(longer / taps), 0.0)
    whole = min(int(level), MAX_LEVELS - 2)
    finer = 1 - min(level - whole, 1.0)
    blue, green, red = 0.0, 0.0, 0.0
    for tap in range(taps):
        place = (tap + 0.5) / taps - 0.5
        uu, vv = u + place * u_x, v + place * v_x
        b, g, r = _texel(looks.texels, levels[whole], repeats, uu, vv)
        b_, g_, r_ = _texel(looks.texels, levels[whole + 1], repeats, uu, vv)
        blue += finer * b + (1 - finer) * b_
        green += finer * g + (1 - finer) * g_
        red += finer * r + (1 - finer) * r_
    return blue / taps, green / taps, red / taps


@compiled
def _texel(texels: UInt16Array, level: Int64Array, repeats: int, u: float, v: float) -> Sample:
    """Bilinear linear colour of one level of a texture."""
    start, height, width = level[0], level[1], level[2]
    x, y = u * width - 0.5, v * height - 0.5
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
def _place(index: int, size: int, repeats: int) -> int:
    """Where in a row of ``size`` texels an index beyond it falls."""
    if 0 <= index < size:
        return index
    if repeats == 0:
        return 0 if index < 0 else size - 1
    if repeats == 1:
        return index % size
    index %= 2 * size
    return index if index < size else 2 * size - 1 - index
