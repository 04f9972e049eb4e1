"""The faults of cameras: each does what it says, and nothing else."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.world.places.furniture import box
from posetrack.world.places.scenery import ground, standing
from posetrack.world.rendering import textures
from posetrack.world.rendering.background import plain
from posetrack.world.rendering.effects import (
    Effects,
    blur_by_disc,
    blur_motion,
    coarse,
    expose,
    jpeg,
    noisy,
    random_effects,
    saturate,
)
from posetrack.world.rendering.lighting import Light
from posetrack.world.rendering.mesh import Surface
from posetrack.world.rendering.perspective import looking_at
from posetrack.world.rendering.render import Render, render

EVEN = Light((0, 0, 1), sun=(0, 0, 0), sky=(1, 1, 1), ground=(1, 1, 1))


def scene(shift: float, *, then: float = 0.5, threads: int = 1) -> Render:
    """A bright box that goes to the right in front of a dark ground."""
    camera = looking_at((0, -5, 1.2), (0, 0, 0.8), focal=140, size=(160, 96))
    thing = box(np.full((1, 1, 3), 230, np.uint8), (0.7, 0.5, 1.4))
    now = thing.vertices + np.float32([shift, 0, 0])
    after = now + np.float32([then, 0, 0])
    floor = standing(ground(np.full((1, 1, 3), 60, np.uint8)))
    return render([floor, Surface(thing, now, after, 1)], camera, light=EVEN,
                  backdrop=plain((90, 80, 70)), threads=threads)  # fmt: skip


def picture(seed: int = 0, size: int = 48):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


def smooth_picture():
    return cv2.GaussianBlur(picture(), (0, 0), 4)


def test_no_faults_give_the_picture_itself() -> None:
    drawn = scene(0.0)
    image = Effects()(drawn, np.random.default_rng(0))
    np.testing.assert_array_equal(image, drawn.image)
    assert not np.shares_memory(image, drawn.image)


def test_motion_blur_is_near_the_mean_of_moments_between() -> None:
    drawn = scene(0.0)
    moments = [scene(shift).image for shift in np.linspace(-0.25, 0.25, 41) * 0.8]
    light = np.mean(np.square(moments, dtype=float), axis=0)  # linear in light, as in a camera
    expected = np.sqrt(light)
    blurred = blur_motion(drawn.image, drawn.flow, drawn.depth, shutter=0.8)
    before = np.abs(drawn.image - expected).mean()
    after = np.abs(blurred - expected).mean()
    assert before > 1
    assert after < 0.3 * before


def test_motion_blur_leaves_alone_what_is_far_from_all_motion() -> None:
    drawn = scene(0.0)
    blurred = blur_motion(drawn.image, drawn.flow, drawn.depth, shutter=0.8)
    columns = np.argwhere(drawn.owner == 1)[:, 1]
    far = np.abs(np.arange(160) - columns.mean()) > 55
    np.testing.assert_array_equal(blurred[:, far], drawn.image[:, far])


def test_motion_blur_takes_flow_that_is_not_known_as_none() -> None:
    image = picture()
    flow = np.full((48, 48, 2), np.nan, np.float32)
    blurred = blur_motion(image, flow, np.ones((48, 48), np.float32))
    np.testing.assert_array_equal(blurred, image)


def test_motion_blur_of_an_even_picture_is_the_picture() -> None:
    image = np.full((40, 50, 3), 77, np.uint8)
    flow = np.random.default_rng(0).normal(0, 20, (40, 50, 2)).astype(np.float32)
    depth = np.random.default_rng(1).random((40, 50)).astype(np.float32)
    assert (blur_motion(image, flow, depth, shutter=1.0) == 77).all()


def test_huge_flow_is_cut() -> None:
    flow = np.full((40, 50, 2), 1e6, np.float32)
    blurred = blur_motion(picture()[:40, :48], flow[:, :48], np.ones((40, 48), np.float32))
    assert blurred.shape == (40, 48, 3)


@settings(max_examples=20)
@given(st.floats(0.2, 6.0))
def test_defocus_keeps_the_mean_and_takes_detail(radius: float) -> None:
    image = picture()
    blurred = blur_by_disc(image, radius)
    assert abs(blurred.mean() - image.mean()) < 3
    assert blurred.std() <= image.std() + 0.5
    if radius > 1:
        assert blurred.std() < 0.7 * image.std()


def test_exposure_is_the_stated_factor() -> None:
    image = np.full((2, 2, 3), 80, np.uint8)
    assert expose(image, gain=2.0)[0, 0].tolist() == [160, 160, 160]
    assert expose(image, balance=(0.5, 1, 4))[0, 0].tolist() == [40, 80, 255]
    assert expose(image, gamma=2.0)[0, 0, 0] == round(80 * 80 / 255)


def test_noise_has_the_stated_strength() -> None:
    image = np.full((200, 200, 3), 120, np.uint8)
    values = noisy(image, np.random.default_rng(0), noise=4.0, shot=0.3).astype(float)
    assert abs(values.mean() - 120) < 0.2
    assert abs(values.std() - np.sqrt(16 + 0.3 * 120 + 1 / 12)) < 0.1
    assert abs(np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1]) < 0.02


def test_grey_has_no_colour_and_more_saturation_has_more() -> None:
    image = smooth_picture()
    spread = [np.ptp(saturate(image, share).astype(int), axis=2).mean() for share in (0, 1, 1.5)]
    assert spread[0] == 0
    assert spread[1] < spread[2]


def test_coarser_pictures_have_less_detail() -> None:
    image = picture()
    details = [np.abs(np.diff(coarse(image, share).astype(int), axis=1)).mean()
               for share in (0.25, 0.5, 0.9)]  # fmt: skip
    assert details == sorted(details)


def test_jpeg_is_nearer_with_more_quality() -> None:
    image = smooth_picture()
    errors = [np.abs(jpeg(image, quality).astype(int) - image).mean() for quality in (5, 40, 95)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2


def test_random_effects_repeat_with_the_seed() -> None:
    drawn = scene(0.0)
    for seed in range(8):
        one, two = (
            random_effects(np.random.default_rng(seed))(drawn, np.random.default_rng(seed))
            for _ in range(2)
        )
        np.testing.assert_array_equal(one, two)
        assert one.shape == drawn.image.shape
        assert one.dtype == np.uint8


def test_random_effects_differ_and_mostly_leave_a_picture() -> None:
    drawn = scene(0.0)
    images = [random_effects(np.random.default_rng(s))(drawn, np.random.default_rng(s))
              for s in range(40)]  # fmt: skip
    assert len({image.tobytes() for image in images}) == 40
    contrast = [
        image[drawn.owner == 1].mean() - image[(drawn.owner == 0) & (drawn.depth < 20)].mean()
        for image in images
    ]
    assert np.median(contrast) > 60
    assert min(contrast) > 15


def test_faults_do_not_touch_the_truth() -> None:
    drawn = scene(0.0)
    before = [array.copy() for array in vars(drawn).values()]
    Effects(shutter=1, defocus=2, gain=2, noise=9, resolution=0.5, quality=9)(
        drawn, np.random.default_rng(0)
    )
    after = vars(drawn).values()
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
               for a, b in zip(before, after, strict=True))  # fmt: skip


KINDS = ["plaster", "asphalt", "grass", "wood", "tiles", "brick", "stripes", "blotches"]


@pytest.mark.parametrize("kind", KINDS)
def test_textures_are_seamless_and_repeat_with_the_seed(kind: str) -> None:
    """Steps across the border are no larger than those within."""
    for seed in range(4):
        texture = getattr(textures, kind)(np.random.default_rng(seed))
        again = getattr(textures, kind)(np.random.default_rng(seed))
        np.testing.assert_array_equal(texture, again)
        assert texture.shape == (256, 256, 3)
        for axis in (0, 1):
            values = np.moveaxis(texture.astype(int), axis, 0)
            steps = np.abs(np.diff(values, axis=0)).mean(axis=(1, 2))
            border = np.abs(values[0] - values[-1]).mean()
            assert border <= 1.2 * steps.max() + 2


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(0, 3), st.integers(0, 3))
def test_noise_fills_the_range(seed: int, across: int, down: int) -> None:
    field = textures.noise(np.random.default_rng(seed), (64, 32), cells=(2**across, 2**down))
    assert field.shape == (32, 64)
    assert field.min() == 0
    assert field.max() in (0, 1)
