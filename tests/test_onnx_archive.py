"""MMDeploy's archives as networks; an archive is data of a stranger's."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")

from onnx import TensorProto, helper
from onnx_files import answering, save

from posetrack.detectors.onnx import OnnxDetector
from posetrack.detectors.onnx_labelled import decode_rtmdet
from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.one_stage import OneStage
from posetrack.estimators.top_down import TopDown
from posetrack.ops.crops import BGR_255, Normalisation
from posetrack.runtimes import onnx_archive
from posetrack.runtimes.onnx_archive import read_archived_card, read_archived_model
from posetrack.runtimes.onnxruntime import open_session
from posetrack.skeletons import HALPE_26

NORMALIZE = {
    "type": "Normalize",
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "to_rgb": True,
}
CROPS = [
    {"type": "LoadImageFromFile"},
    {"type": "TopDownGetBboxCenterScale", "padding": 1.1, "image_size": [48, 64]},
    {"type": "TopDownAffine", "image_size": [48, 64]},
    NORMALIZE,
]
WHOLE = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "keep_ratio": True, "size": [64, 96]},
    {"type": "Pad", "size": [64, 96], "pad_val": {"img": [114, 114, 114]}},
]


def pipeline_of(steps: list[dict[str, Any]], **params: Any) -> dict[str, Any]:
    tasks = [
        {"type": "Task", "module": "Transform", "name": "Preprocess", "transforms": steps},
        {"type": "Task", "module": "Net", "name": "pose"},
        {"type": "Task", "module": "mmpose", "component": "SimCCLabelDecode", "params": params},
    ]
    return {"pipeline": {"input": ["img"], "output": ["post_output"], "tasks": tasks}}


def archive(
    path: Path, model: bytes, pipeline: object = None, detail: object = None, folder: str = "a/b/"
) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{folder}end2end.onnx", model)
        for name, content in (("pipeline.json", pipeline), ("detail.json", detail)):
            if content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                file.writestr(folder + name, text)
    return path


@pytest.fixture
def simcc(tmp_path: Path) -> bytes:
    outputs = {
        "simcc_x": np.ones((1, 26, 96), np.float32),
        "simcc_y": np.ones((1, 26, 128), np.float32),
    }
    path = answering(tmp_path / "net.onnx", outputs, input_shape=(1, 3, "h", "w"))
    return path.read_bytes()


def test_a_pose_networks_archive_says_how_it_is_fed(tmp_path: Path, simcc: bytes) -> None:
    path = archive(tmp_path / "rtmpose.zip", simcc, pipeline_of(CROPS))
    estimate = load_estimator(path, threads=1)
    assert isinstance(estimate, TopDown)
    assert estimate.skeleton is HALPE_26
    assert estimate.input_size == (48, 64)
    assert estimate.padding == 1.1
    np.testing.assert_allclose(estimate.normalisation.mean, (0.485, 0.456, 0.406))
    np.testing.assert_allclose(estimate.normalisation.std, (0.229, 0.224, 0.225))
    assert estimate.normalisation.rgb


def test_the_decodings_size_goes_before_the_crops(tmp_path: Path, simcc: bytes) -> None:
    """Published archives have had a stale size in the step that crops."""
    pipeline = pipeline_of(CROPS, input_size=[96, 128])
    assert read_archived_card(archive(tmp_path / "a.zip", simcc, pipeline)).input_size == (96, 128)


def test_without_a_pipeline_the_detail_gives_the_size(tmp_path: Path, simcc: bytes) -> None:
    detail = {"onnx_config": {"input_shape": [48, 64]}}
    card = read_archived_card(archive(tmp_path / "a.zip", simcc, detail=detail, folder=""))
    assert card.input_size == (48, 64)
    assert card.normalisation is None


def test_a_detectors_archive_says_its_colours(tmp_path: Path) -> None:
    outputs = {"dets": np.zeros((1, 3, 5), np.float32), "labels": np.zeros((1, 3), np.int64)}
    model = answering(tmp_path / "net.onnx", outputs, input_shape=(1, 3, "h", "w")).read_bytes()
    yolox = OnnxDetector(archive(tmp_path / "yolox.zip", model, pipeline_of(WHOLE)), threads=1)
    assert (yolox.decode, yolox.normalisation) == (decode_rtmdet, BGR_255)
    assert yolox.input_size == (96, 64)
    other = OnnxDetector(
        archive(tmp_path / "other.zip", model, pipeline_of([*WHOLE, NORMALIZE])), threads=1
    )
    assert other.normalisation.rgb
    bare = OnnxDetector(archive(tmp_path / "bare.zip", model), threads=1, input_size=(64, 64))
    assert bare.normalisation == Normalisation(
        (0.406, 0.456, 0.485), (0.225, 0.224, 0.229), rgb=False
    )


def test_a_one_stage_networks_archive_is_one(tmp_path: Path) -> None:
    outputs = {
        "dets": np.zeros((1, 2, 5), np.float32),
        "keypoints": np.zeros((1, 2, 17, 3), np.float32),
    }
    model = answering(tmp_path / "net.onnx", outputs, input_shape=(1, 3, 64, 64)).read_bytes()
    estimate = load_estimator(archive(tmp_path / "rtmo.zip", model, pipeline_of(WHOLE)))
    assert isinstance(estimate, OneStage)
    assert len(estimate(np.zeros((64, 64, 3), np.uint8))) == 0


def test_names_that_lead_outside_write_nothing(tmp_path: Path, simcc: bytes) -> None:
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)
    path = archive(inside / "a.zip", simcc, pipeline_of(CROPS), folder="../../")
    before = sorted(tmp_path.rglob("*"))
    assert load_estimator(path, threads=1).input_size == (48, 64)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04 and no more", "not a ZIP archive"),
        (b"<html>not found</html>", "this is a web page"),
    ],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_session(path)


def test_an_archive_without_or_with_several_networks_is_refused(tmp_path: Path) -> None:
    for names, message in (([], "has none"), (["a/end2end.onnx", "b/end2end.onnx"], "has 2")):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name in [*names, "readme.txt"]:
                file.writestr(name, b"x")
        with pytest.raises(ValueError, match=message):
            read_archived_model(path)


def test_what_would_grow_beyond_reason_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", bytes(20_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match="weights do not; nothing of it was read"):
        read_archived_model(path)


def test_a_large_json_is_refused_before_it_is_read(tmp_path: Path, simcc: bytes) -> None:
    path = archive(tmp_path / "a.zip", simcc, "[" + " " * 2_000_000 + "]")
    with pytest.raises(ValueError, match=r"pipeline\.json' has 2,000,002 bytes"):
        read_archived_card(path)


def test_too_many_files_are_refused(
    tmp_path: Path, simcc: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_archive, "_MOST_MEMBERS", 1)
    path = archive(tmp_path / "a.zip", simcc, pipeline_of(CROPS))
    with pytest.raises(ValueError, match="2 files, which no network's archive has"):
        read_archived_card(path)


def test_damage_inside_names_the_file(tmp_path: Path, simcc: bytes) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("end2end.onnx", simcc)
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip: 'end2end\.onnx' is damaged"):
        read_archived_model(path)


@pytest.mark.parametrize(
    "pipeline",
    [
        "{",
        "[]",
        {"pipeline": {"tasks": [7]}},
        {"pipeline": {"tasks": "many"}},
        pipeline_of([{"type": "TopDownAffine", "image_size": [10**9, 2]}]),
        pipeline_of([{"type": "TopDownAffine", "image_size": ["a", "b"]}]),
        pipeline_of([{"type": "Normalize", "mean": [1], "std": [0, 0, 0]}]),
        pipeline_of([{"type": "Normalize"}]),
        pipeline_of([{"type": "TopDownGetBboxCenterScale", "padding": -1}]),
        pipeline_of([{"type": "TopDownGetBboxCenterScale", "padding": "wide"}]),
        pipeline_of(["Resize"]),  # type: ignore[list-item]
        pipeline_of([], input_size=[0, 0]),
    ],
    ids=lambda value: json.dumps(value)[-60:],
)
def test_nonsense_in_the_pipeline_names_the_archive(
    tmp_path: Path, simcc: bytes, pipeline: object
) -> None:
    path = archive(tmp_path / "a.zip", simcc, pipeline)
    with pytest.raises(ValueError, match=r"a\.zip"):
        read_archived_card(path)


def test_weights_elsewhere_are_not_looked_for(tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    node = helper.make_node("Add", ["x", "w"], ["y"])
    kinds = {"y": (TensorProto.FLOAT, (4,))}
    net = save(tmp_path / "net.onnx", [node], {"x": (4,)}, kinds, weights=[tensor])
    (tmp_path / "w.bin").write_bytes(bytes(16))
    path = archive(tmp_path / "a.zip", net.read_bytes())
    with pytest.raises(ValueError, match="not looked for in or beside an archive"):
        open_session(path)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.zip"):
        load_estimator(tmp_path / "nowhere.zip")
