"""``posetrack convert`` from the words of its command line to the files it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import posetrack
from posetrack import COCO_17, Trajectories
from posetrack.cli import main
from posetrack.formats.boxes import read_boxes
from posetrack.trajectories import save


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    xy = rng.uniform(50, 90, (4, 2, 17, 2))
    scores = rng.uniform(0.5, 1, (4, 2, 17))
    made = Trajectories(np.arange(4), np.arange(4) / 25, [3, 8], xy, scores, COCO_17)
    save(made, tmp_path / "walk.parquet")
    return tmp_path / "walk.parquet"


def test_each_format_is_a_file_of_its_own(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["convert", str(table), "--to", "csv,posetrack18,coco,openpose,dlc,mot",
                 "-o", str(out)]) == 0  # fmt: skip
    assert {file.name for file in out.iterdir()} == {
        "walk.csv",
        "walk.csv.meta.json",
        "walk.json",
        "walk.coco.json",
        "walk.coco.json.meta.json",
        "walk.openpose",
        "walk.dlc.csv",
        "walk.mot.txt",
    }
    whole = posetrack.load(table)
    np.testing.assert_array_equal(posetrack.load(out / "walk.csv").xy, whole.xy)
    assert len(json.loads((out / "walk.coco.json").read_text())) == 8
    boxes = read_boxes(out / "walk.mot.txt")
    np.testing.assert_allclose(boxes[2].xyxy, whole.boxes[2], atol=0.02)


def test_openpose_comes_back_with_a_rate(table: Path, tmp_path: Path) -> None:
    assert main(["convert", str(table), "--to", "openpose", "-o", str(tmp_path)]) == 0
    again = ["convert", str(tmp_path / "walk.openpose"), "--to", "csv", "-o", str(tmp_path)]
    assert main(again) == 1
    assert main([*again, "--rate", "25"]) == 0
    assert posetrack.load(tmp_path / "walk.csv").ids.tolist() == [3, 8]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "fbx"], "fbx"),
        ([], "--to LIST"),
        (["--to", "trc", "--height", "tall"], "--height tall"),
        (["--to", "trc", "--height", "9=1.8"], "no person 9"),
        (["--to", ","], "expected a list"),
        (["--to", "parquet"], "itself"),
    ],
)
def test_slips_are_refused(
    table: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(table), *words, "-o", str(table.parent)]) == 1
    assert message in capsys.readouterr().err
    assert [file.name for file in table.parent.iterdir()] == ["walk.parquet"]


def test_a_foreign_file_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert main(["convert", str(tmp_path / "x.csv"), "--to", "mot", "-o", str(tmp_path / "o")]) == 1
    assert "x.csv" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "kind", ["csv", "posetrack17", "posetrack18", "coco", "openpose", "dlc", "sleap", "movement"]
)
def test_what_was_converted_converts_back(table: Path, tmp_path: Path, kind: str) -> None:
    if kind in ("sleap", "movement"):
        pytest.importorskip("h5netcdf", reason="needs h5netcdf")
    out = tmp_path / "out"
    assert main(["convert", str(table), "--to", kind, "-o", str(out)]) == 0
    (made,) = (path for path in out.iterdir() if not path.name.endswith(".meta.json"))
    back = ["convert", str(made), "--to", "parquet", "--rate", "25", "-o", str(tmp_path / "back")]
    assert main(back) == 0
    found = posetrack.load(tmp_path / "back" / "walk.parquet")
    whole = posetrack.load(table)
    assert found.ids.tolist() == whole.ids.tolist()
    index = found.skeleton.index("left_knee")
    knee = whole.xy[:, :, COCO_17.index("left_knee")]
    np.testing.assert_allclose(found.xy[:, :, index], knee, atol=0.006)


def test_markers_are_in_metres_by_a_height(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["convert", str(table), "--to", "trc", "--height", "3=1.8", "-o", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["walk.id_3.trc", "walk.id_8.trc"]
    header = (out / "walk.id_3.trc").read_text().splitlines()[2].split("\t")
    assert header[2:5] == ["4", "17", "m"]


def test_poses_without_identities_are_read_when_asked_for(tmp_path: Path) -> None:
    entry = {"image_id": 0, "category_id": 1, "keypoints": [5.0, 6.0, 0.5] * 17}
    (tmp_path / "poses.json").write_text(json.dumps([entry, entry]))
    words = ["convert", str(tmp_path / "poses.json"), "--to", "csv", "-o", str(tmp_path)]
    assert main([*words, "--rate", "10"]) == 1
    assert main([*words, "--rate", "10", "--untracked"]) == 0
    assert posetrack.load(tmp_path / "poses.csv").ids.tolist() == [1, 2]


def test_opensim_motions_are_the_angles_of_each_person(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["convert", str(table), "--to", "opensim-mot", "-o", str(out)]) == 0
    assert {file.name for file in out.iterdir()} == {"walk.id_3.mot", "walk.id_8.mot"}
    lines = (out / "walk.id_8.mot").read_text().splitlines()
    head = lines.index("endheader") + 1
    column = lines[head].split("\t").index("left_knee")
    angles = [float(line.split("\t")[column]) for line in lines[head + 1 :]]
    person = posetrack.load(table).person(8)
    np.testing.assert_allclose(angles, person.angle("left_knee"), atol=1e-5)
