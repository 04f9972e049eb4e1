"""Images of every kind become uint8 BGR, or are refused with a hint."""

import numpy as np
import pytest

from posetrack.images import as_bgr


@pytest.mark.parametrize(
    "image",
    [
        np.full((4, 6), 51, np.uint8),
        np.full((4, 6, 1), 51, np.uint8),
        np.full((4, 6, 4), 51, np.uint8),
        np.full((4, 6, 3), 51 * 257, np.uint16),
        np.full((4, 6, 3), 0.2, np.float32),
        np.full((4, 6, 3), 0.2, np.float64),
    ],
    ids=["grey", "grey with axis", "BGRA", "uint16", "float32", "float64"],
)
def test_the_same_picture_in_another_form_is_the_same_picture(image: np.ndarray) -> None:
    before = image.copy()
    np.testing.assert_array_equal(as_bgr(image), np.full((4, 6, 3), 51, np.uint8))
    np.testing.assert_array_equal(image, before)


def test_a_good_image_is_not_copied_and_a_strided_one_is_made_contiguous() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    assert as_bgr(image) is image or np.shares_memory(as_bgr(image), image)
    assert as_bgr(image[:, ::-1]).flags.c_contiguous


@pytest.mark.parametrize(
    ("image", "kind", "hint"),
    [
        (None, TypeError, "cv2.imread"),
        ([[1, 2]], TypeError, "numpy array"),
        (np.zeros((0, 5, 3), np.uint8), ValueError, "empty"),
        (np.zeros((3, 48, 64), np.uint8), ValueError, "channels come last"),
        (np.zeros(5, np.uint8), ValueError, "shape"),
        (np.full((2, 2), 200.0), ValueError, r"\[0, 1\]"),
        (np.full((2, 2), np.nan), ValueError, r"\[0, 1\]"),
        (np.zeros((2, 2), np.int64), TypeError, "int64"),
        (np.zeros((2, 2), bool), TypeError, "bool"),
    ],
)
def test_what_is_no_image_is_refused_with_a_hint(image: object, kind: type, hint: str) -> None:
    with pytest.raises(kind, match=hint):
        as_bgr(image)
