"""Samples from annotation files, and the crops made of them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.ops.crops import (
    IMAGENET_BGR_AS_TRAINED,
    IMAGENET_RGB,
    crop_matrices,
    normalise,
    transform_points,
)
from posetrack.skeletons import COCO_17, COCO_17_NECK, COCO_18, MPII_16, POSETRACK_17
from posetrack.training.augmentation import (
    Augmentation,
    Change,
    augment_matrix,
    draw,
    generator,
    half_body,
)
from posetrack.training.dataset import CropDataset, EpochBatches, centers_and_scales, loader
from posetrack.training.reading_coco import read_coco
from posetrack.training.reading_mpii import read_mpii


def cases(shared, name):
    with np.load(shared / "reference" / "nets" / "cases" / f"{name}.npz") as file:
        return dict(file)


def stand_in(image_id, height, width):
    cells = np.random.default_rng(image_id).integers(0, 256, (-(-height // 8), -(-width // 8), 3))
    return np.kron(cells, np.ones((8, 8, 1))).astype(np.uint8)[:height, :width]


@pytest.fixture
def coco_stand_ins(shared, tmp_path):
    """The recorded case: annotations of two images, with pictures made by a formula."""
    document = json.loads((shared / "data/coco/test_coco.json").read_text())
    document["images"] = [row for row in document["images"] if row["id"] in (785, 197388)]
    document["images"].sort(key=lambda row: row["id"])
    document["annotations"] = [
        row for row in document["annotations"] if row["image_id"] in (785, 197388)
    ]
    for row in document["images"]:
        row["file_name"] = f"{row['id']}.png"
        cv2.imwrite(
            str(tmp_path / row["file_name"]), stand_in(row["id"], row["height"], row["width"])
        )
    (tmp_path / "people.json").write_text(json.dumps(document))
    return read_coco(tmp_path / "people.json", tmp_path)


class TestParityWithTheAuthors:
    @pytest.mark.parametrize("size", [(192, 256), (288, 384)])
    def test_coco_people_are_the_same(self, shared, coco_stand_ins, size):
        case, name = cases(shared, "pipe_coco_dataset"), f"{size[0]}x{size[1]}"
        center, scale = centers_and_scales(coco_stand_ins, size)
        np.testing.assert_allclose(center, case[f"{name}_gt_center"], rtol=2e-7)
        np.testing.assert_allclose(scale, case[f"{name}_gt_scale"], rtol=2e-7)
        joints = np.nan_to_num(coco_stand_ins.xy)
        assert np.array_equal(joints, case[f"{name}_gt_joints_3d"][:, :, :2])
        assert np.array_equal(
            coco_stand_ins.labelled, case[f"{name}_gt_joints_3d_vis"][:, :, 0] > 0
        )

    @pytest.mark.parametrize("person", [0, 5])
    def test_coco_inputs_and_targets_are_the_same(self, shared, coco_stand_ins, person):
        case = cases(shared, "pipe_coco_dataset")
        data = CropDataset(coco_stand_ins, input_size=(192, 256), heatmap_size=(48, 64))
        batch = data[0, person]
        for prefix, colours in (("ms", IMAGENET_BGR_AS_TRAINED), ("hrnet", IMAGENET_RGB)):
            name = f"{prefix}_192x256_sample{person}_input"
            pixels = normalise(batch.crops.numpy(), colours)[0]
            means = pixels.mean(axis=(1, 2))
            np.testing.assert_allclose(means, case[f"{name}_mean"], atol=2e-3)
            # Recorded with OpenCV 4, whose positions are rounded: up to 5 grey levels off.
            away = np.abs(pixels[:, ::8, ::8] - case[f"{name}_stride8"])
            assert away.max() < 6 / 255 / 0.224
        np.testing.assert_allclose(
            batch.targets[0].numpy(), case[f"sample{person}_target"], rtol=0, atol=1e-6
        )
        assert np.array_equal(batch.weights[0].numpy(), case[f"sample{person}_target_weight"][:, 0])

    def test_mpii_people_are_the_same(self, shared, tmp_path):
        case = cases(shared, "pipe_mpii")
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
        rows = [
            {
                "image": "a.png",
                "center": case["ann_center"][i].tolist(),
                "scale": float(case["ann_scale"][i]),
                "joints": case["ann_joints"][i].tolist(),
                "joints_vis": case["ann_joints_vis"][i].tolist(),
            }
            for i in range(len(case["ann_scale"]))
        ]
        (tmp_path / "mpii.json").write_text(json.dumps(rows))
        people = read_mpii(tmp_path / "mpii.json", tmp_path)
        scales = case["db_scale"].reshape(-1, 2) if case["db_scale"].size == 24 else None
        center, scale = centers_and_scales(people, (256, 256))
        np.testing.assert_allclose(center, case["db_center"], rtol=1e-12)
        wanted = scales if scales is not None else case["db_scale"][:, None].repeat(2, 1)
        np.testing.assert_allclose(scale, wanted, rtol=1e-12)
        visible = case["db_joints_3d_vis"][:, :, 0] > 0
        assert np.array_equal(people.labelled, visible)
        wanted = case["db_joints_3d"][:, :, :2][visible]
        np.testing.assert_allclose(people.xy[visible], wanted, rtol=1e-12)

    @pytest.mark.parametrize(("data", "skeleton"), [("coco", COCO_17), ("mpii", MPII_16)])
    def test_mirrored_keypoints_are_the_same(self, shared, data, skeleton):
        case = cases(shared, "pipe_fliplr_joints")
        order = np.array(skeleton.mirror_order)
        seen = case[f"{data}_vis"][order, 0]
        xy = case[f"{data}_joints"][order, :2] * (-1, 1) + (int(case["image_width"]) - 1, 0)
        xy = np.where(seen[:, None] > 0, xy, 0)
        np.testing.assert_allclose(xy, case[f"{data}_joints_out"][:, :2], rtol=1e-12)
        assert np.array_equal(seen, case[f"{data}_vis_out"][:, 0])


class TestReading:
    def test_real_files_of_three_data_sets_are_read(self, shared):
        data = shared / "data"
        coco = read_coco(data / "coco/test_coco.json", data / "coco")
        mpii = read_mpii(data / "mpii/test_mpii.json", data / "mpii")
        track = read_coco(data / "posetrack18/annotations/val", data / "posetrack18")
        assert (len(coco), coco.skeleton, coco.left_out) == (12, COCO_17, 2)
        assert (len(mpii), mpii.skeleton) == (5, MPII_16)
        assert track.skeleton == POSETRACK_17
        merged = data / "posetrack18/annotations/test_posetrack18_val.json"
        assert len(read_coco(merged, data / "posetrack18")) == len(track) > 10

    def test_keypoints_are_mapped_by_name(self, shared):
        data = shared / "data/coco"
        for skeleton in (COCO_18, COCO_17_NECK):
            people = read_coco(data / "test_coco.json", data, skeleton=skeleton)
            neck = people.xy[0, skeleton.index("neck")]
            shoulders = read_coco(data / "test_coco.json", data).xy[0, 5:7]
            np.testing.assert_allclose(neck, shoulders.mean(axis=0), rtol=1e-6)
            assert people.xy[0, skeleton.index("left_wrist")].tolist() == [449, 165]

    def test_crowdpose_names_its_own_keypoints(self, tmp_path):
        names = ["left_shoulder", "right_shoulder", "left elbow", "head", "neck"]
        document = {
            "images": [{"id": 1, "file_name": "a.png", "width": 50, "height": 50,
                        "crowdIndex": 0.5}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 30],
                             "keypoints": [5, 6, 2, 7, 8, 1, 9, 9, 2, 0, 0, 0, 3, 3, 2]}],
            "categories": [{"id": 1, "name": "person", "keypoints": names}],
        }  # fmt: skip
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((50, 50, 3), np.uint8))
        (tmp_path / "crowd.json").write_text(json.dumps(document))
        people = read_coco(tmp_path / "crowd.json", tmp_path)
        assert people.skeleton.keypoints[2] == "left_elbow"
        assert people.skeleton.mirrored == (("left_shoulder", "right_shoulder"),)
        as_coco = read_coco(tmp_path / "crowd.json", tmp_path, skeleton=COCO_17)
        assert as_coco.labelled[0].sum() == 3

    def test_what_is_broken_is_named_and_counted_and_refused_or_skipped(self, shared, tmp_path):
        document = json.loads((shared / "data/coco/test_coco.json").read_text())
        rows = document["annotations"]
        rows[0]["keypoints"] = rows[0]["keypoints"][:-1]
        rows[1]["bbox"] = [1, 2, float(3), -4]
        rows[2]["image_id"] = 12345
        rows[4]["keypoints"][2] = 7
        rows[5]["keypoints"] = "all of them"
        rows[7]["keypoints"][0] = None
        document["images"].append({"id": 1, "file_name": "gone.jpg"})
        document["images"].append({"id": 2, "file_name": "../../etc/passwd"})
        rows.append(3)
        path = tmp_path / "broken.json"
        path.write_text(json.dumps(document))
        with pytest.raises(ValueError, match=r"1 times a bbox .*--broken skip"):
            read_coco(path, shared / "data/coco")
        people = read_coco(path, shared / "data/coco", broken="skip")
        assert len(people.problems) == 9
        assert len(people) == 12 - 6
        assert "annotation 442619" in {problem.where for problem in people.problems}

    def test_broken_mpii_people_are_named(self, shared, tmp_path):
        rows = json.loads((shared / "data/mpii/test_mpii.json").read_text())
        rows[1]["joints"] = rows[1]["joints"][:3]
        del rows[2]["image"]
        rows[3]["scale"] = -1
        path = tmp_path / "mpii.json"
        path.write_text(json.dumps(rows))
        with pytest.raises(ValueError, match=r"person 1.*person 2"):
            read_mpii(path, shared / "data/mpii")
        people = read_mpii(path, shared / "data/mpii", broken="skip")
        assert (len(people), len(people.problems)) == (2, 3)

    def test_an_unreadable_image_is_named(self, shared, tmp_path):
        (tmp_path / "005808361.jpg").write_text("no image")
        rows = json.loads((shared / "data/mpii/test_mpii.json").read_text())[:1]
        (tmp_path / "mpii.json").write_text(json.dumps(rows))
        people = read_mpii(tmp_path / "mpii.json", tmp_path)
        data = CropDataset(people, input_size=(64, 64), heatmap_size=(16, 16))
        with pytest.raises(ValueError, match=r"005808361\.jpg: not an image"):
            data[0, 0]


class TestAugmentation:
    def test_the_normal_law_keeps_its_bounds_and_its_share_of_unturned(self):
        drawn = [draw(Augmentation(), generator(0, 0, i)) for i in range(3000)]
        factors = np.array([change.factor for change in drawn])
        angles = np.array([change.rotation for change in drawn])
        assert 0.7 <= factors.min() < 0.71 < 1.29 < factors.max() <= 1.3
        assert 60 < np.abs(angles).max() <= 80
        assert (angles == 0).mean() == pytest.approx(0.4, abs=0.03)
        assert np.mean([c.mirrored for c in drawn]) == pytest.approx(0.5, abs=0.03)

    def test_the_uniform_law_keeps_hard_bounds(self):
        law = Augmentation(distribution="uniform")
        drawn = [draw(law, generator(0, 0, i)) for i in range(1000)]
        assert 39 < max(abs(change.rotation) for change in drawn) <= 40

    @settings(max_examples=40)
    @given(
        factor=st.floats(0.7, 1.3),
        angle=st.floats(-80, 80),
        mirrored=st.booleans(),
        width=st.integers(40, 200),
    )
    def test_one_matrix_equals_mirroring_first(self, factor, angle, mirrored, width):
        center, scale = np.array([33.0, 21.0]), np.array([0.3, 0.4])
        change = Change(factor, angle, mirrored)
        matrix = augment_matrix(center, scale, (96, 128), change, image_width=width)
        xy = np.array([[3.0, 4.0], [30.0, 50.0]])
        first = xy * (-1, 1) + (width - 1, 0) if mirrored else xy
        middle = center * (-1, 1) + (width - 1, 0) if mirrored else center
        by_steps = crop_matrices(middle[None], scale[None] * factor, (96, 128), rotation=angle)
        np.testing.assert_allclose(
            transform_points(matrix[None], xy[None]),
            transform_points(by_steps, first[None]),
            atol=1e-9,
        )

    def test_pixels_move_with_keypoints(self, tmp_path):
        """A white dot at each keypoint is under the keypoint's Gaussian after any change."""
        image = np.zeros((120, 160, 3), np.uint8)
        xy = np.array([[40, 30], [100, 30], [60, 90]])
        for x, y in xy:
            cv2.circle(image, (int(x), int(y)), 4, (255, 255, 255), -1)
        cv2.imwrite(str(tmp_path / "a.png"), image)
        document = {
            "images": [{"id": 1, "file_name": "a.png", "width": 160, "height": 120}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 20, 80, 80],
                             "keypoints": [v for p in xy.tolist() for v in (*p, 2)]}],
            "categories": [{"id": 1, "keypoints": ["left_ear", "right_ear", "nose"]}],
        }  # fmt: skip
        (tmp_path / "a.json").write_text(json.dumps(document))
        people = read_coco(tmp_path / "a.json", tmp_path)
        data = CropDataset(
            people, input_size=(96, 128), heatmap_size=(24, 32), augmentation=Augmentation()
        )
        mirrored = 0
        for epoch in range(20):
            batch = data[epoch, 0]
            for heatmap, weight in zip(batch.targets[0].numpy(), batch.weights[0], strict=True):
                y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
                if weight and 1 < x < 22 and 1 < y < 30:
                    assert batch.crops[0, 4 * y - 4 : 4 * y + 5, 4 * x - 4 : 4 * x + 5].max() > 200
        turned_off = Augmentation(rotation=0.0)
        data = CropDataset(
            people, input_size=(96, 128), heatmap_size=(24, 32), augmentation=turned_off
        )
        for epoch in range(20):
            maps = data[epoch, 0].targets[0].numpy()
            left, right, nose = (heatmap.max(axis=0).argmax() for heatmap in maps)
            assert left < right  # names are swapped with the sides
            mirrored += nose - left > right - nose
        assert 0 < mirrored < 20

    def test_half_bodies_show_one_half(self):
        body = np.stack([np.arange(17.0), np.arange(17.0) * 2], axis=1)
        seen = {half_body(body, COCO_17, (64, 64), generator(0, 0, i))[0][0] for i in range(20)}
        assert seen == {5.0, 13.5}
        body[3:] = np.nan
        assert half_body(body[:, :], COCO_17, (64, 64), generator(0, 0, 0))[0][0] == 1.0
        body[1:] = np.nan
        assert half_body(body, COCO_17, (64, 64), generator(0, 0, 0)) is None


# On a single core torch advises against workers.
@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")
def test_crops_do_not_depend_on_workers_or_on_what_came_before(shared):
    data = shared / "data/coco"
    people = read_coco(data / "test_coco.json", data)
    crops = CropDataset(
        people,
        input_size=(48, 64),
        heatmap_size=(12, 16),
        augmentation=Augmentation(half_body=0.5),
        seed=3,
    )

    def epoch(workers, number):
        batches = EpochBatches(len(people), 5, seed=3)
        batches.epoch = number
        return list(loader(crops, batches, workers=workers))

    here, there = epoch(0, 2), epoch(2, 2)
    for first, second in zip(here, there, strict=True):
        assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert not (epoch(0, 3)[0].rows == here[0].rows).all()


@settings(max_examples=50)
@given(count=st.integers(1, 40), share=st.integers(1, 4), world=st.integers(1, 3))
def test_processes_share_each_batch_without_overlap(count, share, world):
    parts = [
        list(EpochBatches(count, share * world, rank=rank, world=world)) for rank in range(world)
    ]
    alone = list(EpochBatches(count, share * world))
    for pieces, whole in zip(zip(*parts, strict=True), alone, strict=False):
        assert [key for piece in pieces for key in piece] == whole
        assert all(pieces)
    assert len(alone) - len(parts[0]) in (0, 1)


def test_annotations_of_a_photo_shown_upright_lie_on_its_pixels_as_stored(shared):
    folder = shared / "cases" / "exif"
    people = read_coco(folder / "upright.json", folder)
    assert people.xy[0, 0].tolist() == [400, 50]
    assert people.boxes is not None
    assert people.boxes[0].tolist() == [350, 1, 449, 100]


def test_a_category_may_be_written_with_a_point_and_one_that_is_absent_is_named(shared, tmp_path):
    folder = shared / "cases" / "coco_training"
    assert len(read_coco(folder / "float.json", folder)) == 1
    document = json.loads((folder / "float.json").read_text())
    document["annotations"][0]["category_id"] = 3
    (tmp_path / "absent.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"absent\.json: .*category 3, which is not there"):
        read_coco(tmp_path / "absent.json", folder)
    document["annotations"][0]["category_id"] = 1
    document["images"][0]["width"] = 99
    (tmp_path / "size.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"size\.json: .*whose size is not that of its file"):
        read_coco(tmp_path / "size.json", folder)
