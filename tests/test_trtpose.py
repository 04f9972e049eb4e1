from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from filled import fill_network, keys
from test_pose_resnet import reference_input

from posetrack.networks.trtpose import TrtPose


@pytest.fixture
def nets(shared: Path) -> Path:
    return shared / "reference" / "nets"


def test_maps_equal_the_authors(nets: Path) -> None:
    case = np.load(nets / "cases" / "net_trtpose_resnet18_baseline_att_224x224.npz")
    with torch.device("meta"):
        network = TrtPose("resnet18").eval()
    fill_network(network, 0.7)
    with torch.inference_mode():
        maps = network(reference_input(224, 224))
    for name, ours in maps._asdict().items():
        theirs = case[f"damped.{name}"]
        largest = np.abs(theirs).max()
        assert np.abs(ours[..., ::4, ::4].numpy() - theirs).max() <= 1e-4 * largest
        means = ours.mean(dim=(2, 3)).numpy()
        np.testing.assert_allclose(means, case[f"damped.{name}.mean"], atol=1e-4 * largest)


@pytest.mark.parametrize("backbone", ["resnet18", "densenet121"])
def test_names_and_shapes_are_the_published(nets: Path, backbone: str) -> None:
    with torch.device("meta"):
        ours = TrtPose(backbone).state_dict()
    listed = keys(nets, f"trtpose_{backbone}_baseline_att")
    assert {name: tuple(value.shape) for name, value in ours.items()} == {
        name: shape for name, (_, shape) in listed.items()
    }


def test_densenet_stops_before_the_last_relu() -> None:
    network = TrtPose("densenet121").eval()
    torch.manual_seed(0)
    with torch.inference_mode():
        features = network[0](torch.randn(1, 3, 64, 64))
        maps = network(torch.zeros(1, 3, 64, 32))
    assert features.shape == (1, 1024, 2, 2)
    assert features.min() < 0
    assert maps.cmap.shape == (1, 18, 16, 8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"backbone": "resnet50"}, "resnet18, densenet121"),
        ({"keypoints": 0}, "at least 1"),
        ({"links": 0}, "at least 1"),
    ],
)
def test_settings_that_no_network_has_are_refused(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrtPose(**given)
