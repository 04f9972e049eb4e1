from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from filled import fill_network, filled_state, keys
from numpy.testing import assert_array_equal
from torch import nn

from posetrack.networks.pose_resnet import PoseResNet
from posetrack.runtimes.torch import fold_batch_norm

CASES = {
    "pose_resnet50_256x192": PoseResNet,
    "pose_resnet50_caffe_256x192": lambda: PoseResNet(50, stride_on_1x1=True),
    "pose_resnet50_mpii_256x256": lambda: PoseResNet(50, 16),
    "pose_resnet18_odd_head_256x192": lambda: PoseResNet(
        18,
        17,
        deconv_channels=(192, 128, 64),
        deconv_kernels=(4, 3, 2),
        deconv_bias=True,
        final_kernel=3,
    ),
}
GAINS = {"plain": 1.0, "damped": 0.7}


@pytest.fixture
def nets(shared: Path) -> Path:
    return shared / "reference" / "nets"


def reference_input(height: int, width: int) -> torch.Tensor:
    values = np.random.default_rng(0).normal(size=(2, 3, height, width))
    return torch.from_numpy(values.astype(np.float32))


def assert_same_heatmaps(ours: np.ndarray, case: dict[str, np.ndarray], run: str) -> None:
    theirs = case[f"{run}.heatmaps"]
    stride = ours.shape[-1] // theirs.shape[-1]
    largest = np.abs(theirs).max()
    assert np.abs(ours[..., ::stride, ::stride] - theirs).max() <= 1e-4 * largest
    flat = ours.reshape(*ours.shape[:2], -1)
    np.testing.assert_allclose(flat.mean(-1), case[f"{run}.heatmaps.mean"], atol=1e-4 * largest)
    np.testing.assert_allclose(flat.std(-1), case[f"{run}.heatmaps.std"], atol=1e-4 * largest)
    sure = case[f"{run}.heatmaps.argmax_margin"] > 1e-3 * largest
    assert sure.any()
    assert_array_equal(flat.argmax(-1)[sure], case[f"{run}.heatmaps.argmax"][sure])


@pytest.mark.parametrize("name", CASES)
def test_heatmaps_equal_the_authors(nets: Path, name: str) -> None:
    case = dict(np.load(nets / "cases" / f"net_{name}.npz"))
    height, width = (int(size) for size in name.rsplit("_", 1)[1].split("x"))
    with torch.device("meta"):
        network = CASES[name]().eval()
    for run in sorted({key.split(".")[0] for key in case}, reverse=True):  # plain, then damped
        fill_network(network, GAINS[run])
        with torch.inference_mode():
            ours = network(reference_input(height, width)).numpy()
        assert_same_heatmaps(ours, case, run)


@pytest.mark.parametrize("generation", ["mmpose0", "mmpose1"])
def test_heatmaps_equal_mmpose_under_its_names(nets: Path, generation: str) -> None:
    from posetrack.checkpoints.recognition import convert_keys

    case = dict(np.load(nets / "cases" / f"net_{generation}_pose_resnet50_256x192.npz"))
    with torch.device("meta"):
        network = PoseResNet(50).eval()
    state = convert_keys(filled_state(nets, f"{generation}_pose_resnet50", GAINS["damped"]))
    network.load_state_dict(state, assign=True)
    with torch.inference_mode():
        ours = network(reference_input(256, 192)).numpy()
    assert_same_heatmaps(ours, case, "damped")


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_names_and_shapes_are_the_authors(nets: Path, depth: int) -> None:
    with torch.device("meta"):
        ours = PoseResNet(depth).state_dict()
    theirs = {name: shape for name, (_, shape) in keys(nets, f"ms_pose_resnet{depth}").items()}
    assert {name: tuple(tensor.shape) for name, tensor in ours.items()} == theirs


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"deconv_bias": True, "deconv_kernels": (2, 3, 4), "deconv_channels": (32, 16, 8)},
        {"final_kernel": 3, "deconv_kernels": (4,), "deconv_channels": (16,)},
    ],
)
def test_folding_batch_norm_changes_no_heatmap(settings: dict) -> None:
    with torch.device("meta"):
        network = PoseResNet(18, 5, **settings)
    fill_network(network, 0.7)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = fold_batch_norm(network)
    network.eval()
    images = reference_input(64, 96)
    with torch.inference_mode():
        want, have = network(images), folded(images)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    assert (want - have).abs().max() <= 1e-5 * want.abs().max()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_every_keypoint_and_size_gets_a_quarter_sized_heatmap() -> None:
    network = PoseResNet(18, 3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 96, 64)).shape == (2, 3, 24, 16)
        assert network(torch.zeros(0, 3, 96, 64)).shape == (0, 3, 24, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 20}, "depth must be one of"),
        ({"keypoints": 0}, "at least 1"),
        ({"final_kernel": 2}, "final_kernel must be 1 or 3"),
        ({"deconv_kernels": (4, 4, 5)}, "must be 4, 3 or 2"),
        ({"deconv_kernels": (4, 4)}, "must be as many"),
        ({"depth": 18, "stride_on_1x1": True}, "bottlenecks"),
    ],
)
def test_settings_that_no_network_has_are_refused(settings: dict, message: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        PoseResNet(**settings)
