"""Networks in 8 bits: judged before they are kept, made once, refused with figures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from test_torch_topdown import Tiles, picture

from posetrack import COCO_17, Detections
from posetrack.build import bundled_estimator
from posetrack.estimators.top_down import TopDown
from posetrack.runtimes import int8
from posetrack.runtimes.int8 import Drift, quantise_once, read_crops

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

BATCH = np.zeros((2, 3, 64, 48), np.float32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_only_keypoints_that_are_sure_count_and_a_lost_one_is_infinitely_far() -> None:
    wanted = np.zeros((2, 2, 2))
    scores = np.array([[0.9, 0.31], [0.3, 0.8]])
    found = np.array([[[3.0, 4], [0, 0]], [[99, 99], [np.nan, 0]]])
    drift = Drift.between(wanted, scores, found)
    assert (drift.median, drift.p99, drift.keypoints) == (5.0, np.inf, 3)


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        (Drift(1.0, 2.0, 90), "move by 1.00 pixels of the crop (median) and 2.00"),
        (Drift(0.1, 5.0, 90), "(median) and 5.00 (99th percentile, of 90)"),
        (Drift(0.1, 0.2, 29), "it is sure of 29 keypoints"),
        (Drift(float("nan"), float("nan"), 0), "it is sure of 0 keypoints"),
    ],
)
def test_what_is_too_far_off_is_refused_with_the_figures(drift: Drift, words: str) -> None:
    with pytest.raises(ValueError, match="net: ") as refused:
        drift.check("net")
    assert words in str(refused.value)
    Drift(0.99, 4.99, 30).check("net")


def test_it_is_made_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(int8, "quantise", lambda *given, **more: made.append(more) or b"small")
    judged: list[bytes] = []
    for _ in range(2):
        path = quantise_once(b"net", BATCH, lambda path: judged.append(path.read_bytes()), "net")
        assert path.read_bytes() == b"small"
    assert made == [{"weight_bits": 8}]
    assert judged == [b"small"]
    assert quantise_once(b"other", BATCH, lambda _: None, "net") != path
    assert quantise_once(b"net", BATCH + 1, lambda _: None, "net") != path


def test_weights_of_seven_bits_are_tried_where_eight_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(int8, "quantise", lambda *given, weight_bits: b"%d" % weight_bits)

    def judge(path: Path) -> None:
        if path.read_bytes() == b"8":
            raise ValueError("too far off")

    assert quantise_once(b"net", BATCH, judge, "net").read_bytes() == b"7"


def test_what_is_refused_is_not_kept(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setattr(int8, "quantise", lambda *given, **more: b"small")

    def refuse(path: Path) -> None:
        raise ValueError("too far off")

    with pytest.raises(ValueError, match="too far off"):
        quantise_once(b"net", BATCH, refuse, "net")
    assert list(own_cache.rglob("*.onnx")) == []


def test_crops_are_of_the_package_or_of_a_folder(tmp_path: Path) -> None:
    inside = read_crops(None, (96, 128))
    assert inside.shape == (48, 128, 96, 3)
    assert all(crop.std() > 10 for crop in inside)  # each is of somebody
    cv2.imwrite(str(tmp_path / "one.png"), picture(64, 48))
    (tmp_path / "notes.txt").write_text("not a picture")
    assert read_crops(tmp_path, (24, 32)).shape == (1, 32, 24, 3)
    (tmp_path / "one.png").unlink()
    with pytest.raises(ValueError, match="expected a folder of JPEG or PNG crops"):
        read_crops(tmp_path, (24, 32))


def test_a_network_that_is_sure_of_nothing_cannot_be_judged() -> None:
    weak = Tiles()
    weak.convolution.weight.data.mul_(1e-3)
    with pytest.raises(ValueError, match="it is sure of 0 keypoints"):
        TopDown(weak, COCO_17, input_size=(48, 64), device="cpu", precision="int8")


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="got 'int4'"):
        TopDown(Tiles(), COCO_17, device="cpu", precision="int4")
    with pytest.raises(ValueError, match="calibration crops are for"):
        TopDown(Tiles(), COCO_17, device="cpu", calibration="crops")
    with pytest.raises(ValueError, match="int8 is onnxruntime's on the CPU"):
        TopDown(Tiles(), COCO_17, device="cpu", precision="int8", half=True)


@pytest.mark.slow
def test_the_bundled_network_passes_and_finds_people_where_they_are() -> None:
    plain, small = bundled_estimator("cpu"), bundled_estimator("cpu", precision="int8")
    box = Detections([[100 + 19, 50 + 26, 292 - 19, 306 - 26]], [1.0])
    apart, scores = [], []
    for crop in read_crops(None, (192, 256))[:8]:
        image = np.zeros((400, 400, 3), np.uint8)
        image[50:306, 100:292] = crop
        wanted, found = plain(image, box), small(image, box)
        apart.append(np.linalg.norm(found.xy - wanted.xy, axis=2)[wanted.scores > 0.3])
        scores.append(np.abs(found.scores - wanted.scores).max())
    assert len(np.concatenate(apart)) > 30
    assert np.median(np.concatenate(apart)) < 1
    assert max(scores) > 0  # it is another network
