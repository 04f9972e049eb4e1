"""Loading of networks of every family; what is common to all is in ``test_checkpoints``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from filled import filled_state
from torch import nn

from posetrack.checkpoints.loading import load_network
from posetrack.checkpoints.recognition import recognise
from posetrack.networks.hrnet import HRNet
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB, PLUS_MINUS_ONE
from posetrack.skeletons import COCO_17, COCO_17_NECK, MPII_16, POSETRACK_17

SMALL = {
    "resnet": lambda: PoseResNet(18, 17, deconv_channels=(8, 8, 8)),
    "hrnet": lambda: HRNet(4, 17),
    "posenet": lambda: PoseNet(0.5),
    "trtpose": lambda: TrtPose("resnet18", channels=8),
}


@pytest.fixture(scope="session")
def states() -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return {name: dict(build().state_dict()) for name, build in SMALL.items()}


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def under(state: dict, trunk: str, head: str, outer: str = "") -> dict:
    ends = ("deconv", "final")
    return {
        outer + (head if name.startswith(ends) else trunk) + name: tensor
        for name, tensor in state.items()
    }


@pytest.mark.parametrize("outer", ["", "module."])
@pytest.mark.parametrize(
    ("which", "kind", "source", "normalisation", "skeleton", "size"),
    [
        ("resnet", PoseResNet, "authors", IMAGENET_BGR_AS_TRAINED, COCO_17, (192, 256)),
        ("hrnet", HRNet, "HRNet's authors", IMAGENET_RGB, COCO_17, (192, 256)),
        ("posenet", PoseNet, "posenet", PLUS_MINUS_ONE, COCO_17, (513, 513)),
        ("trtpose", TrtPose, "trt_pose", IMAGENET_RGB, COCO_17_NECK, (224, 224)),
    ],
)
def test_every_family_is_recognised_and_gets_what_it_needs(
    tmp_path: Path, states: dict, which, kind, source, normalisation, skeleton, size, outer
) -> None:
    path = saved(tmp_path / "weights.pth", under(states[which], "", "", outer))
    network, found = load_network(path)
    assert type(network) is kind
    assert not network.training
    assert (found.source, found.normalisation) == (source, normalisation)
    assert (found.skeleton, found.input_size) == (skeleton, size)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in states[which].items())


@pytest.mark.parametrize("which", ["resnet", "hrnet"])
@pytest.mark.parametrize(
    ("head", "source"), [("keypoint_head.", "mmpose 0.x"), ("head.", "mmpose 1.x")]
)
def test_mmposes_names_mean_rgb(tmp_path: Path, states: dict, which, head, source) -> None:
    content = {"meta": {}, "state_dict": under(states[which], "backbone.", head)}
    _, found = load_network(saved(tmp_path / "weights.pth", content))
    assert (found.source, found.normalisation) == (source, IMAGENET_RGB)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ("codec = dict(type='MSRAHeatmap', input_size=(288, 384), sigma=3)", (288, 384)),
        ("data_cfg = dict(\n    image_size=[256, 256],\n    heatmap_size=[64, 64])", (256, 256)),
        ("heatmap_size=[64, 64]", (192, 256)),
        ("input_size=(0, 384)", (192, 256)),
        (7, (192, 256)),
    ],
)
def test_the_input_size_is_taken_from_mmposes_settings(
    tmp_path: Path, states: dict, settings: object, size: tuple[int, int]
) -> None:
    content = {
        "meta": {"cfg": settings},
        "state_dict": under(states["hrnet"], "backbone.", "head."),
    }
    path = saved(tmp_path / "weights.pth", content)
    assert load_network(path)[1].input_size == size
    assert load_network(path, input_size=(96, 128))[1].input_size == (96, 128)


@pytest.mark.parametrize("prefix", ["", "mmpose0_", "mmpose1_"])
def test_published_key_lists_of_hrnet_load(tmp_path: Path, shared: Path, prefix: str) -> None:
    state = filled_state(shared / "reference" / "nets", f"{prefix}hrnet_w32", 0.45)
    network, found = load_network(saved(tmp_path / "weights.pth", state))
    assert isinstance(network, HRNet)
    assert (network.width, network.keypoints) == (32, 17)
    assert found.normalisation == IMAGENET_RGB


@pytest.mark.parametrize(
    "key_list",
    [f"posenet_mobilenet_v1_{width}" for width in ("050", "075", "100", "101")]
    + [f"trtpose_{backbone}_baseline_att" for backbone in ("resnet18", "densenet121")],
)
def test_published_key_lists_of_bottom_up_networks_load(
    tmp_path: Path, shared: Path, key_list: str
) -> None:
    state = filled_state(shared / "reference" / "nets", key_list, 1.0)
    network, found = load_network(saved(tmp_path / "weights.pth", state))
    if isinstance(network, PoseNet):
        assert network.width == min(int(key_list[-3:]) / 100, 1)
        assert found.skeleton == COCO_17
    else:
        assert isinstance(network, TrtPose)
        assert network.backbone in key_list
        assert found.input_size == ((224, 224) if network.backbone == "resnet18" else (256, 256))


def test_settings_are_read_from_the_shapes() -> None:
    with torch.device("meta"):
        built = {
            HRNet: {
                "width": 48,
                "keypoints": 16,
                "final_kernel": 3,
                "batch_norm": False,
                "group_norm": False,
            },
            PoseNet: {"width": 0.75, "keypoints": 5, "edges": 4},
            TrtPose: {"backbone": "densenet121", "keypoints": 6, "links": 7, "channels": 32},
        }
        found = {kind: recognise(kind(**given).state_dict()) for kind, given in built.items()}
    for kind, given in built.items():
        assert (found[kind].kind, found[kind].settings) == (kind, given)


def test_what_no_file_tells_can_be_told(tmp_path: Path, states: dict) -> None:
    posenet = saved(tmp_path / "posenet.pth", states["posenet"])
    assert load_network(posenet, output_stride=8)[0].output_stride == 8
    hrnet = saved(tmp_path / "hrnet.pth", states["hrnet"])
    network, _ = load_network(hrnet, activations=False)
    assert not any(isinstance(part, nn.ReLU) for part in network.modules())
    with pytest.raises(ValueError, match=r"HRNet-W4 .* has no output_stride; .*: activations"):
        load_network(hrnet, output_stride=8)


def test_sixteen_keypoints_are_mpiis_in_a_square(tmp_path: Path) -> None:
    path = saved(tmp_path / "mpii.pth", HRNet(4, 16).state_dict())
    _, found = load_network(path)
    assert (found.skeleton, found.input_size) == (MPII_16, (256, 256))


def test_another_skeleton_must_have_as_many_keypoints(tmp_path: Path, states: dict) -> None:
    path = saved(tmp_path / "hrnet.pth", states["hrnet"])
    assert load_network(path, skeleton=POSETRACK_17)[1].skeleton == POSETRACK_17
    with pytest.raises(ValueError, match="17 keypoints, skeleton mpii_16 has 16"):
        load_network(path, skeleton=MPII_16)


@pytest.mark.parametrize("which", ["hrnet", "posenet", "trtpose"])
def test_what_is_missing_or_left_over_is_named_and_taken_when_partial(
    tmp_path: Path, states: dict, which: str
) -> None:
    changed = dict(states[which])
    gone = [name for name in changed if name.endswith(".weight")][7]
    del changed[gone]
    changed["neck.weight"] = torch.zeros(3)
    path = saved(tmp_path / "weights.pth", changed)
    with pytest.raises(ValueError, match="does not fit") as caught:
        load_network(path)
    assert gone in str(caught.value)
    assert "neck.weight" in str(caught.value)
    network, found = load_network(path, partial=True)
    assert (found.missing, found.left_over) == ((gone,), ("neck.weight",))
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


@pytest.mark.parametrize("which", SMALL)
def test_a_trunk_gets_an_end_for_other_keypoints_when_partial(
    tmp_path: Path, states: dict, which: str
) -> None:
    path = saved(tmp_path / "weights.pth", states[which])
    network, found = load_network(path, partial=True, keypoints=16, skeleton=MPII_16)
    assert network.keypoints == 16
    assert found.missing == found.left_over
    assert 1 < len(found.missing) <= 4


def test_torchvisions_classifier_is_a_trunk_for_rgb(tmp_path: Path, states: dict) -> None:
    trunk = {name: value for name, value in states["resnet"].items()
             if not name.startswith(("deconv", "final"))}  # fmt: skip
    path = saved(tmp_path / "resnet18.pth", {**trunk, "fc.weight": torch.zeros(1000, 512)})
    _, found = load_network(path, partial=True)
    assert (found.source, found.normalisation) == ("torchvision", IMAGENET_RGB)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": torch.zeros(2)}, "no network known here"),
        ({"stage2.0.x": torch.zeros(2)}, r"this is an HRNet, but stage2\.0\.branches"),
        ({"features.conv0.conv.weight": torch.zeros(2)}, r"a PoseNet, but .* has shape \(2,\)"),
        ({"features.conv0.conv.weight": torch.zeros(5, 3, 3, 3)}, "16, 24, 32 channels, this 5"),
        ({"0.resnet.conv1.weight": torch.zeros(2)}, r"1\.cmap_conv\.weight is missing"),
        ({"stage2.0.branches.0.0.conv1.weight": torch.zeros(1).expand(9999, 1, 3, 3)}, "At most"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_network(saved(tmp_path / "weights.pth", content))


@pytest.mark.parametrize(
    ("which", "name"),
    [
        ("hrnet", "final_layer.weight"),
        ("posenet", "heatmap.weight"),
        ("posenet", "displacement_fwd.weight"),
        ("trtpose", "1.cmap_conv.weight"),
    ],
)
def test_shapes_are_believed_only_up_to_a_size(
    tmp_path: Path, states: dict, which: str, name: str
) -> None:
    huge = {**states[which], name: torch.zeros(1).expand(10**9, 8, 1, 1)}
    with pytest.raises(ValueError, match="more than 4096"):
        load_network(saved(tmp_path / "weights.pth", huge))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, states: dict) -> None:
    broken = {**states["posenet"], "heatmap.bias": torch.full((17,), np.nan)}
    with pytest.raises(ValueError, match=r"NaN or infinity in its weights\. In: heatmap\.bias"):
        load_network(saved(tmp_path / "weights.pth", broken))
