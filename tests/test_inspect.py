"""Pictures of what a network learns from and gets wrong."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from posetrack.cli import main
from posetrack.ops.crops import UNIT, crop_matrices
from posetrack.plots.inspection import (
    FOUND,
    LEFT,
    RIGHT,
    TRUTH,
    View,
    add_caption,
    draw_faults,
    draw_skeleton,
    enlarge,
    grid,
    side_colours,
    target_grid,
    with_heatmaps,
    worst_grid,
)
from posetrack.skeletons import COCO_17, MPII_16, Skeleton
from posetrack.training import CropDataset, measure, predict, read_coco, read_mpii
from posetrack.training.dataset import centers_and_scales
from posetrack.training.inspection import find_faults, worst_first

PAIR = Skeleton("pair", ("left_hand", "right_hand"), (("left_hand", "right_hand"),),
                (("left_hand", "right_hand"),), (0.1, 0.1))  # fmt: skip


@pytest.fixture
def people(shared):
    data = shared / "data/coco"
    return read_coco(data / "test_coco.json", data)


def small(keypoints=17):
    torch.manual_seed(0)
    return nn.Conv2d(3, keypoints, 5, 4, 2)


class Knows(nn.Module):
    """Answers with the targets of a data set, in order, but for one person with an empty map."""

    def __init__(self, people, size, blind):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        data = CropDataset(people, input_size=size, heatmap_size=(size[0] // 4, size[1] // 4))
        self.maps = data.__getitems__([(0, i) for i in range(len(people))]).targets
        self.maps[blind] = 0
        self.asked = -1  # the first question is how large the maps are

    def forward(self, images):
        first = max(self.asked, 0)
        self.asked = first + len(images) if self.asked >= 0 else 0
        return self.maps[first : first + len(images)]


class TestFaults:
    def test_whoever_is_not_found_is_worst_by_every_measure(self, people):
        size = (96, 128)
        faults = find_faults(Knows(people, size, 7), people, input_size=size, normalisation=UNIT,
                             batch_size=5, flip_test=False)  # fmt: skip
        for by in ("error", "oks", "loss"):
            assert worst_first(faults, by)[0] == 7
        others = np.delete(np.arange(len(people)), 7)
        assert (faults.loss[others] == 0).all()
        assert (faults.loss[7], faults.oks[7]) > (0, -1)
        assert faults.error[others].max() < 0.1 < faults.error[7]
        assert faults.oks[7] < faults.oks[others].min()

    def test_they_are_what_validation_measures(self, people):
        given = {"input_size": (48, 64), "normalisation": UNIT}
        network = small()
        faults = find_faults(network, people, **given)
        xy, scores = predict(network, people, **given)
        np.testing.assert_array_equal(faults.xy, xy)
        np.testing.assert_array_equal(faults.scores, scores)
        away = np.linalg.norm(people.xy - xy, axis=2) / people.sizes[:, None]
        right = (away < 0.2)[people.labelled].mean()
        assert measure(people, xy, scores)["PCK@0.2"] == pytest.approx(right, abs=1e-3)
        assert network.training

    def test_people_without_boxes_have_an_oks_too(self, shared):
        people = read_mpii(shared / "data/mpii/test_mpii.json", shared / "data/mpii")
        faults = find_faults(small(16), people, input_size=(64, 64), normalisation=UNIT)
        assert np.isfinite(faults.error).all()
        assert ((faults.oks >= 0) & (faults.oks < 1)).all()


class TestTiles:
    def test_sides_have_their_colours(self):
        colours = dict(zip(MPII_16.keypoints, side_colours(MPII_16), strict=True))
        assert colours["left_wrist"] == LEFT
        assert colours["right_wrist"] == RIGHT
        assert colours["pelvis"] not in (LEFT, RIGHT)

    def test_a_heatmap_glows_where_it_is_high(self):
        crop = np.full((64, 48, 3), 100, np.uint8)
        maps = np.zeros((2, 16, 12))
        maps[0, 4, 3], maps[1, 12, 9] = 1, 0.5
        shown = with_heatmaps(crop, maps, [LEFT, RIGHT])
        middle = lambda x, y: shown[4 * y + 1 : 4 * y + 3, 4 * x + 1 : 4 * x + 3].mean(axis=(0, 1))  # noqa: E731
        assert middle(3, 4)[2] > 180 > 100 > middle(3, 4)[0]
        assert middle(9, 12)[0] > 90 > middle(9, 12)[2] - 20
        assert np.ptp(shown[:10, 30:]) == 0
        assert (crop == 100).all()

    def test_keypoints_are_drawn_where_they_are(self):
        image = np.zeros((120, 160, 3), np.uint8)
        draw_skeleton(image, np.array([[10.0, 15.0], [np.nan, 3.0]]), PAIR, 4.0)
        assert image[62, 42].tolist() == list(LEFT)
        assert image[:40].max() == 0

    def test_faults_join_truth_and_prediction_and_leave_out_what_is_unknown(self):
        image = np.zeros((100, 100, 3), np.uint8)
        truth, found = np.array([[20.0, 20.0], [np.nan, np.nan]]), np.array([[80.0, 20.0]] * 2)
        draw_faults(image, truth, found, 1.0)
        assert image[20, 80].tolist() == list(FOUND)
        assert image[20, 50].tolist() == pytest.approx(list(FOUND), abs=30)
        assert image[15, 20].tolist() == pytest.approx(list(TRUTH), abs=50)
        assert image[60:].max() == 0

    def test_captions_are_shortened_in_the_middle(self):
        tile = np.zeros((10, 60, 3), np.uint8)
        short, long = add_caption(tile, "abc"), add_caption(tile, "abc" * 30)
        assert short.shape == long.shape == (31, 60, 3)
        assert long[:21, -2:].min() == 255  # nothing runs over the edge
        assert add_caption(tile, "Jos\u00e9 \u65e5").shape == (31, 60, 3)

    def test_tiles_stand_on_one_line(self):
        low, high = np.zeros((10, 20, 3), np.uint8), np.zeros((30, 20, 3), np.uint8)
        paper = grid([[low, high]])
        assert paper.shape == (42, 58, 3)
        assert (paper[35, 10] == 0).all()
        assert (paper[10, 10] == 255).all()
        with pytest.raises(ValueError, match="no image"):
            grid([[]])

    def test_crops_keep_their_shape(self):
        assert enlarge(np.zeros((64, 48, 3), np.uint8), 256).shape == (256, 192, 3)
        assert enlarge(np.zeros((256, 192, 3), np.uint8), 64).shape == (64, 48, 3)


class TestGrids:
    def view(self, **more):
        xy = np.array([[10.0, 10.0], [30.0, 40.0]])
        maps = np.zeros((2, 16, 12))
        return View("someone", np.full((64, 48, 3), 90, np.uint8), xy, maps, **more)

    def test_a_network_adds_a_column_for_each_keypoint_chosen(self):
        alone = target_grid([self.view()], PAIR, height=64)
        answered = self.view(answer=np.zeros((2, 16, 12)), found=np.zeros((2, 2)))
        assert alone.shape[1] == 2 * 54 + 6
        assert target_grid([answered], PAIR, height=64).shape[1] == 3 * 54 + 6
        assert target_grid([answered], PAIR, [0, 1], height=64).shape[1] == 5 * 54 + 6

    def test_the_worst_come_in_rows_of_four(self):
        seen = self.view(found=np.ones((2, 2)), note="OKS 0.1")
        wide, tall = (worst_grid([seen] * n, PAIR, height=64).shape for n in (4, 5))
        assert wide[1] == tall[1]
        assert tall[0] == pytest.approx(2 * wide[0], abs=6)

    def test_views_of_a_data_set_have_keypoints_in_the_crop(self, people):
        data = CropDataset(people, input_size=(48, 64), heatmap_size=(12, 16))
        crop, xy = data.view(0, 3)
        batch = data[0, 3]
        np.testing.assert_array_equal(crop, batch.crops[0].numpy())
        center, scale = centers_and_scales(people, (48, 64))
        matrix = crop_matrices(center[3:4], scale[3:4], (48, 64))[0]
        np.testing.assert_allclose(xy, people.xy[3] @ matrix[:, :2].T + matrix[:, 2], atol=1e-6)


class TestCommand:
    def words(self, shared, *more):
        data = shared / "data/coco"
        return ["inspect", "--data", "coco", "--images", str(data), "--annotations",
                str(data / "test_coco.json"), "--size", "64x64", "--count", "2",
                *map(str, more)]  # fmt: skip

    def test_without_weights_it_shows_targets_and_augmentation(self, shared, tmp_path):
        assert main(self.words(shared, "-o", tmp_path / "new/pictures")) == 0
        names = sorted(path.name for path in (tmp_path / "new/pictures").iterdir())
        assert names == ["augmentation.png", "targets.png"]
        picture = cv2.imread(str(tmp_path / "new/pictures/augmentation.png"))
        assert picture.shape[1] == 8 * 230 + 6

    def test_with_weights_it_shows_all_and_ranks_everybody(self, shared, people, tmp_path):
        from posetrack.networks.pose_light import PoseLight
        from posetrack.training import CropTask, Recipe, train

        network = PoseLight(17)
        recipe = Recipe(epochs=1, batch_size=12)
        train(network, CropTask(people, (64, 64)), tmp_path, recipe=recipe)
        weights = next(path for path in tmp_path.glob("best.*") if path.suffix != ".json")
        out = tmp_path / "pictures"
        words = self.words(shared, "--weights", weights, "--keypoints", "nose", "left_wrist")
        assert main([*words, "-o", str(out), "--by", "oks", "--no-flip-test"]) == 0
        pictures = {path.stem: cv2.imread(str(path)) for path in out.glob("*.png")}
        assert set(pictures) == {"heatmaps", "targets", "worst", "augmentation"}
        assert pictures["heatmaps"].shape[1] == 4 * 198 + 6
        with (out / "worst.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        similarities = [float(row["oks"]) for row in rows]
        assert len(rows) == len(people)
        assert similarities == sorted(similarities)
        assert main([*words, "-o", str(tmp_path / "one.png"), "--what", "worst"]) == 0
        assert not (tmp_path / "one.png").is_dir()

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["-o", "a.png"], "is one picture: choose one"),
            (["-o", "a", "--what", "worst"], "needs a network; give --weights"),
            (["-o", "a", "--keypoints", "tail"], "no keypoint 'tail'; coco_17 has nose"),
            (["-o", "a", "--count", "0"], "at least 1"),
            ([], "missing: --out"),
        ],
    )
    def test_wrong_use_is_explained(self, shared, capsys, more, message):
        assert main(self.words(shared, *more)) == 1
        assert message in capsys.readouterr().err
        assert COCO_17.name == "coco_17"
