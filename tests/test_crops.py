from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.ops.crops import (
    IMAGENET_BGR_AS_TRAINED,
    IMAGENET_RGB,
    UNIT,
    Normalisation,
    box_to_center_scale,
    crop_matrices,
    crop_people,
    heatmap_to_image,
    inverse_affine,
    normalise,
    transform_points,
)

CV = "crop_cv5" if int(cv2.__version__.split(".")[0]) >= 5 else "crop_cv4"

centers = st.tuples(st.floats(-1000, 3000), st.floats(-1000, 3000))
widths = st.floats(0.02, 20)


def cases(shared, name):
    return np.load(shared / "reference" / "nets" / "cases" / f"{name}.npz")


def assert_as_recorded(crops, recorded):
    """The same bytes; with OpenCV 5, whose sums depend on release and processor, to a level."""
    if CV == "crop_cv4":
        assert np.array_equal(crops, recorded)
    differences = np.abs(crops.astype(int) - recorded)
    assert differences.max(initial=0) <= 1
    assert np.count_nonzero(differences) <= 0.001 * differences.size


def xyxy_of(xywh):
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def synthetic_image():
    cells = np.random.default_rng(100).integers(0, 256, (30, 40, 3))
    return np.kron(cells, np.ones((8, 8, 1))).astype(np.uint8)


class TestParityWithTheAuthors:
    @pytest.mark.parametrize("size", [(192, 256), (288, 384), (256, 256)])
    def test_center_and_scale_agree(self, shared, size):
        case = cases(shared, "pipe_box_to_center_scale")
        center, scale = box_to_center_scale(xyxy_of(case["boxes_xywh"]), input_size=size)
        name = f"{size[0]}x{size[1]}"
        assert center.dtype == scale.dtype == np.float32
        # xywh -> xyxy -> xywh may cost the last bit of float64, hence of float32 at worst.
        np.testing.assert_allclose(center, case[f"center_{name}"], rtol=1.2e-7)
        np.testing.assert_allclose(scale, case[f"scale_{name}"], rtol=1.2e-7)

    def test_matrices_agree(self, shared):
        case = cases(shared, "pipe_affine")
        for i in range(len(case["center"])):
            matrix = crop_matrices(
                case["center"][i : i + 1],
                case["scale"][i : i + 1],
                tuple(case["output_size_wh"][i]),
                rotation=case["rot_degrees"][i],
                shift=case["shift"][i],
            )
            largest = np.abs(case["trans"][i]).max()
            np.testing.assert_allclose(matrix[0], case["trans"][i], rtol=0, atol=1e-6 * largest)
            inverse = inverse_affine(matrix)[0]
            largest = np.abs(case["trans_inv"][i]).max()
            np.testing.assert_allclose(inverse, case["trans_inv"][i], rtol=0, atol=1e-6 * largest)
            moved = transform_points(matrix, case["points"][i : i + 1])[0]
            np.testing.assert_allclose(moved, case["points_through_trans"][i], rtol=1e-5, atol=2e-4)

    def test_many_rotations_and_shifts_at_once_agree_with_one_by_one(self):
        rng = np.random.default_rng(3)
        center, scale = rng.uniform(0, 500, (6, 2)), rng.uniform(0.5, 3, (6, 2))
        turns, shifts = rng.uniform(-90, 90, 6), rng.uniform(-0.1, 0.1, (6, 2))
        together = crop_matrices(center, scale, (48, 64), rotation=turns, shift=shifts)
        for i in range(6):
            alone = crop_matrices(
                center[i : i + 1], scale[i : i + 1], (48, 64), rotation=turns[i], shift=shifts[i]
            )
            np.testing.assert_allclose(together[i], alone[0], rtol=1e-13)

    def test_crops_agree_to_the_byte(self, shared):
        case = cases(shared, "pipe_crop_synthetic")
        assert_as_recorded(crop_people(synthetic_image(), case["trans"], (192, 256)), case[CV])

    def test_crops_of_a_photo_agree_to_the_byte(self, shared):
        case = cases(shared, "pipe_crop_000000000785")
        image = cv2.imread(str(shared / "reference" / "nets" / "images" / "000000000785.jpg"))
        known = "5b9a24ebeead9abd8cf08961d4c2324da15dbf48ed1ae03ab4d7181a4ee464bd"
        if hashlib.sha256(image.tobytes()).hexdigest() != known:
            pytest.skip("this JPEG decoder gives other bytes than the recorded one")
        assert_as_recorded(crop_people(image, case["trans"], (192, 256)), case[CV])

    @pytest.mark.parametrize("name", ["pipe_crop_synthetic", "pipe_crop_000000000785"])
    def test_crops_from_boxes_agree_to_a_grey_level(self, shared, name):
        case = cases(shared, name)
        image = (
            synthetic_image()
            if name.endswith("synthetic")
            else cv2.imread(str(shared / "reference" / "nets" / "images" / "000000000785.jpg"))
        )
        boxes = xyxy_of(case["boxes_xywh"])[case["box_index"]]
        center, scale = box_to_center_scale(boxes, input_size=(192, 256))
        matrices = crop_matrices(center, scale, (192, 256), rotation=case["rot_degrees"])
        difference = np.abs(crop_people(image, matrices, (192, 256)).astype(int) - case[CV])
        # The authors solve for the matrix in float32; roundings at exact halves may differ.
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3

    @pytest.mark.parametrize(
        ("prefix", "size", "normalisation"),
        [
            ("ms_192x256", (192, 256), IMAGENET_BGR_AS_TRAINED),
            ("hrnet_192x256", (192, 256), IMAGENET_RGB),
        ],
    )
    def test_network_inputs_agree(self, shared, prefix, size, normalisation):
        case = cases(shared, "pipe_coco_dataset")
        # Stand-in pictures of the two images, as the case's description gives them.
        for sample, image_id, (height, width) in [(0, 785, (425, 640)), (5, 197388, (392, 640))]:
            cells = np.random.default_rng(image_id).integers(
                0, 256, (-(-height // 8), -(-width // 8), 3)
            )
            image = np.kron(cells, np.ones((8, 8, 1)))[:height, :width].astype(np.uint8)
            name = f"{size[0]}x{size[1]}_gt"
            matrices = crop_matrices(
                case[f"{name}_center"][[sample]], case[f"{name}_scale"][[sample]], size
            )
            batch = normalise(crop_people(image, matrices, size), normalisation)
            wanted = case[f"{prefix}_sample{sample}_input_stride8"]
            # Recorded with OpenCV 4, whose positions are rounded; few pixels differ visibly.
            close = np.abs(batch[0, :, ::8, ::8] - wanted) < 3.5 / 255 / 0.22
            assert close.mean() > 0.97
            means = case[f"{prefix}_sample{sample}_input_mean"]
            np.testing.assert_allclose(batch[0].mean(axis=(1, 2)), means, atol=2e-3)

    @pytest.mark.parametrize("name", ["192x256", "256x256"])
    def test_keypoints_on_the_image_agree(self, shared, name):
        case = cases(shared, "pipe_decode")
        maps = case[f"{name}_heatmaps"]
        xy = heatmap_to_image(
            case[f"{name}_max_preds"],
            case[f"{name}_center"],
            case[f"{name}_scale"],
            (maps.shape[3], maps.shape[2]),
        )
        wanted = case[f"{name}_final_preds_no_post_process"]
        assert xy.dtype == np.float32
        np.testing.assert_allclose(xy, wanted, rtol=1e-6, atol=1e-4)


class TestBoxes:
    def test_center_at_minus_one_is_not_padded(self):
        _, scale = box_to_center_scale(
            [[-49, 0, 47, 128], [-50, 0, 46, 128]], input_size=(192, 256)
        )
        np.testing.assert_allclose(scale, [[0.48, 0.64], [0.6, 0.8]], rtol=1e-6)

    @pytest.mark.parametrize("box", [[0, 0, 40, 10], [0, 0, 10, 40], [3, 4, 33, 44]])
    def test_crop_has_the_shape_of_the_input_and_holds_the_box(self, box):
        center, scale = box_to_center_scale([box], input_size=(192, 256))
        assert scale[0, 0] / scale[0, 1] == pytest.approx(0.75, rel=1e-6)
        corners = np.array(box, float).reshape(1, 2, 2)
        inside = transform_points(crop_matrices(center, scale, (192, 256)), corners)
        assert (inside >= 0).all()
        assert (inside <= [192, 256]).all()

    def test_box_without_size_does_no_harm(self):
        center, scale = box_to_center_scale([[5, 5, 5, 5]], input_size=(192, 256))
        matrices = crop_matrices(center, scale, (192, 256))
        assert np.isfinite(matrices).all()
        assert crop_people(synthetic_image(), matrices, (192, 256)).shape == (1, 256, 192, 3)
        xy = heatmap_to_image(np.zeros((1, 17, 2)), center, scale, (48, 64))
        assert np.abs(xy - 5).max() < 1


class TestAffine:
    @given(st.lists(centers, min_size=1, max_size=5), widths, st.floats(-360, 360))
    def test_crop_and_back_is_the_identity(self, rows, width, turn):
        center = np.array(rows)
        scale = np.tile([width, width * 4 / 3], (len(rows), 1))
        matrices = crop_matrices(center, scale, (192, 256), rotation=turn)
        xy = np.random.default_rng(0).uniform(-500, 2000, (len(rows), 3, 2))
        back = transform_points(inverse_affine(matrices), transform_points(matrices, xy))
        np.testing.assert_allclose(back, xy, atol=1e-7)

    @given(st.lists(centers, min_size=1, max_size=5), widths)
    def test_heatmap_to_image_undoes_the_crop(self, rows, width):
        center = np.array(rows)
        scale = np.tile([width, width * 4 / 3], (len(rows), 1))
        xy = np.random.default_rng(0).uniform(-500, 2000, (len(rows), 3, 2))
        cells = transform_points(crop_matrices(center, scale, (48, 64)), xy)
        back = heatmap_to_image(cells, center, scale, (48, 64))
        np.testing.assert_allclose(back, xy, rtol=1e-6, atol=1e-3)

    @given(centers, widths, st.floats(-360, 360))
    def test_center_goes_to_the_middle(self, center, width, turn):
        matrices = crop_matrices([center], [[width, width]], (192, 256), rotation=turn)
        middle = transform_points(matrices, [[center]])
        np.testing.assert_allclose(middle, [[[96, 128]]], atol=1e-6)

    def test_rotation_turns_what_lies_right_of_the_center_upwards(self):
        matrices = crop_matrices([[100, 100]], [[0.5, 0.5]], (100, 100), rotation=90)
        np.testing.assert_allclose(
            transform_points(matrices, [[[120, 100]]]), [[[50, 30]]], atol=1e-9
        )

    def test_nan_points_stay_nan(self):
        matrices = crop_matrices([[1, 2]], [[1, 1]], (8, 8))
        assert np.isnan(transform_points(matrices, [[[np.nan, np.nan]]])).all()
        assert np.isnan(heatmap_to_image([[[np.nan, np.nan]]], [[1, 2]], [[1, 1]], (8, 8))).all()

    def test_matrix_without_inverse_is_refused(self):
        with pytest.raises(ValueError, match="matrix 1 cannot be inverted"):
            inverse_affine([[[1, 0, 0], [0, 1, 0]], [[1, 1, 0], [1, 1, 0]]])


class TestCropping:
    def test_identity_gives_the_image_back_and_black_outside(self):
        image = synthetic_image()
        crop = crop_people(image, [[[1, 0, 0], [0, 1, 0]]], (330, 250))[0]
        assert np.array_equal(crop[:240, :320], image)
        assert not crop[240:].any()
        assert not crop[:, 320:].any()

    def test_each_row_is_the_crop_of_its_matrix(self):
        image = synthetic_image()
        matrices = crop_matrices([[50, 60], [200, 100]], [[0.3, 0.4], [0.5, 0.6]], (48, 64))
        both = crop_people(image, matrices, (48, 64))
        for crop, matrix in zip(both, matrices, strict=True):
            assert np.array_equal(crop, crop_people(image, matrix[None], (48, 64))[0])

    def test_views_of_images_are_cropped_right(self):
        image = synthetic_image()
        matrices = crop_matrices([[50, 60]], [[0.3, 0.4]], (48, 64))
        view = image[:, ::-1]
        wanted = crop_people(np.ascontiguousarray(view), matrices, (48, 64))
        assert np.array_equal(crop_people(view, matrices, (48, 64)), wanted)


class TestNormalisation:
    @pytest.mark.parametrize("normalisation", [IMAGENET_RGB, IMAGENET_BGR_AS_TRAINED, UNIT])
    def test_agrees_with_the_formula(self, normalisation):
        crops = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
        channels = crops[..., ::-1] if normalisation.rgb else crops
        wanted = (channels / 255 - np.array(normalisation.mean)) / np.array(normalisation.std)
        batch = normalise(crops, normalisation)
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous
        np.testing.assert_allclose(batch, wanted.transpose(0, 3, 1, 2), atol=1e-6)

    def test_wrong_statistics_are_refused(self):
        with pytest.raises(ValueError, match="std positive"):
            Normalisation((0, 0, 0), (1, 0, 1), rgb=True)


class TestNobody:
    def test_everything_takes_no_people(self):
        center, scale = box_to_center_scale(np.zeros((0, 4)), input_size=(192, 256))
        assert center.shape == scale.shape == (0, 2)
        matrices = crop_matrices(center, scale, (192, 256))
        assert matrices.shape == inverse_affine(matrices).shape == (0, 2, 3)
        assert transform_points(matrices, np.zeros((0, 17, 2))).shape == (0, 17, 2)
        crops = crop_people(synthetic_image(), matrices, (192, 256))
        assert crops.shape == (0, 256, 192, 3)
        assert normalise(crops, UNIT).shape == (0, 3, 256, 192)
        assert heatmap_to_image(np.zeros((0, 17, 2)), center, scale, (48, 64)).shape == (0, 17, 2)


def test_inputs_are_unchanged_and_may_be_read_only():
    image, boxes = synthetic_image(), np.array([[10.0, 20, 60, 90]])
    keep = image.copy(), boxes.copy()
    image.flags.writeable = boxes.flags.writeable = False
    center, scale = box_to_center_scale(boxes, input_size=(48, 64))
    crops = crop_people(image, crop_matrices(center, scale, (48, 64)), (48, 64))
    crops.flags.writeable = False
    normalise(crops, UNIT)
    assert np.array_equal(image, keep[0])
    assert np.array_equal(boxes, keep[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: box_to_center_scale([[1, 2, 3]], input_size=(1, 1)), r"\(N, 4\)"),
        (lambda: box_to_center_scale([[1, 2, 3, 4]], input_size=(0, 1)), "positive"),
        (lambda: box_to_center_scale([[1, 2, 3, 4]], input_size=(2, 1), padding=0), "padding"),
        (lambda: crop_matrices([[1, 2, 3]], [[1, 1]], (1, 1)), "center must"),
        (lambda: crop_matrices([[1, 2]], [[1, 1], [1, 1]], (1, 1)), "1 centres but 2 scales"),
        (lambda: transform_points(np.zeros((1, 3, 3)), np.zeros((1, 1, 2))), r"\(N, 2, 3\)"),
        (lambda: transform_points(np.zeros((1, 2, 3)), np.zeros((2, 1, 2))), r"\(1, K, 2\)"),
        (lambda: crop_people(np.zeros((4, 4), np.uint8), np.zeros((1, 2, 3)), (2, 2)), "H, W, 3"),
        (lambda: normalise(np.zeros((1, 4, 4, 3)), UNIT), "uint8"),
        (lambda: heatmap_to_image(np.zeros((1, 2)), [[1, 1]], [[1, 1]], (2, 2)), "K, 2"),
    ],
)
def test_wrong_shapes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
