"""Surfaces of the world: textured triangles, each with its owner and body part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Int32Array = NDArray[np.int32]
UInt8Array = NDArray[np.uint8]


class Part(IntEnum):
    """What a triangle is of; left and right are the person's own."""

    SCENERY = 0
    TRUNK = 1
    HEAD = 2
    HAIR = 3
    LEFT_UPPER_ARM = 4
    RIGHT_UPPER_ARM = 5
    LEFT_FOREARM = 6
    RIGHT_FOREARM = 7
    LEFT_HAND = 8
    RIGHT_HAND = 9
    LEFT_THIGH = 10
    RIGHT_THIGH = 11
    LEFT_SHANK = 12
    RIGHT_SHANK = 13
    LEFT_FOOT = 14
    RIGHT_FOOT = 15
    SKIRT = 16


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in space with a texture.

    Parameters
    ----------
    vertices
        (V, 3) float32, metres: x to the east, y to the north, z up.
    faces
        (F, 3) int32, each triangle's vertices, counter-clockwise seen from outside.
    uv
        (V, 2) float32 in [0, 1], where in the texture; (0, 0) is its first pixel's corner.
    parts
        (F,) uint8, a `Part` each.
    texture
        (h, w, 3) uint8 BGR, the colour in plain light.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, or a face names a vertex that is not there.

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> Mesh(corners, [[0, 1, 2]], corners[:, :2], [0], np.full((1, 1, 3), 128))
    Mesh(3 vertices, 1 faces)
    """

    vertices: Float32Array
    faces: Int32Array
    uv: Float32Array
    parts: UInt8Array
    texture: UInt8Array

    def __post_init__(self) -> None:
        for name, kind, ends in (
            ("vertices", np.float32, (3,)),
            ("faces", np.int32, (3,)),
            ("uv", np.float32, (2,)),
            ("parts", np.uint8, ()),
            ("texture", np.uint8, (3,)),
        ):
            array = np.ascontiguousarray(getattr(self, name), kind)
            dimensions = 3 if name == "texture" else 1 + len(ends)
            if array.ndim != dimensions or array.shape[array.ndim - len(ends) :] != ends:
                raise ValueError(f"{name} must end in {ends}, got shape {array.shape}")
            object.__setattr__(self, name, array)
        if len(self.uv) != len(self.vertices) or len(self.parts) != len(self.faces):
            raise ValueError(
                f"{len(self.vertices)} vertices and {len(self.faces)} faces need as many uv and "
                f"parts, got {len(self.uv)} and {len(self.parts)}"
            )
        if len(self.faces) and not 0 <= self.faces.min() <= self.faces.max() < len(self.vertices):
            raise ValueError(f"faces must name vertices 0 .. {len(self.vertices) - 1}")

    def __repr__(self) -> str:
        return f"Mesh({len(self.vertices)} vertices, {len(self.faces)} faces)"


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh at one moment and at the next, and whose it is.

    Parameters
    ----------
    mesh
        Triangles, texture and parts; its own vertices are not used.
    now, then
        (V, 3) float32, the vertices in this frame and in the next one, metres.
    owner
        0 for scenery, 1, 2, ... for people.
    """

    mesh: Mesh
    now: Float32Array
    then: Float32Array
    owner: int = 0
