"""Targets, losses and accuracy: the authors' numbers, and what must hold for any keypoints."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.ops.heatmaps import decode_dark
from posetrack.skeletons import COCO_17
from posetrack.training.losses import heatmap_accuracy, joints_mse, joints_ohkm, side_mse
from posetrack.training.targets import gaussian_targets, keypoint_weights_by_name


def cases(shared, name):
    with np.load(shared / "reference" / "nets" / "cases" / f"{name}.npz") as file:
        return dict(file)


class TestParityWithTheAuthors:
    @pytest.mark.parametrize("size", [(192, 256), (256, 256), (288, 384)])
    def test_targets_and_weights_are_equal(self, shared, size):
        case, name = cases(shared, "pipe_target"), f"{size[0]}x{size[1]}"
        wanted = case[f"{name}_target"]
        maps, weights = gaussian_targets(
            case[f"{name}_joints"][:, :, :2],
            case[f"{name}_vis"][:, :, 0],
            input_size=size,
            heatmap_size=wanted.shape[:1:-1],
            sigma=float(case[f"{name}_sigma"]),
        )
        np.testing.assert_allclose(maps, wanted, rtol=0, atol=1e-7)
        assert np.array_equal(weights, case[f"{name}_weight"][:, :, 0])

    @pytest.mark.parametrize("size", [(192, 256), (288, 384)])
    def test_weights_by_keypoint_are_equal(self, shared, size):
        case, name = cases(shared, "pipe_target"), f"{size[0]}x{size[1]}"
        _, weights = gaussian_targets(
            case[f"{name}_joints"][:, :, :2],
            case[f"{name}_vis"][:, :, 0],
            input_size=size,
            heatmap_size=(size[0] // 4, size[1] // 4),
            sigma=float(case[f"{name}_sigma"]),
            keypoint_weights=keypoint_weights_by_name(COCO_17.keypoints),
        )
        wanted = case[f"{name}_weight_different_joints_weight"][:, :, 0]
        np.testing.assert_allclose(weights, wanted, rtol=1e-6)

    @pytest.mark.parametrize("batch", ["batch4", "batch1"])
    @pytest.mark.parametrize("loss", ["mse", "ohkm8", "ohkm5"])
    @pytest.mark.parametrize("weighted", [True, False])
    def test_losses_and_gradients_are_equal(self, shared, batch, loss, weighted):
        known = json.loads((shared / "reference/nets/cases/pipe_loss.json").read_text())["values"]
        name = f"{batch}.hrnet.{loss}.weighted={weighted}"
        if name not in known:
            pytest.skip("not recorded")
        case = cases(shared, "pipe_loss")
        output = torch.tensor(case[f"{batch}_output"], requires_grad=True)
        target = torch.tensor(case[f"{batch}_target"])
        weights = torch.tensor(case[f"{batch}_weight"]) if weighted else None
        if loss == "mse":
            value = joints_mse(output, target, weights)
        else:
            value = joints_ohkm(output, target, weights, hardest=int(loss[4:]))
        value.backward()
        assert value.item() == pytest.approx(known[name], rel=1e-6)
        gradient = case[f"{batch}_grad_{loss}_{'weighted' if weighted else 'plain'}"]
        np.testing.assert_allclose(
            output.grad.numpy(), gradient, rtol=1e-5, atol=1e-6 * np.abs(gradient).max()
        )

    @pytest.mark.parametrize("data", ["coco", "mpii"])
    def test_accuracy_is_equal(self, shared, data):
        case = cases(shared, "pipe_accuracy")
        mean, shares, _ = heatmap_accuracy(case[f"{data}_output"], case[f"{data}_target"])
        np.testing.assert_allclose([mean, *shares], case[f"{data}_acc"], rtol=1e-12)


class TestSides:
    pairs = ((0, 1), (3, 2))

    def maps(self):
        generator = torch.Generator().manual_seed(0)
        return [torch.rand(2, 4, 6, 5, generator=generator) for _ in range(2)]

    def test_a_sum_that_is_wrong_costs_nothing_and_a_difference_does(self):
        output, target = self.maps()
        common = torch.rand(2, 1, 6, 5)
        weights = torch.ones(2, 4)
        assert side_mse(target + common, target, weights, pairs=self.pairs).item() < 1e-12
        apart = target[:, [0, 3]] - target[:, [1, 2]] - output[:, [0, 3]] + output[:, [1, 2]]
        wanted = 0.5 * apart.square().mean()
        assert side_mse(output, target, weights, pairs=self.pairs) == pytest.approx(wanted)

    def test_a_pair_counts_where_both_keypoints_are_known(self):
        output, target = self.maps()
        weights = torch.tensor([[1.0, 0, 1, 1], [0, 0, 0, 1]])
        wanted = side_mse(output[:1], target[:1], torch.ones(1, 4), pairs=[(3, 2)])
        found = side_mse(output, target, weights, pairs=self.pairs)
        assert found == pytest.approx(wanted / 4)  # of 2 people with 2 pairs each

    def test_without_a_pair_there_is_nothing_to_tell_apart(self):
        output, target = self.maps()
        with pytest.raises(ValueError, match="at least one pair"):
            side_mse(output, target, torch.ones(2, 4), pairs=[])


places = st.tuples(st.floats(-400, 600), st.floats(-400, 700))


@settings(max_examples=60)
@given(place=places, unbiased=st.booleans())
def test_a_keypoint_that_counts_is_near_the_map_and_one_off_it_draws_nothing(place, unbiased):
    maps, weights = gaussian_targets(
        [[place]], [[1]], input_size=(192, 256), heatmap_size=(48, 64), unbiased=unbiased
    )
    assert maps.min() >= 0
    assert maps.max() <= 1
    if weights[0, 0] == 0:
        assert maps.max() == 0
    else:
        assert (np.abs(np.array(place) / 4 - (24, 32)) <= np.array([24, 32]) + 8).all()


@settings(max_examples=30)
@given(x=st.floats(30, 160), y=st.floats(30, 220))
def test_unbiased_targets_decode_to_where_the_keypoint_is(x, y):
    maps, _ = gaussian_targets(
        [[[x, y]]], [[1]], input_size=(192, 256), heatmap_size=(48, 64), unbiased=True
    )
    found = decode_dark(maps, blur_size=1)[0][0, 0] * 4
    np.testing.assert_allclose(found, (x, y), atol=0.02)


def test_nan_has_weight_zero():
    maps, weights = gaussian_targets(
        [[[np.nan, 3.0]]], [[1]], input_size=(64, 64), heatmap_size=(16, 16)
    )
    assert weights.tolist() == [[0.0]]
    assert maps.max() == 0


def test_wrong_shapes_are_refused_by_name():
    with pytest.raises(ValueError, match=r"xy \(N, K, 2\)"):
        gaussian_targets(np.zeros((2, 3)), [[1]], input_size=(4, 4), heatmap_size=(1, 1))
    with pytest.raises(ValueError, match="one shape"):
        joints_mse(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match="weights must be"):
        joints_mse(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), torch.ones(1, 3))
    with pytest.raises(ValueError, match="between 1 and 2"):
        joints_ohkm(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), hardest=3)
