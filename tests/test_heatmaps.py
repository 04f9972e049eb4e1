from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.ops.crops import heatmap_to_image
from posetrack.ops.heatmaps import average_flipped, decode_argmax, decode_dark, decode_quarter

DECODERS = [decode_argmax, decode_quarter, decode_dark]


def cases(shared, name):
    return np.load(shared / "reference" / "nets" / "cases" / f"{name}.npz")


def planted(x, y, *, sigma=2.0, size=(48, 64)):
    """One map with a Gaussian at (x, y)."""
    columns, rows = np.arange(size[0]), np.arange(size[1])[:, None]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))[None, None]


class TestParity:
    @pytest.mark.parametrize("name", ["192x256", "256x256"])
    def test_arg_max_agrees_with_the_authors(self, shared, name):
        case = cases(shared, "pipe_decode")
        xy, scores = decode_argmax(case[f"{name}_heatmaps"])
        assert np.array_equal(xy, case[f"{name}_max_preds"])
        assert np.array_equal(scores, case[f"{name}_maxvals"][..., 0])

    @pytest.mark.parametrize("name", ["192x256", "256x256"])
    def test_quarter_shift_agrees_with_the_authors(self, shared, name):
        case = cases(shared, "pipe_decode")
        maps = case[f"{name}_heatmaps"]
        xy, scores = decode_quarter(maps)
        size = (maps.shape[3], maps.shape[2])
        image = heatmap_to_image(xy, case[f"{name}_center"], case[f"{name}_scale"], size)
        np.testing.assert_allclose(image, case[f"{name}_final_preds"], rtol=1e-6, atol=1e-4)
        assert np.array_equal(scores, case[f"{name}_maxvals"][..., 0])

    def test_dark_agrees_with_mmpose(self, shared):
        case = cases(shared, "pipe_mmpose")
        xy, scores = decode_dark(cases(shared, "pipe_decode")["192x256_heatmaps"])
        assert np.array_equal(scores, case["decode_dark_scores"])
        positive = scores > 0  # mmpose has (-1, -1) for the others, we (0, 0)
        assert (~positive).any()
        np.testing.assert_allclose(
            xy[positive] * 4, case["decode_dark_input_space"][positive], atol=2e-3
        )

    @pytest.mark.parametrize("dataset", ["coco", "mpii"])
    @pytest.mark.parametrize(
        ("shift", "name"), [(False, "averaged"), (True, "shifted_then_averaged")]
    )
    def test_flip_average_agrees_with_the_authors(self, shared, dataset, shift, name):
        case = cases(shared, "pipe_flip_test")
        output = case[f"{dataset}_output"]
        order = np.arange(output.shape[1])
        for left, right in case[f"{dataset}_pairs"]:
            order[left], order[right] = right, left
        mirrored = case[f"{dataset}_output_of_flipped_input"]
        average = average_flipped(output, mirrored, order, shift=shift)
        np.testing.assert_array_equal(average, case[f"{dataset}_{name}"])


class TestDecoding:
    @settings(max_examples=60)
    @given(st.floats(4, 43), st.floats(4, 59), st.sampled_from(DECODERS))
    def test_planted_gaussian_is_found_within_half_a_cell(self, x, y, decode):
        xy, scores = decode(planted(x, y))
        assert np.abs(xy[0, 0] - [x, y]).max() <= 0.5 + 1e-6
        assert 0.8 < scores[0, 0] <= 1

    @settings(max_examples=30)
    @given(st.floats(8, 39), st.floats(8, 55))
    def test_dark_finds_a_gaussian_to_a_few_hundredths_of_a_cell(self, x, y):
        assert np.abs(decode_dark(planted(x, y))[0][0, 0] - [x, y]).max() < 0.03

    @pytest.mark.parametrize(
        ("x", "y", "shifted"),
        [
            (1, 10, False),
            (2, 10, True),
            (45, 10, True),
            (46, 10, True),
            (47, 10, False),
            (10, 1, False),
            (10, 2, True),
            (10, 62, True),
            (10, 63, False),
            (1, 1, False),
        ],
    )
    def test_quarter_shift_leaves_peaks_at_the_border(self, x, y, shifted):
        maps = np.zeros((1, 1, 64, 48), np.float32)
        maps[0, 0, y, x] = 1
        for dx, dy in ((-1, 0), (0, -1)):
            maps[0, 0, y + dy, x + dx] = 0.5
        wanted = [x - 0.25, y - 0.25] if shifted else [x, y]
        assert decode_quarter(maps)[0][0, 0].tolist() == wanted

    def test_first_maximum_in_row_order_wins(self):
        maps = np.zeros((1, 1, 6, 8))
        for y, x in [(4, 1), (2, 6), (2, 5), (3, 0)]:
            maps[0, 0, y, x] = 2
        assert decode_argmax(maps)[0][0, 0].tolist() == [5, 2]

    @pytest.mark.parametrize("decode", DECODERS)
    @pytest.mark.parametrize("value", [0.0, -0.5])
    def test_maximum_that_is_not_positive_gives_the_origin(self, decode, value):
        xy, scores = decode(np.full((1, 1, 8, 6), value))
        assert xy.tolist() == [[[0, 0]]]
        assert scores.tolist() == [[value]]

    @pytest.mark.parametrize("decode", DECODERS)
    def test_map_of_nan_is_an_unseen_keypoint(self, decode):
        xy, scores = decode(np.full((1, 1, 8, 6), np.nan))
        assert np.isnan(xy).all()
        assert scores.tolist() == [[0]]

    @pytest.mark.parametrize("decode", DECODERS)
    def test_nan_cells_are_never_the_peak(self, decode):
        maps = planted(20, 30)
        maps[0, 0, 30, 21] = np.nan
        maps[0, 0, 5] = np.nan
        xy, _ = decode(maps)
        assert np.abs(xy - [20, 30]).max() <= 0.5

    @pytest.mark.parametrize("decode", DECODERS)
    def test_each_map_is_decoded_on_its_own(self, decode):
        maps = np.random.default_rng(0).normal(size=(3, 5, 17, 13)).astype(np.float32)
        xy, scores = decode(maps)
        for n in range(3):
            for k in range(5):
                one_xy, one_score = decode(maps[n : n + 1, k : k + 1])
                assert np.array_equal(one_xy[0, 0], xy[n, k])
                assert one_score[0, 0] == scores[n, k]

    @given(st.integers(1, 40), st.integers(1, 40))
    @settings(max_examples=25)
    def test_arg_max_is_numpys_for_any_size(self, height, width):
        maps = np.random.default_rng(height * 41 + width).integers(1, 9, (2, 2, height, width))
        xy, scores = decode_argmax(maps.astype(float))
        where = maps.reshape(2, 2, -1).argmax(axis=2)
        assert np.array_equal(xy[..., 0], where % width)
        assert np.array_equal(xy[..., 1], where // width)
        assert np.array_equal(scores, maps.max(axis=(2, 3)))

    @pytest.mark.parametrize("decode", DECODERS)
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_any_float_type_gives_float32(self, decode, dtype):
        xy, scores = decode(planted(20, 30).astype(dtype))
        assert xy.dtype == scores.dtype == np.float32
        assert np.abs(xy - [20, 30]).max() < 0.05

    @pytest.mark.parametrize("decode", DECODERS)
    def test_nobody_gives_nothing(self, decode):
        xy, scores = decode(np.zeros((0, 17, 64, 48), np.float32))
        assert xy.shape == (0, 17, 2)
        assert scores.shape == (0, 17)

    @pytest.mark.parametrize("decode", DECODERS)
    def test_inputs_are_unchanged_and_may_be_read_only(self, decode):
        maps = planted(20, 30).astype(np.float32)
        keep = maps.copy()
        maps.flags.writeable = False
        decode(maps)
        assert np.array_equal(maps, keep)

    @pytest.mark.parametrize("decode", DECODERS)
    @pytest.mark.parametrize("shape", [(17, 64, 48), (1, 17, 0, 48), (0,)])
    def test_wrong_shapes_are_named(self, decode, shape):
        with pytest.raises(ValueError, match=r"\(N, K, H, W\)"):
            decode(np.zeros(shape))

    def test_even_blur_is_refused(self):
        with pytest.raises(ValueError, match="odd"):
            decode_dark(planted(4, 4), blur_size=4)


class TestFlipAverage:
    def test_without_shift_an_exact_mirror_image_changes_nothing(self):
        output = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
        order = [0, 2, 1]
        mirrored = output[:, order, :, ::-1]
        average = average_flipped(output, mirrored, order, shift=False)
        assert np.array_equal(average, output)

    def test_inputs_are_unchanged(self):
        output, mirrored = np.random.default_rng(0).normal(size=(2, 2, 3, 5, 4)).astype(np.float32)
        keep = output.copy(), mirrored.copy()
        average_flipped(output, mirrored, [0, 2, 1])
        assert np.array_equal(output, keep[0])
        assert np.array_equal(mirrored, keep[1])

    def test_nobody_gives_nothing(self):
        empty = np.zeros((0, 3, 5, 4))
        assert average_flipped(empty, empty, [0, 2, 1]).shape == (0, 3, 5, 4)

    @pytest.mark.parametrize("order", [[0, 1], [0, 1, 3], [-1, 0, 1]])
    def test_wrong_order_is_named(self, order):
        with pytest.raises(ValueError, match="mirror_order"):
            average_flipped(np.zeros((1, 3, 5, 4)), np.zeros((1, 3, 5, 4)), order)

    def test_outputs_of_two_shapes_are_refused(self):
        with pytest.raises(ValueError, match="one shape"):
            average_flipped(np.zeros((1, 3, 5, 4)), np.zeros((2, 3, 5, 4)), [0, 1, 2])
