"""A person's texture: skin, face, hair and cloth on one picture."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.world.people.flesh import TRUNK_ENDS, Cell
from posetrack.world.people.heads import EYE_ANGLE, EYES, FACE_ACROSS, FACE_ANGLES, MOUTH
from posetrack.world.people.limbs import ARM_ENDS, LEG_ENDS
from posetrack.world.people.looks import Cloth, Looks
from posetrack.world.people.shape import Shape

Float64Array = NDArray[np.float64]

SIZE: Final = 256
"""Pixels of the texture's sides."""

_BOXES: Final = {
    "trunk": (0, 0, 128, 128),
    "leg": (128, 0, 192, 128),
    "arm": (192, 0, 256, 128),
    "head": (0, 128, 128, 256),
    "hair": (128, 128, 176, 192),
    "hand": (176, 128, 184, 192),
    "hat": (184, 128, 192, 192),
    "shoe": (192, 128, 256, 192),
    "skirt": (128, 192, 256, 256),
}
"""Left, top, right, bottom of each part's pixels; left and right limbs share theirs."""


def cell(name: str) -> Cell:
    """Left, top, right, bottom in uv, half a pixel inside, so that neighbours do not show."""
    left, top, right, bottom = _BOXES[name]
    return (left + 0.5) / SIZE, (top + 0.5) / SIZE, (right - 0.5) / SIZE, (bottom - 0.5) / SIZE


def paint(rng: np.random.Generator, shape: Shape, looks: Looks) -> NDArray[np.uint8]:
    """The texture (256, 256, 3) of a person."""
    texture = np.full((SIZE, SIZE, 3), looks.skin, np.float32)
    for name, painted in (
        ("trunk", _trunk(rng, shape, looks)),
        ("leg", _leg(shape, looks)),
        ("arm", _arm(shape, looks)),
        ("head", _head(looks)),
        ("hair", _hair(rng, looks)),
        ("hat", np.full((64, 8, 3), looks.hat)),
        ("shoe", _shoe(looks)),
        ("skirt", _skirt(shape, looks)),
    ):
        left, top, right, bottom = _BOXES[name]
        texture[top:bottom, left:right] = painted
        texture[top:bottom, left:right] *= _unevenness(rng, bottom - top, right - left)[..., None]
    return np.asarray(np.clip(texture, 0, 255), np.uint8)


def _grid(name: str) -> tuple[Float64Array, Float64Array]:
    """Places of a cell's pixels, (h, w) each in [0, 1]: across and down."""
    left, top, right, bottom = _BOXES[name]
    across = (np.arange(right - left) + 0.5) / (right - left)
    down = (np.arange(bottom - top) + 0.5) / (bottom - top)
    u, v = np.meshgrid(across, down)
    return u, v


def _trunk(rng: np.random.Generator, shape: Shape, looks: Looks) -> Float64Array:
    u, v = _grid("trunk")
    worn = looks.clothes
    level = TRUNK_ENDS[0] + v * (TRUNK_ENDS[1] - TRUNK_ENDS[0])
    around, along = u * 0.95 * shape.size, -level * shape.trunk
    colours = np.full((*u.shape, 3), looks.skin)
    front = np.abs(u - 0.5) * 4  # 0 in front, 1 at the sides, 2 behind
    if worn.top is not None:
        neckline = 1.16 - 0.15 * np.clip(1 - front * 2.2, 0, 1)
        shirt = (level < neckline) & (level > worn.hem)
        colours[shirt] = worn.top.colours(around[shirt], along[shirt])
        if worn.inner is not None:
            between = shirt & (np.abs(u - 0.5) < 0.035 + 0.03 * np.clip(level, 0, 1))
            colours[between] = worn.inner.colours(around[between], along[between])
        if worn.logo:
            colours = _with_logo(rng, colours, u, level)
    low = worn.hem if worn.top is not None else 0.12
    below = level <= low
    colours[below] = worn.bottom.colours(around[below], along[below])
    belt = below & (level > low - 0.05)
    colours[belt] *= 0.75
    return colours


def _with_logo(
    rng: np.random.Generator, colours: Float64Array, u: Float64Array, level: Float64Array
) -> Float64Array:
    """A blocky picture on the chest or the back."""
    middle = 0.5 if rng.random() < 0.7 else 0.0
    half = rng.uniform(0.05, 0.11)
    across = (u - middle + 0.5) % 1 - 0.5
    inside = (np.abs(across) < half) & (np.abs(level - 0.68) < 1.6 * half)
    blocks = rng.uniform(0, 255, (5, 5, 3))
    blocks[rng.random((5, 5)) < 0.5] = blocks[0, 0]
    column = np.clip(((across / half + 1) * 2.5).astype(int), 0, 4)
    row = np.clip((((level - 0.68) / (1.6 * half) + 1) * 2.5).astype(int), 0, 4)
    return np.where(inside[..., None], blocks[row, column], colours)


def _limb(
    name: str, ends: tuple[float, float], metres: tuple[float, float], cloth: Cloth, end: float
) -> tuple[Float64Array, NDArray[np.bool_]]:
    u, v = _grid(name)
    along = ends[0] + v * (ends[1] - ends[0])
    return cloth.colours(u * metres[0], along * metres[1]), along < end


def _leg(shape: Shape, looks: Looks) -> Float64Array:
    worn = looks.clothes
    metres = (0.5 * shape.size, shape.hip - shape.ankle)
    colours, covered = _limb("leg", LEG_ENDS, metres, worn.bottom, max(worn.legs, 0.14))
    return np.where(covered[..., None], colours, looks.skin)


def _arm(shape: Shape, looks: Looks) -> Float64Array:
    worn = looks.clothes
    if worn.top is None:
        return np.full((128, 64, 3), looks.skin)
    metres = (0.3 * shape.size, 0.316 * shape.height)
    colours, covered = _limb("arm", ARM_ENDS, metres, worn.top, max(worn.sleeves, 0.02))
    return np.where(covered[..., None], colours, looks.skin)


def _skirt(shape: Shape, looks: Looks) -> Float64Array:
    u, v = _grid("skirt")
    length = (shape.hip - shape.ankle) * (looks.clothes.skirt + 0.17)
    worn = looks.clothes
    if worn.skirt == 0:
        return np.full((*u.shape, 3), looks.skin)
    cloth = worn.top if worn.coat and worn.top is not None else worn.bottom
    return cloth.colours(u * 1.1 * shape.size, v * length)


def _shoe(looks: Looks) -> Float64Array:
    u, v = _grid("shoe")
    colours = looks.clothes.shoes.colours(u * 0.25, v * 0.27)
    sole = np.abs(u - 0.5) > 0.36
    light = 235.0 if sum(looks.clothes.shoes.first) % 2 < 1 else 40.0
    return np.asarray(np.where(sole[..., None], light, colours))


def _hair(rng: np.random.Generator, looks: Looks) -> Float64Array:
    u, v = _grid("hair")
    strands = rng.normal(1.0, 0.16, (1, u.shape[1])) + rng.normal(0.0, 0.05, u.shape)
    return np.asarray(np.array(looks.hair) * (strands * (1.08 - 0.2 * v))[..., None])


def _head(looks: Looks) -> Float64Array:
    """Face, scalp and beard; u 0.5 is the middle of the face, v 1 the chin."""
    u, v = _grid("head")
    angle, height = np.interp(u, FACE_ACROSS, FACE_ANGLES), 1 - v
    skin, hair = np.array(looks.skin), np.array(looks.hair)
    colours = np.tile(skin, (*u.shape, 1))
    turned = np.abs(angle)

    def blot(colour: Float64Array, where: NDArray[np.bool_], share: float = 1.0) -> None:
        colours[where] = colours[where] * (1 - share) + colour * share

    def oval(at: float, up: float, wide: float, high: float) -> NDArray[np.bool_]:
        return ((turned - at) / wide) ** 2 + ((height - up) / high) ** 2 < 1

    if looks.hair_kind != "none":
        line = np.interp(
            turned, [0, 0.5, 0.9, 1.3, 1.7, 2.3, 3.2], [0.85, 0.83, 0.7, 0.5, 0.4, 0.2, 0.15]
        )
        blot(hair * 0.8, height > line)
    jaw = np.interp(turned, [0, 0.5, 1.2, 1.5, 1.6, 3.2], [0.25, 0.27, 0.36, 0.5, 0.0, 0.0])
    blot(hair, height < jaw, 0.85 * looks.beard)
    blot(skin * 0.78, oval(EYE_ANGLE, EYES + 0.01, 0.19, 0.055))
    blot(0.65 * np.array([225.0, 225.0, 225.0]) + 0.3 * skin, oval(EYE_ANGLE, EYES, 0.135, 0.026))
    blot(np.array([35.0, 40.0, 48.0]), oval(EYE_ANGLE, EYES, 0.07, 0.028))
    blot(hair * 0.7, oval(EYE_ANGLE, EYES + 0.085, 0.2, 0.018), 0.85)
    lips = np.clip(skin * (0.62, 0.62, 0.85), 0, 255)
    blot(lips, oval(0.0, MOUTH, 0.26, 0.028))
    blot(lips * 0.5, oval(0.0, MOUTH, 0.25, 0.008))
    return colours


def _unevenness(rng: np.random.Generator, height: int, width: int) -> Float64Array:
    """Folds and blotches, (height, width) around 1; the left edge fits the right."""
    total = np.ones((height, width), np.float32)
    for step, strength in ((32, 0.05), (8, 0.035), (2, 0.02)):
        coarse = rng.normal(0, strength, (height // step + 2, width // step + 2)).astype(np.float32)
        down, across = np.arange(height) / step, np.arange(width) / step
        row, part = down.astype(int), (down % 1)[:, None]
        rows = coarse[row] * (1 - part) + coarse[row + 1] * part
        column, part = across.astype(int), across % 1
        total += rows[:, column] * (1 - part) + rows[:, column + 1] * part
    gap = total[:, -1:] - total[:, :1]
    return np.asarray(total - gap * np.linspace(-0.5, 0.5, width))
