"""People: a skin over bones that follows any pose, with the places of all keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import kernel_input
from posetrack.skeletons import Skeleton
from posetrack.world.people import _kernels as kernels
from posetrack.world.people import flesh, heads, limbs
from posetrack.world.people.lofting import Piece, join_pieces
from posetrack.world.people.looks import Clothes, Looks, random_looks
from posetrack.world.people.painting import cell, paint
from posetrack.world.people.rig import JOINT, JOINTS, BodyPose, Rig, neutral_pose, turn_x
from posetrack.world.people.shape import Shape, random_shape, rig_of
from posetrack.world.rendering.mesh import Mesh

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

ARMS_OUT: Final = np.deg2rad(50)
"""How far the arms are lifted sideways where the skin is bound to the bones."""
LEGS_OUT: Final = np.deg2rad(7)


@dataclass(frozen=True, eq=False)
class Body:
    """A person.

    Parameters
    ----------
    mesh
        The skin and clothes in the rest pose: standing at the origin, facing east, arms half
        lifted sideways. V vertices.
    rig
        The bones.
    weights
        (V, J) float32, each joint's share in a vertex's motion; rows sum to 1.
    landmarks
        By the name of a keypoint: a joint and metres from it in its frame.
    shape, looks
        What the body was made from.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> body = random_body(np.random.default_rng(0))
    >>> pose = neutral_pose((2, 0, body.shape.hip))
    >>> body.apply_pose(pose).shape == body.mesh.vertices.shape
    True
    >>> body.keypoints(pose, COCO_17).shape
    (17, 3)
    """

    mesh: Mesh
    rig: Rig
    weights: Float32Array
    landmarks: Mapping[str, tuple[int, Float64Array]]
    shape: Shape
    looks: Looks

    @property
    def height(self) -> float:
        """Metres from the soles to the top of the head, standing."""
        return self.shape.height

    def apply_pose(self, pose: BodyPose) -> Float32Array:
        """(V, 3) float32 metres, the vertices in a pose, by linear blend skinning."""
        rest_turned, rest_places = self.rig.locate(_rest_pose(self.shape))
        turned, places = self.rig.locate(pose)
        motion = np.empty((len(JOINTS), 3, 4), np.float32)
        rotations = turned @ rest_turned.transpose(0, 2, 1)
        motion[:, :, :3] = rotations
        motion[:, :, 3] = places - (rotations @ rest_places[:, :, None])[:, :, 0]
        vertices, weights = (
            kernel_input(a, np.float32) for a in (self.mesh.vertices, self.weights)
        )
        moved = np.empty_like(vertices)
        kernels.skin(vertices, weights, motion, moved)
        return moved

    def keypoints(self, pose: BodyPose, skeleton: Skeleton) -> Float64Array:
        """(K, 3) metres, the keypoints of a skeleton by name.

        Raises
        ------
        KeyError
            If the skeleton has a keypoint that no body has; the message lists those known.
        """
        turned, places = self.rig.locate(pose)
        joints: list[int] = []
        first: list[int] = []
        offsets = []
        for name in skeleton.keypoints:
            first.append(len(joints))
            for part in _BETWEEN.get(name, (name,)):
                if part not in self.landmarks:
                    known = ", ".join([*self.landmarks, *_BETWEEN])
                    raise KeyError(f"a body has no keypoint {name!r}; it has {known}")
                joint, offset = self.landmarks[part]
                joints.append(joint)
                offsets.append(offset)
        away = turned[joints] @ np.array(offsets)[:, :, None]
        sums = np.add.reduceat(places[joints] + away[:, :, 0], first, axis=0)
        return np.asarray(sums / np.diff([*first, len(joints)])[:, None])

    def __repr__(self) -> str:
        return f"Body({self.height:.2f} m, {self.mesh!r})"


_BETWEEN: Final = {
    "neck": ("left_shoulder", "right_shoulder"),
    "thorax": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "pelvis": ("left_hip", "right_hip"),
    "chest": ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
}
"""Keypoints in the middle of others, as data sets without their own label define them."""


def random_body(
    rng: np.random.Generator,
    *,
    clothes: Clothes | None = None,
    child: bool | None = None,
) -> Body:
    """A person drawn at random.

    Parameters
    ----------
    rng
        All chance comes from it: the same state gives the same arrays.
    clothes
        What the person wears, to dress several alike; drawn at random unless given.
    child
        Whether it is a child; one in eight unless given.

    Examples
    --------
    >>> 0.9 < random_body(np.random.default_rng(1), child=True).height < 1.5
    True
    """
    shape = random_shape(rng, child=child)
    looks = random_looks(rng, female=shape.female, clothes=clothes)
    return _body_from(rng, shape, looks)


def _body_from(rng: np.random.Generator, shape: Shape, looks: Looks) -> Body:
    """A person of a shape and looks; chance only makes the texture uneven."""
    worn, rig = looks.clothes, rig_of(shape)
    pieces = [
        flesh.trunk(shape, worn, cell("trunk")),
        *heads.head(shape, cell("head"), cell("hand")),
        *heads.hair(shape, looks.hair_kind, cell("hair")),
        *heads.hat(shape, looks.hat_kind, cell("hat")),
    ]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        upper = join_pieces(
            [limbs.arm(shape, worn, cell("arm"), side), *limbs.hand(shape, cell("hand"), side)]
        )
        lower = join_pieces(
            [limbs.leg(shape, worn, cell("leg"), side), limbs.foot(shape, cell("shoe"), side)]
        )
        pieces.append(_turn_limb(upper, rig, shape, f"{side}_shoulder", sign * ARMS_OUT))
        pieces.append(_turn_limb(lower, rig, shape, f"{side}_hip", sign * LEGS_OUT))
    if worn.skirt > 0:
        pieces.append(flesh.skirt(shape, worn, cell("skirt")))
    whole = join_pieces(pieces)
    vertices, uv = (np.asarray(values, np.float32) for values in (whole.vertices, whole.uv))
    mesh = Mesh(vertices, whole.faces, uv, whole.parts, paint(rng, shape, looks))
    weights = np.ascontiguousarray(whole.weights, np.float32)
    return Body(mesh, rig, weights, _landmarks(shape, rig), shape, looks)


def _turn_limb(piece: Piece, rig: Rig, shape: Shape, joint: str, angle: float) -> Piece:
    """A hanging limb, swung outward about its joint."""
    _, places = rig.locate(neutral_pose((0.0, 0.0, shape.hip)))
    position = places[JOINT[joint]]
    vertices = (piece.vertices - position) @ turn_x(angle).T + position
    return Piece(vertices, piece.faces, piece.uv, piece.parts, piece.weights)


def _landmarks(shape: Shape, rig: Rig) -> dict[str, tuple[int, Float64Array]]:
    """Where the keypoints are in the frames of the joints that carry them."""
    _, places = rig.locate(neutral_pose((0.0, 0.0, shape.hip)))
    foot = 0.152 * shape.height
    at: dict[str, tuple[str, Float64Array]] = {
        "nose": ("head", heads.nose_tip(shape)),
        "head": ("head", heads.on_head(shape, 0.0, 1.0) * (1, 0, 1)),
        "head_top": ("head", heads.on_head(shape, 0.0, 1.0) * (1, 0, 1)),
        "head_bottom": ("neck", np.array([-0.006, 0.0, shape.chin - 0.03 * shape.height])),
        "upper_neck": ("neck", np.array([-0.006, 0.0, shape.chin - 0.03 * shape.height])),
    }
    for side, sign in (("left", 1), ("right", -1)):
        hip = sign * shape.half_hips
        at |= {
            f"{side}_eye": (
                "head",
                heads.on_head(shape, -sign * heads.EYE_ANGLE, heads.EYES),
            ),
            f"{side}_ear": ("head", heads.ear(shape, sign)),
            f"{side}_heel": (f"{side}_ankle", np.array([-0.25 * foot, hip, 0.02 * shape.height])),
            f"{side}_big_toe": (
                f"{side}_toe",
                np.array([0.70 * foot, hip - sign * 0.022 * shape.size, 0.012 * shape.height]),
            ),
            f"{side}_small_toe": (
                f"{side}_toe",
                np.array([0.55 * foot, hip + sign * 0.030 * shape.size, 0.012 * shape.height]),
            ),
        }
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            name = f"{side}_{joint}"
            at[name] = (name, places[JOINT[name]])
    return {
        name: (JOINT[joint], position - places[JOINT[joint]])
        for name, (joint, position) in at.items()
    }


def _rest_pose(shape: Shape) -> BodyPose:
    """Where the skin is bound to the bones."""
    pose = neutral_pose((0.0, 0.0, shape.hip))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pose.rotations[JOINT[f"{side}_shoulder"]] = turn_x(sign * ARMS_OUT)
        pose.rotations[JOINT[f"{side}_hip"]] = turn_x(sign * LEGS_OUT)
    return pose
