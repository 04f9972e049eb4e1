"""Tables as spreadsheets save them: other encodings, separators and ends of lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import posetrack
from posetrack import Skeleton, Trajectories
from posetrack.formats.dlc import write_dlc
from posetrack.formats.mot import write_mot
from posetrack.formats.opensim import read_opensim_mot, trc_path, write_opensim_mot, write_trc
from posetrack.formats.table_writers import write_table

LEG = Skeleton("leg", ("left_knee", "left_ankle"), (("left_knee", "left_ankle"),), (), (0.1, 0.1))
SAVED: dict[str, Callable[[str], bytes]] = {
    "with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "in UTF-16": lambda text: text.encode("utf-16"),
    "in UTF-16 of the other order": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "by Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "by an old Mac": lambda text: text.replace("\n", "\r").encode(),
    "with empty lines": lambda text: (text + "\n\n\r\n").encode(),
    "with rows of empty cells": lambda text: (text + ",,,,\n,,,,\n").encode(),
    "with semicolons": lambda text: text.replace(",", ";").encode(),
    "with decimal commas": lambda text: with_decimal_commas(text).encode(),
    "with decimal commas, in UTF-16": lambda text: with_decimal_commas(text).encode("utf-16"),
    "with the separator named": lambda text: ("sep=;\n" + text.replace(",", ";")).encode(),
    "with tabs": lambda text: text.replace(",", "\t").encode(),
    "with all in quotes": lambda text: re.sub(r"([^,\n]+)", r'"\1"', text).encode(),
    "with blanks": lambda text: text.replace(",", ", ").encode(),
}


def with_decimal_commas(text: str) -> str:
    return re.sub(r"(\d)\.(\d)", r"\1,\2", text.replace(",", ";"))


def walk() -> Trajectories:
    rng = np.random.default_rng(2)
    frame = np.arange(4)
    xy = rng.uniform(1, 900, (4, 2, 2, 2)).round(2)
    return Trajectories(frame, frame / 25, [3, 8], xy, np.full((4, 2, 2), 0.5), LEG)


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("kind", ["own", "dlc", "mot"])
def test_a_table_is_the_same_however_it_was_saved(kind: str, saved: str, tmp_path: Path) -> None:
    path = tmp_path / ("walk.txt" if kind == "mot" else "walk.csv")
    table = walk().to_table()
    write = {"own": write_table, "dlc": write_dlc, "mot": write_mot}[kind]
    write(path, table)
    (tmp_path / "walk.csv.meta.json").unlink(missing_ok=True)
    expected = posetrack.load(path, rate=25)
    path.write_bytes(SAVED[saved](path.read_text()))
    found = posetrack.load(path, rate=25)
    assert found.ids.tolist() == [3, 8]
    np.testing.assert_array_equal(found.xy, expected.xy)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_allclose(found.seconds, expected.seconds)


def test_text_in_another_encoding_is_to_be_saved_anew(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    write_dlc(path, walk().to_table())
    path.write_bytes(path.read_text().replace("left_knee", "größe").encode("latin-1"))
    with pytest.raises(ValueError, match=r"walk\.csv: not text in UTF-8: .*; save it as UTF-8$"):
        posetrack.load(path, rate=25)


def test_an_error_names_the_row_that_people_see(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    write_table(path, walk().to_table())
    lines = path.read_text().split("\n")
    lines[2] = lines[2].replace("0,", "x,", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"walk\.csv: column 'frame': .*'x'"):
        posetrack.load(path)


def test_a_table_of_others_is_refused_by_what_its_first_line_says(tmp_path: Path) -> None:
    path = tmp_path / "vicon.csv"
    path.write_text("Trajectories,,\n100,,\n")
    with pytest.raises(ValueError, match="names no columns of a table of tracks: 'Trajectories"):
        posetrack.load(path)


def test_short_rows_end_in_numbers_that_are_missing(tmp_path: Path) -> None:
    """As multi-animal projects with body parts of nobody write them."""
    path = tmp_path / "CollectedData_me.csv"
    path.write_text(
        "scorer,me,me,me,me\n"
        "individuals,a,a,b,b,single,single\n"
        "bodyparts,nose,nose,nose,nose,ball,ball\n"
        "coords,x,y,x,y,x,y\n"
        "labeled-data/video/img0.png,1,2,3,4,5,6\n"
        "labeled-data/video/img1.png,1,2\n"
    )
    made = posetrack.load(path, rate=1)
    assert made.skeleton.keypoints == ("nose", "ball")
    assert made.present.tolist() == [[True, True, True], [True, False, False]]
    assert made.xy[0, :, :, 0].tolist()[2][1] == 5


@pytest.mark.parametrize("first", ["PathFileType\t4", "PathFileType  4"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\t", ","),
        lambda text: re.sub(r"(\d)\.(\d)", r"\1,\2", text),
        lambda text: text.replace("25\t25", "  25\t\t  25") + "\t\t\t\n",
    ],
    ids=["commas", "decimal commas", "tabs that stand twice"],
)
def test_markers_are_the_same_however_they_were_saved(
    change: Callable[[str], str], first: str, tmp_path: Path
) -> None:
    write_trc(tmp_path / "walk.trc", walk().to_table(), metres_per_pixel=0.01)
    path = trc_path(tmp_path / "walk.trc", 8)
    expected = posetrack.load(path)
    path.write_text(change(path.read_text().replace("PathFileType\t4", first, 1)))
    found = posetrack.load(path)
    assert found.ids.tolist() == [8]
    assert found.metadata["units"] == "m"
    assert found.metadata["rate"] == 25
    np.testing.assert_array_equal(found.xy, expected.xy)


def test_motions_are_the_same_when_a_spreadsheet_saved_them(tmp_path: Path) -> None:
    path = tmp_path / "walk.mot"
    write_opensim_mot(path, [0.0, 0.5], {"left_knee": [170.0, 165.5], "right_knee": [1.0, 2.0]})
    text = path.read_text().replace("\t", ",").replace("endheader\n", "endheader,,\n,,\n")
    path.write_text(text)
    motion = read_opensim_mot(path)
    assert motion.seconds.tolist() == [0, 0.5]
    assert motion.columns["right_knee"].tolist() == [1, 2]


def test_sports2d_names_the_person_at_the_end_of_the_file(tmp_path: Path) -> None:
    write_trc(tmp_path / "walk.trc", walk().to_table())
    path = trc_path(tmp_path / "walk.trc", 8).rename(tmp_path / "walk_Sports2D_m_person02.trc")
    assert posetrack.load(path).ids.tolist() == [2]
