"""The people of the synthetic world: skin, bones, keypoints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.skeletons import (
    COCO_17,
    COCO_WHOLEBODY_133,
    HALPE_26,
    KNOWN_SKELETONS,
    Skeleton,
)
from posetrack.world.motion.poses import (
    STANDING,
    angles_of,
    arms_inside,
    blend,
    put_on_ground,
    random_pose,
    with_collar,
)
from posetrack.world.people.body import Body, random_body
from posetrack.world.people.looks import random_clothes
from posetrack.world.people.rig import (
    JOINT,
    JOINTS,
    LIMITS,
    PARENTS,
    BodyPose,
    angles_from,
    neutral_pose,
    rotations_from,
    turn_z,
)
from posetrack.world.people.shape import random_shape
from posetrack.world.rendering.mesh import Part

SEEDS = range(8)

OWN_PARTS = {
    "nose": (Part.HEAD,),
    "eye": (Part.HEAD,),
    "ear": (Part.HEAD, Part.HAIR),
    "head": (Part.HEAD, Part.HAIR),
    "neck": (Part.TRUNK,),
    "mid_hip": (Part.TRUNK, Part.SKIRT),
    "shoulder": ("UPPER_ARM",),
    "elbow": ("UPPER_ARM", "FOREARM"),
    "wrist": ("FOREARM", "HAND"),
    "hip": ("THIGH", Part.TRUNK),
    "knee": ("THIGH", "SHANK"),
    "ankle": ("SHANK", "FOOT"),
    "big_toe": ("FOOT",),
    "small_toe": ("FOOT",),
    "heel": ("FOOT",),
}
"""Where each of Halpe's keypoints belongs; names of parts stand for those of its own side."""


def pose_of(degrees: dict[str, tuple[float, float, float]], heading: float = 0.0) -> BodyPose:
    return BodyPose(rotations_from(with_collar(angles_of(degrees))), np.zeros(3), heading)


@pytest.fixture(scope="session")
def bodies() -> list[Body]:
    return [random_body(np.random.default_rng(seed)) for seed in SEEDS]


def vertices_of(body: Body, *parts: Part) -> np.ndarray:
    return np.unique(body.mesh.faces[np.isin(body.mesh.parts, parts)])


def own_vertices(body: Body, keypoint: str) -> np.ndarray:
    side, _, kind = keypoint.partition("_")
    kind = kind if side in ("left", "right") else keypoint
    parts = [Part[f"{side.upper()}_{p}"] if isinstance(p, str) else p for p in OWN_PARTS[kind]]
    return vertices_of(body, *parts)


def test_the_same_seed_gives_the_same_arrays_and_another_seed_others() -> None:
    first, again, other = (random_body(np.random.default_rng(seed)) for seed in (5, 5, 6))
    for name in ("vertices", "faces", "uv", "parts", "texture"):
        np.testing.assert_array_equal(getattr(first.mesh, name), getattr(again.mesh, name))
    np.testing.assert_array_equal(first.weights, again.weights)
    assert first.height != other.height
    pose, same = (random_pose(np.random.default_rng(2), first) for _ in range(2))
    np.testing.assert_array_equal(pose.rotations, same.rotations)
    np.testing.assert_array_equal(pose.root, same.root)


def test_a_body_is_made_of_a_few_thousand_triangles_of_every_part(bodies: list[Body]) -> None:
    always = {part for part in Part if part not in (Part.SCENERY, Part.HAIR, Part.SKIRT)}
    for body in bodies:
        assert 1500 < len(body.mesh.faces) < 3500
        assert always <= {Part(number) for number in np.unique(body.mesh.parts)}
        assert body.mesh.uv.min() >= 0
        assert body.mesh.uv.max() <= 1
        np.testing.assert_allclose(body.weights.sum(axis=1), 1, atol=1e-5)
        assert body.weights.min() >= 0


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, corner]].astype(float) for corner in range(3))
    return float(np.einsum("fa,fa->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize(
    "part",
    [Part.HEAD, Part.TRUNK, *(part for part in Part if 4 <= part <= 15)],
    ids=lambda part: part.name,
)
def test_the_skin_looks_outward(bodies: list[Body], part: Part) -> None:
    for body in bodies:
        faces = body.mesh.faces[body.mesh.parts == part]
        middle = body.mesh.vertices[np.unique(faces)].mean(axis=0)
        assert volume(body.mesh.vertices - middle, faces) > 0


def test_the_rest_mesh_is_where_the_bones_are_at_rest(bodies: list[Body]) -> None:
    for body in bodies:
        assert body.mesh.vertices[:, 2].min() == pytest.approx(0, abs=0.03)
        top = body.mesh.vertices[vertices_of(body, Part.HEAD), 2].max()
        assert top == pytest.approx(body.height, abs=0.01)


def test_standing_feet_are_on_the_ground_and_the_head_at_the_height(bodies: list[Body]) -> None:
    for body in bodies:
        vertices = body.apply_pose(neutral_pose((0, 0, body.shape.hip)))
        assert vertices.dtype == np.float32
        assert vertices[:, 2].min() == pytest.approx(0, abs=0.005)
        assert vertices[vertices_of(body, Part.HEAD), 2].max() == pytest.approx(
            body.height, abs=0.005
        )


@pytest.mark.parametrize(
    "skeleton",
    [known for known in KNOWN_SKELETONS.values() if "face-0" not in known.keypoints],
    ids=lambda known: known.name,
)
def test_every_known_skeleton_of_bodies_gets_its_keypoints(
    skeleton: Skeleton, bodies: list[Body]
) -> None:
    pose = pose_of(STANDING)
    for body in bodies[:3]:
        xyz = body.keypoints(pose, skeleton)
        assert xyz.shape == (len(skeleton), 3)
        assert xyz.dtype == np.float64
        assert np.isfinite(xyz).all()
        shared = [name for name in skeleton.keypoints if name in COCO_17.keypoints]
        coco = body.keypoints(pose, COCO_17)
        for name in shared:
            np.testing.assert_array_equal(xyz[skeleton.index(name)], coco[COCO_17.index(name)])


def test_a_keypoint_no_body_has_is_named() -> None:
    tail = Skeleton("cat", ("nose", "tail"), (), (), (0.1, 0.1))
    body = random_body(np.random.default_rng(0))
    with pytest.raises(KeyError, match=r"'tail'.*left_wrist"):
        body.keypoints(neutral_pose(), tail)
    with pytest.raises(KeyError, match="'face-0'"):
        body.keypoints(neutral_pose(), COCO_WHOLEBODY_133)


@pytest.mark.parametrize("seed", SEEDS)
def test_keypoints_stay_in_their_own_part_of_the_skin(bodies: list[Body], seed: int) -> None:
    body, rng = bodies[seed], np.random.default_rng(seed)
    for _ in range(6):
        pose = random_pose(rng, body)
        vertices = body.apply_pose(pose)
        for name, place in zip(HALPE_26.keypoints, body.keypoints(pose, HALPE_26), strict=True):
            away = np.linalg.norm(vertices[own_vertices(body, name)] - place, axis=1).min()
            most = 0.16 if name in ("neck", "mid_hip") else 0.09
            assert away < most * max(body.shape.size * body.shape.girth, 1), name


def test_face_keypoints_lie_on_the_skin_of_the_face(bodies: list[Body]) -> None:
    for body in bodies:
        pose = neutral_pose((0, 0, body.shape.hip))
        xyz = body.keypoints(pose, COCO_17)
        nose, left_eye, right_eye, left_ear, right_ear = xyz[:5]
        assert nose[0] > left_eye[0] > left_ear[0]  # forward of each other
        assert left_ear[1] > left_eye[1] > nose[1] > right_eye[1] > right_ear[1]
        head = body.apply_pose(pose)[vertices_of(body, Part.HEAD)]
        assert nose[0] == pytest.approx(head[:, 0].max(), abs=0.002)
        assert left_eye[2] > nose[2]


def test_left_is_left_of_who_faces_where_the_heading_says(bodies: list[Body]) -> None:
    for heading in (0.0, 1.2, -2.5):
        pose = pose_of(STANDING, heading=heading)
        ahead, left = turn_z(heading)[:, 0], turn_z(heading)[:, 1]
        xyz = bodies[0].keypoints(pose, HALPE_26)
        for first, second in HALPE_26.mirrored_indices:
            assert (xyz[first] - xyz[second]) @ left > 0.02
        middle = xyz[HALPE_26.index("neck")]
        assert (xyz[HALPE_26.index("nose")] - middle) @ ahead > 0.05
        for side in ("left", "right"):
            toe, heel = (xyz[HALPE_26.index(f"{side}_{end}")] for end in ("big_toe", "heel"))
            assert (toe - heel) @ ahead > 0.15


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_random_poses_are_within_the_joints_limits_and_on_the_ground(seed: int) -> None:
    rng = np.random.default_rng(seed)
    body = random_body(rng)
    pose = random_pose(rng, body)
    angles = angles_from(pose.rotations)[1:]
    turned_far = np.hypot(angles[:, 0], angles[:, 1]) > np.pi - 0.1  # comes back the other way
    inside = (angles > LIMITS[1:, :, 0] - 1e-6) & (angles < LIMITS[1:, :, 1] + 1e-6)
    assert (inside.all(axis=1) | turned_far).all()
    assert body.apply_pose(pose)[:, 2].min() == pytest.approx(0, abs=1e-5)
    lengths = [np.linalg.norm(body.rig.offsets[joint]) for joint in range(1, len(JOINTS))]
    _, places = body.rig.locate(pose)
    bones = places[1:] - places[list(PARENTS[1:])]
    np.testing.assert_allclose(np.linalg.norm(bones, axis=1), lengths)


def test_random_poses_are_of_many_kinds() -> None:
    rng = np.random.default_rng(0)
    body = random_body(rng)
    poses = [random_pose(rng, body) for _ in range(150)]
    xyz = np.array([body.keypoints(pose, COCO_17) for pose in poses])
    heights = np.ptp(xyz[..., 2], axis=1) / body.height
    assert (heights > 0.8).sum() > 30  # upright
    assert (heights < 0.6).sum() > 15  # sitting, crouching
    assert (heights < 0.35).sum() >= 2  # lying
    wrists = xyz[:, [COCO_17.index("left_wrist"), COCO_17.index("right_wrist")], 2]
    noses = xyz[:, [0, 0], 2]
    assert (wrists > noses).any(axis=1).sum() > 20
    assert np.histogram([pose.heading for pose in poses], 8, (-np.pi, np.pi))[0].min() > 5
    assert np.mean([arms_inside(body, pose) for pose in poses]) < 0.05


def test_a_turn_and_a_shift_of_a_pose_turn_and_shift_skin_and_keypoints(
    bodies: list[Body],
) -> None:
    body = bodies[1]
    pose = random_pose(np.random.default_rng(4), body)
    turned = BodyPose(pose.rotations, pose.root, pose.heading + 0.7).translate((1, -2, 0))
    for before, after in (
        (body.apply_pose(pose), body.apply_pose(turned)),
        (body.keypoints(pose, COCO_17), body.keypoints(turned, COCO_17)),
    ):
        expected = (before - pose.root) @ turn_z(0.7).T + pose.root + (1, -2, 0)
        np.testing.assert_allclose(after, expected, atol=2e-5)


@given(st.lists(st.floats(-1.2, 1.2), min_size=len(JOINTS) * 3, max_size=len(JOINTS) * 3))
@settings(max_examples=30)
def test_angles_and_rotations_are_each_others_inverse(values: list[float]) -> None:
    angles = np.array(values).reshape(-1, 3)
    rotations = rotations_from(angles)
    np.testing.assert_allclose(angles_from(rotations), angles, atol=1e-9)
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1),
        np.tile(np.eye(3), (len(JOINTS), 1, 1)),
        atol=1e-12,
    )


def test_flexion_goes_where_joints_bend(bodies: list[Body]) -> None:
    body = bodies[0]
    straight = body.keypoints(pose_of({}), HALPE_26)

    def moved(joint: str, angles: tuple[float, float, float], keypoint: str) -> np.ndarray:
        row = HALPE_26.index(keypoint)
        return body.keypoints(pose_of({joint: angles}), HALPE_26)[row] - straight[row]

    assert moved("left_elbow", (90, 0, 0), "left_wrist")[0] > 0.15
    assert moved("left_knee", (90, 0, 0), "left_ankle")[0] < -0.2
    assert moved("right_hip", (45, 0, 0), "right_knee")[0] > 0.2
    assert moved("left_shoulder", (0, 45, 0), "left_elbow")[1] > 0.1
    assert moved("right_shoulder", (0, 45, 0), "right_elbow")[1] < -0.1
    assert moved("spine", (30, 0, 0), "nose")[0] > 0.1
    assert moved("left_ankle", (20, 0, 0), "left_big_toe")[2] > 0.03
    assert moved("head", (0, 0, 30), "nose")[1] > 0.03


def test_blending_poses_goes_from_one_to_the_other(bodies: list[Body]) -> None:
    body = bodies[0]
    first, second = (random_pose(np.random.default_rng(seed), body) for seed in (1, 2))
    for share, pose in ((0.0, first), (1.0, second)):
        between = blend(first, second, share)
        np.testing.assert_allclose(between.root, pose.root)
        np.testing.assert_allclose(between.rotations, pose.rotations, atol=1e-6)


def test_grounded_puts_the_lowest_point_on_the_ground(bodies: list[Body]) -> None:
    pose = put_on_ground(bodies[2], neutral_pose((0, 0, 5.0)), ground=0.4)
    assert bodies[2].apply_pose(pose)[:, 2].min() == pytest.approx(0.4, abs=1e-5)


def test_people_can_be_dressed_alike() -> None:
    clothes = random_clothes(np.random.default_rng(9))
    first, second = (random_body(np.random.default_rng(seed), clothes=clothes) for seed in (1, 2))
    assert first.looks.clothes is second.looks.clothes
    assert first.height != second.height


def test_shapes_are_those_of_people() -> None:
    rng = np.random.default_rng(0)
    shapes = [random_shape(rng) for _ in range(400)]
    heights = np.array([shape.height for shape in shapes])
    assert 0.95 < heights.min() < 1.3
    assert 1.85 < heights.max() < 2.05
    assert 0.05 < (heights < 1.45).mean() < 0.22
    adults = [shape for shape in shapes if shape.height > 1.5]
    assert np.mean([shape.head / shape.height for shape in adults]) == pytest.approx(0.13, abs=0.01)
    for shape in shapes:
        assert 0 < shape.ankle < shape.hip < shape.shoulder < shape.chin < shape.height
        assert shape.half_hips < shape.half_shoulders


def test_a_pose_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rotations must have shape \(21, 3, 3\)"):
        BodyPose(np.zeros((20, 3, 3)), np.zeros(3))


def test_arms_in_the_trunk_are_noticed(bodies: list[Body]) -> None:
    through = pose_of({"left_shoulder": (0, 0, 0), "left_elbow": (100, 0, -85)})
    assert arms_inside(bodies[0], through)
    assert not arms_inside(bodies[0], pose_of({"shoulder": (0, 80, 0)}))
    assert JOINT["pelvis"] == 0
