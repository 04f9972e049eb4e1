"""Programs that read our files and write their own: the same numbers both ways.

Each test needs its program, and is skipped without it; ``.ci/consumers`` installs those that
install quickly. DeepLabCut and Pose2Sim are too large for that: what of them reads a table stands
in the tests.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import posetrack
from posetrack import COCO_17, Trajectories
from posetrack.cli.convert import writer_of
from posetrack.formats.c3d import write_c3d
from posetrack.formats.mot import write_mot
from posetrack.formats.opensim import trc_path, write_trc
from posetrack.formats.slp import write_slp
from posetrack.formats.yolo import write_yolo

SIZE = (640, 480)


def walk() -> Trajectories:
    rng = np.random.default_rng(8)
    frame = np.arange(5)
    xy = rng.uniform(1, 470, (5, 2, 17, 2))
    xy[1, 0, 3] = np.nan
    xy[2, 0, 16] = np.nan  # the last marker, whose cells end the row
    xy[4, 1] = np.nan
    scores = rng.uniform(0.1, 1, xy.shape[:3])
    known = {"rate": 25.0, "image_size": list(SIZE)}
    return Trajectories(frame, frame / 25, [3, 8], xy, scores, COCO_17, metadata=known)


def assert_same(found: Trajectories, made: Trajectories, tolerance: float = 1e-3) -> None:
    """Whatever the order of the keypoints."""
    order = [found.skeleton.index(name) for name in made.skeleton.keypoints]
    assert found.ids.tolist() == made.ids.tolist()
    np.testing.assert_allclose(found.xy[:, :, order], made.xy, atol=tolerance)


def test_ultralytics_trains_on_our_labels_wherever_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    utils = pytest.importorskip("ultralytics.data.utils", reason="needs ultralytics")
    made = walk()
    folder = tmp_path / "walk"
    write_yolo(folder, made.to_table(), image_size=SIZE)
    for label in (folder / "labels").iterdir():
        Image.new("RGB", SIZE).save(folder / "images" / f"{label.stem}.jpg")
    monkeypatch.chdir(tmp_path)
    data = utils.check_det_dataset(str(folder / "data.yaml"))
    assert Path(data["train"]) == folder / "images"
    assert data["kpt_shape"] == [17, 3]
    label = (str(folder / "images/walk_000001.jpg"), str(folder / "labels/walk_000001.txt"))
    found = utils.verify_image_label((*label, "", True, 1, 17, 3, False))
    np.testing.assert_allclose(found[4][1][:, :2] * SIZE, made.xy[1, 1], atol=1e-3)


@pytest.mark.parametrize("layout", ["sleap", "instances", "dlc"])
def test_sleap_io_s_csv_is_read(layout: str, tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")
    made = walk()
    write_slp(tmp_path / "walk.slp", made.to_table())
    labels = sleap_io.load_slp(str(tmp_path / "walk.slp"), open_videos=False)
    sleap_io.save_csv(labels, str(tmp_path / "walk.csv"), format=layout)
    assert_same(posetrack.load(tmp_path / "walk.csv", rate=25), made)


@pytest.mark.parametrize("save", ["save_labelstudio", "save_coco", "save_analysis_h5", "save_nwb"])
def test_whatever_sleap_io_writes_of_our_tracks_is_read(save: str, tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")
    if save == "save_nwb":
        pytest.importorskip("ndx_pose", reason="needs ndx-pose")
    made = walk().select(frames=(0, 4))
    write_slp(tmp_path / "walk.slp", made.to_table())
    labels = sleap_io.load_slp(str(tmp_path / "walk.slp"), open_videos=False)
    file = tmp_path / {"save_analysis_h5": "walk.h5", "save_nwb": "walk.nwb"}.get(save, "walk.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pynwb, at what sleap-io does
        getattr(sleap_io, save)(labels, str(file))
    found = posetrack.load(file, rate=25, untracked=True)
    order = [found.skeleton.index(name) for name in made.skeleton.keypoints]
    np.testing.assert_allclose(found.xy[:, :, order], made.xy, atol=1e-3)


def test_trackeval_finds_each_box_and_identity_of_our_mot_text(tmp_path: Path) -> None:
    trackeval = pytest.importorskip("trackeval", reason="needs TrackEval")
    made = walk()
    truth, results = tmp_path / "gt/MOT15-train/walk", tmp_path / "tr/MOT15-train/ours/data"
    for folder in (truth / "gt", results, tmp_path / "gt/seqmaps"):
        folder.mkdir(parents=True)
    write_mot(results / "walk.txt", made.to_table())
    rows = [line.split(",") for line in (results / "walk.txt").read_text().splitlines()]
    marked = "\n".join(",".join([*row[:6], "1", "-1", "-1", "-1"]) for row in rows)
    (truth / "gt/gt.txt").write_text(marked + "\n")
    (truth / "seqinfo.ini").write_text("[Sequence]\nname=walk\nseqLength=5\n")
    (tmp_path / "gt/seqmaps/MOT15-train.txt").write_text("name\nwalk\n")
    quiet = dict.fromkeys(("PRINT_CONFIG", "PRINT_RESULTS", "TIME_PROGRESS"), False)
    off = dict.fromkeys(("OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES"), False)
    evaluator = trackeval.Evaluator(quiet | off | {"USE_PARALLEL": False})
    dataset = trackeval.datasets.MotChallenge2DBox(
        {"GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "tr")}
        | {"BENCHMARK": "MOT15", "DO_PREPROC": False, "PRINT_CONFIG": False}
    )
    scores, _ = evaluator.evaluate([dataset], [trackeval.metrics.HOTA()])
    found = scores["MotChallenge2DBox"]["ours"]["walk"]["pedestrian"]["HOTA"]
    assert found["HOTA"].min() == 1
    assert len(rows) == 9


def test_pycocotools_takes_our_results_as_predictions(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    made = walk()
    writer_of("coco", argparse.Namespace())(tmp_path / "walk.json", made)
    truth = coco.COCO()
    truth.dataset = {"images": [{"id": n} for n in range(5)], "annotations": [], "categories": []}
    truth.createIndex()
    found = truth.loadRes(str(tmp_path / "walk.json"))
    first = np.array(found.loadAnns(found.getAnnIds(imgIds=[0]))[0]["keypoints"]).reshape(17, 3)
    np.testing.assert_allclose(first[:, :2], made.xy[0, 0], atol=0.005)


def test_ezc3d_opens_our_points_and_its_own_are_read(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d", reason="needs ezc3d")
    made = walk()
    write_c3d(tmp_path / "walk.c3d", made.to_table())
    file = ezc3d.c3d(str(tmp_path / "walk.c3d"))
    points = file["data"]["points"][:2].transpose(2, 1, 0).reshape(5, 2, 17, 2)
    np.testing.assert_allclose(points, made.xy, atol=1e-3)
    file["parameters"]["ANALOG"]["RATE"]["value"] = [50.0]
    file["parameters"]["ANALOG"]["LABELS"]["value"] = ["force"]
    file["data"]["analogs"] = np.ones((1, 1, 10))
    file.write(str(tmp_path / "again.c3d"))
    assert_same(posetrack.load(tmp_path / "again.c3d"), made)


def read_as_pose2sim(path: Path) -> tuple[list[str], Any]:
    """What ``Pose2Sim.common.read_trc`` does, 0.10."""
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    names = [name.strip() for name in path.read_text().split("\n")[3].split("\t")[2::3]]
    table = pandas.read_csv(path, sep="\t", skiprows=4)
    table = table.drop(table.columns[[0, 1]], axis=1)
    return names, table.loc[:, ~table.columns.str.startswith("Unnamed")].to_numpy(float)


def read_as_genfromtxt(path: Path) -> tuple[list[str], Any]:
    """What ``Pose2Sim.common.extract_trc_data`` does before it writes C3D."""
    names = path.read_text().split("\n")[3].strip().split("\t")[2::3]
    return names, np.genfromtxt(path, skip_header=5, delimiter="\t")[:, 2:]


@pytest.mark.parametrize("read", [read_as_pose2sim, read_as_genfromtxt])
def test_pose2sim_finds_each_marker_in_its_column(
    read: Callable[[Path], tuple[list[str], Any]], tmp_path: Path
) -> None:
    made = walk()
    write_trc(tmp_path / "walk.trc", made.to_table())
    names, values = read(trc_path(tmp_path / "walk.trc", 3))
    assert tuple(names) == made.skeleton.keypoints
    np.testing.assert_allclose(values.reshape(5, 17, 3)[..., :2], made.xy[:, 0], atol=1e-6)
