"""Pictures of the world with the truth at every pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from posetrack._compiled import kernel_input
from posetrack.world import _raster_kernels as raster
from posetrack.world import _shading_kernels as shading
from posetrack.world.background import Backdrop
from posetrack.world.camera import Camera
from posetrack.world.light import Light, shadow_camera
from posetrack.world.mesh import Surface

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

BAND = 24  # rows drawn at once: few enough for the processor's cache
LARGE = 30.0  # metres: what is larger (the ground, a long wall) casts no shadow
AROUND = 12.0  # metres around the people in which other things cast shadows


@dataclass(frozen=True, eq=False)
class Render:
    """A picture, and what is at each pixel's centre.

    Parameters
    ----------
    image
        (H, W, 3) uint8 BGR.
    owner
        (H, W) int16, 0 for scenery and the backdrop, else `Surface.owner`.
    part
        (H, W) uint8, a `Part`.
    depth
        (H, W) float32, metres along the camera's axis; inf where only the backdrop is.
    flow
        (H, W, 2) float32, pixels by which the point seen here moves until the next frame, hidden
        then or not; NaN if it goes behind the camera.
    """

    image: NDArray[np.uint8]
    owner: NDArray[np.int16]
    part: NDArray[np.uint8]
    depth: Float32Array
    flow: Float32Array


def render(
    surfaces: Sequence[Surface],
    camera: Camera,
    next_camera: Camera | None = None,
    *,
    light: Light,
    backdrop: Backdrop,
    near: float = 0.1,
    shadow_size: int | None = None,
    threads: int = 1,
) -> Render:
    """Draw surfaces as a camera sees them.

    Colours are those of the middle of each pixel, or the mean of four places in it where more
    than one triangle shows. Owner, part, depth and flow belong to the pixel's centre: they
    do not mix. Triangles are seen from both sides.

    Parameters
    ----------
    surfaces
        What stands in the world; may be empty. A texture whose uv go beyond [0, 1] repeats.
    camera, next_camera
        The camera now and in the next frame; the same when None.
    light
        The sun and the sky.
    backdrop
        What is seen where no triangle is.
    near
        Metres; what is nearer than this along the axis is not seen.
    shadow_size
        Pixels of a side of the shadow map, a multiple of 8; 0 for no shadows; when None about as
        many as the picture has, 512 at most.
    threads
        How many threads draw. The result does not depend on it.

    Raises
    ------
    ValueError
        If the cameras' sizes differ, a surface's vertices do not fit its mesh, an owner is not in
        0 .. 32767, ``near`` or ``threads`` is not positive, or ``shadow_size`` no multiple of 8.

    Examples
    --------
    >>> from posetrack.world.background import plain
    >>> from posetrack.world.camera import looking_at
    >>> from posetrack.world.mesh import Mesh
    >>> corners = np.array([[-1, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    >>> mesh = Mesh(corners, [[0, 1, 2]], np.zeros((3, 2)), [1], np.full((1, 1, 3), 255))
    >>> camera = looking_at((0, -4, 0.5), (0, 0, 0.5), focal=40, size=(32, 24))
    >>> seen = render([Surface(mesh, corners, corners + (0.1, 0, 0), owner=3)], camera,
    ...               light=Light(), backdrop=plain())
    >>> seen.owner[12, 16], seen.part[12, 16], seen.depth[12, 16]
    (np.int16(3), np.uint8(1), np.float32(4.0))
    >>> seen.flow[12, 16].round(6).tolist()
    [1.0, 0.0]
    """
    following = next_camera or camera
    _check(surfaces, camera, following, near, threads)
    if shadow_size is None:
        shadow_size = min(max(camera.size) // 8 * 8, 512)
    if shadow_size < 0 or shadow_size % shading.BLOCK:
        raise ValueError(f"shadow_size must be a multiple of 8, got {shadow_size}")
    scene = _gathered(surfaces)
    looks = _looks(surfaces, scene, camera, following, near)
    lamp = _lamp(light, surfaces, camera, shadow_size, threads)
    textures = _textures(surfaces, backdrop)
    width, height = camera.size
    seen = Render(
        np.empty((height, width, 3), np.uint8),
        np.empty((height, width), np.int16),
        np.empty((height, width), np.uint8),
        np.empty((height, width), np.float32),
        np.empty((height, width, 2), np.float32),
    )

    def draw(bands: Sequence[tuple[int, int]]) -> None:
        room = _Room(width)
        for first, last in bands:
            rows = Render(*(array[first:last] for array in vars(seen).values()))
            _draw_truth(rows, first, room, looks, camera, following, near)
            _draw_image(rows.image, first, room, looks, camera, near, lamp, textures, backdrop)

    _in_bands(draw, height, threads)
    return seen


class _Room:
    """Arrays that one thread uses again for each band: new memory costs as much as drawing."""

    def __init__(self, width: int) -> None:
        samples = 4 * BAND * width
        self.inverse = np.empty(samples, np.float32)
        self.ids = np.empty(samples, np.int32)
        self.samples = shading.Samples(
            np.empty(samples, np.int32),
            np.empty(samples, np.int32),
            np.empty(samples),
            np.empty(samples),
            np.empty(samples),
        )
        self.colours = np.empty((samples, 3))

    def grid(self, rows: int, columns: int) -> tuple[Float32Array, NDArray[np.int32]]:
        """1 / depth and triangles of a grid (rows, columns), empty."""
        inverse, ids = self.inverse[: rows * columns], self.ids[: rows * columns]
        inverse.fill(0)
        ids.fill(-1)
        return inverse.reshape(rows, columns), ids.reshape(rows, columns)


def _draw_truth(
    rows: Render,
    first: int,
    room: _Room,
    looks: _Looks,
    camera: Camera,
    following: Camera,
    near: float,
) -> None:
    """Fill owner, part, depth and flow of the rows from ``first`` on."""
    xs, ys = _rays(camera, first, len(rows.depth), 1)
    inverse, ids = room.grid(*rows.depth.shape)
    raster.rasterise(looks.triangles, 1, first, xs, ys, 1 / near, inverse, ids)
    raster.write_truth(
        ids,
        xs,
        ys,
        looks.triangles.scale,
        looks.planes,
        looks.owners,
        looks.parts,
        _product(following.rotation, np.asarray(camera.rotation).T),
        float(camera.focal),
        float(following.focal),
        rows.owner,
        rows.part,
        rows.depth,
        rows.flow,
    )


def _draw_image(
    image: NDArray[np.uint8],
    first: int,
    room: _Room,
    looks: _Looks,
    camera: Camera,
    near: float,
    lamp: shading.Lamp,
    textures: shading.Textures,
    backdrop: Backdrop,
) -> None:
    """Fill an image with the rows from ``first`` on."""
    rows, width = image.shape[:2]
    focal = float(camera.focal)
    xs, ys = _rays(camera, first, rows, 1)
    fine_xs, fine_ys = _rays(camera, first, rows, 2)
    inverse, ids = room.grid(2 * rows, 2 * width)
    triangles, planes = looks.triangles, looks.planes
    raster.rasterise(triangles, 2, first, fine_xs, fine_ys, 1 / near, inverse, ids)
    n = shading.collect(ids, xs, ys, fine_xs, fine_ys, room.samples)
    pixel, face, x, y, side = room.samples
    samples = shading.Samples(pixel[:n], face[:n], x[:n], y[:n], side[:n])
    colours = room.colours[:n]
    shading.paint_triangles(samples, planes, looks.surfaces, textures, focal, colours)
    span = (float(backdrop.span[0]), float(backdrop.span[1]))
    centre = (float(backdrop.centre[0]), float(backdrop.centre[1]))
    rotation = np.ascontiguousarray(camera.rotation, np.float64)
    shading.paint_backdrop(samples, rotation, span, centre, textures, focal, colours)
    shading.light_up(samples, planes, triangles.scale, lamp, colours)
    shading.write_colours(samples, colours, image)


def _rays(camera: Camera, first: int, rows: int, per_pixel: int) -> tuple[Float64Array, ...]:
    """Of the columns, and of the rows from ``first`` on, ``per_pixel`` in each pixel."""
    (width, height), focal = camera.size, float(camera.focal)
    return (
        raster.rays(per_pixel * width, per_pixel, 0, (width - 1) / 2, focal),
        raster.rays(per_pixel * rows, per_pixel, first, (height - 1) / 2, focal),
    )


def _check(
    surfaces: Sequence[Surface], camera: Camera, following: Camera, near: float, threads: int
) -> None:
    if following.size != camera.size:
        raise ValueError(f"the next camera's size {following.size} is not {camera.size}")
    if not near > 0 or threads < 1:
        raise ValueError(f"near and threads must be positive, got {near} and {threads}")
    for surface in surfaces:
        shape = surface.mesh.vertices.shape
        if np.shape(surface.now) != shape or np.shape(surface.then) != shape:
            raise ValueError(
                f"{surface.mesh} needs vertices {shape}, got {np.shape(surface.now)} now and "
                f"{np.shape(surface.then)} then"
            )
        if not 0 <= surface.owner < 2**15:
            raise ValueError(f"owners must be 0 .. 32767, got {surface.owner}")


@dataclass(frozen=True, eq=False)
class _Scene:
    """All surfaces in one."""

    points: Float32Array  # (V, 3)
    faces: NDArray[np.int32]  # (F, 3)
    surface: NDArray[np.int32]  # (F,)


def _joined(arrays: Sequence[NDArray[np.generic]], ends: tuple[int, ...], kind: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([np.empty((0, *ends), kind), *arrays]).astype(kind, copy=False)


def _gathered(surfaces: Sequence[Surface]) -> _Scene:
    starts = np.cumsum([0] + [len(s.mesh.vertices) for s in surfaces])
    return _Scene(
        _joined([s.now for s in surfaces], (3,), np.float32),
        _joined(
            [s.mesh.faces + np.int32(start) for s, start in zip(surfaces, starts, strict=False)],
            (3,),
            np.int32,
        ),
        np.repeat(np.arange(len(surfaces), dtype=np.int32), [len(s.mesh.faces) for s in surfaces]),
    )


@dataclass(frozen=True, eq=False)
class _Looks:
    """The triangles in a camera, and what varies over them."""

    triangles: raster.Triangles
    planes: Float64Array  # (F, VARYING, 3)
    surfaces: NDArray[np.int32]  # (F,)
    owners: NDArray[np.int16]  # (F,)
    parts: NDArray[np.uint8]  # (F,)


def _looks(
    surfaces: Sequence[Surface], scene: _Scene, camera: Camera, following: Camera, near: float
) -> _Looks:
    triangles = _seen_by(camera, scene, near)
    then = _joined([s.then for s in surfaces], (3,), np.float32)
    planes = np.empty((len(scene.faces), raster.VARYING, 3))
    raster.set_planes(
        triangles,
        scene.faces,
        _joined([s.mesh.uv for s in surfaces], (2,), np.float64),
        raster.vertex_normals(scene.points, scene.faces),
        raster.transformed(then, *_placed(following)),
        (int(camera.size[0]), int(camera.size[1])),
        planes,
    )
    owners = np.array([s.owner for s in surfaces], np.int16)
    parts = _joined([s.mesh.parts for s in surfaces], (), np.uint8)
    return _Looks(triangles, planes, scene.surface, owners[scene.surface], parts)


def _textures(surfaces: Sequence[Surface], backdrop: Backdrop) -> shading.Textures:
    textures = [s.mesh.texture for s in surfaces] + [backdrop.texture]
    # A pyramid needs a third more than its base, and one of a single row as much again.
    room = sum(2 * t.size + 3 * shading.MAX_LEVELS for t in textures)
    texels = np.empty(room, np.uint16)
    levels = np.empty((len(textures), shading.MAX_LEVELS, 3), np.int64)
    end = 0
    for texture, rows in zip(textures, levels, strict=True):
        end = shading.pack_texture(kernel_input(texture, np.uint8), texels, end, rows)
    beyond = [bool((s.mesh.uv < 0).any() or (s.mesh.uv > 1).any()) for s in surfaces]
    return shading.Textures(texels, levels, np.array([*beyond, 2], np.uint8))


def _placed(camera: Camera) -> tuple[Float64Array, Float64Array]:
    return (
        np.ascontiguousarray(camera.rotation, np.float64),
        np.ascontiguousarray(camera.position, np.float64),
    )


def _product(first: Float64Array, second: Float64Array) -> Float64Array:
    """Matrix product with sums in a stated order: libraries for it differ in the last digits."""
    return np.asarray((first[:, :, None] * second[None]).sum(axis=1))


def _seen_by(camera: Camera, scene: _Scene, near: float) -> raster.Triangles:
    seen = raster.transformed(scene.points, *_placed(camera))
    count, (width, height) = len(scene.faces), camera.size
    triangles = raster.Triangles(np.empty((count, 3, 3)), np.empty(count), np.empty((count, 4)))
    raster.set_up(
        seen,
        scene.faces,
        float(camera.focal),
        (width - 1) / 2,
        (height - 1) / 2,
        float(near),
        triangles,
    )
    return triangles


def _lamp(
    light: Light,
    surfaces: Sequence[Surface],
    camera: Camera,
    shadow_size: int,
    threads: int,
) -> shading.Lamp:
    """The light, with a shadow map where anything casts shadows."""
    direction = np.array(light.direction) / math.hypot(*light.direction)
    sun_colour, sky, ground = (
        np.array(c, np.float64) for c in (light.sun, light.sky, light.ground)
    )
    casting, around = _casters(surfaces)
    if not shadow_size or not casting or not max(light.sun) > 0:
        nowhere = np.zeros((0, 0), np.float32)
        no_map = (np.zeros((3, 4)), np.zeros((3, 3)), 1.0, 1.0, nowhere, nowhere)
        return shading.Lamp(direction, sun_colour, sky, ground, *no_map)
    sun = shadow_camera(light, around, shadow_size)
    turn = np.ascontiguousarray(sun.rotation, np.float64)
    shift = _product(turn, (np.asarray(camera.position) - sun.position)[:, None])
    to_map = np.hstack([_product(turn, np.asarray(camera.rotation).T), shift])
    texel = float(np.linalg.norm(around.mean(axis=0) - sun.position)) / float(sun.focal)
    shadow_map = _shadow_map(sun, _gathered(casting), threads)
    return shading.Lamp(
        direction,
        sun_colour,
        sky,
        ground,
        to_map,
        turn,
        float(sun.focal),
        texel,
        shadow_map,
        _blocks(shadow_map),
    )


def _shadow_map(sun: Camera, scene: _Scene, threads: int) -> Float32Array:
    """(S, S), 1 / depth of what is nearest to the sun."""
    triangles = _seen_by(sun, scene, 1e-3)
    size = sun.size[0]
    inverse = np.zeros((size, size), np.float32)

    def draw(bands: Sequence[tuple[int, int]]) -> None:
        ids = np.empty((BAND, size), np.int32)
        for first, last in bands:
            xs, ys = _rays(sun, first, last - first, 1)
            raster.rasterise(triangles, 1, first, xs, ys, math.inf, inverse[first:last], ids)

    _in_bands(draw, size, threads)
    return inverse


def _blocks(shadow_map: Float32Array) -> Float32Array:
    """The greatest value of each block of a map and of those beside and below it."""
    count = len(shadow_map) // shading.BLOCK
    blocks = shadow_map.reshape(count, shading.BLOCK, count, shading.BLOCK).max(axis=(1, 3))
    blocks[:-1] = np.maximum(blocks[:-1], blocks[1:])
    blocks[:, :-1] = np.maximum(blocks[:, :-1], blocks[:, 1:])
    return np.ascontiguousarray(blocks)


def _casters(surfaces: Sequence[Surface]) -> tuple[list[Surface], Float64Array]:
    """Surfaces that cast shadows, and corners (P, 3) of the space in which these are looked at."""
    spans = [
        (np.asarray(s.now, np.float64).min(axis=0), np.asarray(s.now, np.float64).max(axis=0))
        if len(s.now)
        else (np.full(3, -np.inf), np.full(3, np.inf))
        for s in surfaces
    ]
    casting = [i for i, (low, high) in enumerate(spans) if max(high - low) < LARGE]
    people = [i for i in casting if surfaces[i].owner] or casting
    if not people:
        return [], np.empty((0, 3))
    low = np.min([spans[i][0] for i in people], axis=0)
    high = np.max([spans[i][1] for i in people], axis=0)
    near = [
        spans[i]
        for i in casting
        if (spans[i][0] < high + AROUND).all() and (spans[i][1] > low - AROUND).all()
    ]
    corners = [
        (x, y, z)
        for lo, hi in near
        for x in (lo[0], hi[0])
        for y in (lo[1], hi[1])
        for z in (lo[2], hi[2])
    ]
    return [surfaces[i] for i in casting], np.array(corners)


def _in_bands(draw: Callable[[Sequence[tuple[int, int]]], None], height: int, threads: int) -> None:
    """Call ``draw`` in each thread with its bands: the first row and the one after the last."""
    bands = list(pairwise([*range(0, height, BAND), height]))
    if threads == 1:
        draw(bands)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(draw, bands[i::threads]) for i in range(threads)]:
            done.result()
