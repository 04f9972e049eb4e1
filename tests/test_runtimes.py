from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from filled import fill_network
from torch import nn

from posetrack.estimators.top_down import TopDown
from posetrack.files import write_whole
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.runtimes import onnx_cache, torch_crops
from posetrack.runtimes.onnxruntime import run_with_onnxruntime
from posetrack.runtimes.openvino import run_with_openvino
from posetrack.runtimes.torch import run_with_torch
from posetrack.runtimes.torch_crops import run_with_best
from posetrack.skeletons import COCO_17
from posetrack.structures import Detections

SIZE = (32, 64)
EXPORTING = {"onnxruntime": run_with_onnxruntime, "openvino": run_with_openvino}
RUNTIMES = [
    pytest.param(run_with_torch, id="torch"),
    *(
        pytest.param(
            runtime,
            id=name,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(name) is None or importlib.util.find_spec("onnx") is None,
                reason=f"{name} and onnx are not both installed",
            ),
        )
        for name, runtime in EXPORTING.items()
    ),
]


class Small(nn.Module):
    """Convolutions that take no time to export."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 17, 4, 2, 1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def small(gain: float = 1.0) -> Small:
    network = Small()
    fill_network(network, gain)
    return network.eval()


def exported(home: Path) -> list[Path]:
    return sorted((home / "exported").glob("*"))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 3, 64, 32)).astype(np.float32)


def torchs(network: nn.Module, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(batch)).numpy()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_gives_torchs_heatmaps_for_any_batch(runtime) -> None:
    network = PoseResNet(18, 17, deconv_channels=(8, 8, 8)).eval()
    run = runtime(network, SIZE, 17)
    for count in (1, 4, 2):
        batch = images(count)
        before = batch.copy()
        have, want = run(batch), torchs(network, batch)
        assert have.dtype == np.float32
        assert np.abs(have - want).max() <= 1e-4 * np.abs(want).max()
        assert np.array_equal(batch, before)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_heatmaps_of_one_call_outlive_the_next(runtime) -> None:
    run = runtime(small(), SIZE, 17)
    first = run(images(2))
    kept = first.copy()
    run(-images(2))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_network_is_left_as_it_is(runtime) -> None:
    network = small().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    runtime(network, SIZE, 17)(images(1))
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("runtime", RUNTIMES[1:])
def test_a_network_is_exported_once_and_again_when_it_changes(
    runtime, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime(small(), SIZE, 17)
    (first,) = exported(home)
    with monkeypatch.context() as patched:
        patched.setattr(onnx_cache, "export", None)  # would fail, were it called
        runtime(small(), SIZE, 17)
    runtime(small(2.0), SIZE, 17)
    runtime(small(), (64, 64), 17)
    assert len(exported(home)) == 3
    assert first in exported(home)
    assert all(path.suffix == ".onnx" for path in exported(home))


def test_stride_which_no_weight_tells_makes_another_file() -> None:
    sizes = {"deconv_channels": (8,), "deconv_kernels": (4,)}
    with torch.device("meta"):
        usual, caffe = PoseResNet(50, **sizes), PoseResNet(50, **sizes, stride_on_1x1=True)
    state = {name: torch.zeros(tensor.shape) for name, tensor in usual.state_dict().items()}
    usual.load_state_dict(state, assign=True)
    caffe.load_state_dict(state, assign=True)
    assert onnx_cache._fingerprint(usual, SIZE) != onnx_cache._fingerprint(caffe, SIZE)


@pytest.mark.parametrize("content", [b"", b"not onnx", None], ids=["empty", "nonsense", "other"])
@pytest.mark.parametrize("runtime", RUNTIMES[1:])
def test_a_damaged_or_foreign_file_is_replaced(runtime, home: Path, content: bytes | None) -> None:
    runtime(small(2.0), SIZE, 17)
    (foreign,) = exported(home)
    runtime(small(), SIZE, 17)
    (path,) = set(exported(home)) - {foreign}
    path.write_bytes(foreign.read_bytes() if content is None else content)
    run = runtime(small(), SIZE, 17)
    assert np.abs(run(images(2)) - torchs(small(), images(2))).max() < 1e-3
    assert path.stat().st_size > 1000


class Unlike(nn.Module):
    """Gives other heatmaps when it is exported than when it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 17, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolution(images) * (2.0 if torch.onnx.is_in_onnx_export() else 1.0)


@pytest.mark.parametrize("runtime", RUNTIMES[1:])
def test_a_runtime_that_disagrees_with_torch_is_refused(runtime) -> None:
    with pytest.raises(RuntimeError, match="heatmaps differ from torch's by 1"):
        runtime(Unlike().eval(), SIZE, 17)


def test_the_best_runtime_falls_back_to_torch_and_says_why() -> None:
    network = Unlike().eval()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = run_with_best(network, SIZE, 17)
    installed = [name for name in EXPORTING if importlib.util.find_spec(name)]
    told = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]
    assert [message.split()[0] for message in told] == list(reversed(installed))
    batch = images(3)
    np.testing.assert_allclose(run(batch), torchs(network, batch), atol=1e-5)


def test_the_best_runtime_is_quiet_where_nothing_is_installed(monkeypatch) -> None:
    monkeypatch.setattr(torch_crops, "find_spec", lambda name: None)
    run = run_with_best(small(), SIZE, 17)
    assert run(images(1)).shape == (1, 17, 64, 32)


@pytest.mark.parametrize(("name", "runtime"), EXPORTING.items())
def test_a_missing_library_names_its_extra(name: str, runtime, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    extra = {"onnxruntime": "onnx"}.get(name, name)
    with pytest.raises(ModuleNotFoundError, match=rf'pip install "posetrack\[{extra}\]"'):
        runtime(small(), SIZE, 17)


@pytest.mark.parametrize("runtime", RUNTIMES[1:])
def test_a_network_for_other_keypoints_is_refused(runtime) -> None:
    with pytest.raises(ValueError, match=r"should give heatmaps \(1, 16, h, w\)"):
        runtime(small(), SIZE, 16)


@pytest.mark.parametrize("runtime", RUNTIMES[1:2])
def test_a_cache_that_cannot_be_written_is_said_and_does_not_stop(runtime, home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="cannot keep the exported network.*POSETRACK_HOME"):
        run = runtime(small(), SIZE, 17)
    assert run(images(1)).shape == (1, 17, 64, 32)


def test_a_broken_off_write_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "folder" / "network.onnx"
    path.parent.mkdir()

    def fail(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"content")
    assert list(path.parent.iterdir()) == []


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from posetrack.files import write_whole\n"
        "content = sys.argv[1].encode() * 200_000\n"
        "for _ in range(30): write_whole(Path(sys.argv[2]), content)\n"
    )
    path = tmp_path / "network.onnx"
    writers = [
        subprocess.Popen([sys.executable, "-c", program, letter, str(path)]) for letter in "ab"
    ]
    seen: set[bytes] = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 200_000
            seen |= {content[:1], content[-1:]}
            assert len(set(content)) == 1
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {b"a", b"b"}
    assert [path.name for path in tmp_path.glob("*network*")] == ["network.onnx"]


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not here")
def test_16_bits_are_asked_for_and_near() -> None:
    network = PoseResNet(18, 17, deconv_channels=(8, 8, 8)).eval()
    run = run_with_openvino(network, SIZE, 17, bfloat16=True)
    batch = images(2)
    want = torchs(network, batch)
    assert np.abs(run(batch) - want).max() <= 0.05 * np.abs(want).max()


@pytest.mark.parametrize("runtime", [*RUNTIMES, pytest.param(None, id="best")])
def test_the_estimator_answers_alike_with_every_runtime(runtime) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    boxes = Detections([[10, 10, 40, 80], [50, 20, 110, 70]], [1.0, 0.5])
    here = {"device": "cpu", "input_size": SIZE, "flip_test": True}
    want = TopDown(small(), COCO_17, runtime=run_with_torch, **here)(image, boxes)
    have = TopDown(small(), COCO_17, runtime=runtime, **here)(image, boxes)
    np.testing.assert_allclose(have.xy, want.xy, atol=1e-3)
    np.testing.assert_allclose(have.scores, want.scores, atol=1e-4)
