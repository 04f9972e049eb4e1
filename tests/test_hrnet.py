from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from filled import fill_network, filled_state, keys
from test_pose_resnet import assert_same_heatmaps, reference_input
from test_torch_topdown import crops_of, from_crops
from torch import nn

from posetrack.checkpoints.recognition import convert_keys
from posetrack.estimators.top_down import TopDown
from posetrack.networks.hrnet import HRNet
from posetrack.ops.crops import heatmap_to_image
from posetrack.runtimes.torch import run_with_torch
from posetrack.skeletons import COCO_17

GAIN = 0.45
"""Under gain 1 most parameters vanish from the output, so only the damped run is a test."""


@pytest.fixture
def nets(shared: Path) -> Path:
    return shared / "reference" / "nets"


@pytest.fixture(scope="session")
def w32() -> HRNet:
    with torch.device("meta"):
        network = HRNet(32).eval()
    fill_network(network, GAIN)
    return network


def test_heatmaps_equal_the_authors(nets: Path, w32: HRNet) -> None:
    case = dict(np.load(nets / "cases" / "net_hrnet_w32_256x192.npz"))
    with torch.inference_mode():
        ours = w32(reference_input(256, 192)).numpy()
    assert_same_heatmaps(ours, case, "damped")


@pytest.mark.parametrize("run", ["single", "flip"])
def test_crops_lead_to_the_recorded_keypoints(nets: Path, w32: HRNet, run: str) -> None:
    case = np.load(nets / "cases" / "e2e_hrnet_w32.npz")
    estimate = TopDown(w32, COCO_17, device="cpu", flip_test=run == "flip", runtime=run_with_torch)
    cells, scores, size = from_crops(estimate, crops_of(nets))
    xy = heatmap_to_image(cells, case["center"], case["scale"], size)
    stable = case[f"{run}_stable"]
    assert stable.sum() > 50
    assert np.abs(xy - case[f"{run}_preds"])[stable].max() < 0.005
    wanted = case[f"{run}_maxvals"][..., 0]
    np.testing.assert_allclose(scores, wanted, atol=1e-4 * wanted.max())


def test_heatmaps_equal_mmpose_under_its_names(nets: Path) -> None:
    case = dict(np.load(nets / "cases" / "net_mmpose1_hrnet_w32_256x192.npz"))
    with torch.device("meta"):
        network = HRNet(32).eval()
    state = convert_keys(filled_state(nets, "mmpose1_hrnet_w32", GAIN))
    network.load_state_dict(state, assign=True)
    with torch.inference_mode():
        ours = network(reference_input(256, 192)).numpy()
    assert_same_heatmaps(ours, case, "damped")


@pytest.mark.parametrize("width", [32, 48])
@pytest.mark.parametrize("prefix", ["", "mmpose0_", "mmpose1_"])
def test_names_and_shapes_are_the_published(nets: Path, width: int, prefix: str) -> None:
    with torch.device("meta"):
        ours = HRNet(width).state_dict()
    listed = keys(nets, f"{prefix}hrnet_w{width}")
    theirs = convert_keys({name: shape for name, (_, shape) in listed.items()})
    assert {name: tuple(tensor.shape) for name, tensor in ours.items()} == theirs


@pytest.mark.parametrize(("height", "width"), [(96, 64), (100, 52), (33, 65)])
def test_every_size_gets_a_quarter_sized_heatmap(height: int, width: int) -> None:
    network = HRNet(4, 3).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(2, 3, height, width))
        assert network(torch.zeros(0, 3, height, width)).shape[0] == 0
    assert maps.shape == (2, 3, -(-height // 4), -(-width // 4))


def test_without_batch_norm_and_activations_the_network_is_linear_but_for_its_last_bias() -> None:
    torch.manual_seed(0)
    network = HRNet(4, 3, batch_norm=False, activations=False).eval()
    kinds = {type(part) for part in network.modules()}
    assert kinds.isdisjoint({nn.BatchNorm2d, nn.ReLU})
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        zero = network(torch.zeros(1, 3, 64, 64))
        first, second = network(images[:1]) - zero, network(images[1:]) - zero
        both = network(2 * images[:1] + 3 * images[1:]) - zero
    assert both.abs().max() > 1e-2
    assert torch.allclose(both, 2 * first + 3 * second, atol=1e-4 * both.abs().max())


@pytest.mark.parametrize("left_out", ["batch_norm", "activations"])
def test_an_ablation_takes_out_one_kind_of_layer_and_keeps_the_names_of_the_others(
    left_out: str,
) -> None:
    with torch.device("meta"):
        whole, less = HRNet(4), HRNet(4, **{left_out: False})
    kept = {name: tuple(value.shape) for name, value in less.state_dict().items()}
    full = {name: tuple(value.shape) for name, value in whole.state_dict().items()}
    norms = {name for name, part in whole.named_modules() if isinstance(part, nn.BatchNorm2d)}
    gone = {name for name in full if name.rsplit(".", 1)[0] in norms}
    assert len(gone) == 5 * len(norms) > 0
    wanted = set(full) - gone if left_out == "batch_norm" else set(full)
    assert kept == {name: full[name] for name in wanted}
    assert any(isinstance(part, nn.ReLU) for part in less.modules()) == (left_out == "batch_norm")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "at least 1"),
        ({"keypoints": 0}, "at least 1"),
        ({"final_kernel": 2}, "final_kernel must be 1 or 3"),
    ],
)
def test_settings_that_no_network_has_are_refused(settings: dict, message: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        HRNet(**settings)


def test_group_norm_takes_the_place_of_every_batch_norm() -> None:
    network = HRNet(8, 3, group_norm=True).eval()
    kinds = [type(part) for part in network.modules()]
    assert nn.BatchNorm2d not in kinds
    assert kinds.count(nn.GroupNorm) == [type(part) for part in HRNet(8, 3).modules()].count(
        nn.BatchNorm2d
    )
    assert {part.num_groups for part in network.modules() if isinstance(part, nn.GroupNorm)} == {
        8, 16, 32,
    }  # fmt: skip
    one = torch.randn(1, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alone, together = network(one), network(torch.cat([one, one * 3]))
    torch.testing.assert_close(alone, together[:1])


def test_a_file_with_group_norm_is_recognised(tmp_path: Path) -> None:
    from posetrack.checkpoints.loading import load_network

    path = tmp_path / "net.pth"
    torch.save(HRNet(8, 17, group_norm=True).state_dict(), path)
    network, found = load_network(path)
    assert any(isinstance(part, nn.GroupNorm) for part in network.modules())
    assert not found.missing


def test_two_normalisations_are_refused() -> None:
    with pytest.raises(ValueError, match="takes the place of batch normalisation"):
        HRNet(8, 3, group_norm=True, batch_norm=False)
