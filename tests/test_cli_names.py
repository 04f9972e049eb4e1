"""Names of files: of any bytes, and such that every system takes what is named after them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import PATIENCE
from video_made import make_video

from posetrack.cli import COMMANDS, main
from posetrack.files import legal_name, printable
from posetrack.formats import ParquetWriter, read_table
from posetrack.runs.outputs import output_name
from posetrack.runs.pictures import picture_names
from posetrack.skeletons import COCO_17
from posetrack.structures import Poses, Tracks

BYTES = b"caf\xe9"
NAME = os.fsdecode(BYTES)

any_bytes = pytest.mark.skipif(sys.platform != "linux", reason="only here names are any bytes")


# Legal everywhere


@pytest.mark.parametrize(
    "title",
    [
        *("CON", "nul", "Aux.left", "com1", "LPT9.txt", "COM²", "conin$", "nul .a"),
        *('a<b>c:d"e/f\\g|h?i*j', "a\x00b\x1fc", "end.", "end ", "end. . .", ".", "..", "", " "),
        *("x" * 300, "é" * 200, "\ud83d", "\udcff", "a/../b", "tab\tin"),
    ],
    ids=ascii,
)
def test_names_are_legal_on_windows(title: str) -> None:
    name = legal_name(title)
    assert 0 < len(name.encode()) <= 180
    assert not set(name) & set('<>:"/\\|?*\x7f')
    assert min(name) >= " "
    assert name == name.rstrip(" .")
    first = name.split(".")[0].rstrip().casefold()
    reserved = {"con", "prn", "aux", "nul", "conin$", "conout$"}
    assert first not in reserved | {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789²"}


@given(st.lists(st.text(max_size=5), max_size=6))
def test_no_two_titles_get_one_name_on_any_system(titles: list[str]) -> None:
    taken: list[str] = []
    for title in titles:
        taken.append(legal_name(title, taken))
    assert len({name.casefold() for name in taken}) == len(titles)


@given(st.text(max_size=20))
def test_a_legal_name_stays_as_it_is(title: str) -> None:
    name = legal_name(title)
    assert legal_name(name) == name


def test_names_that_differ_in_case_or_composition_count_as_the_same() -> None:
    assert legal_name("match", ["MATCH", "Match-2"]) == "match-3"
    assert legal_name("café", ["cafe\u0301"]) == "café-2"
    taken: set[str] = set()
    for source in ("a/Walk.mp4", "b/walk.mp4", "c/wal|k.mp4", "nul.mp4", "rtsp://host/aux"):
        taken.add(output_name(source, taken))
    assert taken == {"Walk", "walk-2", "wal_k", "nul_", "aux_"}


@pytest.mark.parametrize(
    ("titles", "segments", "names"),
    [
        (("hall", "hall-0000"), True, ["hall", "hall-0000-2"]),
        (("hall-0000", "Hall"), True, ["hall-0000", "Hall-2"]),
        (("hall", "hall-0000.coco"), True, ["hall", "hall-0000.coco-2"]),
        (("hall", "hall-0000", "hall-12345"), False, ["hall", "hall-0000", "hall-12345"]),
        (("hall", "hall-000", "hall-0000b"), True, ["hall", "hall-000", "hall-0000b"]),
        (("hall", "hall.COCO", "hall.frames"), False, ["hall", "hall.COCO-2", "hall.frames-2"]),
        (("hall.raw", "hall", "hall.v2"), False, ["hall.raw", "hall-2", "hall.v2"]),
    ],
)
def test_no_two_videos_results_share_a_file(
    titles: tuple[str, ...], segments: bool, names: list[str]
) -> None:
    taken: list[str] = []
    for title in titles:
        taken.append(output_name(f"games/{title}.mp4", taken, segments=segments))
    assert taken == names


def test_pictures_are_called_so_in_every_folder() -> None:
    files = [(Path(name), 0) for name in ("w/con/a:b.png", "w/X.png", "w/x.jpg", "w/x.bmp")]
    assert picture_names(files, "png") == ["con_/a_b.png", "X.png", "x-jpg.png", "x-bmp.png"]


# Of any bytes


def test_a_name_can_be_shown_and_stored() -> None:
    assert printable(NAME) == "caf\\xe9"
    assert printable("café") == "café"
    assert printable("caf\udcc3\udca9") == "café", "UTF-8 that another encoding was expected of"
    assert printable("\ud83d") == "\\ud83d"
    json.dumps(printable(NAME)).encode()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_with_a_name_of_any_bytes_ends_without_a_traceback(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main([command, os.fsdecode(b"walk/\xff.mp4")])
    except SystemExit as wrong_use:
        status = int(str(wrong_use.code))
    assert status in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A video and its table, both of such a name, in such a folder."""
    inner = tmp_path / NAME
    inner.mkdir()
    plain = make_video(tmp_path / "plain.mp4", 6)
    shutil.move(plain, inner / f"{NAME}.mp4")
    xy = np.random.default_rng(0).uniform(8, 40, (1, 17, 2))
    people = Tracks(Poses.from_keypoints(xy, None, COCO_17), [4])
    plain_table = tmp_path / "plain.parquet"
    writer = ParquetWriter(plain_table, COCO_17, image_size=(64, 48), rate=25)
    for index in range(6):
        writer.write(index, index / 25, people)
    writer.close()
    plain_table.rename(inner / f"{NAME}.parquet")
    return inner


@any_bytes
@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("overlay {table} --video {video} -o {out}.mp4", "{out}.mp4"),
        ("clean {table} --fill 0.2 -o {out}", "{out}/caf%E9.parquet"),
        ("convert {table} --to csv,coco,posetrack18,openpose -o {out}", "{out}/caf%E9.csv"),
        ("audit {table} --video {video} -o {out}", "{out}/caf%E9.doubts.csv"),
        ("plot {table} --kind timeline -o {out}.png", "{out}.png"),
        ("analyse {table} --angles --report -o {out}", "{out}/caf%E9.report.md"),
    ],
)
def test_commands_take_names_of_any_bytes(folder: Path, words: str, written: str) -> None:
    names = {
        "table": str(folder / f"{NAME}.parquet"),
        "video": str(folder / f"{NAME}.mp4"),
        "out": str(folder / f"new-{NAME}"),
    }
    assert main([word.format_map(names) for word in words.split()]) == 0
    path = Path(written.format_map(names))
    assert path.stat().st_size > 0
    if path.suffix in (".csv", ".parquet") and "doubts" not in path.name:
        assert len(read_table(path)) == 6


@any_bytes
@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_track_takes_names_of_any_bytes_in_every_locale(
    folder: Path, locale: dict[str, str]
) -> None:
    words = [sys.executable, "-m", "posetrack", "track", f"{NAME}.mp4", "-o", f"out-{NAME}"]
    words += ["--estimator", "bundled", "--detector", "bundled", "--stop", "2"]
    done = subprocess.run(
        words, cwd=folder, env=os.environ | {"PYTHONCOERCECLOCALE": "0"} | locale,
        capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"-> out-caf\\xe9/caf%E9.csv, " in done.stdout
    (made,) = [path for path in folder.iterdir() if path.name.startswith("out-")]
    document = json.loads((made / "caf%E9.csv.meta.json").read_text(encoding="utf-8"))
    assert "caf\\xe9.mp4" in json.dumps(document).replace("\\\\", "\\")


def test_a_name_is_made_once_however_many_others_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def count(title: str, taken: Collection[str]) -> str:
        made.append(title)
        return legal_name(title, taken)

    monkeypatch.setattr("posetrack.runs.outputs.legal_name", count)
    taken = {f"clip{number}" for number in range(500)}
    assert output_name("clip500.mp4", taken) == "clip500"
    assert made == ["clip500"]
    assert output_name("clip7.coco.mp4", taken) == "clip7.coco-2"
    assert made == ["clip500", "clip7.coco", "clip7.coco"]
