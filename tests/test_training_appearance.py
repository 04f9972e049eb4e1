"""Changes of pixels in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.training.appearance import Appearance, change_pixels

ALL = Appearance(colour_jitter=0.5, greyscale=0.2, blur=0.7, noise=0.7, cutout=0.7)


def picture(seed=0, shape=(40, 30, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def changed(appearance, seed=0, image=None):
    image = picture() if image is None else image.copy()
    change_pixels(image, appearance, np.random.default_rng(seed))
    return image


def test_nothing_asked_for_nothing_changed():
    assert np.array_equal(changed(Appearance()), picture())


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([(1, 1, 3), (7, 5, 3), (40, 30, 3)]))
def test_the_same_draw_gives_the_same_pixels_at_any_size(seed, shape):
    image = picture(1, shape)
    assert np.array_equal(changed(ALL, seed, image), changed(ALL, seed, image))


@pytest.mark.parametrize("name", ["colour_jitter", "greyscale", "blur", "noise", "cutout"])
def test_each_change_alone_changes_pixels(name):
    assert not np.array_equal(changed(Appearance(**{name: 1.0})), picture())


def test_a_grey_image_has_three_equal_channels():
    image = changed(Appearance(greyscale=1.0))
    assert np.ptp(image.astype(int), axis=2).max() <= 1


def test_noise_does_not_shift_brightness():
    image = np.full((200, 200, 3), 128, np.uint8)
    means = [changed(Appearance(noise=1.0), seed, image).mean() for seed in range(5)]
    assert np.allclose(means, 128, atol=1)


def test_patches_hide_a_part_and_leave_the_rest():
    image = np.zeros((100, 100, 3), np.uint8)
    image[::2] = 200
    shares = [(changed(Appearance(cutout=1.0), s, image) != image).any(2).mean() for s in range(20)]
    assert 0.01 < np.mean(shares) < 0.5


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="blur must be between 0 and 1"):
        Appearance(blur=3)
