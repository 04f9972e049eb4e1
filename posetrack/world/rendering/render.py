"""Pictures of the world with the truth at every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.world.rendering import raster, shading, texturing
from posetrack.world.rendering.background import Backdrop
from posetrack.world.rendering.bands import BAND, in_bands, rays_of
from posetrack.world.rendering.geometry import (
    VisibleTriangles,
    join_surfaces,
    pack_textures,
    product,
    project_surfaces,
)
from posetrack.world.rendering.lighting import Light
from posetrack.world.rendering.mesh import Surface
from posetrack.world.rendering.perspective import Camera
from posetrack.world.rendering.shadows import lamp_of

Float32Array = NDArray[np.float32]


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
    >>> from posetrack.world.rendering.background import plain
    >>> from posetrack.world.rendering.perspective import looking_at
    >>> from posetrack.world.rendering.mesh import Mesh
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
    scene = join_surfaces(surfaces)
    visible = project_surfaces(surfaces, scene, camera, following, near)
    lamp = lamp_of(light, surfaces, camera, shadow_size, threads)
    textures = pack_textures(surfaces, backdrop)
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
            _draw_truth(rows, first, room, visible, camera, following, near)
            _draw_image(rows.image, first, room, visible, camera, near, lamp, textures, backdrop)

    in_bands(draw, height, threads)
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
    visible: VisibleTriangles,
    camera: Camera,
    following: Camera,
    near: float,
) -> None:
    """Fill owner, part, depth and flow of the rows from ``first`` on."""
    xs, ys = rays_of(camera, first, len(rows.depth), 1)
    inverse, ids = room.grid(*rows.depth.shape)
    raster.rasterise(visible.triangles, 1, first, xs, ys, 1 / near, inverse, ids)
    raster.write_truth(
        ids,
        xs,
        ys,
        visible.triangles.scale,
        visible.planes,
        visible.owners,
        visible.parts,
        product(following.rotation, np.asarray(camera.rotation).T),
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
    visible: VisibleTriangles,
    camera: Camera,
    near: float,
    lamp: shading.Lamp,
    textures: texturing.Textures,
    backdrop: Backdrop,
) -> None:
    """Fill an image with the rows from ``first`` on."""
    rows, width = image.shape[:2]
    focal = float(camera.focal)
    xs, ys = rays_of(camera, first, rows, 1)
    fine_xs, fine_ys = rays_of(camera, first, rows, 2)
    inverse, ids = room.grid(2 * rows, 2 * width)
    triangles, planes = visible.triangles, visible.planes
    raster.rasterise(triangles, 2, first, fine_xs, fine_ys, 1 / near, inverse, ids)
    n = shading.collect(ids, xs, ys, fine_xs, fine_ys, room.samples)
    pixel, face, x, y, side = room.samples
    samples = shading.Samples(pixel[:n], face[:n], x[:n], y[:n], side[:n])
    colours = room.colours[:n]
    texturing.paint_triangles(samples, planes, visible.surfaces, textures, focal, colours)
    span = (float(backdrop.span[0]), float(backdrop.span[1]))
    centre = (float(backdrop.centre[0]), float(backdrop.centre[1]))
    rotation = np.ascontiguousarray(camera.rotation, np.float64)
    texturing.paint_backdrop(samples, rotation, span, centre, textures, focal, colours)
    shading.light_up(samples, planes, triangles.scale, lamp, colours)
    shading.write_colours(samples, colours, image)


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
