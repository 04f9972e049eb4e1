"""PoseNet's targets decode to the people they were made of; its loss asks what is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from posetrack.networks.posenet import PoseMaps
from posetrack.ops.links import posenet_edges
from posetrack.ops.posenet import POSENET_EDGES, decode_posenet
from posetrack.skeletons import COCO_17, MPII_16
from posetrack.training import read_coco, read_mpii
from posetrack.training.posenet_targets import PoseNetTargets, posenet_loss, posenet_targets


def decoded(targets, *, stride, edges=POSENET_EDGES):
    return decode_posenet(
        *targets, output_stride=stride, edges=edges, max_poses=30, min_pose_score=0.0
    )[0]


def same_people(found, true, tolerance):
    """Whether each true person is among those found, keypoint for keypoint, and nobody else."""
    assert len(found) == len(true)
    for person in true:
        away = np.nanmax(np.abs(found - person), axis=(1, 2))
        best = found[int(np.argmin(away))]
        assert_allclose(best, person, atol=tolerance)


def people(rng, count, size, keypoints=17):
    """People in squares of their own, keypoints anywhere in them."""
    corners = np.array([(x, y) for x in range(2) for y in range(2)])[:count] * (size // 2)
    low, high = 0.08 * size, 0.38 * size
    return corners[:, None] + rng.uniform(low, high, (count, keypoints, 2))


class TestDecoding:
    @pytest.mark.parametrize("stride", [8, 16, 32])
    @settings(max_examples=15)
    @given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4))
    def test_targets_decode_to_the_people(self, stride, seed, count):
        size = 512
        true = people(np.random.default_rng(seed), count, size)
        cells = (size // stride + 1, size // stride + 1)
        targets = posenet_targets(true, map_size=cells, output_stride=stride, radius=1.2 * stride)
        same_people(decoded(targets, stride=stride), true, 1e-3)

    def test_keypoints_that_are_not_labelled_are_not_found(self):
        true = people(np.random.default_rng(0), 2, 512)
        true[0, 9] = true[1, 15:] = np.nan  # a wrist; the ends of a leg
        targets = posenet_targets(true, map_size=(33, 33))
        xy, scores, _ = decode_posenet(*targets, max_poses=30, min_pose_score=0.0)
        assert sorted((scores > 0).sum(axis=1)) == [15, 16]
        for person, marks in zip(xy, scores, strict=True):
            want = true[int((marks > 0).sum() == 15)]
            assert ((marks > 0) == np.isfinite(want).all(axis=1)).all()
            assert_allclose(person[marks > 0], want[marks > 0], atol=1e-3)

    def test_annotated_people_of_real_images_come_back(self, shared):
        data = shared / "data/coco"
        samples = read_coco(data / "test_coco.json", data)
        file = samples.images[0]
        true = samples.xy[[image == file for image in samples.images]] * 0.8
        targets = posenet_targets(true, map_size=(65, 65), output_stride=8, radius=8)
        same_people(decoded(targets, stride=8), true, 1e-3)

    def test_a_tree_of_another_skeleton_does_as_well(self, shared):
        data = shared / "data/mpii"
        samples = read_mpii(data / "test_mpii.json", data)
        edges = posenet_edges(MPII_16)
        assert len(edges) == 15
        for person in samples.xy:
            true = person[None] * 0.5
            targets = posenet_targets(true, map_size=(81, 81), output_stride=8, edges=edges)
            found = decoded(targets, stride=8, edges=edges)
            assert len(found) == 1
            known = np.isfinite(true)
            assert_allclose(found[known], true[known], atol=1e-3)


class TestTargets:
    def test_disks_have_their_radius_and_offsets_lead_to_the_keypoint(self):
        targets = posenet_targets([[[100.0, 60.0]]], map_size=(13, 9), edges=[], radius=20)
        rows, columns = np.mgrid[:9, :13] * 16
        inside = (columns - 100) ** 2 + (rows - 60) ** 2 <= 400
        assert ((targets.heatmap[0] == 1) == inside).all()
        down, across = targets.offset
        assert (np.isfinite(down) == inside).all()
        assert_allclose(rows[inside] + down[inside], 60)
        assert_allclose(columns[inside] + across[inside], 100)

    def test_a_cell_in_two_disks_belongs_to_the_nearer_keypoint(self):
        true = np.array([[[64.0, 64], [64, 128]], [[96.0, 64], [200, 128]]])
        targets = posenet_targets(true, map_size=(17, 17), edges=[(0, 1)])
        assert targets.offset[1 * 2, 4, 4] == 0  # x of keypoint 0 at (64, 64)
        assert targets.offset[1 * 2, 4, 6] == 0
        assert targets.displacement_fwd[1, 4, 4] == 0
        assert targets.displacement_fwd[1, 4, 6] == 104
        assert targets.displacement_bwd[1, 8, 12] == pytest.approx(-104)  # near (200, 128)

    def test_displacements_need_both_ends(self):
        true = np.array([[[64.0, 64], [np.nan, np.nan]]])
        targets = posenet_targets(true, map_size=(9, 9), edges=[(0, 1)])
        assert np.isnan(targets.displacement_fwd).all()
        assert np.isfinite(targets.offset[0]).any()

    def test_what_is_outside_counts_as_not_labelled(self):
        true = np.array([[[-5.0, 64], [64, 130]]])
        targets = posenet_targets(true, map_size=(9, 9), edges=[(0, 1)])
        assert not targets.heatmap.any()
        nobody = posenet_targets(np.zeros((0, 2, 2)), map_size=(9, 9), edges=[(0, 1)])
        assert not nobody.heatmap.any()

    def test_nonsense_is_refused(self):
        with pytest.raises(ValueError, match=r"\(N, K, 2\)"):
            posenet_targets(np.zeros((17, 2)), map_size=(3, 3))
        with pytest.raises(ValueError, match="radius"):
            posenet_targets(np.zeros((1, 17, 2)), map_size=(3, 3), radius=8)
        with pytest.raises(ValueError, match="edges"):
            posenet_targets(np.zeros((1, 3, 2)), map_size=(3, 3))


class TestLoss:
    @pytest.fixture
    def asked(self):
        true = people(np.random.default_rng(1), 2, 256)
        targets = posenet_targets(true, map_size=(17, 17))
        return PoseNetTargets(*(torch.from_numpy(part)[None] for part in targets))

    def maps(self, asked):
        return PoseMaps(*(part.nan_to_num() for part in asked))

    def test_right_answers_cost_nothing(self, asked):
        assert posenet_loss(self.maps(asked), asked) < 1e-4

    def test_what_is_not_asked_costs_nothing(self, asked):
        maps = self.maps(asked)
        maps.offset[~torch.isfinite(asked.offset)] += 100
        maps.displacement_fwd[~torch.isfinite(asked.displacement_fwd)] -= 100
        assert posenet_loss(maps, asked) < 1e-4

    def test_offsets_cost_by_radii(self, asked):
        maps = self.maps(asked)
        wrong = maps._replace(offset=maps.offset + 16)
        base = posenet_loss(maps, asked)
        assert float(posenet_loss(wrong, asked) - base) == pytest.approx(0.5, rel=1e-4)

    def test_unlabelled_people_do_not_count_but_labelled_disks_do(self, asked):
        maps = self.maps(asked)
        nowhere = torch.zeros(1, 17, 17, dtype=torch.bool)
        wrong = maps._replace(heatmap=torch.full_like(maps.heatmap, 0.9))
        loss = posenet_loss(wrong, asked, nowhere, terms=(1.0, 0.0, 0.0))
        assert float(loss) == pytest.approx(-np.log(0.9), rel=1e-4)

    @pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
    def test_saturated_heatmaps_have_finite_slopes_that_lead_away(self, asked, kind):
        logits = torch.full((1, 17, 17, 17), 30.0, dtype=kind, requires_grad=True)
        maps = self.maps(asked)._replace(heatmap=torch.sigmoid(logits))
        posenet_loss(maps, asked).backward()
        assert torch.isfinite(logits.grad).all()
        logits = torch.full((1, 17, 17, 17), 5.0, dtype=kind, requires_grad=True)
        maps = self.maps(asked)._replace(heatmap=torch.sigmoid(logits))
        posenet_loss(maps, asked).backward()
        assert (logits.grad[asked.heatmap == 0] > 0).all()

    def test_the_mean_over_two_halves_of_a_batch_is_that_of_the_whole(self, asked):
        generator = torch.Generator().manual_seed(0)
        two = PoseNetTargets(*(torch.cat([part, part.roll(3, 3)]) for part in asked))
        maps = PoseMaps(*(torch.rand(part.shape, generator=generator) for part in two))
        whole = posenet_loss(maps, two)
        halves = [
            posenet_loss(
                PoseMaps(*(part[i : i + 1] for part in maps)), [part[i : i + 1] for part in two]
            )
            for i in range(2)
        ]
        assert float(whole) == pytest.approx(float(sum(halves)) / 2, rel=1e-5)


def test_edges_are_a_tree_that_reaches_every_keypoint():
    for skeleton in (COCO_17, MPII_16):
        edges = posenet_edges(skeleton)
        reached = {0}
        for parent, child in edges:
            if skeleton is COCO_17:
                assert parent in reached
            reached |= {parent, child}
        assert reached == set(range(len(skeleton)))
        assert len(edges) == len(skeleton) - 1
