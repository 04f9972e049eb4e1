"""Where triangles are in a picture, and their truth: compiled loops.

Arguments are checked and cast by `render`. Kernels of one file call each other only: Numba notices
a changed kernel by its own file alone.

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

from posetrack.ops.compilation import compile_kernel

Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Int32Array = NDArray[np.int32]
UInt8Array = NDArray[np.uint8]

# What varies over a triangle. Times the sum of the shares, each is a plane over the rays:
# a x + b y + c.
ONE, U, V = 0, 1, 2  # the sum of the shares itself, and the place in the texture
NORMAL = 3  # and 4, 5: in the world
THEN = 6  # and 7, 8: place in the next camera
VARYING = 9

WIDE = 24  # samples of a row from which it pays to find where a triangle begins and ends


class Triangles(NamedTuple):
    """The triangles of all surfaces, as one camera sees them."""

    edges: Float64Array  # (F, 3, 3) vertex i's share at the ray (x, y, 1): a x + b y + c
    scale: Float64Array  # (F,) 1 / depth is this times the sum of shares; negative: back is seen
    bounds: Float64Array  # (F, 4) x from, y from, x to, y to in pixels


@compile_kernel
def to_camera(points: Float32Array, rotation: Float64Array, origin: Float64Array) -> Float64Array:
    """(V, 3), points in a camera's space."""
    out = np.empty(points.shape, np.float64)
    for i in range(len(points)):
        x = points[i, 0] - origin[0]
        y = points[i, 1] - origin[1]
        z = points[i, 2] - origin[2]
        for k in range(3):
            out[i, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z
    return out


@compile_kernel
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


@compile_kernel
def set_up(
    seen: Float64Array,
    faces: Int32Array,
    focal: float,
    x: float,
    y: float,
    near: float,
    triangles: Triangles,
) -> None:
    """Fill what `Triangles` keeps of each triangle; empty bounds if none of it shows."""
    edges, scale, bounds = triangles
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


@compile_kernel
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


@compile_kernel
def _grow(bounds: Float64Array, x: float, y: float) -> None:
    bounds[0], bounds[2] = min(bounds[0], x), max(bounds[2], x)
    bounds[1], bounds[3] = min(bounds[1], y), max(bounds[3], y)


@compile_kernel
def set_planes(
    triangles: Triangles,
    faces: Int32Array,
    uv: Float64Array,
    normals: Float64Array,
    then: Float64Array,
    size: tuple[int, int],
    planes: Float64Array,
) -> None:
    """Fill ``planes`` (F, VARYING, 3) for the triangles that may show in a picture of ``size``."""
    edges, _, bounds = triangles
    for f in range(len(faces)):
        if not (
            bounds[f, 2] >= -1
            and bounds[f, 3] >= -1
            and bounds[f, 0] <= size[0]
            and bounds[f, 1] <= size[1]
        ):
            continue
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        for n in range(3):
            p, q, r = edges[f, 0, n], edges[f, 1, n], edges[f, 2, n]
            planes[f, ONE, n] = p + q + r
            planes[f, U, n] = p * uv[i, 0] + q * uv[j, 0] + r * uv[k, 0]
            planes[f, V, n] = p * uv[i, 1] + q * uv[j, 1] + r * uv[k, 1]
            for c in range(3):
                planes[f, NORMAL + c, n] = p * normals[i, c] + q * normals[j, c] + r * normals[k, c]
                planes[f, THEN + c, n] = p * then[i, c] + q * then[j, c] + r * then[k, c]


@compile_kernel
def rays(count: int, per_pixel: int, first: int, middle: float, focal: float) -> Float64Array:
    """Rays of ``count`` samples, ``per_pixel`` of them in each pixel from ``first`` on."""
    values = np.empty(count)
    for i in range(count):
        values[i] = (first + (i + 0.5) / per_pixel - 0.5 - middle) / focal
    return values


@compile_kernel
def _first(
    a0: float, r0: float, a1: float, r1: float, a2: float, r2: float, xs: Float64Array
) -> int:
    """A column of a row at or shortly before the first with ``a x + r >= 0`` thrice."""
    least = xs[0]
    if a0 > 0:
        least = max(least, -r0 / a0)
    if a1 > 0:
        least = max(least, -r1 / a1)
    if a2 > 0:
        least = max(least, -r2 / a2)
    step = (xs[-1] - xs[0]) / (len(xs) - 1)
    return int(min((least - xs[0]) / step, float(len(xs))) - 1)


@compile_kernel
def rasterise(
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
    edges, scales, bounds = triangles
    height, width = len(ys), len(xs)
    mirrored = -xs[::-1]
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
        scale = abs(scales[f])
        for row in range(top, bottom + 1):
            y = ys[row]
            r0 = edges[f, 0, 1] * y + edges[f, 0, 2]
            r1 = edges[f, 1, 1] * y + edges[f, 1, 2]
            r2 = edges[f, 2, 1] * y + edges[f, 2, 2]
            begin, end = left, right
            if right - left > WIDE:
                begin = max(left, _first(a0, r0, a1, r1, a2, r2, xs))
                end = min(right, width - 1 - _first(-a0, r0, -a1, r1, -a2, r2, mirrored))
            for column in range(begin, end + 1):
                x = xs[column]
                e0, e1, e2 = a0 * x + r0, a1 * x + r1, a2 * x + r2
                if e0 >= 0 and e1 >= 0 and e2 >= 0:
                    value = np.float32((e0 + e1 + e2) * scale)
                    if value > inverse[row, column] and value <= nearest:
                        inverse[row, column] = value
                        ids[row, column] = f


@compile_kernel
def write_truth(
    ids: Int32Array,
    xs: Float64Array,
    ys: Float64Array,
    scale: Float64Array,
    planes: Float64Array,
    owners: NDArray[np.int16],
    parts: UInt8Array,
    turn: Float64Array,
    focal: float,
    then_focal: float,
    owner: NDArray[np.int16],
    part: UInt8Array,
    depth: Float32Array,
    flow: Float32Array,
) -> None:
    """Fill owner, part, depth and flow of some rows from the triangles seen there (-1 for none).

    Places at infinity go as the camera turns: ``turn`` takes its axes to those of the next.
    """
    for row in range(ids.shape[0]):
        y = ys[row]
        for column in range(ids.shape[1]):
            x, f = xs[column], ids[row, column]
            if f < 0:
                owner[row, column], part[row, column] = 0, 0
                depth[row, column] = np.inf
                px = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2]
                py = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2]
                pz = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2]
            else:
                owner[row, column], part[row, column] = owners[f], parts[f]
                p = planes[f]
                total = p[ONE, 0] * x + p[ONE, 1] * y + p[ONE, 2]
                depth[row, column] = 1 / (total * abs(scale[f]))
                px = p[THEN, 0] * x + p[THEN, 1] * y + p[THEN, 2]
                py = p[THEN + 1, 0] * x + p[THEN + 1, 1] * y + p[THEN + 1, 2]
                pz = p[THEN + 2, 0] * x + p[THEN + 2, 1] * y + p[THEN + 2, 2]
            if pz > 0:
                flow[row, column, 0] = then_focal * px / pz - focal * x
                flow[row, column, 1] = then_focal * py / pz - focal * y
            else:  # it goes behind the camera
                flow[row, column, 0] = flow[row, column, 1] = np.nan
