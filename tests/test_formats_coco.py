"""COCO results: pycocotools reads them, and scores a perfect answer as perfect."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tracks_made import frames

from posetrack.formats import CocoWriter
from posetrack.skeletons import COCO_17
from posetrack.structures import Detections, Poses, Tracks


@given(made=frames(COCO_17))
@settings(max_examples=25)
def test_every_person_is_an_entry(made: Any) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.json"
        with CocoWriter(path, COCO_17) as file:
            for frame in made:
                file.write(*frame)
        entries = json.loads(path.read_text(), parse_constant=pytest.fail)
    wanted = [(index, person) for index, _, tracks in made for person in tracks]
    assert [entry["image_id"] for entry in entries] == [index for index, _ in wanted]
    for entry, (_, person) in zip(entries, wanted, strict=True):
        assert entry["track_id"] == person.id
        points = np.array(entry["keypoints"]).reshape(17, 3)
        seen = np.isfinite(person.xy).all(axis=-1)
        np.testing.assert_allclose(points[seen, :2], person.xy[seen], atol=0.0051, rtol=1e-6)
        np.testing.assert_allclose(points[:, 2], person.scores, atol=1e-6)
        assert not points[~seen].any()
        left, top, width, height = entry["bbox"]
        np.testing.assert_allclose(
            [left, top, left + width, top + height], person.box, atol=0.0151, rtol=1e-6
        )


def test_score_is_the_boxs_times_the_mean_of_surer_keypoints(tmp_path: Path) -> None:
    scores = np.zeros((2, 17))
    scores[0, :3] = 0.9, 0.5, 0.2  # 0.2 is not above the limit of 0.2
    boxes = Detections([[0, 0, 1, 1]] * 2, [0.5, 1.0])
    poses = Poses(np.ones((2, 17, 2)), scores, boxes, COCO_17)
    with CocoWriter(tmp_path / "t.json", COCO_17) as file:
        file.write(0, 0.0, Tracks(poses, [1, 2]))
    entries = json.loads((tmp_path / "t.json").read_text())
    assert [entry["score"] for entry in entries] == [pytest.approx(0.35), 0.0]


def test_what_made_the_list_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with CocoWriter(path, COCO_17, provenance={"source": "x"}, image_size=(4, 3)) as file:
        file.write(0, 0.0, Tracks.empty(COCO_17))
    assert json.loads(path.read_text()) == []
    beside = json.loads((tmp_path / "t.json.meta.json").read_text())
    assert beside["provenance"] == {"source": "x"}
    assert beside["image_size"] == [4, 3]


def test_pycocotools_reads_it_and_finds_annotations_given_back_perfect(
    tmp_path: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    truth = coco.COCO(str(shared / "data/coco/test_coco.json"))
    images = sorted(truth.getImgIds())
    path = tmp_path / "t.json"
    with CocoWriter(path, COCO_17, image_id=images.__getitem__) as file:
        for index, image in enumerate(images):
            given = truth.loadAnns(truth.getAnnIds(imgIds=[image], iscrowd=False))
            points = np.array([a["keypoints"] for a in given], float).reshape(-1, 17, 3)
            xy = np.where(points[..., 2:] > 0, points[..., :2], np.nan)
            tracks = Tracks(Poses.from_keypoints(xy, None, COCO_17), np.arange(len(xy)) + 1)
            file.write(index, index / 25, tracks[np.isfinite(xy).any(axis=(1, 2))])
    found = cocoeval.COCOeval(truth, truth.loadRes(str(path)), "keypoints")
    found.evaluate()
    found.accumulate()
    found.summarize()
    assert found.stats[0] == pytest.approx(1.0)
    capsys.readouterr()
