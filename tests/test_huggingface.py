"""Networks of Hugging Face's hub, as small random ones from folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.runtimes.huggingface import hub_name

transformers = pytest.importorskip("transformers", reason="needs the extra posetrack[hf]")
torch = pytest.importorskip("torch")

IMAGE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


def test_names_may_have_a_revision() -> None:
    assert hub_name("hf:a/b@1234") == ("a/b", "1234")
    assert hub_name("a/b") == ("a/b", "")
    with pytest.raises(ValueError, match="hf:NAME"):
        hub_name("hf:")


@pytest.fixture(scope="session")
def vitpose(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """ViTPose with one expert, and ViTPose+ with three, of 17 keypoints."""
    folders = {}
    for experts in (1, 3):
        torch.manual_seed(experts)
        backbone = transformers.VitPoseBackboneConfig(
            image_size=[64, 48], patch_size=[16, 16], hidden_size=32, num_hidden_layers=1,
            num_attention_heads=2, num_experts=experts, part_features=8, out_features=["stage1"],
        )  # fmt: skip
        config = transformers.VitPoseConfig(
            backbone_config=backbone, num_labels=17, use_simple_decoder=True
        )
        folder = tmp_path_factory.mktemp("vitpose")
        transformers.VitPoseForPoseEstimation(config).save_pretrained(folder)
        transformers.VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(folder)
        folders[experts] = folder
    return folders


@pytest.mark.parametrize("experts", [1, 3])
def test_vitpose_gives_its_librarys_keypoints(vitpose: Any, experts: int) -> None:
    from posetrack.estimators.huggingface import VitPose
    from posetrack.structures import Detections

    folder = str(vitpose[experts])
    boxes = Detections([[10, 10, 50, 90], [60, 5, 110, 80], [0, 0, 20, 20]], [1, 1, 1])
    poses = VitPose(folder, device="cpu", offline=True)(IMAGE, boxes)
    network = transformers.VitPoseForPoseEstimation.from_pretrained(folder).eval()
    processor = transformers.VitPoseImageProcessor.from_pretrained(folder)
    xywh = np.array([[10, 10, 40, 80], [60, 5, 50, 75], [0, 0, 20, 20]], np.float32)
    inputs = processor(IMAGE[..., ::-1].copy(), boxes=[xywh], return_tensors="pt")
    more = {"dataset_index": torch.zeros(3, dtype=torch.long)} if experts > 1 else {}
    with torch.inference_mode():
        outputs = network(**inputs, **more)
    expected = processor.post_process_pose_estimation(outputs, boxes=[xywh])[0]
    np.testing.assert_allclose(poses.xy, [row["keypoints"] for row in expected], atol=1e-3)
    np.testing.assert_allclose(poses.scores, [row["scores"] for row in expected], atol=1e-5)
    assert poses.skeleton.name == "coco_17"
    small = VitPose(folder, device="cpu", offline=True, max_batch=2)(IMAGE, boxes)
    # In other batches numbers differ in the last digit, which moves a peak or two of random maps.
    assert np.mean(np.abs(small.xy - poses.xy) > 1e-2) < 0.05
    assert len(VitPose(folder, device="cpu")(IMAGE, Detections.empty())) == 0


def test_an_expert_that_is_not_there_is_refused(vitpose: Any) -> None:
    from posetrack.estimators.huggingface import VitPose

    with pytest.raises(ValueError, match="3 experts, there is no number 3"):
        VitPose(str(vitpose[3]), device="cpu", expert=3)


@pytest.fixture(scope="session")
def yolos(tmp_path_factory: pytest.TempPathFactory) -> Any:
    def made(labels: list[str]) -> Path:
        torch.manual_seed(0)
        config = transformers.YolosConfig(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            image_size=[64, 64], patch_size=16, num_detection_tokens=10,
            id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)},
        )  # fmt: skip
        folder = tmp_path_factory.mktemp("yolos")
        transformers.YolosForObjectDetection(config).save_pretrained(folder)
        transformers.YolosImageProcessor(
            size={"shortest_edge": 64, "longest_edge": 128}
        ).save_pretrained(folder)
        return folder

    return made


def test_a_detector_gives_its_librarys_people(yolos: Any) -> None:
    from posetrack.detectors.huggingface import HuggingFaceDetector

    folder = str(yolos(["cat", "Person", "dog"]))
    detect = HuggingFaceDetector(folder, device="cpu", offline=True, min_score=0.0, max_iou=1.0)
    assert detect.person == [1]
    found = detect(IMAGE)
    network = transformers.AutoModelForObjectDetection.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    inputs = processor(images=[IMAGE[..., ::-1].copy()], return_tensors="pt")
    with torch.inference_mode():
        outputs = network(**inputs)
    expected = processor.post_process_object_detection(
        outputs, threshold=0.0, target_sizes=[(96, 128)]
    )[0]
    people = (expected["labels"] == 1).numpy()
    scores = np.sort(expected["scores"].numpy()[people])[::-1]
    np.testing.assert_allclose(found.scores, scores[: len(found)], atol=1e-5)
    assert len(found) == people.sum()


def test_networks_without_people_or_weights_are_refused(yolos: Any, tmp_path: Path) -> None:
    from posetrack.detectors.huggingface import HuggingFaceDetector

    with pytest.raises(ValueError, match="none of its labels is person"):
        HuggingFaceDetector(str(yolos(["cat", "dog"])), device="cpu")
    folder = yolos(["person"])
    (folder / "model.safetensors").rename(folder / "elsewhere")
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot load it"):
        HuggingFaceDetector(str(folder), device="cpu", offline=True)
    with pytest.raises(ValueError, match="cannot load it"):
        HuggingFaceDetector(str(tmp_path / "nowhere"), device="cpu", offline=True)


def test_names_with_the_prefix_are_built(vitpose: Any, yolos: Any) -> None:
    from posetrack import build

    detect = build.build_detector(f"hf:{yolos(['person'])}", device="cpu", min_score=0.0)
    assert detect(IMAGE).xyxy.shape[1] == 4
    estimate = build.build_estimator(f"hf:{vitpose[1]}", device="cpu", half=True, on_device=True)
    assert estimate.skeleton.name == "coco_17"
    for dark, settings in ((True, {}), (False, {"flip_test": True})):
        with pytest.raises(ValueError, match="DARK already" if dark else "ViTPose has no flip"):
            build.build_estimator(f"hf:{vitpose[1]}", device="cpu", dark=dark, **settings)


def test_a_folder_of_the_table_is_built_by_its_name(
    vitpose: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from weight_server import Served, serving

    from posetrack import build

    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path))
    monkeypatch.delenv("POSETRACK_OFFLINE", raising=False)
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        for file in vitpose[1].iterdir():
            path = f"/usyd-community/vitpose-base-simple/resolve/main/{file.name}"
            server.files[path] = Served(file.read_bytes())
        for _ in range(2):
            estimate = build.build_estimator("vitpose-base", device="cpu")
            assert estimate.skeleton.name == "coco_17"
        assert len(server.asked) == 3
    with pytest.raises(ValueError, match="DARK already"):
        build.build_estimator("vitpose-base", device="cpu", dark=True)
