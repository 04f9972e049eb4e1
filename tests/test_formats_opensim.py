"""OpenSim's files, read by the layout that OpenSim documents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posetrack import COCO_17, Trajectories
from posetrack.formats.c3d import write_c3d
from posetrack.formats.opensim import trc_path, write_opensim_mot, write_trc


def walk() -> Trajectories:
    rng = np.random.default_rng(5)
    xy = rng.uniform(0, 900, (8, 2, 17, 2)).astype(np.float32)
    xy[:, :, 16] = np.nan  # the last marker, whose empty cells end the line
    xy[:2, 1] = np.nan
    xy[6:, 1] = np.nan
    xy[4, 1] = np.nan
    frame = np.arange(8) + 3
    known = {"rate": 50.0, "image_size": [1920, 1080]}
    return Trajectories(frame, frame / 50, [4, 7], xy, np.ones((8, 2, 17)), COCO_17, metadata=known)


def read_trc(path: Path) -> tuple[dict[str, str], list[str], np.ndarray, np.ndarray]:
    """Header, markers, (T, 2) frames and times, (T, M, 3) places; strict as OpenSim's reader."""
    lines = path.read_text().split("\n")
    assert lines[0].split("\t")[:3] == ["PathFileType", "4", "(X/Y/Z)"]
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert len(header) == 8
    names = [name for name in lines[3].split("\t") if name]
    assert names[:2] == ["Frame#", "Time"]
    markers = names[2:]
    assert len(markers) == int(header["NumMarkers"])
    axes = [name for name in lines[4].split("\t") if name]
    assert axes == [f"{axis}{n}" for n in range(1, len(markers) + 1) for axis in "XYZ"]
    assert lines[5] == ""
    rows = [line.split("\t") for line in lines[6:] if line]
    assert len(rows) == int(header["NumFrames"])
    for row in rows:  # OpenSim counts no empty cell at the end; Pose2Sim as many as axes have
        assert len(row) == 3 * len(markers) + 2 == len(lines[4].split("\t"))
        assert row[-1] != ""
    cells = [[float(cell) if cell else np.nan for cell in row] for row in rows]
    values = np.array(cells)
    return header, markers, values[:, :2], values[:, 2:].reshape(len(rows), -1, 3)


def test_each_person_is_a_file_of_pixels_as_in_the_image(tmp_path: Path) -> None:
    made = walk()
    files = write_trc(tmp_path / "w.trc", made.to_table())
    assert [file.name for file in files] == ["w.id_4.trc", "w.id_7.trc"]
    header, markers, axis, xyz = read_trc(files[0])
    assert header["Units"] == "px"
    assert float(header["DataRate"]) == pytest.approx(50)
    assert markers == list(COCO_17.keypoints)
    np.testing.assert_array_equal(axis[:, 0], made.frame + 1)
    np.testing.assert_allclose(axis[:, 1], made.seconds, atol=1e-6)
    np.testing.assert_allclose(xyz[..., :2], made.xy[:, 0], atol=1e-6)
    assert np.nanmax(np.abs(xyz[..., 2])) == 0


def test_a_person_s_file_goes_from_first_to_last_and_leaves_gaps_empty(tmp_path: Path) -> None:
    made = walk()
    _, _, axis, xyz = read_trc(write_trc(tmp_path / "w.trc", made.to_table())[1])
    assert axis[:, 0].tolist() == [6, 7, 8, 9]
    np.testing.assert_allclose(xyz[..., :2], made.xy[2:6, 1], atol=1e-6)
    assert np.isnan(xyz[2]).all()


def test_with_a_scale_it_is_metres_upward_from_the_image_s_lower_edge(tmp_path: Path) -> None:
    made = walk()
    files = write_trc(tmp_path / "w.trc", made.to_table(), metres_per_pixel=0.002)
    header, _, _, xyz = read_trc(files[0])
    assert header["Units"] == "m"
    np.testing.assert_allclose(xyz[..., 0], made.xy[:, 0, :, 0] * 0.002, atol=1e-6)
    np.testing.assert_allclose(xyz[..., 1], (1079 - made.xy[:, 0, :, 1]) * 0.002, atol=2e-6)


def test_a_reader_of_trc_files_finds_the_same(tmp_path: Path) -> None:
    trc = pytest.importorskip("trc", reason="needs trc-data-reader")
    made = walk()
    files = write_trc(tmp_path / "w.trc", made.to_table())
    data = trc.TRCData()
    data.load(str(files[0]))
    assert data["NumFrames"] == 8
    np.testing.assert_allclose(np.array(data["left_knee"])[:, :2], made.xy[:, 0, 13], atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_cannot_be_is_refused_and_nothing_written(
    tmp_path: Path, scale: float
) -> None:
    with pytest.raises(ValueError, match="metres_per_pixel"):
        write_trc(tmp_path / "w.trc", walk().to_table(), metres_per_pixel=scale)
    assert list(tmp_path.iterdir()) == []


def test_if_one_person_s_file_cannot_be_written_none_is(tmp_path: Path) -> None:
    trc_path(tmp_path / "w.trc", 7).mkdir()
    with pytest.raises(IsADirectoryError, match="id_7"):
        write_trc(tmp_path / "w.trc", walk().to_table())
    assert [path.name for path in tmp_path.iterdir()] == ["w.id_7.trc"]


def test_motion_files_have_opensim_s_header_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "walk.mot"
    write_opensim_mot(path, [0, 0.5, 1.0], {"knee": [1, np.nan, 3], "hip": [4, 5, 6]})
    head, _, body = path.read_text().partition("endheader\n")
    assert head.splitlines() == [
        "walk", "version=1", "nRows=3", "nColumns=3", "inDegrees=yes",
    ]  # fmt: skip
    rows = [line.split("\t") for line in body.splitlines()]
    assert rows[0] == ["time", "knee", "hip"]
    assert np.array(rows[1:], float)[:, 1].tolist() == pytest.approx([1, np.nan, 3], nan_ok=True)


@pytest.mark.parametrize(
    ("seconds", "columns", "message"),
    [
        ([0, 0], {"knee": [1, 2]}, "grow"),
        ([0, np.nan], {"knee": [1, 2]}, "finite"),
        ([0, 1], {"knee": [1]}, "knee"),
        ([0, 1], {"left knee": [1, 2]}, "left knee"),
        ([0, 1], {"time": [1, 2]}, "time"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    tmp_path: Path, seconds: list[float], columns: dict[str, list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_opensim_mot(tmp_path / "a.mot", seconds, columns)
    assert list(tmp_path.iterdir()) == []


def test_ezc3d_opens_the_same_points(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d", reason="needs ezc3d")
    made = walk()
    write_c3d(tmp_path / "w.c3d", made.to_table(), metres_per_pixel=0.002)
    read = ezc3d.c3d(str(tmp_path / "w.c3d"))
    points = read["parameters"]["POINT"]
    assert points["UNITS"]["value"] == ["m"]
    assert points["LABELS"]["value"][:2] == ["id_4:nose", "id_4:left_eye"]
    xyz = read["data"]["points"][:3].transpose(2, 1, 0).reshape(11, 2, 17, 3)
    assert np.isnan(xyz[:3]).all()
    np.testing.assert_allclose(xyz[3:, ..., 0], made.xy[..., 0] * 0.002, atol=1e-6)
