from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from filled import fill_network, keys
from test_pose_resnet import reference_input

from posetrack.networks.posenet import PoseNet


@pytest.fixture
def nets(shared: Path) -> Path:
    return shared / "reference" / "nets"


def test_maps_equal_the_reference(nets: Path) -> None:
    case = np.load(nets / "cases" / "net_posenet_mobilenet_v1_050_257x193.npz")
    network = PoseNet(0.5).eval()
    fill_network(network, 1.0)
    with torch.inference_mode():
        maps = network(reference_input(257, 193))
    for name, ours in maps._asdict().items():
        theirs = case[f"plain.{name}"]
        assert ours.shape == theirs.shape
        assert np.abs(ours.numpy() - theirs).max() <= 1e-4 * np.abs(theirs).max(), name


@pytest.mark.parametrize("width", [0.5, 0.75, 1.0, 1.01])
def test_names_and_shapes_are_the_published(nets: Path, width: float) -> None:
    with torch.device("meta"):
        ours = PoseNet(width).state_dict()
    listed = keys(nets, f"posenet_mobilenet_v1_{round(100 * width):03d}")
    theirs = {name: shape for name, (_, shape) in listed.items()}
    assert {name: tuple(tensor.shape) for name, tensor in ours.items()} == theirs


@pytest.mark.parametrize(("width", "stride", "reached"), [
    (0.5, 8, 8), (0.75, 16, 16), (0.75, 32, 16), (1.0, 8, 8), (1.0, 16, 16), (1.01, 32, 32),
])  # fmt: skip
def test_maps_have_a_cell_at_every_stride_and_one_more(width, stride, reached) -> None:
    network = PoseNet(width, output_stride=stride).eval()
    assert network.output_stride == reached
    with torch.inference_mode():
        maps = network(torch.zeros(1, 3, 65, 97))
    assert {tuple(part.shape[2:]) for part in maps} == {(64 // reached + 1, 96 // reached + 1)}
    assert [part.shape[1] for part in maps] == [17, 34, 32, 32]


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_finer_strides_see_the_same_of_the_image(width: float) -> None:
    """With strides made dilations, every second cell of a finer map is that of the coarser one.

    Borders differ, for their padding lies elsewhere; a far corner of zeros is left out by
    comparing the middle.
    """
    coarse, fine = (PoseNet(width, output_stride=stride).eval() for stride in (16, 8))
    fill_network(coarse, 1.0)
    fine.load_state_dict(coarse.state_dict())
    images = reference_input(513, 513)[:1]
    with torch.inference_mode():
        want, have = coarse(images).offset, fine(images).offset[..., ::2, ::2]
    middle = (..., slice(14, 19), slice(14, 19))
    assert want.abs().max() > 0.1
    assert (want - have)[middle].abs().max() <= 1e-4 * want.abs().max()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0.6}, "width must be one of"),
        ({"output_stride": 4}, "output_stride must be one of"),
        ({"keypoints": 0}, "at least 1"),
        ({"edges": 0}, "at least 1"),
    ],
)
def test_settings_that_no_network_has_are_refused(settings: dict, message: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        PoseNet(**settings)
