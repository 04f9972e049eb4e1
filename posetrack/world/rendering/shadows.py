"""The light of a picture, and the map of where its sun reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posetrack.world.rendering import raster, shading
from posetrack.world.rendering.bands import BAND, in_bands, rays_of
from posetrack.world.rendering.geometry import (
    AllSurfaces,
    join_surfaces,
    product,
    project_triangles,
)
from posetrack.world.rendering.lighting import Light, shadow_camera
from posetrack.world.rendering.mesh import Surface
from posetrack.world.rendering.perspective import Camera

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

LARGE = 30.0  # metres: what is larger (the ground, a long wall) casts no shadow
AROUND = 12.0  # metres around the people in which other things cast shadows


def lamp_of(
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
    shift = product(turn, (np.asarray(camera.position) - sun.position)[:, None])
    to_map = np.hstack([product(turn, np.asarray(camera.rotation).T), shift])
    texel = float(np.linalg.norm(around.mean(axis=0) - sun.position)) / float(sun.focal)
    shadow_map = _shadow_map(sun, join_surfaces(casting), threads)
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


def _shadow_map(sun: Camera, scene: AllSurfaces, threads: int) -> Float32Array:
    """(S, S), 1 / depth of what is nearest to the sun."""
    triangles = project_triangles(sun, scene, 1e-3)
    size = sun.size[0]
    inverse = np.zeros((size, size), np.float32)

    def draw(bands: Sequence[tuple[int, int]]) -> None:
        ids = np.empty((BAND, size), np.int32)
        for first, last in bands:
            xs, ys = rays_of(sun, first, last - first, 1)
            raster.rasterise(triangles, 1, first, xs, ys, math.inf, inverse[first:last], ids)

    in_bands(draw, size, threads)
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
