"""The bones of a person: joints, their limits, and where a pose puts them.

The neutral pose, all rotations the identity, stands upright facing +x with +y to the person's own
left, legs straight, arms hanging, palms to the thighs. A joint's rotation turns all that hangs
from it, in the frame of its parent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import kernel_input
from posetrack.world.people import _kernels as kernels

Float64Array = NDArray[np.float64]

_PARENT_OF: Final = {
    "pelvis": "",
    "spine": "pelvis",
    "chest": "spine",
    "neck": "chest",
    "head": "neck",
    **{
        f"{side}_{joint}": parent if parent in ("chest", "pelvis") else f"{side}_{parent}"
        for side in ("left", "right")
        for joint, parent in (
            ("clavicle", "chest"),
            ("shoulder", "clavicle"),
            ("elbow", "shoulder"),
            ("wrist", "elbow"),
            ("hip", "pelvis"),
            ("knee", "hip"),
            ("ankle", "knee"),
            ("toe", "ankle"),
        )
    },
}

JOINTS: Final = tuple(_PARENT_OF)
"""J names; a parent comes before its children."""

JOINT: Final = {name: number for number, name in enumerate(JOINTS)}
"""Number of a joint by name."""

PARENTS: Final = tuple(JOINT.get(parent, -1) for parent in _PARENT_OF.values())
"""Number of each joint's parent, -1 for the pelvis."""

_PARENTS: Final = np.array(PARENTS, np.int64)

_LIMITS_BY_KIND: Final = {
    "pelvis": ((-180, 180), (-180, 180), (-180, 180)),
    "spine": ((-20, 45), (-20, 20), (-25, 25)),
    "chest": ((-15, 35), (-15, 15), (-25, 25)),
    "neck": ((-30, 35), (-20, 20), (-35, 35)),
    "head": ((-30, 30), (-15, 15), (-40, 40)),
    "clavicle": ((-10, 10), (-8, 32), (-20, 20)),
    "shoulder": ((-60, 180), (-40, 180), (-90, 90)),
    "elbow": ((0, 150), (0, 0), (-85, 85)),
    "wrist": ((-25, 35), (-85, 85), (0, 0)),
    "hip": ((-35, 130), (-30, 60), (-45, 50)),
    "knee": ((0, 150), (0, 0), (0, 0)),
    "ankle": ((-55, 40), (-30, 30), (-30, 30)),
    "toe": ((-30, 65), (0, 0), (0, 0)),
}
LIMITS: Final = np.deg2rad([_LIMITS_BY_KIND[name.split("_")[-1]] for name in JOINTS])
"""(J, 3, 2) radians, lowest and highest flexion, abduction and twist; see `rotations_from`."""

_FLEXES_BACK: Final = {"pelvis", "spine", "chest", "neck", "head", "knee"}
_SIGNS: Final = np.array(
    [
        (
            -1.0 if name.startswith("right_") else 1.0,
            1.0 if name.split("_")[-1] in _FLEXES_BACK else -1.0,
            -1.0 if name.startswith("right_") else 1.0,
        )
        for name in JOINTS
    ]
)
"""(J, 3) what abduction, flexion and twist are multiplied with to turn about +x, +y and +z."""


@dataclass(frozen=True, eq=False)
class BodyPose:
    """How a body stands in the world.

    Parameters
    ----------
    rotations
        (J, 3, 3) float64, each joint's rotation in its parent's frame, in the order of `JOINTS`;
        the pelvis's is in the frame of the heading.
    root
        (3,) metres, the pelvis (middle of the hip joints) in the world: x east, y north, z up.
    heading
        Radians counter-clockwise from east (+x), where the person faces.

    Raises
    ------
    ValueError
        If a shape is wrong.

    Examples
    --------
    >>> pose = BodyPose(np.tile(np.eye(3), (len(JOINTS), 1, 1)), [0, 0, 0.9], 0.0)
    >>> pose.rotations.shape, pose.root.tolist()
    ((21, 3, 3), [0.0, 0.0, 0.9])
    """

    rotations: Float64Array
    root: Float64Array
    heading: float = 0.0

    def __post_init__(self) -> None:
        for name, shape in (("rotations", (len(JOINTS), 3, 3)), ("root", (3,))):
            array = np.asarray(getattr(self, name), np.float64)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        x, y, z = self.root
        degrees = np.rad2deg(self.heading)
        return f"BodyPose(at {x:.2f}, {y:.2f}, {z:.2f} m, heading {degrees:.0f} degrees)"

    def translate(self, shift: ArrayLike) -> BodyPose:
        """The same pose ``shift`` (3,) metres away."""
        return replace(self, root=self.root + np.asarray(shift, np.float64))


@dataclass(frozen=True, eq=False)
class Rig:
    """The lengths of a person's bones.

    Parameters
    ----------
    offsets
        (J, 3) float64, metres: from a joint's parent to the joint in the neutral pose; the
        pelvis's is not used.
    """

    offsets: Float64Array

    def locate(self, pose: BodyPose) -> tuple[Float64Array, Float64Array]:
        """Each joint's rotation (J, 3, 3) and place (J, 3) in the world.

        Examples
        --------
        >>> rig = Rig(np.ones((len(JOINTS), 3)))
        >>> _, places = rig.locate(neutral_pose((0, 0, 1)))
        >>> places[JOINT["spine"]].tolist()
        [1.0, 1.0, 2.0]
        """
        turned, places = np.empty((len(JOINTS), 3, 3)), np.empty((len(JOINTS), 3))
        turned[0], places[0] = turn_z(pose.heading) @ pose.rotations[0], pose.root
        local, offsets = (kernel_input(a, np.float64) for a in (pose.rotations, self.offsets))
        kernels.locate(local, offsets, _PARENTS, turned, places)
        return turned, places

    def length(self, joint: str) -> float:
        """Metres from a joint to its parent."""
        return math.dist(self.offsets[JOINT[joint]], (0.0, 0.0, 0.0))


def neutral_pose(root: ArrayLike = (0.0, 0.0, 0.0), heading: float = 0.0) -> BodyPose:
    """Upright with hanging arms; all rotations are the identity."""
    return BodyPose(np.tile(np.eye(3), (len(JOINTS), 1, 1)), np.asarray(root, float), heading)


def turn_z(angle: float) -> Float64Array:
    """(3, 3), the rotation by ``angle`` radians counter-clockwise seen from above."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def turn_y(angle: float) -> Float64Array:
    """(3, 3), the rotation about +y: up turns to the front."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def turn_x(angle: float) -> Float64Array:
    """(3, 3), the rotation about +x: left turns up."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotations_from(angles: ArrayLike) -> Float64Array:
    """Joint rotations from angles.

    Parameters
    ----------
    angles
        (J, 3) radians. *Flexion*, about the left-right axis: the trunk and head bend forward,
        shoulder, elbow and hip bring the limb forward, the knee backward, the ankle and the toes
        upward. *Abduction*, about the front-back axis: outward for limbs, up for collar bones, to
        the right for trunk and head. *Twist*, about the bone: outward for limbs, to the left for
        trunk and head. The same numbers left and right give a symmetric pose.

    Returns
    -------
    rotations
        (J, 3, 3): the twist first, then a swing about the axis (abduction, flexion, 0) by its
        length.

    Examples
    --------
    >>> angles = np.zeros((len(JOINTS), 3))
    >>> angles[JOINT["left_elbow"], 0] = np.pi / 2
    >>> hanging = np.array([0, 0, -1])
    >>> (rotations_from(angles)[JOINT["left_elbow"]] @ hanging).round().astype(int).tolist()
    [1, 0, 0]
    """
    abduction, flexion, twist = (np.asarray(angles, np.float64)[:, [1, 0, 2]] * _SIGNS).T
    angle = np.hypot(abduction, flexion)
    sine = np.sinc(angle / np.pi)  # over the angle
    cosine = np.cos(angle)
    rest = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 - cos) over the angle squared
    mixed = rest * abduction * flexion
    first = np.stack([cosine + rest * abduction**2, mixed, -sine * flexion], axis=-1)
    second = np.stack([mixed, cosine + rest * flexion**2, sine * abduction], axis=-1)
    third = np.stack([sine * flexion, -sine * abduction, cosine], axis=-1)
    c, s = np.cos(twist)[:, None], np.sin(twist)[:, None]
    return np.stack([c * first + s * second, c * second - s * first, third], axis=-1)


def angles_from(rotations: ArrayLike) -> Float64Array:
    """(J, 3) flexion, abduction and twist of (J, 3, 3) rotations; undoes `rotations_from`.

    Swings of more than half a turn come back as the smaller rotation.

    Examples
    --------
    >>> angles = np.full((len(JOINTS), 3), 0.3)
    >>> bool(np.allclose(angles_from(rotations_from(angles)), angles))
    True
    """
    matrices = np.asarray(rotations, np.float64)
    up = matrices[:, :, 2]  # where the bone's axis goes; a twist leaves it in place
    axis = np.stack([-up[:, 1], up[:, 0], np.zeros(len(up))], axis=-1)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    sideways = np.where(sine > 1e-12, axis / np.maximum(sine, 1e-12), (0.0, 1.0, 0.0))
    swing = sideways * np.arctan2(sine, up[:, 2:])
    rest = turns(-swing) @ matrices
    twist = np.arctan2(rest[:, 1, 0] - rest[:, 0, 1], rest[:, 0, 0] + rest[:, 1, 1])
    axis_angles = np.concatenate([swing[:, :2], twist[:, None]], axis=-1) * _SIGNS
    return np.asarray(axis_angles[:, [1, 0, 2]])


def turns(vectors: ArrayLike) -> Float64Array:
    """(..., 3, 3) rotations about (..., 3) vectors by their length in radians (Rodrigues).

    Examples
    --------
    >>> turns([0, 0, np.pi / 2]).round(6).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    v = np.asarray(vectors, np.float64)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(v, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.asarray(
        np.eye(3)
        + np.sinc(angle / np.pi) * cross
        + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (cross @ cross)
    )
