from __future__ import annotations

import contextlib
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from filled import filled_state

from posetrack.checkpoints.loading import load_network
from posetrack.checkpoints.recognition import convert_keys, recognise
from posetrack.checkpoints.weight_files import read_weights
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB
from posetrack.skeletons import COCO_17, MPII_16, POSETRACK_17


@pytest.fixture(scope="session")
def state() -> dict[str, torch.Tensor]:
    """A ResNet-18 with a small head, so that files are quick to write."""
    torch.manual_seed(0)
    network = PoseResNet(18, 17, deconv_channels=(8, 8, 8))
    return dict(network.state_dict())


def renamed(state: dict, trunk: str, head: str, outer: str = "") -> dict:
    """A state dict under names that begin with ``trunk`` or ``head``."""
    return {
        outer + (head if name.startswith(("deconv", "final")) else trunk) + name: tensor
        for name, tensor in state.items()
    }


def saved(path: Path, content: object, *, old_format: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    return path


MMPOSE_META = {
    "epoch": 210,
    "cfg": "model = dict()",
    "dataset_meta": {
        "keypoint_colors": np.zeros((17, 3), np.uint8),
        "sigmas": np.full(17, 0.05, np.float32),
    },
}


@pytest.mark.parametrize("old_format", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize(
    ("trunk", "head", "outer", "source", "normalisation"),
    [
        ("", "", "", "authors", IMAGENET_BGR_AS_TRAINED),
        ("", "", "module.", "authors", IMAGENET_BGR_AS_TRAINED),
        ("backbone.", "keypoint_head.", "", "mmpose 0.x", IMAGENET_RGB),
        ("backbone.", "head.", "", "mmpose 1.x", IMAGENET_RGB),
        ("backbone.", "head.", "module.", "mmpose 1.x", IMAGENET_RGB),
    ],
)
def test_every_naming_loads_with_its_colours(
    tmp_path: Path, state: dict, trunk, head, outer, source, normalisation, old_format
) -> None:
    names = OrderedDict(renamed(state, trunk, head, outer))
    content = {"meta": MMPOSE_META, "state_dict": names} if trunk else names
    path = saved(tmp_path / "weights.pth.tar", content, old_format=old_format)
    network, checkpoint = load_network(path)
    assert (checkpoint.source, checkpoint.normalisation) == (source, normalisation)
    assert checkpoint.skeleton == COCO_17
    assert not network.training
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_colours_can_be_told(tmp_path: Path, state: dict) -> None:
    path = saved(tmp_path / "weights.pth", state)
    _, checkpoint = load_network(path, normalisation=IMAGENET_RGB, input_size=(288, 384))
    assert checkpoint.normalisation == IMAGENET_RGB
    assert checkpoint.input_size == (288, 384)


def test_a_training_checkpoint_with_numpy_numbers_loads(tmp_path: Path, state: dict) -> None:
    content = {
        "epoch": 3,
        "model": "pose_resnet",
        "state_dict": renamed(state, "", "", "module."),
        "perf": np.float64(0.704),
        "optimizer": {"param_groups": []},
    }
    network, _ = load_network(saved(tmp_path / "checkpoint.pth.tar", content, old_format=True))
    assert network.depth == 18


def test_missing_batch_counts_are_filled_with_zeros(tmp_path: Path, state: dict) -> None:
    bare = {name: tensor for name, tensor in state.items() if "num_batches" not in name}
    network, checkpoint = load_network(saved(tmp_path / "weights.pth", bare))
    assert network.bn1.num_batches_tracked.item() == 0
    assert checkpoint.missing == ()


def test_half_precision_weights_become_single(tmp_path: Path, state: dict) -> None:
    half = {
        name: value.half() if value.is_floating_point() else value for name, value in state.items()
    }
    network, _ = load_network(saved(tmp_path / "weights.pth", half))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("depth", [34, 50, 101, 152])
def test_depth_keypoints_and_head_are_read_from_the_shapes(tmp_path: Path, depth: int) -> None:
    settings = {
        "depth": depth,
        "keypoints": 11,
        "deconv_channels": (32, 16),
        "deconv_kernels": (3, 2),
        "deconv_bias": True,
        "final_kernel": 3,
    }
    with torch.device("meta"):
        found = recognise(PoseResNet(**settings).state_dict())
    assert (found.kind, found.settings) == (PoseResNet, settings)


def test_a_published_key_list_loads_from_a_file(tmp_path: Path, shared: Path) -> None:
    content = {
        "meta": MMPOSE_META,
        "state_dict": filled_state(shared / "reference" / "nets", "mmpose1_pose_resnet50", 0.7),
    }
    network, checkpoint = load_network(saved(tmp_path / "w.pth", content, old_format=True))
    assert (network.depth, network.keypoints, checkpoint.source) == (50, 17, "mmpose 1.x")


def test_skeleton_is_guessed_from_the_number_told_or_asked_for(tmp_path: Path) -> None:
    def file(keypoints: int) -> Path:
        network = PoseResNet(18, keypoints, deconv_channels=(8, 8, 8))
        return saved(tmp_path / f"{keypoints}.pth", network.state_dict())

    assert load_network(file(16))[1].skeleton == MPII_16
    assert load_network(file(17), skeleton=POSETRACK_17)[1].skeleton == POSETRACK_17
    with pytest.raises(ValueError, match=r"what are its 5 keypoints\?.*skeleton="):
        load_network(file(5))
    with pytest.raises(ValueError, match="16 keypoints, skeleton coco_17 has 17"):
        load_network(file(16), skeleton=COCO_17)


def test_keypoint_names_in_the_file_beat_the_guess(tmp_path: Path, state: dict) -> None:
    about = {"keypoint_id2name": dict(enumerate(POSETRACK_17.keypoints))}
    content = {
        "meta": {"dataset_meta": about},
        "state_dict": renamed(state, "backbone.", "head."),
    }
    _, checkpoint = load_network(saved(tmp_path / "weights.pth", content))
    assert checkpoint.skeleton == POSETRACK_17


def test_missing_left_over_and_misshapen_entries_are_named(tmp_path: Path, state: dict) -> None:
    changed = dict(state)
    del changed["layer3.1.bn2.weight"]
    changed["neck.weight"] = torch.zeros(3)
    changed["bn1.bias"] = torch.zeros(63)
    path = saved(tmp_path / "weights.pth", changed)
    with pytest.raises(ValueError, match="does not fit a ResNet-18") as caught:
        load_network(path)
    for named in ("layer3.1.bn2.weight", "neck.weight", "bn1.bias (63,) instead of (64,)"):
        assert named in str(caught.value)
    network, checkpoint = load_network(path, partial=True)
    assert checkpoint.missing == ("layer3.1.bn2.weight", "bn1.bias")
    assert checkpoint.left_over == ("neck.weight", "bn1.bias")
    assert torch.equal(network.conv1.weight, state["conv1.weight"])


def test_a_classifier_gives_its_trunk_when_partial(tmp_path: Path, state: dict) -> None:
    trunk = {
        name: tensor for name, tensor in state.items() if not name.startswith(("deconv", "final"))
    }
    path = saved(tmp_path / "resnet18.pth", {**trunk, "fc.weight": torch.zeros(1000, 512)})
    with pytest.raises(ValueError, match=r"final_layer\.weight is missing"):
        load_network(path)
    network, checkpoint = load_network(path, partial=True, keypoints=16)
    assert torch.equal(network.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert checkpoint.left_over == ("fc.weight",)
    assert checkpoint.missing[0] == "deconv_layers.0.weight"
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


class _RunsCode:
    def __init__(self, call: object, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("how", ["zip", "old", "bare pickle"])
def test_a_pickle_that_wants_to_run_code_is_refused_and_not_run(
    tmp_path: Path, state: dict, how: str
) -> None:
    witness = tmp_path / "was-run"
    for call, arguments in (
        (os.mkdir, (str(witness),)),
        (eval, (f"__import__('os').mkdir({str(witness)!r})",)),
        (getattr, (np.ndarray, "tofile")),
    ):
        path = tmp_path / "weights.pth"
        content = {"state_dict": state, "optimizer": _RunsCode(call, *arguments)}
        if how == "bare pickle":
            path.write_bytes(pickle.dumps(content["optimizer"], protocol=2))
        else:
            saved(path, content, old_format=how == "old")
        with pytest.raises(ValueError, match="nothing of it was run") as caught:
            load_network(path)
        assert call.__name__ in str(caught.value)
        assert "torch.save(network.state_dict()" in str(caught.value)
        assert not witness.exists()
    pickle.loads(pickle.dumps(_RunsCode(os.mkdir, str(witness))))
    assert witness.exists(), "the pickle would have run, had it been read without care"


def test_allowed_types_do_not_outlast_the_reading(tmp_path: Path, state: dict) -> None:
    before = set(torch.serialization.get_safe_globals())
    read_weights(saved(tmp_path / "weights.pth", state))
    assert set(torch.serialization.get_safe_globals()) == before


def test_a_whole_pickled_network_is_refused_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page"),
        (b"  <html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        (b"not a checkpoint at all", "not a PyTorch weight file"),
        (bytes(range(256)) * 8, "not a PyTorch weight file"),
        (b"PK\x03\x04" + bytes(60), "not a PyTorch weight file"),
        (pickle.dumps([1, 2, 3], protocol=4), "not a PyTorch weight file|holds list"),
    ],
)
def test_what_is_not_a_checkpoint_is_called_so(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_network(path)


@pytest.mark.parametrize("old_format", [False, True], ids=["zip", "old"])
def test_a_truncated_file_is_called_so(tmp_path: Path, old_format: bool) -> None:
    path = saved(tmp_path / "w.pth", {"weight": torch.zeros(4000)}, old_format=old_format)
    whole = path.read_bytes()
    for size in (1, 20, 300, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"cut short|wants to use collections"):
            read_weights(path)


@pytest.mark.parametrize("old_format", [False, True], ids=["zip", "old"])
def test_damage_anywhere_is_an_error_or_harmless(tmp_path: Path, old_format: bool) -> None:
    path = saved(
        tmp_path / "w.pth", {"state_dict": {"weight": torch.zeros(9)}}, old_format=old_format
    )
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(ValueError):
            read_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(2)], "holds list"),
        ({"epoch": 3}, "'epoch' are none"),
        ({"state_dict": {}}, "found none"),
        ({"state_dict": 5}, "found none"),
        ({"a": torch.zeros(2)}, "not a ResNet"),
        ({"stage2.0.branches.0.0.conv1.weight": torch.zeros(2)}, "HRNet"),
        ({"a": torch.zeros(2).to_sparse()}, "'a' are none"),
        ({"conv1.weight": torch.zeros(1), "backbone.conv1.weight": torch.zeros(1)}, "stands twice"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_network(saved(tmp_path / "weights.pth", content))


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "nothing.pth")
    with pytest.raises(IsADirectoryError):
        load_network(tmp_path)


def test_shapes_are_believed_only_up_to_a_size(tmp_path: Path, state: dict) -> None:
    huge = {**state, "final_layer.weight": torch.zeros(1).expand(10**9, 8, 1, 1)}
    with pytest.raises(ValueError, match="more than 4096"):
        load_network(saved(tmp_path / "weights.pth", huge))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, state: dict) -> None:
    broken = {**state, "bn1.weight": torch.full((64,), torch.nan)}
    with pytest.raises(ValueError, match=r"NaN or infinity in its weights\. In: bn1\.weight"):
        load_network(saved(tmp_path / "weights.pth", broken))


def test_safetensors_load_too(tmp_path: Path, state: dict) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "weights.safetensors"
    safetensors.save_file(state, path)
    network, _ = load_network(path)
    assert torch.equal(network.conv1.weight, state["conv1.weight"])
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_network(path)


def test_conversion_changes_names_only(state: dict) -> None:
    theirs = renamed(state, "backbone.", "head.", "module.")
    theirs["data_preprocessor.mean"] = torch.zeros(3)
    ours = convert_keys(theirs)
    assert list(ours) == list(state)
    assert all(ours[name] is state[name] for name in state)
