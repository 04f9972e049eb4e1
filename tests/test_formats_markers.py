"""Files of motion capture, read: TRC, C3D and OpenSim's motions, units and all."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

import posetrack
from posetrack import COCO_17, Trajectories
from posetrack.formats.c3d import write_c3d
from posetrack.formats.opensim import read_opensim_mot, write_opensim_mot, write_trc


def walk() -> Trajectories:
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 900, (6, 2, 17, 2))
    xy[:, :, 3] = np.nan
    xy[4, 1] = np.nan
    frame = np.array([2, 3, 4, 6, 7, 9])
    metadata = {"rate": 25.0, "image_size": [1280, 720]}
    return Trajectories(frame, frame / 25, [4, 7], xy, np.ones(xy.shape[:3]), COCO_17,
                        metadata=metadata)  # fmt: skip


def test_a_trc_file_is_read_in_pixels_and_in_metres(tmp_path: Path) -> None:
    made = walk()
    _, path = write_trc(tmp_path / "w.trc", made.to_table())
    found = posetrack.load(path)
    assert found.ids.tolist() == [7]
    assert found.skeleton == COCO_17
    assert found.frame.tolist() == made.frame.tolist()
    np.testing.assert_allclose(found.seconds, made.seconds, atol=1e-6)
    np.testing.assert_allclose(found.xy[:, 0], made.xy[:, 1], rtol=1e-6)
    _, path = write_trc(tmp_path / "m.trc", made.to_table(), metres_per_pixel=0.01)
    scaled = posetrack.load(path)
    assert scaled.metadata["units"] == "m"
    np.testing.assert_allclose(scaled.xy[:, 0, :, 0], made.xy[:, 1, :, 0] / 100, atol=1e-6)
    steps = np.diff(scaled.xy[..., 1], axis=0)[:, 0], np.diff(made.xy[:, 1, :, 1], axis=0) / 100
    np.testing.assert_allclose(*steps, atol=1e-5)  # y down, as in the image
    posetrack.trajectories.save(scaled, tmp_path / "t.parquet")
    kept = posetrack.load(tmp_path / "t.parquet")
    (again,) = write_trc(tmp_path / "n.trc", kept.to_table())
    assert again.read_text().splitlines()[1:] == path.read_text().splitlines()[1:]


TRC = (
    "PathFileType\t4\t(X/Y/Z)\tw.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
    "\tOrigNumFrames\n100\t100\t2\t2\t{units}\t100\t1\t2\n"
    "Frame#\tTime\tRASI\t\t\tLASI\t\t\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n{rows}"
)


def test_a_trc_file_of_others_is_read_with_its_units(tmp_path: Path) -> None:
    rows = "1\t0\t1\t2\t3\t4\t5\t6\r\n2\t0.01\t\t\t\t7\t8\t9\t\r\n"
    (tmp_path / "a.trc").write_text(TRC.format(units="mm", rows=rows))
    with pytest.warns(UserWarning, match="z is left out"):
        made = posetrack.load(tmp_path / "a.trc")
    assert made.skeleton.keypoints == ("RASI", "LASI")
    assert made.frame.tolist() == [0, 1]
    assert made.metadata["units"] == "mm"
    assert made.xy[1, 0, 1].tolist() == [7, -8]
    assert np.isnan(made.xy[1, 0, 0]).all()


@pytest.mark.parametrize(
    ("units", "rows", "message"),
    [
        ("m", "1\t0\tx\t1\t1\n", "line 7: not numbers"),
        ("m", "1\t0\n1\t0\n", "must be whole and grow"),
        ("m", "1.5\t0\n", "must be whole and grow"),
        ("furlong", "1\t0\t1\t1\t0\n", "units 'furlong'"),
    ],
)
def test_what_is_wrong_in_a_trc_file_is_named(
    tmp_path: Path, units: str, rows: str, message: str
) -> None:
    (tmp_path / "a.trc").write_text(TRC.format(units=units, rows=rows))
    with pytest.raises(ValueError, match=rf"a\.trc.*{message}"):
        posetrack.load(tmp_path / "a.trc")


# -- C3D ---------------------------------------------------------------------------------------


def c3d(xyz: np.ndarray, labels: list[str], *, processor: int = 84, scale: float = -1.0) -> bytes:
    """A file as c3d.org describes it: a header, parameters in one block or two, points."""
    order = ">" if processor == 86 else "<"

    def number(value: float) -> bytes:
        packed = struct.pack(f"{order}f", value * (4 if processor == 85 else 1))
        return packed[2:] + packed[:2] if processor == 85 else packed

    def record(group: int, name: str, kind: int, sizes: list[int], data: bytes) -> bytes:
        body = struct.pack("bB", kind, len(sizes)) + bytes(sizes) + data + b"\0"
        head = struct.pack("bb", len(name), group) + name.encode()
        return head + struct.pack(f"{order}h", 2 + len(body)) + body

    width = max(map(len, labels))
    text = "".join(label.ljust(width) for label in labels).encode()
    group = struct.pack("bb", 5, -1) + b"POINT" + struct.pack(f"{order}h", 3) + b"\0"
    records = group + record(1, "LABELS", -1, [width, len(labels)], text)
    records += record(1, "UNITS", -1, [2], b"mm") + record(1, "RATE", 4, [], number(100))
    records += record(1, "SCALE", 4, [], number(scale)) + b"\0\0"
    blocks = -(-(len(records) + 4) // 512)
    parameters = (bytes([1, 0x50, blocks, processor]) + records).ljust(512 * blocks, b"\0")
    words = [xyz.shape[1], 0, 3, 2 + len(xyz), 0]
    header = bytes([2, 0x50]) + struct.pack(f"{order}5h", *words) + number(scale)
    header += struct.pack(f"{order}2h", 2 + blocks, 0) + number(100)
    points = np.concatenate([np.nan_to_num(xyz), np.where(np.isnan(xyz[..., :1]), -1, 0)], axis=2)
    if scale < 0:
        body = b"".join(number(value) for value in points.ravel().tolist())
    else:
        points[..., :3] /= scale
        body = points.astype(f"{order}i2").tobytes()
    return header.ljust(512, b"\0") + parameters + body


POINTS = np.arange(24.0).reshape(4, 3, 2).repeat(2, axis=2)[..., :3] * [1, 2, 0]


@pytest.mark.parametrize("processor", [84, 85, 86])
@pytest.mark.parametrize("scale", [-1.0, 0.5])
def test_c3d_of_each_processor_and_kind_of_number_is_read(
    tmp_path: Path, processor: int, scale: float
) -> None:
    xyz = POINTS.copy()
    xyz[1, 2] = np.nan
    labels = ["Ada:LASI", "Ada:RASI", "Ben:LASI"]
    (tmp_path / "a.c3d").write_bytes(c3d(xyz, labels, processor=processor, scale=scale))
    made = posetrack.load(tmp_path / "a.c3d")
    assert made.metadata["individuals"] == {"1": "Ada", "2": "Ben"}
    assert made.skeleton.keypoints == ("LASI", "RASI")
    assert made.frame.tolist() == [2, 3, 4, 5]
    assert made.seconds.tolist() == [0.02, 0.03, 0.04, 0.05]
    assert made.metadata["units"] == "mm"
    np.testing.assert_allclose(made.xy[:, 0, 1], xyz[:, 1, :2] * [1, -1])
    assert not made.present[1, 1]


def test_damaged_c3d_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    whole = c3d(POINTS, ["a", "b", "*3"])
    path = tmp_path / "a.c3d"
    path.write_bytes(whole)
    assert posetrack.load(path).skeleton.keypoints == ("a", "b")
    rng = np.random.default_rng(0)
    for n in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(0, 700, 1 + n % 4):
            damaged[at] = rng.integers(256)
        path.write_bytes(bytes(damaged[: rng.integers(len(whole)) if n % 3 == 0 else None]))
        assert "a.c3d" in refusal(path)


def refusal(path: Path) -> str:
    """Why a file is refused; its name if it is not."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of depth
            posetrack.load(path, rate=10)
    except ValueError as error:
        return str(error)
    return path.name


def test_ezc3d_s_files_are_read_and_are_as_they_were(tmp_path: Path) -> None:
    pytest.importorskip("ezc3d", reason="needs ezc3d")
    made = walk()
    for scale in (None, 0.01):
        write_c3d(tmp_path / "a.c3d", made.to_table(), metres_per_pixel=scale)
        found = posetrack.load(tmp_path / "a.c3d")
        assert found.metadata.get("units") == (None if scale is None else "m")
        write_c3d(tmp_path / "b.c3d", found.to_table())
        np.testing.assert_array_equal(posetrack.load(tmp_path / "b.c3d").xy, found.xy)
        if scale is None:
            np.testing.assert_array_equal(found.xy[made.frame], made.xy)


# -- Motions -----------------------------------------------------------------------------------


def test_a_motion_is_read_as_it_was_written(tmp_path: Path) -> None:
    columns = {"knee": np.array([1.5, np.nan]), "hip": np.array([3.0, 4])}
    write_opensim_mot(tmp_path / "a.mot", [0, 0.1], columns, in_degrees=False)
    made = read_opensim_mot(tmp_path / "a.mot")
    assert made.seconds.tolist() == [0, 0.1]
    assert list(made.columns) == ["knee", "hip"]
    np.testing.assert_array_equal(made.columns["knee"], columns["knee"])
    assert not made.in_degrees


def test_a_storage_file_of_opensim_4_is_read(tmp_path: Path) -> None:
    text = (
        "DataType=double\nversion=3\nOpenSimVersion=4.5\nnRows=1\nendheader\ntime  a/b\n 0.5  2\n"
    )
    (tmp_path / "a.sto").write_text(text)
    assert read_opensim_mot(tmp_path / "a.sto").columns["a/b"].tolist() == [2]
    with pytest.raises(ValueError, match=r"a\.sto: columns over time.*read_opensim_mot reads"):
        posetrack.load(tmp_path / "a.sto")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\n", "no line 'endheader'"),
        ("endheader\nx\ta\n", "expected time and columns"),
        ("endheader\ntime\ta\ta\n", "each once"),
        ("endheader\ntime\ta\n1\t2\t3\n", "line 3: expected 2 numbers"),
        ("nRows=2\nendheader\ntime\ta\n1\t2\n", "says 2 rows and has 1"),
        ("endheader\ntime\ta\nnan\t2\n", "time is not finite"),
    ],
)
def test_what_is_wrong_in_a_motion_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.mot").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.mot.*{message}"):
        read_opensim_mot(tmp_path / "a.mot")
