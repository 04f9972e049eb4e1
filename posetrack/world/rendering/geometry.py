"""Surfaces joined for drawing: all in one, their triangles in a camera, their textures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import kernel_input
from posetrack.world.rendering import raster, texturing
from posetrack.world.rendering.background import Backdrop
from posetrack.world.rendering.mesh import Surface
from posetrack.world.rendering.perspective import Camera

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AllSurfaces:
    """All surfaces in one."""

    points: Float32Array  # (V, 3)
    faces: NDArray[np.int32]  # (F, 3)
    surface: NDArray[np.int32]  # (F,)


def _join(arrays: Sequence[NDArray[np.generic]], ends: tuple[int, ...], kind: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([np.empty((0, *ends), kind), *arrays]).astype(kind, copy=False)


def join_surfaces(surfaces: Sequence[Surface]) -> AllSurfaces:
    """Vertices and faces one after the other, and of which surface each face is."""
    starts = np.cumsum([0] + [len(s.mesh.vertices) for s in surfaces])
    return AllSurfaces(
        _join([s.now for s in surfaces], (3,), np.float32),
        _join(
            [s.mesh.faces + np.int32(start) for s, start in zip(surfaces, starts, strict=False)],
            (3,),
            np.int32,
        ),
        np.repeat(np.arange(len(surfaces), dtype=np.int32), [len(s.mesh.faces) for s in surfaces]),
    )


@dataclass(frozen=True, eq=False)
class VisibleTriangles:
    """The triangles in a camera, and what varies over them."""

    triangles: raster.Triangles
    planes: Float64Array  # (F, VARYING, 3)
    surfaces: NDArray[np.int32]  # (F,)
    owners: NDArray[np.int16]  # (F,)
    parts: NDArray[np.uint8]  # (F,)


def project_surfaces(
    surfaces: Sequence[Surface], scene: AllSurfaces, camera: Camera, following: Camera, near: float
) -> VisibleTriangles:
    """What a camera sees of the surfaces, and where the next one, ``following``, sees it."""
    triangles = project_triangles(camera, scene, near)
    then = _join([s.then for s in surfaces], (3,), np.float32)
    planes = np.empty((len(scene.faces), raster.VARYING, 3))
    raster.set_planes(
        triangles,
        scene.faces,
        _join([s.mesh.uv for s in surfaces], (2,), np.float64),
        raster.vertex_normals(scene.points, scene.faces),
        raster.to_camera(then, *_camera_axes(following)),
        (int(camera.size[0]), int(camera.size[1])),
        planes,
    )
    owners = np.array([s.owner for s in surfaces], np.int16)
    parts = _join([s.mesh.parts for s in surfaces], (), np.uint8)
    return VisibleTriangles(triangles, planes, scene.surface, owners[scene.surface], parts)


def pack_textures(surfaces: Sequence[Surface], backdrop: Backdrop) -> texturing.Textures:
    """The surfaces' textures and the backdrop's, each with its halves."""
    textures = [s.mesh.texture for s in surfaces] + [backdrop.texture]
    # A pyramid needs a third more than its base, and one of a single row as much again.
    room = sum(2 * t.size + 3 * texturing.MAX_LEVELS for t in textures)
    texels = np.empty(room, np.uint16)
    levels = np.empty((len(textures), texturing.MAX_LEVELS, 3), np.int64)
    end = 0
    for texture, rows in zip(textures, levels, strict=True):
        end = texturing.pack_texture(kernel_input(texture, np.uint8), texels, end, rows)
    beyond = [bool((s.mesh.uv < 0).any() or (s.mesh.uv > 1).any()) for s in surfaces]
    return texturing.Textures(texels, levels, np.array([*beyond, 2], np.uint8))


def _camera_axes(camera: Camera) -> tuple[Float64Array, Float64Array]:
    return (
        np.ascontiguousarray(camera.rotation, np.float64),
        np.ascontiguousarray(camera.position, np.float64),
    )


def product(first: Float64Array, second: Float64Array) -> Float64Array:
    """Matrix product with sums in a stated order: libraries for it differ in the last digits."""
    return np.asarray((first[:, :, None] * second[None]).sum(axis=1))


def project_triangles(camera: Camera, scene: AllSurfaces, near: float) -> raster.Triangles:
    """The triangles in a camera, of what is not nearer than ``near``."""
    seen = raster.to_camera(scene.points, *_camera_axes(camera))
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
