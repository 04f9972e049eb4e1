"""The light pose network: its shape, its file, its estimator."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from posetrack.checkpoints.loading import load_network
from posetrack.estimators.from_file import load_estimator
from posetrack.networks.light_trunk import LightTrunk
from posetrack.networks.mobile_trunk import MobileTrunk
from posetrack.networks.pose_light import PoseLight
from posetrack.runtimes.torch import fold_batch_norm, run_with_torch
from posetrack.skeletons import MPII_16
from posetrack.structures import Detections
from posetrack.training.saving import save_weights


def small(keypoints=17):
    torch.manual_seed(0)
    trunk = partial(LightTrunk, (4, 6, 8, 10), (1, 0, 2, 1), 4)
    return PoseLight(keypoints, trunk=trunk, deconv_channels=(8, 6, 4))


def shaken(network):
    """With statistics as after some training, so that folding has something to fold."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.uniform_(0.5, 1.5)
                for tensor in (module.bias, module.running_mean):
                    tensor.normal_()
        network.final_layer.weight.normal_()
    return network.eval()


def test_it_fits_into_the_package():
    assert sum(weight.numel() for weight in PoseLight(17).parameters()) < 3.5e6


@pytest.mark.parametrize("size", [(64, 32), (96, 160)])
def test_heatmaps_are_a_quarter_of_the_crop(size):
    with torch.inference_mode():
        assert small()(torch.zeros(2, 3, *size)).shape == (2, 17, size[0] // 4, size[1] // 4)


def test_its_file_says_all_of_it(tmp_path):
    network = shaken(small(16))
    path = save_weights(
        tmp_path, "best", network.state_dict(), {"input_size": [64, 96], "told": {}}
    )
    again, about = load_network(path)
    assert isinstance(again, PoseLight)
    assert (about.input_size, about.skeleton) == ((64, 96), MPII_16)
    images = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        assert torch.equal(network(images), again(images))


def test_other_keypoints_can_start_from_it(tmp_path):
    torch.save(small(16).state_dict(), tmp_path / "light.pth")
    from posetrack.skeletons import COCO_17

    network, about = load_network(
        tmp_path / "light.pth", skeleton=COCO_17, keypoints=17, partial=True
    )
    assert network.keypoints == 17
    assert sorted(about.missing) == ["final_layer.bias", "final_layer.weight"]


def test_a_file_of_half_a_network_is_refused(tmp_path):
    state = {name: t for name, t in small().state_dict().items() if not name.startswith("up.1")}
    torch.save(state, tmp_path / "light.pth")
    with pytest.raises(ValueError, match=r"light pose network, but up\.1\.0\.weight is missing"):
        load_network(tmp_path / "light.pth")


def test_folding_its_norms_changes_nothing():
    network = shaken(small())
    folded = fold_batch_norm(network)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.modules())
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        wanted, found = network(images), folded(images)
    assert torch.allclose(wanted, found, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


def test_its_estimator_finds_a_pose_for_each_box(tmp_path):
    torch.save(small().state_dict(), tmp_path / "light.pth")
    estimate = load_estimator(tmp_path / "light.pth", device="cpu", runtime=run_with_torch)
    poses = estimate(
        np.zeros((90, 120, 3), np.uint8), Detections([[10, 10, 40, 80], [50, 0, 90, 90]], [1, 1])
    )
    assert poses.xy.shape == (2, 17, 2)


def test_a_network_on_mobilenet_is_read_as_what_it_is(tmp_path):
    network = shaken(PoseLight(17, trunk=MobileTrunk, deconv_channels=(8, 6, 4)))
    path = save_weights(tmp_path, "best", network.state_dict(), {"input_size": [32, 64]})
    again, found = load_network(path)
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        assert torch.equal(again(images), network(images))
    assert found.input_size == (32, 64)


def test_frozen_layers_stay_as_they_are_and_the_others_learn():
    torch.manual_seed(0)
    network = PoseLight(3, trunk=MobileTrunk, deconv_channels=(8, 6, 4))
    assert network.trunk.freeze(7) is network.trunk
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.randn(2, 3, 64, 32)).square().sum().backward()
    optimiser.step()
    changed = {
        name for name, value in network.state_dict().items() if (value != before[name]).any()
    }
    layers = {int(name.split(".")[2]) for name in changed if name.startswith("trunk.")}
    assert layers == set(range(7, 18))
    assert {name.split(".")[0] for name in changed} == {"trunk", "up", "across", "final_layer"}
    with pytest.raises(ValueError, match="18 layers to freeze, got 19"):
        network.trunk.freeze(19)


def test_a_trunk_has_four_stages():
    with pytest.raises(ValueError, match="4 stages"):
        LightTrunk((8, 8), (1, 1))
