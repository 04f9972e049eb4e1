"""The renderer's truth against geometry worked out by other means, and its pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.world.places.furniture import box, chair, pole, tree
from posetrack.world.places.scenery import ground, random_ground, random_thing, standing, wall
from posetrack.world.rendering.background import Backdrop, city, forest, plain, random_backdrop, sky
from posetrack.world.rendering.lighting import Light, random_light, shadow_camera
from posetrack.world.rendering.mesh import Mesh, Part, Surface
from posetrack.world.rendering.perspective import Camera, looking_at
from posetrack.world.rendering.render import render

WHITE = np.full((1, 1, 3), 255, np.uint8)
EVEN = Light((0, 0, 1), sun=(0, 0, 0), sky=(1, 1, 1), ground=(1, 1, 1))
SIZE = (96, 64)


def noise_texture(size=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


def camera(**changes):
    settings_ = {"position": (0.3, -5, 1.6), "target": (0, 0, 1), "focal": 90, "size": SIZE}
    settings_ |= changes
    return looking_at(settings_.pop("position"), settings_.pop("target"), **settings_)


def ball(centre=(0, 0, 1), radius=0.8, rings=16, around=24, texture=WHITE):
    """A closed ball with shared vertices."""
    up = np.linspace(0, np.pi, rings + 1)[1:-1]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    rows = np.stack(np.broadcast_arrays(np.sin(up)[:, None] * np.cos(turn),
                                        np.sin(up)[:, None] * np.sin(turn),
                                        np.cos(up)[:, None]), axis=2).reshape(-1, 3)  # fmt: skip
    vertices = np.concatenate([rows, [[0, 0, 1], [0, 0, -1]]]) * radius + centre
    faces = []
    north, south = len(rows), len(rows) + 1
    for j in range(around):
        k = (j + 1) % around
        faces.append([north, j, k])
        faces.append([south, (rings - 2) * around + k, (rings - 2) * around + j])
        for i in range(rings - 2):
            a, b = i * around + j, i * around + k
            faces += [[a, a + around, b + around], [a, b + around, b]]
    uv = np.zeros((len(vertices), 2))
    return Mesh(vertices, faces, uv, np.full(len(faces), Part.TRUNK), texture)


def square(texture=WHITE, *, at=0.0, half=3.0, repeats=1.0, part=Part.SCENERY):
    """An upright square in the plane y = at, facing south."""
    corners = np.array([[-half, at, 1 - half], [half, at, 1 - half], [half, at, 1 + half],
                        [-half, at, 1 + half]])  # fmt: skip
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]) * repeats
    return Mesh(corners, [[0, 1, 2], [0, 2, 3]], uv, [part] * 2, texture)


def moved(mesh, by=(0, 0, 0), owner=0, turn=None):
    then = mesh.vertices if turn is None else mesh.vertices @ np.asarray(turn).T
    return Surface(mesh, mesh.vertices, (then + by).astype(np.float32), owner)


def rays(camera_):
    """(H, W, 3), directions in the world of depth 1."""
    (width, height), middle = camera_.size, (np.array(camera_.size) - 1) / 2
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    directions = np.stack([(x - middle[0]) / camera_.focal, (y - middle[1]) / camera_.focal,
                           np.ones((height, width))], axis=2)  # fmt: skip
    return directions @ camera_.rotation


def sampled(image, xy):
    """Bilinear values of an image at points (..., 2) and where these are inside."""
    height, width = image.shape[:2]
    x, y = xy[..., 0], xy[..., 1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    i, j = np.clip(y, 0, height - 1.001).astype(int), np.clip(x, 0, width - 1.001).astype(int)
    low, right = (y - i)[..., None], (x - j)[..., None]
    at = image.astype(float)
    upper = at[i, j] * (1 - right) + at[i, j + 1] * right
    lower = at[i + 1, j] * (1 - right) + at[i + 1, j + 1] * right
    return upper * (1 - low) + lower * low, inside


def same(first, second):
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


def drawn(surfaces, *cameras, light=EVEN, backdrop=None, **settings_):
    return render(surfaces, *(cameras or (camera(),)), light=light, backdrop=backdrop or plain(),
                  **settings_)  # fmt: skip


def test_nothing_is_an_empty_picture() -> None:
    seen = drawn([], backdrop=plain((10, 20, 30)))
    assert (seen.image == (10, 20, 30)).all()
    assert not seen.owner.any()
    assert not seen.part.any()
    assert np.isinf(seen.depth).all()
    assert np.abs(seen.flow).max() < 1e-4


def test_mesh_without_triangles_is_fine() -> None:
    empty = Mesh(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 2)), [], WHITE)
    assert same(drawn([moved(empty), moved(ball())]), drawn([moved(ball())]))


def test_arrays_have_the_stated_types() -> None:
    seen = drawn([moved(ball(), owner=7)])
    kinds = {name: (array.dtype.name, array.shape) for name, array in vars(seen).items()}
    width, height = SIZE
    assert kinds == {
        "image": ("uint8", (height, width, 3)),
        "owner": ("int16", (height, width)),
        "part": ("uint8", (height, width)),
        "depth": ("float32", (height, width)),
        "flow": ("float32", (height, width, 2)),
    }
    assert set(np.unique(seen.owner)) == {0, 7}
    assert set(np.unique(seen.part)) == {0, Part.TRUNK}


def test_depth_of_the_ground_is_where_the_rays_meet_it() -> None:
    view = camera()
    seen = drawn([standing(ground(WHITE, size=200))], view)
    up = rays(view)[..., 2]
    expected = np.where(up < 0, -view.position[2] / up, np.inf)
    near = expected < 50
    assert near.sum() > 1000
    np.testing.assert_allclose(seen.depth[near], expected[near], rtol=1e-5)
    assert np.isinf(seen.depth[up > 0]).all()


def test_silhouette_of_a_ball_is_the_balls() -> None:
    view = camera()
    seen = drawn([moved(ball(rings=60, around=90), owner=1)], view)
    rays_ = rays(view)
    aside = np.array((0, 0, 1.0)) - view.position
    closest = np.linalg.norm(np.cross(rays_, aside), axis=2) / np.linalg.norm(rays_, axis=2)
    assert (seen.owner[closest < 0.79] == 1).all()
    assert (seen.owner[closest > 0.81] == 0).all()


@pytest.mark.parametrize("distance", [0.9, 2.0, 5.0, 60.0])
def test_closed_mesh_has_no_holes(distance: float) -> None:
    """What is behind it never shows through, at whatever size its triangles are."""
    view = camera(position=(0, -distance, 1), target=(0, 0, 1), focal=40 * distance)
    red, green = np.array([[[0, 0, 200]]]), np.array([[[0, 200, 0]]])
    front = ball(rings=24, around=32, texture=green)
    seen = drawn([moved(square(red, at=1.0, half=30)), moved(front, owner=1)], view)
    middle = np.hypot(*np.moveaxis(rays(view)[..., [0, 2]], 2, 0)) * distance < 0.5
    assert middle.sum() > 100
    assert (seen.owner[middle] == 1).all()
    assert (seen.image[middle] == (0, 200, 0)).all()


def test_nearer_surface_hides_the_farther_in_any_order() -> None:
    first, second = moved(ball((0, 0, 1)), owner=1), moved(ball((0.5, 1, 1)), owner=2)
    seen, other = drawn([first, second]), drawn([second, first])
    assert same(seen, other)
    alone = drawn([first]).owner == 1
    assert (seen.owner[alone] == 1).all()
    assert (seen.owner == 2).any()


def test_surfaces_through_each_other_meet_where_they_meet() -> None:
    first = drawn([moved(ball((-0.3, 0, 1)), owner=1)])
    second = drawn([moved(ball((0.3, 0, 1)), owner=2)])
    both = drawn([moved(ball((-0.3, 0, 1)), owner=1), moved(ball((0.3, 0, 1)), owner=2)])
    np.testing.assert_array_equal(both.depth, np.minimum(first.depth, second.depth))
    nearer = np.where(first.depth < second.depth, 1, 2)
    seen = both.owner > 0
    np.testing.assert_array_equal(both.owner[seen], nearer[seen])


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_flow_is_that_of_the_projected_points(seed: int) -> None:
    """The point at each pixel, found from depth, is moved as its body and projected again."""
    rng = np.random.default_rng(seed)
    place = (rng.uniform(-1, 1), rng.uniform(-6, -4), rng.uniform(0.5, 3))
    view = camera(position=place, roll=0.1)
    following = camera(
        position=view.position + rng.normal(0, 0.1, 3),
        target=np.array([0, 0, 1]) + rng.normal(0, 0.1, 3),
        focal=rng.uniform(80, 100),
    )
    angle = rng.normal(0, 0.1)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    by = rng.normal(0, 0.1, 3)
    floor = standing(ground(WHITE, size=40))
    seen = drawn([floor, moved(ball(), by, owner=1, turn=turn)], view, following)
    points = view.position + rays(view) * np.where(np.isinf(seen.depth), 1, seen.depth)[..., None]
    there = np.where((seen.owner == 1)[..., None], points @ np.array(turn).T + by, points)
    for mask, place in ((seen.owner == 1, there), (np.isfinite(seen.depth), there)):
        expected = following.project(place)[0] - view.project(points)[0]
        np.testing.assert_allclose(seen.flow[mask], expected[mask], atol=2e-3)


def test_flow_of_the_backdrop_is_the_cameras_turning_and_zooming() -> None:
    view = camera()
    following = camera(position=(3, -5, 1.6), target=(2.9, 0, 1.2), focal=100, roll=0.05)
    seen = drawn([], view, following)
    far = view.position + 1e7 * rays(view)
    expected = following.project(far)[0] - view.project(far)[0]
    np.testing.assert_allclose(seen.flow, expected, atol=1e-3)


def test_next_picture_warped_back_along_the_flow_is_this_one() -> None:
    cameras = [camera(focal=150, size=(192, 128), position=(x, -5, 1.6), target=(x / 2, 0, 1))
               for x in (0.0, 0.4)]  # fmt: skip
    texture = np.asarray(np.kron(noise_texture(8), np.ones((8, 8, 1))), np.uint8)
    back = Backdrop(np.asarray(np.kron(noise_texture(6, 1), np.ones((9, 9, 1))), np.uint8))
    floor = ground(texture, size=40, tile=8)
    post = box(texture, (0.8, 0.8, 1.8), position=(-0.3, 0, 0))
    by = (0.3, 0.05, 0)
    now = [standing(floor), moved(post, by, owner=1)]
    after = Mesh(post.vertices + np.float32(by), post.faces, post.uv, post.parts, texture)
    first = drawn(now, *cameras, backdrop=back)
    second = drawn([standing(floor), moved(after, owner=1)], cameras[1], backdrop=back)
    columns, rows = np.meshgrid(np.arange(192), np.arange(128))
    target = np.stack([columns, rows], axis=2) + first.flow
    warped, inside = sampled(second.image, target)
    owner, _ = sampled(second.owner[..., None], target)
    error = np.abs(warped - first.image).mean(axis=2)
    visible = inside & (owner[..., 0] == first.owner)
    still = np.abs(sampled(second.image, np.stack([columns, rows], axis=2))[0] - first.image)
    assert visible.mean() > 0.85
    assert np.median(error[visible]) < 2.5
    assert error[visible].mean() < 0.25 * still.mean(axis=2)[visible].mean()


def test_point_that_goes_behind_the_camera_has_no_flow() -> None:
    sheet = square(half=1)
    seen = drawn([moved(sheet, (0, -9, 0), owner=1)])
    assert np.isnan(seen.flow[seen.owner == 1]).all()
    assert np.isfinite(seen.flow[seen.owner == 0]).all()


def test_triangles_across_the_near_plane_are_cut_there() -> None:
    view = camera(position=(0, 0, 1.5), target=(0, 5, 1.2))
    seen = drawn([standing(ground(noise_texture(), size=300))], view, near=2.5)
    up = rays(view)[..., 2]
    expected = np.where(up < 0, -1.5 / up, np.inf)
    expected[expected < 2.5] = np.inf
    clear = (expected > 2.51) & (expected < 100)
    np.testing.assert_allclose(seen.depth[clear], expected[clear], rtol=1e-4)
    assert np.isinf(seen.depth[np.isinf(expected)]).all()
    assert not (seen.depth < 2.5).any()


def test_surface_behind_the_camera_is_not_seen() -> None:
    behind = drawn([moved(ball((0, -12, 1)), owner=1)])
    assert not behind.owner.any()
    assert same(behind, drawn([]))


def test_camera_within_a_closed_box_sees_its_inside_everywhere() -> None:
    room = box(WHITE, (4, 4, 3), tile=1)
    seen = drawn([moved(room, owner=1)], camera(position=(0, -1, 1.5), target=(1, 1, 1)))
    assert (seen.owner == 1).all()
    assert (seen.image == 255).all()


def test_colours_mix_at_edges_only_and_truth_nowhere() -> None:
    green = np.array([[[0, 200, 0]]])
    view = camera(roll=0.1)
    seen = drawn([moved(square(green, half=0.8, part=Part.HEAD), owner=5)], view)
    pure = (seen.image == (0, 200, 0)).all(axis=2) | (seen.image == (200, 190, 180)).all(axis=2)
    mixed = np.argwhere(~pure)
    assert 20 < len(mixed) < 4 * 40
    framed = np.pad(seen.owner, 1, mode="edge")
    for row, column in mixed:
        assert len(np.unique(framed[row : row + 3, column : column + 3])) == 2
    assert set(np.unique(seen.owner)) == {0, 5}
    assert set(np.unique(seen.part)) == {0, Part.HEAD}
    assert np.isfinite(seen.depth[seen.owner == 5]).all()


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_number_of_threads_changes_nothing(threads: int) -> None:
    rng = np.random.default_rng(1)
    things = [standing(random_ground(rng))]
    things += [standing(random_thing(rng, position=(north, north, 0))) for north in range(5)]
    surfaces = [*things, moved(ball(texture=noise_texture()), (0.1, 0, 0), owner=1)]
    view = camera(size=(160, 131))
    settings_ = {"light": random_light(rng), "backdrop": random_backdrop(rng)}
    assert same(render(surfaces, view, **settings_),
                render(surfaces, view, threads=threads, **settings_))  # fmt: skip


def test_inputs_are_not_changed() -> None:
    mesh = ball(texture=noise_texture())
    before = [array.copy() for array in vars(mesh).values()]
    for array in vars(mesh).values():
        array.flags.writeable = False
    drawn([moved(mesh, owner=1)], light=Light())
    assert all(np.array_equal(a, b) for a, b in zip(before, vars(mesh).values(), strict=True))


def test_texture_in_plain_light_keeps_its_colours() -> None:
    """A square seen straight on, a texel to a pixel."""
    texture = noise_texture(32)
    view = Camera(np.array([0, -10.0, 1]), np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), 50,
                  (32, 32))  # fmt: skip
    seen = drawn([moved(square(texture, half=3.2))], view)
    apart = np.abs(np.indices((32, 32)).sum(axis=0) - 31) > 0  # from where the triangles meet
    np.testing.assert_array_equal(seen.image[apart], texture[apart])


def test_texture_far_away_is_its_mean() -> None:
    """Black and white texels smaller than pixels give an even grey, not a pattern."""
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255)[..., None].repeat(3, axis=2)
    view = camera(position=(0, -40, 1), target=(0, 0, 1), focal=120)
    seen = drawn([moved(square(checks, half=6, repeats=8.0), owner=1)], view)
    grey = seen.image[seen.owner == 1].astype(int)
    inner = grey[(grey > 150).all(axis=1)]
    assert len(inner) > 0.8 * len(grey)
    assert abs(np.median(inner) - 255 / np.sqrt(2)) < 2
    assert np.percentile(inner, 95) - np.percentile(inner, 5) < 4


def test_texture_beyond_its_border_repeats() -> None:
    texture = noise_texture(8)
    large = np.tile(texture, (3, 3, 1))
    repeated = drawn([moved(square(texture, repeats=3.0))]).image.astype(int)
    assert np.abs(repeated - drawn([moved(square(large))]).image).max() <= 4


def test_light_is_brighter_on_the_side_of_the_sun() -> None:
    seen = drawn([moved(ball(), owner=1)], light=Light((1, -1, 1)))
    bright = seen.image[..., 1].astype(float)
    columns = np.argwhere(seen.owner == 1)[:, 1]
    middle = (columns.min() + columns.max()) / 2
    right = bright[:, int(middle) + 4 :][seen.owner[:, int(middle) + 4 :] == 1].mean()
    left = bright[:, : int(middle) - 4][seen.owner[:, : int(middle) - 4] == 1].mean()
    assert right > 1.3 * left


def test_shadow_falls_where_the_sun_does_not_reach() -> None:
    light = Light((0.5, 0, 1), sun=(1, 1, 1), sky=(0.2, 0.2, 0.2), ground=(0.2, 0.2, 0.2))
    view = camera(position=(0, -6, 5), target=(-0.5, 0, 0.3), size=(192, 128), focal=180)
    floor = np.array([[[150, 150, 150]]])
    surfaces = [standing(ground(floor, size=40)), moved(ball((0, 0, 1.5), 0.5), owner=1)]
    seen = drawn(surfaces, view, light=light)
    points = view.position + rays(view) * np.where(np.isinf(seen.depth), 0, seen.depth)[..., None]
    onto = np.asarray(light.direction) / np.linalg.norm(light.direction)
    apart = np.linalg.norm(np.cross(points - (0, 0, 1.5), onto), axis=2)
    floor_seen = (seen.owner == 0) & np.isfinite(seen.depth)
    dark, lit = seen.image[floor_seen & (apart < 0.4)], seen.image[floor_seen & (apart > 0.6)]
    assert len(dark) > 100
    assert dark.max() < 80
    assert np.percentile(lit, 1) > 150
    without = drawn(surfaces, view, light=light, shadow_size=0)
    assert without.image[floor_seen & (apart < 0.4)].min() > 120


def test_lit_side_of_a_ball_does_not_shade_itself() -> None:
    light = Light((0, -1, 0.3), sun=(1, 1, 1), sky=(0, 0, 0), ground=(0, 0, 0))
    surfaces = [moved(ball(rings=40, around=60, radius=0.9), owner=1)]
    seen = drawn(surfaces, light=light)
    without = drawn(surfaces, light=light, shadow_size=0)
    difference = np.abs(seen.image.astype(int) - without.image)[seen.owner == 1]
    assert (difference.max(axis=1) > 3).mean() < 0.02


def test_shadow_camera_sees_all_that_it_is_given() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.normal(0, 3, (50, 3))
        xy, depth = shadow_camera(random_light(rng), points, 256).project(points)
        assert (depth > 0).all()
        assert (xy >= 2).all()
        assert (xy <= 253).all()


def test_backdrop_turns_with_the_camera() -> None:
    """A direction keeps its colour wherever in the picture it is seen."""
    back = Backdrop(np.asarray(np.kron(noise_texture(8), np.ones((16, 16, 1))), np.uint8))
    first, second = camera(), camera(target=(0.4, 0, 1.3))
    one, two = (drawn([], view, backdrop=back) for view in (first, second))
    xy = second.project(first.position + 1e6 * rays(first))[0]
    found, inside = sampled(two.image, xy)
    error = np.abs(found - one.image)[inside]
    assert inside.mean() > 0.5
    assert np.median(error) < 2


@pytest.mark.parametrize("kind", [sky, city, forest, random_backdrop])
def test_backdrops_repeat_with_the_seed(kind) -> None:
    first, again, other = (kind(np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.texture, again.texture)
    assert first.span == again.span
    assert not np.array_equal(first.texture, other.texture)


def test_backdrops_are_of_many_kinds() -> None:
    means = [random_backdrop(np.random.default_rng(seed)).texture.mean() for seed in range(40)]
    spreads = [random_backdrop(np.random.default_rng(seed)).texture.std() for seed in range(40)]
    assert np.std(means) > 15
    assert min(spreads) < 10 < 50 < max(spreads)


def edges_of(mesh):
    """How often each edge between two places occurs, by direction."""
    _, place = np.unique(mesh.vertices.round(4), axis=0, return_inverse=True)
    faces = place.reshape(-1)[mesh.faces]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return edges[edges[:, 0] != edges[:, 1]]


@pytest.mark.parametrize("mesh", [box(WHITE, (1, 2, 3), turn=0.4), wall(WHITE, (0, 0), (3, 1))])
def test_boxes_are_closed_and_face_outward(mesh) -> None:
    edges = edges_of(mesh)
    assert set(map(tuple, edges)) == {(b, a) for a, b in edges}
    centre = mesh.vertices.mean(axis=0)
    corners = mesh.vertices[mesh.faces].astype(float)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("ij,ij->i", normals, corners.mean(axis=1) - centre) > 0).all()


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_things_stand_on_the_ground_and_follow_from_the_seed(seed: int) -> None:
    mesh = random_thing(np.random.default_rng(seed), position=(1.0, 4.0, 0.0))
    assert mesh.vertices[:, 2].min() > -0.3
    assert not mesh.parts.any()
    assert np.isfinite(mesh.vertices).all()
    again = random_thing(np.random.default_rng(seed), position=(1.0, 4.0, 0.0))
    assert np.array_equal(mesh.vertices, again.vertices)
    assert np.array_equal(mesh.texture, again.texture)


def test_things_have_the_sizes_of_things() -> None:
    rng = np.random.default_rng(0)
    for mesh, low, high in ((chair(WHITE), 0.8, 1.0), (pole(WHITE, height=3), 3, 3),
                            (tree(rng, height=5), 3, 7)):  # fmt: skip
        assert low <= mesh.vertices[:, 2].max() <= high


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"near": 0.0}, "positive"),
        ({"threads": 0}, "positive"),
        ({"owner": -1}, "owners"),
        ({"size": (8, 8)}, "size"),
        ({"then": np.zeros((2, 3), np.float32)}, "vertices"),
    ],
)
def test_mistakes_are_told(changes, message: str) -> None:
    mesh = square()
    surface = Surface(mesh, mesh.vertices, changes.pop("then", mesh.vertices),
                      changes.pop("owner", 0))  # fmt: skip
    following = camera(size=changes.pop("size", SIZE))
    with pytest.raises(ValueError, match=message):
        drawn([surface], camera(), following, **changes)


def test_lights_and_backdrops_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="direction"):
        Light((0, 0, 0))
    with pytest.raises(ValueError, match="negative"):
        Light(sun=(-1, 0, 0))
    with pytest.raises(ValueError, match="texture"):
        Backdrop(np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match="span"):
        Backdrop(WHITE, (0, 1))
    with pytest.raises(ValueError, match="two places"):
        wall(WHITE, (1, 1), (1, 1))
