"""Every OpenCV flow against motion that is known, because the second image is warped by it."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.flows import points as shared_points
from posetrack.flows.dis import DisFlow
from posetrack.flows.farneback import FarnebackFlow
from posetrack.flows.lucas_kanade import LucasKanadeFlow
from posetrack.flows.points import window
from posetrack.flows.scaling import prepare_grey, shrink, to_image, to_working, working_size
from posetrack.flows.tvl1 import TvL1Flow

HAS_CONTRIB = hasattr(cv2, "optflow") and hasattr(cv2.optflow, "DualTVL1OpticalFlow")
contrib = pytest.mark.skipif(not HAS_CONTRIB, reason="OpenCV is installed without contrib")
METHODS = [
    pytest.param(DisFlow, id="dis"),
    pytest.param(FarnebackFlow, id="farneback"),
    pytest.param(LucasKanadeFlow, id="lucas_kanade"),
    pytest.param(TvL1Flow, id="tvl1", marks=contrib),
]
SIZE = (240, 160)

MOTIONS = {
    "shift": np.array([[1, 0, 3.25], [0, 1, -2.5]]),
    "rotation": cv2.getRotationMatrix2D((120, 80), 2.5, 1.0),
    "zoom": cv2.getRotationMatrix2D((120, 80), 0, 1.03),
    "affine": np.array([[1.01, 0.02, 1.5], [-0.015, 0.99, 2.0]]),
}


def texture(size=SIZE, seed=0):
    """Smooth colour noise of two grain sizes: something to follow everywhere."""
    rng = np.random.default_rng(seed)
    fine, coarse = (
        cv2.GaussianBlur(rng.normal(size=(size[1], size[0], 3)), (0, 0), width) * width
        for width in (2, 6)
    )
    mixed = fine + coarse
    return cv2.normalize(mixed, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def warped(image, matrix):
    """The image after every point (x, y) went to ``matrix @ (x, y, 1)``."""
    size = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def grid(size=SIZE, rim=25, step=15):
    x, y = np.meshgrid(
        np.arange(rim, size[0] - rim, step), np.arange(rim, size[1] - rim, step), indexing="xy"
    )
    return np.column_stack([x.ravel(), y.ravel()]).astype(np.float32) + np.float32(0.3)


def move(flow, first, second, xy):
    return flow.move(flow.prepare(first), flow.prepare(second), xy)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("motion", MOTIONS.values(), ids=MOTIONS.keys())
def test_known_motion_is_found(method, motion):
    image, xy = texture(), grid()
    moved, valid = move(method(), image, warped(image, motion), xy)
    truth = xy @ motion[:, :2].T + motion[:, 2]
    error = np.linalg.norm(moved - truth, axis=1)
    assert valid.mean() > 0.98
    # DIS searches on the image reduced four times and enlarges what it finds.
    assert np.median(error[valid]) < (0.35 if method is DisFlow else 0.12)
    assert np.percentile(error[valid], 90) < 0.5


@pytest.mark.parametrize("method", [DisFlow, LucasKanadeFlow])
@pytest.mark.parametrize("scale", [0.5, 0.3, None])
def test_pixel_centres_are_kept_at_any_scale(method, scale):
    size = (901, 607)
    image, xy = cv2.resize(texture((300, 202)), size, interpolation=cv2.INTER_CUBIC), grid(size)
    shift = np.array([[1, 0, 6.0], [0, 1, 4.0]])
    moved, valid = move(method(scale=scale), image, warped(image, shift), xy[::7])
    error = moved[valid] - xy[::7][valid] - (6, 4)
    assert valid.mean() > 0.9
    # Signed: a mistake of half a pixel would push all points alike.
    assert np.abs(np.median(error, axis=0)).max() < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_the_same_image_twice_moves_nothing(method):
    image, xy = texture(), grid()
    moved, valid = move(method(), image, image.copy(), xy)
    assert valid.all()
    assert np.abs(moved - xy).max() < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_points_that_leave_the_image_are_not_valid(method):
    image = texture()
    shift = np.array([[1, 0, 8.0], [0, 1, 0.0]])
    xy = np.array([[236, 80], [238, 40], [120, 80]], np.float32)
    _, valid = move(method(), image, warped(image, shift), xy)
    assert valid.tolist() == [False, False, True]


@pytest.mark.parametrize("method", METHODS)
def test_points_outside_or_unknown_before_are_nan_and_do_not_disturb_the_others(method):
    image = texture()
    second = warped(image, MOTIONS["shift"])
    inside = grid()[:5]
    outside = np.array([[np.nan, np.nan], [5, np.nan], [-3, 4], [240, 10], [10, 1e9], [np.inf, 0]])
    moved, valid = move(method(), image, second, np.concatenate([outside, inside]))
    alone, _ = move(method(), image, second, inside)
    assert valid.tolist() == [False] * 6 + [True] * 5
    assert np.isnan(moved[:6]).all()
    np.testing.assert_array_equal(moved[6:], alone)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("xy", [[], np.zeros((0, 2)), np.full((3, 2), np.nan)])
def test_without_points_nothing_is_computed(method, xy, monkeypatch):
    flow = method()

    def fail(*arguments):
        raise AssertionError("the flow was computed for nobody")

    monkeypatch.setattr(flow, "_follow", fail)
    image = texture()
    moved, valid = move(flow, image, image, xy)
    assert moved.shape == (len(xy), 2)
    assert moved.dtype == np.float32
    assert not valid.any()


@pytest.mark.parametrize("method", METHODS)
def test_images_of_two_sizes_are_refused(method):
    flow = method()
    states = flow.prepare(texture()), flow.prepare(texture((160, 240)))
    with pytest.raises(ValueError, match=r"\(240, 160\) and \(160, 240\)"):
        flow.move(*states, grid())


def test_images_prepared_at_two_scales_are_refused():
    image = texture()
    before, after = DisFlow(scale=1.0).prepare(image), DisFlow(scale=0.5).prepare(image)
    with pytest.raises(ValueError, match="one scale"):
        DisFlow().move(before, after, grid())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 2)])
def test_arrays_that_are_no_points_are_refused(method, shape):
    image = texture()
    with pytest.raises(ValueError, match=r"expected points of shape \(P, 2\)"):
        move(method(), image, image, np.zeros(shape))


@pytest.mark.parametrize("method", METHODS)
def test_inputs_are_unchanged_and_the_image_buffer_may_be_reused(method):
    image, xy = texture(), grid()
    second = warped(image, MOTIONS["shift"])
    xy.flags.writeable = False
    kept, points = image.copy(), xy.copy()
    flow = method(scale=1.0)
    before = flow.prepare(image)
    np.testing.assert_array_equal(image, kept)
    expected = flow.move(before, flow.prepare(second), xy)
    image[:] = 0
    again = flow.move(before, flow.prepare(second), xy)
    np.testing.assert_array_equal(xy, points)
    for one, other in zip(expected, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", METHODS)
def test_a_grey_image_is_prepared_into_memory_of_its_own(method):
    grey = texture()[:, :, 0].copy()
    flow = method(scale=1.0)
    state = flow.prepare(grey)
    assert not np.shares_memory(state[0], grey)


@pytest.mark.parametrize("method", METHODS)
def test_two_instances_and_two_runs_agree_to_the_bit(method):
    image, xy = texture(), grid()
    second, third = warped(image, MOTIONS["affine"]), texture(seed=1)
    one, other = method(), method()
    first_run = move(one, image, second, xy)
    move(other, third, image, xy[:3])  # must leave nothing behind, in itself or in the other
    for flow in (one, other):
        for a, b in zip(first_run, move(flow, image, second, xy), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_nothing(method):
    size = (160, 90) if method is TvL1Flow else (640, 360)
    image, xy = texture(size), grid(size)
    second = warped(image, MOTIONS["shift"])
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            results.append(move(method(), image, second, xy)[0])
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("method", METHODS)
def test_a_state_is_plain_arrays_that_can_be_saved(method, tmp_path):
    image, xy = texture(), grid()
    flow = method()
    before, after = flow.prepare(image), flow.prepare(warped(image, MOTIONS["zoom"]))
    np.savez(tmp_path / "state.npz", *before)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as saved:
        restored = tuple(saved[name] for name in saved.files)
    for a, b in zip(flow.move(before, after, xy), method().move(restored, after, xy), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "size", [(1, 1), (2, 3), (16, 16), (200, 16), (16, 200), (13, 640), (2000, 1)]
)
def test_tiny_and_thin_images_are_handled(method, size):
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    flow = method(scale=1.0)
    xy = np.array([[0, 0], [size[0] - 1, size[1] - 1], [size[0], 0]], np.float32)
    moved, valid = move(flow, image, image, xy)
    assert not valid[2]
    assert np.abs(moved[valid] - xy[valid]).max(initial=0) < 1


@pytest.mark.parametrize("method", [DisFlow, LucasKanadeFlow])
def test_the_round_trip_drops_points_that_were_hidden(method):
    image = texture()
    second = image.copy()
    second[50:110, 90:150] = texture((60, 60), seed=5)  # something else moved in front
    xy = np.concatenate([grid(), [[105, 65], [120, 80], [135, 95]]]).astype(np.float32)
    hidden = ((xy > (95, 55)) & (xy < (145, 105))).all(axis=1)
    away = ((xy < (70, 30)) | (xy > (170, 130))).any(axis=1)
    moved, valid = move(method(max_round_trip=1.0), image, second, xy)
    assert valid[away].all()
    assert valid[hidden].mean() < 0.3
    assert np.isnan(moved[hidden & ~valid]).all()
    _, unchecked = move(method(max_round_trip=None), image, second, xy)
    assert unchecked[hidden].mean() > 0.9


@pytest.mark.parametrize("method", [DisFlow, FarnebackFlow, LucasKanadeFlow])
def test_a_window_around_the_points_is_as_exact_as_the_whole_image(method):
    image = texture((480, 320))
    motion = cv2.getRotationMatrix2D((240, 160), 2.5, 1.0)
    xy = grid((480, 320))
    xy = xy[(xy[:, 0] > 200) & (xy[:, 0] < 300) & (xy[:, 1] > 100) & (xy[:, 1] < 200)]
    truth = xy @ motion[:, :2].T + motion[:, 2]
    errors = []
    for margin in (0.1, None):
        moved, valid = move(method(margin=margin), image, warped(image, motion), xy)
        assert valid.all()
        errors.append(np.median(np.linalg.norm(moved - truth, axis=1)))
    assert errors[0] < errors[1] + 0.1


def test_a_small_window_leaves_the_settings_of_dis_as_they_were():
    image, xy = texture((640, 360)), grid((640, 360))
    second = warped(image, MOTIONS["shift"])
    flow = DisFlow(finest_scale=1, margin=0.0)
    move(flow, image, second, xy[:1])
    got = (flow._dis.getFinestScale(), flow._dis.getPatchSize(), flow._dis.getPatchStride())
    assert got == (1, 8, 4)


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
    st.floats(0, 0.5),
    st.integers(1, 200),
)
def test_a_window_holds_its_points_lies_in_the_image_and_is_large_enough(
    shape, places, margin, min_side
):
    xy = (np.array(places) * (shape[1] - 1, shape[0] - 1)).astype(np.float32)
    for axis, (span, limit) in enumerate(
        zip(window(xy, shape, margin, min_side), shape, strict=True)
    ):
        assert 0 <= span.start < span.stop <= limit
        assert span.stop - span.start >= min(min_side, limit)
        assert span.start <= xy[:, 1 - axis].min()
        assert xy[:, 1 - axis].max() <= span.stop - 1


def test_dis_is_indifferent_to_a_change_of_brightness():
    image, xy = texture() // 2 + 40, grid()
    second = warped(image, MOTIONS["shift"]) + np.uint8(20)
    moved, _ = move(DisFlow(), image, second, xy)
    assert np.median(np.linalg.norm(moved - xy - MOTIONS["shift"][:, 2], axis=1)) < 0.15


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 0}, "scale in"),
        ({"scale": 1.5}, "scale in"),
        ({"finest_scale": -1}, "finest_scale"),
        ({"patch_size": 2}, "patch_size"),
        ({"patch_stride": 9}, "patch_stride"),
        ({"iterations": 0}, "iterations"),
        ({"refinement": -1}, "refinement"),
    ],
)
def test_dis_refuses_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        DisFlow(**settings)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_refuses_an_impossible_scale(method):
    with pytest.raises(ValueError, match="scale in"):
        method(scale=-0.5)


def test_opencv_without_contrib_is_said_with_the_way_out(monkeypatch):
    monkeypatch.delattr(shared_points.cv2, "optflow", raising=False)
    with pytest.raises(ModuleNotFoundError, match="opencv-contrib-python"):
        TvL1Flow()


def test_an_empty_contrib_module_left_by_another_opencv_counts_as_none(monkeypatch):
    monkeypatch.setattr(shared_points.cv2, "optflow", SimpleNamespace(), raising=False)
    with pytest.raises(ModuleNotFoundError, match="opencv-contrib-python"):
        TvL1Flow()


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.one_of(st.none(), st.floats(0.01, 1)),
)
def test_points_come_back_from_the_working_size(size, scale):
    width, height = working_size(size, scale)
    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]
    corners = np.array([[-0.5, -0.5], [size[0] - 0.5, size[1] - 0.5], [size[0] / 3, size[1] / 7]])
    working = to_working(corners, (height, width), np.array(size))
    # The image's outer edges are the reduced image's outer edges.
    np.testing.assert_allclose(working[1], (width - 0.5, height - 0.5), rtol=1e-6)
    np.testing.assert_allclose(
        to_image(working, (height, width), np.array(size)), corners, rtol=1e-5, atol=1e-3
    )


def test_shrinking_keeps_a_ramp_in_place():
    ramp = np.tile(np.arange(0, 250, dtype=np.float32)[None], (100, 1)).astype(np.uint8)
    for width in (125, 90, 61, 30):
        small = shrink(ramp, (width, 40))
        # The pixel at column x of the reduced image shows what lies at its place in the ramp.
        expected = (np.arange(width) + 0.5) * 250 / width - 0.5
        np.testing.assert_allclose(small[20, 2:-2], expected[2:-2], atol=1.6)


def test_small_images_are_not_enlarged():
    pixels, size = prepare_grey(texture((100, 60)), None)
    assert pixels.shape == (60, 100)
    assert size.tolist() == [100, 60]
