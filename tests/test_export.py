"""``posetrack export``: every form answers as its source, says what it needs, and is run."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from filled import fill_network

pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")

from posetrack.checkpoints.card import Decode
from posetrack.cli import main
from posetrack.estimators.from_file import decode_for, load_estimator
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.estimators.top_down import TopDown
from posetrack.export import comparison
from posetrack.export.network_files import SUFFIXES
from posetrack.networks.hrnet import HRNet
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.ops.heatmaps import decode_argmax, decode_quarter
from posetrack.runtimes.session import open_exported
from posetrack.runtimes.torch import for_inference
from posetrack.runtimes.torch_export import require_plain_program
from posetrack.structures import Detections

FORMS = ["onnx", "torch-export", "openvino"]
QUICK = ["--size", "64x48", "--crops", "2", "--repeats", "1", "--batch", "1"]
BOXES = Detections([[10, 10, 60, 110], [50, 20, 140, 115]], [1.0, 0.5])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("posetrack.runtimes.torch_crops.find_spec", lambda _: None)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = PoseResNet(18, 17, deconv_channels=(8, 8, 8))
    fill_network(network, 0.45)
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC))


def export(weights: Path, out: Path, form: str, *more: str) -> Path:
    if form == "openvino":
        pytest.importorskip("openvino", reason="needs the extra posetrack[openvino]")
    path = out / ("net" + SUFFIXES[form])
    assert main(["export", str(weights), "--to", form, "-o", str(path), *QUICK, *more]) == 0
    return path


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("onnx", ["--decode"]),
        *((form, more) for form in FORMS for more in ([], ["--decode", "--flip-test"])),
    ],
)
def test_every_form_is_run_by_the_same_call_and_answers_alike(
    tmp_path: Path, weights: Path, image: np.ndarray, form: str, more: list[str]
) -> None:
    path = export(weights, tmp_path, form, *more)
    flip = {"flip_test": "--flip-test" in more}
    want = load_estimator(weights, input_size=(48, 64), device="cpu", **flip)(image, BOXES)
    estimate = load_estimator(path, device="cpu")
    have = estimate(image, BOXES)
    assert (estimate.input_size, estimate.skeleton) == ((48, 64), want.skeleton)
    assert not estimate.normalisation.rgb  # as the paper's authors have it, and the file says
    np.testing.assert_allclose(have.xy, want.xy, atol=0.01)
    np.testing.assert_allclose(have.scores, want.scores, atol=1e-5)
    assert len(estimate(image, Detections.empty())) == 0


@pytest.mark.parametrize("form", FORMS)
def test_16_bits_are_half_the_size_and_near(tmp_path: Path, weights: Path, form: str) -> None:
    path = export(weights, tmp_path, form, "--half")
    report = json.loads(path.with_name(path.name + ".report.json").read_text())
    source, row = report["forms"]
    assert (source["form"], row["form"], row["precision"]) == ("torch", form, "float16")
    assert 0 < row["heatmaps_relative"] < 0.05
    files = [path, path.with_suffix(".bin")] if form == "openvino" else [path]
    assert sum(file.stat().st_size for file in files) < 0.6 * weights.stat().st_size


def test_8_bits_are_a_quarter_of_the_size(tmp_path: Path, weights: Path, image) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), image)
    path = export(
        weights, tmp_path, "onnx", "--int8", "--calibrate", str(folder), "--max-drift", "99"
    )
    assert path.stat().st_size < 0.4 * weights.stat().st_size
    about = open_exported(path, device="cpu").card
    assert about.outputs is not None
    assert about.outputs.precision == "int8"
    assert len(load_estimator(path, device="cpu")(image, BOXES)) == 2


@pytest.mark.parametrize(
    ("kind", "form"),
    [*(("posenet", form) for form in ("onnx", "openvino")), ("trtpose", "onnx")],
)
def test_networks_for_whole_images_are_run_too(
    tmp_path: Path, image: np.ndarray, kind: str, form: str
) -> None:
    network = PoseNet(0.5) if kind == "posenet" else TrtPose("resnet18", channels=8)
    fill_network(network, 1.0 if kind == "posenet" else 0.7)
    weights = tmp_path / "weights.pth"
    torch.save(network.state_dict(), weights)
    path = export(weights, tmp_path, form, "--size", "96x96")
    settings = {"min_score": 0.01, "device": "cpu"}
    want = load_estimator(weights, input_size=(96, 96), **settings)(image)
    have = load_estimator(path, **settings)(image)
    assert have.skeleton == want.skeleton
    np.testing.assert_allclose(have.xy, want.xy, atol=0.01)


def test_an_export_that_drifts_is_not_kept(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    real = comparison.open_exported

    def shifted(path: Path, **settings: object) -> object:
        run = real(path, **settings)
        return lambda batch: [np.roll(maps, 1, axis=3) for maps in run(batch)]

    monkeypatch.setattr(comparison, "open_exported", shifted)
    path = tmp_path / "net.onnx"
    assert main(["export", str(weights), "--to", "onnx", "-o", str(path), *QUICK]) == 1
    assert not list(tmp_path.glob("net*"))
    assert "not kept: a keypoint is" in capsys.readouterr().out


def test_a_table_says_drift_speed_and_where_the_crops_are_from(
    tmp_path: Path, weights: Path, capsys
) -> None:
    args = ["export", str(weights), "--to", "onnx", "torch-export", "-o", str(tmp_path / "all")]
    assert main([*args, *QUICK, "--flip-test"]) == 0
    out = capsys.readouterr().out
    assert "random texture" in out
    head, torchs, *rest = (line.split() for line in out.splitlines()[1:4] if line)
    assert head[-1] == "TORCH"
    assert torchs[0] == "torch"
    assert rest[0][0] == "onnx"
    assert "yes" in rest[0]
    assert len(list((tmp_path / "all").glob("*.report.json"))) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--to", "onnx", "--int8"], "needs --calibrate"),
        (["--to", "torch-export", "--int8"], "--int8 is for --to onnx"),
        (["--to", "onnx", "--calibrate", "x"], "goes with --int8"),
        (["--to", "onnx", "--annotations", "x"], "--images FOLDER"),
        (["--to", "onnx", "--crops", "0"], "at least 1"),
        (["--to", "onnx", "-o", "a.xml"], "ends in .onnx"),
    ],
)
def test_what_cannot_be_meant_is_refused(weights: Path, capsys, more, message: str) -> None:
    assert main(["export", str(weights), *more]) == 1
    assert message in capsys.readouterr().err


def test_tensorrt_names_what_to_install(tmp_path: Path, weights: Path, capsys) -> None:
    path = str(tmp_path / "net.engine")
    assert main(["export", str(weights), "--to", "tensorrt", "-o", path, *QUICK]) == 1
    assert "pip install tensorrt" in capsys.readouterr().err


def test_onnx_top_down_takes_what_the_file_says(tmp_path: Path, weights: Path, image) -> None:
    path = export(weights, tmp_path, "onnx", "--decode")
    estimate = OnnxTopDown(path, threads=1)
    assert isinstance(estimate, TopDown)
    assert estimate.decoded
    assert estimate.input_size == (48, 64)
    with pytest.raises(ValueError, match="flip test is not in its graph"):
        OnnxTopDown(path, flip_test=True)
    with pytest.raises(ValueError, match="decoding is in its graph"):
        OnnxTopDown(path, decode=decode_argmax)


class Harmful:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def changed(path: Path, name: str, content: bytes) -> Path:
    """The archive with one of its members replaced."""
    other = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename.endswith(name) else old.read(info))
    return other


def test_a_harmful_torch_export_file_runs_nothing(tmp_path: Path, weights: Path) -> None:
    path = export(weights, tmp_path, "torch-export", "--no-check")
    require_plain_program(path)
    trace = tmp_path / "was-run"
    buffer = io.BytesIO()
    torch.save((Harmful(trace),), buffer)
    with zipfile.ZipFile(path) as file:
        model = file.read("archive/models/model.json").decode()
    call = "torch.ops.aten.conv2d.default"
    expression = "Symbol('s77', positive=True, integer=True)"
    assert call in model
    assert "expr_str" in model
    attacks = [
        ("sample_inputs/model.pt", buffer.getvalue()),
        ("sample_inputs/model.pt", pickle.dumps(Harmful(trace))),
        ("models/model.json", model.replace(call, "torch.os.system", 1).encode()),
        ("models/model.json", model.replace(call, "torch.ops.aten.save.default", 1).encode()),
        (
            "models/model.json",
            model.replace('"guards_code": []', '"guards_code": ["print(1)"]').encode(),
        ),
        ("models/model.json", model.replace('"expr_str": "', '"expr_str": "print(1)+', 1).encode()),
        ("models/model.json", b"[1, 2"),
    ]
    assert expression.partition("(")[0] in model
    for name, content in attacks:
        with pytest.raises(ValueError, match=r"changed\.pt2: not a torch.export file"):
            open_exported(changed(path, name, content), device="cpu")
    assert not trace.exists()


@pytest.mark.parametrize("name", ["a.pt2", "a.xml", "a.onnx", "a.pt"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04nonsense"])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    if name == "a.xml":
        pytest.importorskip("openvino")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=name):
        load_estimator(path, device="cpu")


def test_every_network_of_ours_is_folded_and_others_only_where_it_is_right() -> None:
    class Mixed(torch.nn.Module):
        """Registers a normalisation after a convolution that it does not follow."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (torch.nn.Conv2d(3, 3, 1) for _ in range(2))
            self.norm = torch.nn.BatchNorm2d(3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.second(torch.relu(self.norm(self.first(images))))

    def norms(network: torch.nn.Module) -> int:
        return sum(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())

    network, noise = HRNet(4, 5), torch.randn(1, 3, 64, 64)
    fill_network(network, 0.45)
    folded = for_inference(network)
    assert norms(folded) == 0
    with torch.inference_mode():
        want = network.eval()(noise)
        assert (folded(noise) - want).abs().max() < 1e-4 * want.abs().max()
    mixed = Mixed()
    fill_network(mixed, 1.0)
    assert norms(for_inference(mixed, (8, 8))) == 1
    straight = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3)).eval()
    assert norms(for_inference(straight, (8, 8))) == 0
    assert norms(for_inference(straight)) == 1


def test_drift_of_a_shifted_map_is_its_stride() -> None:
    rng = np.random.default_rng(0)
    maps = rng.uniform(0, 0.1, (3, 2, 16, 12)).astype(np.float32)
    maps[:, :, 8, 5] = 1
    batch = np.zeros((3, 3, 64, 48), np.float32)
    measured = comparison.measure_drift(
        lambda _: [maps],
        lambda _: [np.roll(maps, 1, axis=2)],
        batch,
        decode=decode_argmax,
        mirror_order=np.array([1, 0]),
    )
    assert (measured.mean, measured.max, measured.max_decided) == (4.0, 4.0, 4.0)
    lost = comparison.measure_drift(
        lambda _: [maps],
        lambda _: [np.full_like(maps, np.nan)],
        batch,
        decode=decode_quarter,
        mirror_order=np.array([1, 0]),
    )
    assert lost.max_decided == np.inf


def test_dark_takes_its_blur_from_what_the_file_says(tmp_path: Path) -> None:
    from posetrack.checkpoints.conversion import convert_checkpoint

    weights, path = tmp_path / "a.pth", tmp_path / "a.safetensors"
    torch.save(HRNet(4, 17).state_dict(), weights)
    pytest.importorskip("safetensors")
    convert_checkpoint(weights, path, decode=Decode("quarter", 3.0), input_size=(48, 64))
    assert load_estimator(path, dark=True, device="cpu").decode.keywords == {"blur_size": 17}
    plain = load_estimator(weights, dark=True, device="cpu", input_size=(48, 64))
    assert plain.decode.keywords == {"blur_size": 11}
    assert load_estimator(path, device="cpu").decode is decode_quarter
    assert dataclasses.replace(decode_for(None, (288, 384), dark=True)).blur_size == 17
