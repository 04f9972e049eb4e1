"""Training on whole images: what the network sees, that it learns, resumes, and can be used."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from posetrack.checkpoints.card import read_card
from posetrack.checkpoints.loading import load_network
from posetrack.cli import main
from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.posenet import PoseNetEstimator, posenet_input
from posetrack.estimators.trtpose import trtpose_input
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.ops.crops import IMAGENET_RGB, PLUS_MINUS_ONE
from posetrack.ops.paf import decode_paf
from posetrack.ops.posenet import decode_posenet
from posetrack.skeletons import COCO_17, COCO_17_NECK
from posetrack.structures import Poses
from posetrack.training import Augmentation, Recipe, read_coco, read_mpii, train
from posetrack.training.augmentation import NONE, Change
from posetrack.training.bottom_up_data import image_matrix, paf_fit, posenet_fit, rows_by_image
from posetrack.training.bottom_up_regions import cells_that_count, read_regions
from posetrack.training.bottom_up_tasks import PafTask, PoseNetTask, start_weights
from posetrack.training.bottom_up_validation import find_people, match_people, measure_people
from posetrack.training.dataset import read_image
from posetrack.training.validation import network_input


@pytest.fixture
def coco(shared):
    data = shared / "data/coco"
    return read_coco(data / "test_coco.json", data)


@pytest.fixture
def mpii(shared):
    data = shared / "data/mpii"
    return read_mpii(data / "test_mpii.json", data)


def small_posenet(people, stride=16, **settings):
    """A task, its network and data, for inputs of 9 x 9 cells."""
    size = (8 * stride + 1, 8 * stride + 1)
    task = PoseNetTask(people, size, stride, **settings)
    network = PoseNet(
        0.5, output_stride=stride, keypoints=len(people.skeleton), edges=len(task.edges)
    )
    return task, network


class TestWhatTheNetworkSees:
    def test_it_is_what_posenets_estimator_shows(self, coco):
        task, network = small_posenet(coco, augmentation=NONE)
        data = task.dataset(network, Recipe())
        for index, rows in enumerate(data.rows):
            image = read_image(coco, int(rows[0]))
            size = posenet_fit(
                image.shape[1], image.shape[0], input_size=task.input_size, output_stride=16
            )
            want = posenet_input(image, size)[0]
            shown = network_input(data[0, index].images, PLUS_MINUS_ONE)[0].numpy()
            away = np.abs(shown[:, : size[1], : size[0]] - want)[:, 1:-1, 1:-1]
            assert np.quantile(away, 0.98) < 0.03
            estimator = PoseNetEstimator(network, input_size=task.input_size, device="cpu")
            assert estimator._size(image.shape[1], image.shape[0]) == size

    def test_it_is_what_trt_poses_estimator_shows(self, coco):
        people = coco.map_to(COCO_17_NECK)
        task = PafTask(people, (128, 128), augmentation=NONE)
        data = task.dataset(TrtPose(channels=8), Recipe())
        for index, rows in enumerate(data.rows):
            batch, size = trtpose_input(read_image(coco, int(rows[0])), (128, 128))
            shown = network_input(data[0, index].images, IMAGENET_RGB)[0].numpy()
            assert_allclose(shown[:, : size[1], : size[0]], batch[0, :, : size[1], : size[0]],
                            atol=1e-5)  # fmt: skip
            assert np.abs(shown[:, size[1] :]).max() < 0.02

    def test_the_matrix_of_nothing_drawn_is_a_resize(self):
        size, seen = (64, 48), (32, 24)
        image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
        matrix = image_matrix(size, seen, seen, Change(1.0, 0.0, False))
        warped = cv2.warpAffine(image, matrix, seen)
        away = np.abs(warped.astype(int) - cv2.resize(image, seen))
        assert away[1:-1, 1:-1].max() <= 1

    @pytest.mark.parametrize("change", [Change(0.8, 30.0, True), Change(1.2, -50.0, False)])
    def test_targets_move_with_the_pixels(self, tmp_path, change, coco, monkeypatch):
        """A white square on black is where its keypoint's disk is."""
        image = np.zeros((200, 300, 3), np.uint8)
        center = np.array([120.0, 80.0])
        image[70:91, 110:131] = 255
        file = tmp_path / "square.png"
        cv2.imwrite(str(file), image)
        xy = np.full((1, 17, 2), np.nan)
        xy[0, COCO_17.index("left_wrist")] = center
        people = coco.of(np.array([0]))
        object.__setattr__(people, "xy", xy)
        object.__setattr__(people, "images", (file,))
        task, network = small_posenet(people, stride=8, radius=6.0)
        monkeypatch.setattr("posetrack.training.bottom_up_data.draw", lambda *_: change)
        batch = task.dataset(network, Recipe())[3, 0]
        name = "right_wrist" if change.mirrored else "left_wrist"
        part = COCO_17.index(name)
        assert batch.heatmap[0].sum(dim=(1, 2)).nonzero().flatten().tolist() in ([part], [])
        heat = batch.heatmap[0, part].numpy()
        if heat.any():
            row, column = np.argwhere(heat > 0)[0]
            y = row * 8 + float(batch.offset[0, part, row, column])
            x = column * 8 + float(batch.offset[0, 17 + part, row, column])
            rows, columns = np.nonzero(batch.images[0, :, :, 0].numpy() > 128)
            assert_allclose((x, y), (columns.mean(), rows.mean()), atol=0.8)

    def test_the_same_key_gives_the_same_example_and_another_epoch_another(self, coco):
        task, network = small_posenet(coco)
        first, again = (task.dataset(network, Recipe()) for _ in range(2))
        assert torch.equal(first[1, 2].images, again[1, 2].images)
        assert torch.equal(first[1, 2].heatmap, again[1, 2].heatmap)
        assert not torch.equal(first[1, 2].images, again[2, 2].images)


class TestRegions:
    def test_people_without_keypoints_and_crowds_do_not_count(self, shared, coco, tmp_path):
        data = shared / "data/coco"
        regions = read_regions(data / "test_coco.json", data)
        assert sorted(file.name for file in regions) == ["000000040083.jpg", "000000196141.jpg"]
        task, network = small_posenet(coco, regions=regions, augmentation=NONE)
        counted = task.dataset(network, Recipe()).__getitems__([(0, i) for i in range(4)]).counted
        assert counted.flatten(1).all(1).sum() == 2

    def test_run_lengths_boxes_and_posetracks_polygons_are_read(self, tmp_path):
        keypoints = {"image_id": 1, "keypoints": [0, 0, 0] * 17, "iscrowd": 1}
        runs = {"size": [6, 8], "counts": [12, 3, 3, 3, 27]}  # columns 2 and 3, rows 0 to 2
        document = {
            "images": [{"id": 1, "file_name": "a.jpg", "ignore_regions_x": [[6, 7, 7, 6]],
                        "ignore_regions_y": [[4, 4, 5, 5]]}],
            "annotations": [{**keypoints, "segmentation": runs},
                            {**keypoints, "bbox": [0, 5, 1, 1]},
                            {**keypoints, "segmentation": "?", "bbox": ["?"]}, 7],
        }  # fmt: skip
        file = tmp_path / "a.json"
        file.write_text(json.dumps(document))
        polygons = read_regions(file, tmp_path)[tmp_path / "a.jpg"]
        counted = cells_that_count(polygons, np.eye(2, 3), (8, 6))
        want = np.ones((6, 8), bool)
        want[:3, 2:4] = want[4:, 6:] = want[5:, :2] = False
        assert (counted == want).all()


class TestMeasure:
    def truth_as_found(self, people):
        return [
            Poses.from_keypoints(people.xy[rows], None, people.skeleton)
            for rows in rows_by_image(people)
        ]

    def test_the_truth_measures_one(self, shared, coco, mpii):
        file = shared / "data/coco/test_coco.json"
        for people, truth in ((coco, file), (coco.map_to(COCO_17_NECK), file), (mpii, None)):
            row = measure_people(people, self.truth_as_found(people), truth=truth)
            assert all(value == pytest.approx(1.0) for value in row.values()), row

    def test_somebody_not_found_is_wrong_and_order_does_not_matter(self, coco):
        found = self.truth_as_found(coco)
        crowd = max(range(len(found)), key=lambda i: len(found[i]))
        found[crowd] = found[crowd][[2, 0, 1, 3]]
        xy, _ = match_people(coco, found)
        missing = rows_by_image(coco)[crowd][4]
        assert np.isnan(xy[missing]).all()
        others = np.delete(np.arange(len(coco)), missing)
        assert_allclose(xy[others], coco.xy[others].astype(np.float32))
        row = measure_people(coco, found)
        share = coco.labelled[missing].sum() / coco.labelled.sum()
        assert row["PCK@0.05"] == pytest.approx(1 - share)

    def test_nobody_found_is_zero(self, shared, coco):
        nobody = [Poses.empty(COCO_17)] * 4
        row = measure_people(coco, nobody, truth=shared / "data/coco/test_coco.json")
        assert set(row.values()) == {0.0}

    @pytest.mark.parametrize("stride", [8, 16])
    def test_targets_decoded_in_the_image_are_mpiis_people(self, mpii, stride):
        task, network = small_posenet(mpii, stride=stride, augmentation=NONE)
        data = task.dataset(network, Recipe())
        found = []
        for index, rows in enumerate(data.rows):
            height, width = read_image(mpii, int(rows[0])).shape[:2]
            xy, scores, _ = decode_posenet(
                *(part[0] for part in data[0, index][1:5]),
                output_stride=stride, edges=task.edges, min_pose_score=0.0,
            )  # fmt: skip
            size = data.fit(width, height)
            found.append(Poses.from_keypoints(xy * [width, height] / size, scores, mpii.skeleton))
        xy, _ = match_people(mpii, found)
        known = np.isfinite(mpii.xy)
        assert_allclose(xy[known], mpii.xy[known], atol=0.01)

    def test_fields_decoded_in_the_image_are_mpiis_people(self, mpii):
        people = mpii.map_to(COCO_17_NECK)
        task = PafTask(people, (224, 224), augmentation=NONE)
        data = task.dataset(TrtPose(channels=8), Recipe())
        found = []
        for index, rows in enumerate(data.rows):
            height, width = read_image(people, int(rows[0])).shape[:2]
            xy, scores = decode_paf(*(part[0] for part in data[0, index][1:3]))
            size = np.array(paf_fit(width, height, input_size=(224, 224)))
            xy *= 224 * np.array([width, height]) / size
            found.append(Poses.from_keypoints(xy, scores, people.skeleton))
        assert measure_people(people, found)["PCKh@0.5"] == 1.0


class TestTraining:
    def test_a_run_resumed_has_the_losses_and_weights_of_one_that_never_stopped(
        self, mpii, tmp_path
    ):
        recipe = Recipe(epochs=3, batch_size=2, ema=0.9)

        def go(folder, **more):
            torch.manual_seed(0)
            task, network = small_posenet(mpii)
            rows = train(network, task, tmp_path / folder, recipe=recipe, **more)
            return [row["loss"] for row in rows], network.state_dict()

        losses, weights = go("whole", keep_every=1)
        again, same = go("again", resume=tmp_path / "whole/epoch_0001.pth")
        assert again == losses[1:]
        assert len(set(losses)) == 3
        assert all(torch.equal(value, same[name]) for name, value in weights.items())

    def test_the_loss_of_the_fields_falls(self, mpii, tmp_path):
        torch.manual_seed(0)
        people = mpii.map_to(COCO_17_NECK).of(np.array([0, 1]))
        network = TrtPose(channels=8)
        start_weights(network)
        task = PafTask(people, (64, 64), augmentation=NONE)
        rows = train(network, task, tmp_path, recipe=Recipe(epochs=4, batch_size=2))
        assert rows[-1]["loss"] < 0.95 * rows[0]["loss"]

    def test_starting_weights_keep_signals_their_size(self):
        torch.manual_seed(0)
        network = PoseNet(0.5).eval()
        start_weights(network)
        with torch.inference_mode():
            maps = network(torch.randn(1, 3, 129, 129))
        assert 5 < float(maps.offset.std()) < 200
        assert 0.01 < float(maps.heatmap.mean()) < 0.12

    def test_what_does_not_fit_is_refused(self, coco):
        task, network = small_posenet(coco)
        with pytest.raises(ValueError, match="such as 129 x 129"):
            PoseNetTask(coco, (128, 128)).dataset(network, Recipe())
        with pytest.raises(ValueError, match="multiples of 32"):
            PafTask(coco.map_to(COCO_17_NECK), (100, 64)).dataset(TrtPose(channels=8), Recipe())
        with pytest.raises(ValueError, match="output_stride 16, wanted for coco_17: 8"):
            PoseNetTask(coco, (129, 129), 8).dataset(network, Recipe())
        with pytest.raises(ValueError, match="hardest"):
            task.dataset(network, Recipe(hardest=8))
        with pytest.raises(ValueError, match="half bodies"):
            small_posenet(coco, augmentation=Augmentation(half_body=0.3))[0].dataset(
                network, Recipe()
            )
        with pytest.raises(ValueError, match="expected a PoseNet, got a TrtPose"):
            task.dataset(TrtPose(channels=8), Recipe())


class TestCommandLine:
    def options(self, shared, out, arch, *more, data="mpii"):
        folder = shared / "data" / data
        file = str(folder / f"test_{data}.json")
        return [
            "train", "--data", data, "--images", str(folder), "--annotations", file,
            "--val-annotations", file, "--arch", arch, "--batch-size", "4", "--quiet",
            "--device", "cpu", "-o", str(out), *more,
        ]  # fmt: skip

    def best(self, folder):
        return next(file for file in folder.iterdir() if file.stem == "best")

    def test_it_learns_people_of_real_images_to_pck_one(self, shared, tmp_path, capsys):
        rows = json.loads((shared / "data/mpii/test_mpii.json").read_text())[:2]
        file = tmp_path / "two.json"
        file.write_text(json.dumps(rows))
        options = self.options(
            shared, tmp_path / "run", "posenet_050", "--size", "65x113", "--epochs", "160",
            "--validate-every", "40", "--save-every", "200", "--drops", "120",
            "--scale", "0", "--rotation", "0", "--flip", "0",
        )  # fmt: skip
        options = [str(file) if text.endswith("test_mpii.json") else text for text in options]
        assert main(options) == 0
        file = self.best(tmp_path / "run")
        about = read_card(file)
        assert about.input_size == (113, 65)
        assert about.options == {"output_stride": 16}
        network, found = load_network(file)
        assert found.skeleton.name == "mpii_16"
        people = read_mpii(tmp_path / "two.json", shared / "data/mpii")
        poses = find_people(
            network, people, input_size=found.input_size, normalisation=found.normalisation
        )
        assert measure_people(people, poses)["PCKh@0.5"] == 1.0
        asked = ["--annotations", str(tmp_path / "two.json"), "--images", str(shared / "data/mpii")]
        capsys.readouterr()
        command = ["validate", "--data", "mpii", *asked, "--weights", str(file), "--device", "cpu"]
        assert main([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["PCKh@0.5"] == 1.0

    def test_a_trained_file_is_an_estimator_and_a_start(self, shared, tmp_path, capsys):
        short = ("--epochs", "1", "--size", "65x65", "--output-stride", "8")
        assert main(self.options(shared, tmp_path / "a", "posenet_050", *short, data="coco")) == 0
        file = self.best(tmp_path / "a")
        estimator = load_estimator(file, device="cpu")
        assert estimator.bottom_up
        assert (estimator.input_size, estimator.output_stride) == ((65, 65), 8)
        assert estimator(np.zeros((60, 80, 3), np.uint8)).skeleton == COCO_17
        again = self.options(
            shared, tmp_path / "b", "posenet_050", "--init", str(file), "--epochs", "0", data="coco"
        )
        assert main(again) == 0
        skeleton = tmp_path / "arms.toml"
        skeleton.write_text(
            'name = "arms"\nkeypoints = ["left_elbow", "left_wrist", "right_elbow", '
            '"right_wrist"]\nedges = [["left_elbow", "left_wrist"], '
            '["right_elbow", "right_wrist"]]\n'
        )
        more = ("--skeleton", str(skeleton), "--init", str(file), "--epochs", "1")
        assert main(self.options(shared, tmp_path / "c", "posenet_050", *more, data="coco")) == 0
        network, about = load_network(self.best(tmp_path / "c"))
        assert (network.keypoints, network.edges, network.output_stride) == (4, 3, 8)
        assert about.skeleton.keypoints[0] == "left_elbow"
        assert about.input_size == (65, 65)

    def test_fields_of_coco_and_the_neck_are_the_usual(self, shared, tmp_path):
        options = self.options(shared, tmp_path, "paf", "--size", "64x64", "--epochs", "1")
        assert main(options) == 0
        network, about = load_network(self.best(tmp_path))
        assert isinstance(network, TrtPose)
        assert about.skeleton == COCO_17_NECK
        assert about.input_size == (64, 64)
        estimator = load_estimator(self.best(tmp_path), device="cpu")
        assert estimator(np.zeros((60, 80, 3), np.uint8)).skeleton == COCO_17_NECK

    @pytest.mark.parametrize(
        ("arch", "more", "message"),
        [
            ("paf", ("--output-stride", "8"), "--output-stride is a PoseNet's"),
            ("posenet_050", ("--colours", "bgr"), "take RGB"),
            ("posenet_050", ("--half-body", "0.3"), "half bodies"),
        ],
    )
    def test_options_that_mean_nothing_are_refused(
        self, shared, tmp_path, capsys, arch, more, message
    ):
        assert main(self.options(shared, tmp_path, arch, "--epochs", "1", *more)) == 1
        assert message in capsys.readouterr().err
