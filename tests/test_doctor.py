"""The self-test passes here, and says with numbers where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack import COCO_17, selftest
from posetrack.cli import doctor, main
from posetrack.structures import Detections, Poses

pytest.importorskip("onnxruntime")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Detections]:
    """The self-test is answered with what is stored, 3 pixels off where there is ``wrong``."""
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path))
    done: list[Detections] = []

    def find(_: object, stored: dict[str, Any], *__: object) -> tuple[Detections, Any]:
        boxes = Detections(np.array(stored["boxes"]), np.array(stored["box_scores"]))
        xy, scores = np.array(stored["keypoints"]), np.array(stored["scores"])
        done.append(boxes)
        moved = 3.0 if (tmp_path / "wrong").exists() else 0.01
        return boxes, Poses(xy + moved, scores, boxes, COCO_17)

    monkeypatch.setattr(selftest, "find_people", find)
    return done


def test_onnxruntime_on_the_processor_finds_what_is_stored() -> None:
    outcome = selftest.run_self_test("onnxruntime", "cpu")
    assert outcome.passed, str(outcome)
    assert outcome.pixels is not None
    assert outcome.pixels < 0.5
    assert selftest.read_picture().shape == (240, 320, 3)


def test_a_pass_is_remembered_by_runtime_and_device(runs: list[Detections]) -> None:
    for device in ("cpu", "cpu", "cuda:0", "cpu"):
        selftest.check_once("onnxruntime", device)
    assert len(runs) == 2


def test_every_runtime_that_is_loaded_is_checked(
    runs: list[Detections], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    import onnxruntime  # noqa: F401

    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(selftest, "check_once", lambda *one: seen.append(one))
    for device in ("cpu", "openvino"):  # the second is none of torch's
        selftest.check_loaded(device)
    assert seen == [("onnxruntime", "cpu"), ("torch", "cpu"), ("onnxruntime", "openvino")]
    assert runs == []


def test_keypoints_elsewhere_stop_with_the_numbers_and_are_tried_again(
    runs: list[Detections], tmp_path: Path
) -> None:
    (tmp_path / "wrong").touch()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"3\.000 pixels and 0\.0000 in scores"):
            selftest.check_once("onnxruntime", "cpu")
    assert len(runs) == 2


def test_a_damaged_note_of_what_passed_is_no_obstacle(
    runs: list[Detections], tmp_path: Path
) -> None:
    (tmp_path / "selftest.json").write_text("[1")
    selftest.check_once("onnxruntime", "cpu")
    assert len(runs) == 1


@pytest.mark.usefixtures("runs")
def test_doctor_has_a_json_form_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "runtimes_here", lambda: [("onnxruntime", "cpu")])
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["self_test"][0]["passed"] is True
    assert found["versions"]["numpy"]["version"] == np.__version__
    assert "hosts" not in found
    assert "bundled_pose" in found["networks"]
    (tmp_path / "wrong").touch()
    assert main(["doctor"]) == 1
    assert "onnxruntime" in (said := capsys.readouterr().out)
    assert "FAILED: it computes something else than it should; 3.000 pixels" in said


def test_a_runtime_that_cannot_run_the_networks_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no such provider")

    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path))
    monkeypatch.setattr(selftest, "find_people", fail)
    outcome = selftest.run_self_test("onnxruntime", "cpu")
    assert not outcome.passed
    assert "did not run: no such provider" in str(outcome)
    selftest.check_once("onnxruntime", "cpu")
    assert list(tmp_path.iterdir()) == []


def test_versions_are_compared_as_numbers() -> None:
    assert doctor.is_between("2.10.0", "2.9", "2.14.1")
    assert not doctor.is_between("2.8.9", "2.9", "2.14.1")
    assert not doctor.is_between("2.14.2", "2.9", "2.14.1")
