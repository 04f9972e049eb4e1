"""``posetrack track`` from the words of its command line to the files it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import PATIENCE, lend_kernels, wait_until

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")

from onnx_files import answering
from video_made import cut, make_audio, make_video, with_damaged_packet

from posetrack import Tracker
from posetrack.build import DETECTOR_ON_CPU, ESTIMATOR
from posetrack.cli import main
from posetrack.detectors.onnx import OnnxDetector
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.formats import read_table
from posetrack.runs.outputs import FORMATS
from posetrack.testing import Scene, crossing
from posetrack.tracking.pipeline import track_video
from posetrack.video import VideoWriter, open_video

LENGTH = 12
SCENE = crossing(frames=LENGTH, speed=0.8)
ENDINGS = {"csv": ".csv", "parquet": ".parquet", "posetrack18": ".json", "coco": ".coco.json"}


def body_maps() -> np.ndarray:
    """(1, 17, 64, 48) heatmaps of somebody who stands upright and fills the crop's middle."""
    maps = np.zeros((1, 17, 64, 48), np.float32)
    pose, _ = crossing(frames=1).truth(0)
    low, high = pose.boxes.xyxy[0, :2], pose.boxes.xyxy[0, 2:]
    share = (pose.xy[0] - low) / (high - low)
    columns, rows = np.rint(16 + 16 * share[:, 0]).astype(int), (8 + 48 * share[:, 1]).astype(int)
    maps[0, np.arange(17), rows, columns] = 0.9
    return maps


def people_of(scene: Scene) -> np.ndarray:
    """What a YOLOv8 of one class would answer: the two people of the first frame, in 64 x 64."""
    answer = np.zeros((1, 5, 84), np.float32)
    for row, (left, top, right, bottom) in enumerate(scene.truth(0)[0].boxes.xyxy * 0.2):
        answer[0, :, row] = (
            (left + right) / 2,
            (top + bottom) / 2 + 8,
            right - left,
            bottom - top,
            0.9,
        )
    return answer


@cache
def made_files() -> dict[str, bytes]:
    """The video and the networks, made once."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        answering(root / "people.onnx", {"output0": people_of(SCENE)})
        answering(root / "body.onnx", {"maps": body_maps()}, input_shape=(1, 3, 256, 192))
        with VideoWriter(root / "clip.mp4", rate=25) as video:
            for image in SCENE:
                video.write(image)
        return {path.name: path.read_bytes() for path in root.iterdir()}


class Folder:
    """A video and two made networks in a folder of their own, and where results go."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root, root / "out"
        for name, content in made_files().items():
            (root / name).write_bytes(content)
        self.detector, self.estimator = root / "people.onnx", root / "body.onnx"
        self.video = root / "clip.mp4"

    def copy(self, path: Path) -> Path:
        path.write_bytes(self.video.read_bytes())
        return path

    def networks(self) -> list[str]:
        return ["--detector", str(self.detector), "--estimator", str(self.estimator)]

    def track(
        self, *words: str | Path, source: Path | None = None, more: Sequence[str | Path] = ()
    ) -> int:
        run = ["track", source or self.video, *more, "-o", self.out, *self.networks(), *words]
        return main([str(word) for word in run])

    def left(self) -> set[str]:
        return {path.name for path in self.out.iterdir()} if self.out.exists() else set()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A run with every format."""
    made = Folder(tmp_path_factory.mktemp("whole"))
    assert made.track("--format", ",".join(FORMATS), "--trails", "5") == 0
    return made


@pytest.fixture(scope="session")
def expected(whole: Folder) -> list[Any]:
    """The same as a library call."""
    tracker = Tracker(OnnxDetector(whole.detector), OnnxTopDown(whole.estimator))
    with open_video(whole.video) as video:
        return list(track_video(video, tracker))


@pytest.fixture
def user_module(folder: Folder) -> Iterator[Any]:
    """Write a module of the user's; what it imports as is forgotten afterwards."""
    written: list[str] = []

    def write(text: str) -> str:
        name = f"users_{os.getpid()}_{len(written)}_{folder.root.name}".replace("-", "_")
        (folder.root / f"{name}.py").write_text(text)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


# What is written.


def test_angles_are_of_the_people_in_the_other_files(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from posetrack import Trajectories
    from posetrack.cleaning import steps

    def join(tracks: Trajectories, *, max_gap: float, colours: Any = None) -> Trajectories:
        """Joining that ends otherwise with and without the colours of clothes."""
        assert max_gap == 2.0
        return replace(tracks, ids=tracks.ids + (100 if colours is not None else 200))

    monkeypatch.setattr(steps, "join_tracklets", join)
    assert folder.track("--join", "2s", "--format", "posetrack18", "--angles") == 0
    found = json.loads((folder.out / "clip.json").read_text())["annotations"]
    rows = (folder.out / "clip.angles.csv").read_text().splitlines()
    column = rows[0].split(",").index("id")
    assert {int(row.split(",")[column]) for row in rows[1:]} == {one["track_id"] for one in found}
    assert {one["track_id"] for one in found} == {101, 102}


def test_every_format_appears_and_nothing_else(whole: Folder) -> None:
    assert whole.left() == {
        "clip.csv", "clip.csv.meta.json", "clip.parquet", "clip.json", "clip.coco.json",
        "clip.coco.json.meta.json", "clip.frames.csv", "clip.audit.parquet", "clip.mp4",
    }  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_holds_what_the_library_gives(
    whole: Folder, expected: list[Any], ending: str
) -> None:
    frames = list(read_table(whole.out / f"clip{ending}").frames())
    assert len(frames) == len(expected) == LENGTH
    for (index, seconds, people), (frame, given) in zip(frames, expected, strict=True):
        assert (index, seconds) == (frame.index, frame.seconds)
        assert people.ids.tolist() == given.ids.tolist() == [1, 2]
        np.testing.assert_array_equal(people.xy, given.xy)
        np.testing.assert_array_equal(people.scores, given.scores)
        np.testing.assert_array_equal(people.boxes.xyxy, given.boxes.xyxy)
        np.testing.assert_array_equal(people.flow_age, given.flow_age)


def test_pandas_reads_the_tables_alike(whole: Folder) -> None:
    pandas = pytest.importorskip("pandas")
    one, other = (
        pandas.read_csv(whole.out / "clip.csv"),
        pandas.read_parquet(whole.out / "clip.parquet"),
    )
    assert list(one.columns) == list(other.columns)
    assert one["id"].tolist() == other["id"].tolist() == [1, 2] * LENGTH
    np.testing.assert_allclose(one["nose_x"], other["nose_x"], rtol=1e-6)
    assert set(one["source"]) <= {"detector", "flow"}


def test_json_of_posetrack_and_coco_agree_with_the_table(
    whole: Folder, expected: list[Any]
) -> None:
    posetrack = json.loads((whole.out / "clip.json").read_text())
    coco = json.loads((whole.out / "clip.coco.json").read_text())
    assert len(posetrack["images"]) == LENGTH
    people = [person for _, tracks in expected for person in tracks]
    assert [entry["track_id"] for entry in coco] == [person.id for person in people]
    assert len(posetrack["annotations"]) == len(people)
    names = posetrack["categories"][0]["keypoints"]
    wrist = names.index("left_wrist")
    for person, first, second in zip(people, posetrack["annotations"], coco, strict=True):
        x, y, _ = person["left_wrist"]
        np.testing.assert_allclose(first["keypoints"][3 * wrist : 3 * wrist + 2], (x, y), atol=0.01)
        np.testing.assert_allclose(second["keypoints"][27:29], (x, y), atol=0.01)
        assert len(first["keypoints"]) == len(second["keypoints"]) == 51


def test_the_ledger_names_every_frame(whole: Folder) -> None:
    lines = (whole.out / "clip.frames.csv").read_text().splitlines()
    assert lines[0] == "frame,seconds,status"
    assert lines[1:3] == ["0,0.000000,decoded", "1,0.040000,decoded"]
    assert len(lines) == LENGTH + 1


def test_the_overlay_is_the_video_with_people_drawn_upon(
    whole: Folder, expected: list[Any]
) -> None:
    with open_video(whole.out / "clip.mp4") as drawn, open_video(whole.video) as source:
        assert (drawn.size, drawn.rate) == (source.size, source.rate)
        pairs = list(zip(drawn, source, strict=True))
    assert len(pairs) == LENGTH
    for (after, before), (_, people) in zip(pairs, expected, strict=True):
        assert after.seconds == pytest.approx(before.seconds)
        changed = np.abs(after.image.astype(int) - before.image).max(axis=2) > 60
        left, top, right, bottom = people.boxes.xyxy.astype(int).T
        away = changed.copy()
        for row in range(len(people)):
            box = np.s_[
                max(top[row] - 30, 0) : bottom[row] + 8, max(left[row] - 30, 0) : right[row] + 60
            ]
            assert changed[box].sum() > 100
            away[box] = False
        assert away.mean() < 0.01


def test_every_file_says_what_made_it(whole: Folder) -> None:
    made = {
        "csv": read_table(whole.out / "clip.csv").metadata["provenance"],
        "parquet": read_table(whole.out / "clip.parquet").metadata["provenance"],
        "coco": json.loads((whole.out / "clip.coco.json.meta.json").read_text())["provenance"],
        "posetrack18": json.loads((whole.out / "clip.json").read_text())["info"]["provenance"],
    }
    for provenance in made.values():
        assert provenance == made["csv"]
    provenance = made["csv"]
    for name, path in (("detector", whole.detector), ("estimator", whole.estimator)):
        assert (
            provenance["weights"][name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        )
    assert provenance["source"] == {"file": str(whole.video), "bytes": whole.video.stat().st_size}
    settings = provenance["settings"]
    assert (settings["detect_every"], settings["trails"], settings["flow"]) == (1, 5, "dis")
    assert provenance["posetrack"]


def test_what_was_done_is_said_in_one_line(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder.track("--format", "csv", "--no-overlay") == 0
    said = capfd.readouterr()
    assert said.out == f"clip: {LENGTH} frames, 2 people -> {folder.out / 'clip.csv'}\n"
    assert said.err == ""  # no progress bar where there is no terminal
    assert folder.left() == {"clip.csv", "clip.csv.meta.json"}


# What can be asked.


def test_part_of_a_video_keeps_the_videos_own_frame_numbers(folder: Folder) -> None:
    words = ["--start", "2", "--stop", "11", "--stride", "3", "--format", "csv,frames"]
    assert folder.track(*words) == 0
    table = read_table(folder.out / "clip.csv")
    assert sorted(set(table.frame.tolist())) == [2, 5, 8]
    np.testing.assert_allclose(np.unique(table.seconds), [0.08, 0.2, 0.32])
    lines = (folder.out / "clip.frames.csv").read_text().splitlines()[1:]
    assert [line.split(",")[2] == "decoded" for line in lines].count(True) == 3
    with open_video(folder.out / "clip.mp4") as overlay:
        assert overlay.rate == Fraction(25, 3)
        assert sum(1 for _ in overlay) == 3


def test_no_frame_asked_for_writes_nothing(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder.track("--start", "500", "--format", "csv,frames") == 0
    assert "nothing written" in capfd.readouterr().out
    assert folder.left() == set()


def test_between_two_runs_of_the_detector_flow_carries_the_people(folder: Folder) -> None:
    assert folder.track("--detect-every", "4", "--format", "csv", "--no-overlay") == 0
    table = read_table(folder.out / "clip.csv")
    assert table.ids.tolist() == [1, 2] * LENGTH
    detected = table.frame[table.flow_age == 0]
    assert sorted(set(detected.tolist())) == [0, 4, 8]
    assert table.metadata["provenance"]["settings"]["detect_every"] == 4


@pytest.mark.parametrize(
    "words",
    [
        ["--no-flow-boxes"], ["--no-flow-similarity"], ["--similarity", "iou"],
        ["--match", "optimal"], ["--ahead", "0"], ["--flow", "lk"], ["--memory", "1"],
        ["--decode", "yolov8"], ["--device", "cpu"], ["--dark"], ["--flip-test"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_switch_still_finds_the_two(folder: Folder, words: list[str]) -> None:
    assert folder.track(*words, "--format", "csv", "--no-overlay") == 0
    assert read_table(folder.out / "clip.csv").ids.tolist() == [1, 2] * LENGTH


def mot_text(path: Path) -> Path:
    rows = []
    for frame in range(LENGTH):
        for box in SCENE.truth(frame)[0].boxes.xyxy:
            left, top, width, height = (*box[:2], *(box[2:] - box[:2]))
            rows.append(f"{frame + 1},-1,{left:.2f},{top:.2f},{width:.2f},{height:.2f},0.9")
    path.write_text("\n".join(rows))
    return path


def test_boxes_from_a_file_take_the_detectors_place(folder: Folder) -> None:
    boxes = mot_text(folder.root / "boxes.txt")
    words = ["--estimator", str(folder.estimator), "--format", "csv", "--start", "1"]
    run = ["track", str(folder.video), "-o", str(folder.out), "--boxes", str(boxes), *words]
    assert main(run) == 0
    table = read_table(folder.out / "clip.csv")
    assert table.ids.tolist() == [1, 2] * (LENGTH - 1)
    truth = np.concatenate([SCENE.truth(frame)[0].boxes.xyxy for frame in range(1, LENGTH)])
    assert np.abs(table.xyxy - truth).max() < 25  # the detector's, or moved along by flow
    assert np.median(np.abs(table.xyxy - truth)) < 4
    weights = table.metadata["provenance"]["weights"]
    assert weights["boxes"]["file"] == "boxes.txt"
    assert "detector" not in weights


def test_boxes_and_a_detector_at_once_are_refused(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder.track("--boxes", mot_text(folder.root / "boxes.txt")) == 1
    assert "takes the place of --detector" in capfd.readouterr().err


def test_a_decode_function_of_the_users_is_found_beside_them(
    folder: Folder, user_module: Any
) -> None:
    name = user_module(
        "import numpy as np\n"
        "def decode(outputs, context):\n"
        "    assert outputs[0].shape == (1, 5, 84)\n"
        "    return np.array([[20, 40, 90, 210]]), np.array([0.9])\n"
    )
    assert folder.track("--decode", f"{name}:decode", "--format", "csv", "--no-overlay") == 0
    table = read_table(folder.out / "clip.csv")
    assert set(table.ids.tolist()) == {1}


def test_videos_of_one_name_get_results_of_their_own(folder: Folder) -> None:
    other = folder.root / "other"
    other.mkdir()
    second = folder.copy(other / "clip.mp4")
    assert folder.track("--format", "csv", more=[second]) == 0
    names = {"clip.csv", "clip.csv.meta.json", "clip.mp4"}
    assert folder.left() == names | {name.replace("clip", "clip-2") for name in names}
    for name in ("clip", "clip-2"):  # each begins anew
        assert read_table(folder.out / f"{name}.csv").ids.tolist() == [1, 2] * LENGTH


def test_a_folder_of_images_is_a_video(folder: Folder) -> None:
    import cv2

    images = folder.root / "walk"
    images.mkdir()
    for number, image in enumerate(SCENE):
        assert cv2.imwrite(str(images / f"{number}.png"), image)
    assert folder.track("--format", "csv", "--overlay-as", "mp4", source=images) == 0
    assert read_table(folder.out / "walk.csv").ids.tolist() == [1, 2] * LENGTH
    assert "walk.mp4" in folder.left()


@pytest.mark.parametrize("name", ["0", "match[1]"])
def test_what_is_there_under_a_name_is_no_camera_and_no_pattern(folder: Folder, name: str) -> None:
    import cv2

    (folder.root / name).mkdir()
    for number in range(3):
        assert cv2.imwrite(f"{name}/{number}.png", SCENE.render(number))
    assert folder.track("--format", "csv", "--no-overlay", source=Path(name)) == 0
    assert folder.left() == {f"{name}.csv", f"{name}.csv.meta.json"}


# What is there already stays.


def test_a_source_in_the_folder_of_results_is_never_written_over(folder: Folder) -> None:
    folder.out.mkdir()
    sources = [folder.copy(folder.out / name) for name in ("clip.mp4", "clip-tracked.mp4")]
    before = [path.read_bytes() for path in sources]
    run = [
        "track",
        *map(str, sources),
        "-o",
        str(folder.out),
        *folder.networks(),
        "--format",
        "csv",
    ]
    for _ in range(2):
        assert main(run) == 0
        assert [path.read_bytes() for path in sources] == before
    assert {"clip-tracked-tracked.mp4", "clip-tracked-tracked-tracked.mp4"} <= folder.left()


def test_a_source_that_a_later_name_would_take_is_not_written_over(folder: Folder) -> None:
    folder.out.mkdir()
    second = folder.copy(folder.out / "clip-2.mp4")
    (folder.root / "other").mkdir()
    third = folder.copy(folder.root / "other" / "clip.mp4")
    before = second.read_bytes()
    assert folder.track("--format", "csv", more=[third, second]) == 0
    assert second.read_bytes() == before
    with open_video(folder.out / "clip-2-tracked.mp4") as overlay:
        assert sum(1 for _ in overlay) == LENGTH


def test_boxes_from_an_earlier_result_are_not_written_over(folder: Folder) -> None:
    assert folder.track("--format", "posetrack18", "--no-overlay") == 0
    boxes = folder.out / "clip.json"
    before = boxes.read_bytes()
    run = ["track", str(folder.video), "-o", str(folder.out), "--boxes", str(boxes)]
    run += ["--estimator", str(folder.estimator), "--format", "posetrack18", "--no-overlay"]
    assert main(run) == 0
    assert boxes.read_bytes() == before
    again = json.loads((folder.out / "clip-tracked.json").read_text())
    assert len(again["annotations"]) == 2 * LENGTH


def test_a_second_run_replaces_the_first_only_when_it_is_whole(
    folder: Folder, user_module: Any
) -> None:
    assert folder.track("--format", ",".join(FORMATS)) == 0
    first = {name: (folder.out / name).read_bytes() for name in folder.left()}
    name = user_module(
        "from pathlib import Path\n"
        "import numpy as np\n"
        "seen = []\n"
        "def decode(outputs, context):\n"
        f"    out = Path({str(folder.out)!r})\n"
        "    whole = [path for path in out.iterdir() if 'partial' not in path.name]\n"
        "    seen.append({path.name: path.read_bytes() for path in whole})\n"
        "    return np.array([[20, 40, 90, 210]]), np.array([0.9])\n"
    )
    assert folder.track("--decode", f"{name}:decode", "--format", ",".join(FORMATS)) == 0
    seen = sys.modules[name].seen
    assert len(seen) == LENGTH
    assert all(during == first for during in seen)
    assert folder.left() == set(first)
    assert (folder.out / "clip.csv").read_bytes() != first["clip.csv"]


INTERRUPTING = """
import numpy as np
calls = 0
def decode(outputs, context):
    global calls
    calls += 1
    if calls > 5:
        raise {error}
    return np.array([[20, 40, 90, 210]]), np.array([0.9])
"""


def paths_named(said: str) -> list[Path]:
    line = next(line for line in said.splitlines() if "frames so far are in" in line)
    return [Path(part) for part in line.partition(" are in ")[2].split(", ")]


@pytest.mark.parametrize("ahead", ["0", "2"])
def test_an_interrupted_run_keeps_what_it_had_and_says_where(
    folder: Folder, user_module: Any, capfd: pytest.CaptureFixture[str], ahead: str
) -> None:
    folder.out.mkdir()
    for name in ("clip.csv", "clip.mp4", "clip.partial.csv"):
        (folder.out / name).write_text("of an earlier run")
    name = user_module(INTERRUPTING.format(error="KeyboardInterrupt"))
    words = ["--decode", f"{name}:decode", "--format", ",".join(FORMATS), "--ahead", ahead]
    assert folder.track(*words) == 130
    said = capfd.readouterr().err
    assert "clip: 5 frames so far are in " in said
    assert said.splitlines()[-2] == "posetrack: interrupted"
    assert "Traceback" not in said
    for name in ("clip.csv", "clip.mp4", "clip.partial.csv"):
        assert (folder.out / name).read_text() == "of an earlier run"
    kept = {path.name: path for path in paths_named(said)}
    assert set(kept) == {
        "clip.partial-2.csv", "clip.partial.parquet", "clip.partial.json",
        "clip.coco.partial.json", "clip.frames.partial.csv", "clip.partial.mp4",
        "clip.audit.partial.parquet",
    }  # fmt: skip
    for name in ("clip.partial-2.csv", "clip.partial.parquet"):
        assert read_table(kept[name]).frame.tolist() == list(range(5))
    assert len(json.loads(kept["clip.partial.json"].read_text())["images"]) == 5
    assert len(json.loads(kept["clip.coco.partial.json"].read_text())) == 5
    with open_video(kept["clip.partial.mp4"]) as overlay:
        assert sum(1 for _ in overlay) == 5


def test_an_error_in_mid_run_keeps_what_it_had_too(
    folder: Folder, user_module: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    name = user_module(INTERRUPTING.format(error="RuntimeError('the cable of the camera')"))
    assert folder.track("--decode", f"{name}:decode", "--format", "csv") == 1
    said = capfd.readouterr().err
    assert said.splitlines()[-2] == "posetrack: the cable of the camera"
    assert {path.name for path in paths_named(said)} == {"clip.partial.csv", "clip.partial.mp4"}
    assert folder.left() == {"clip.partial.csv", "clip.partial.csv.meta.json", "clip.partial.mp4"}


def test_interrupted_before_the_first_frame_nothing_is_left(
    folder: Folder, user_module: Any
) -> None:
    name = user_module("def decode(outputs, context):\n    raise KeyboardInterrupt\n")
    assert folder.track("--decode", f"{name}:decode", "--format", ",".join(FORMATS)) == 130
    assert folder.left() == set()


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_the_command_with_130_and_keeps_what_it_had(
    folder: Folder, user_module: Any
) -> None:
    lend_kernels(Path(os.environ["POSETRACK_HOME"]))
    name = user_module(
        "import time\nfrom pathlib import Path\nimport numpy as np\n"
        "calls = 0\n"
        "def decode(outputs, context):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls > 5:\n"
        "        Path('waiting').touch()\n"
        "    while calls > 5 and not Path('interrupted').exists():\n"
        "        time.sleep(0.01)\n"
        "    return np.array([[20, 40, 90, 210]]), np.array([0.9])\n"
    )
    words = ["track", str(folder.video), "-o", str(folder.out), *folder.networks()]
    words += ["--decode", f"{name}:decode", "--format", "csv"]
    # A shell's background jobs, CI among them, start with Ctrl-C ignored: switch it on again.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from posetrack.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.root,
    )  # fmt: skip
    try:
        # Two frames are detected ahead at most: with the sixth, the first are written.
        wait_until((folder.root / "waiting").exists)
        running.send_signal(signal.SIGINT)
        (folder.root / "interrupted").touch()
        _, said = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert said.splitlines()[-2] == "posetrack: interrupted"
    table = read_table(folder.out / "clip.partial.csv")
    assert 1 <= len(table) < LENGTH
    assert not (folder.out / "clip.csv").exists()


# What cannot be done.


def refused(said: str, *parts: str) -> None:
    """One line that names the command, and no trace of Python."""
    assert "Traceback" not in said
    lines = said.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("posetrack: ")
    for part in parts:
        assert part in lines[0]


def broken_source(kind: str, folder: Path) -> Path:
    path = folder / "broken.mp4"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(50_000))
    elif kind == "text":
        path.write_text("This is a shopping list.\n" * 100)
    elif kind == "sound":
        make_audio(path)
    elif kind == "no frames":
        make_video(path, 0)
    elif kind == "cut before its index":
        cut(make_video(path), 0.5)
    elif kind == "an empty folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    "kind",
    ["missing", "empty", "noise", "text", "sound", "no frames", "cut before its index",
     "an empty folder"],
)  # fmt: skip
def test_what_is_no_video_is_refused_in_a_line_and_nothing_is_left(
    folder: Folder, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder.track(source=broken_source(kind, folder.root)) == 1
    refused(capfd.readouterr().err, "broken.mp4")
    assert not folder.out.exists()


def test_the_last_of_many_sources_is_looked_at_before_the_first_is_tracked(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder.track(more=["nowhere.mp4"]) == 1
    refused(capfd.readouterr().err, "nowhere.mp4")
    assert not folder.out.exists()


def test_a_video_that_is_cut_off_gives_what_it_holds_with_a_note(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make_video(folder.root / "torn.mkv", 20, b_frames=0)
    cut(path, 0.6)
    assert folder.track("--format", "csv,frames", source=path) == 0
    said = capfd.readouterr()
    assert said.err.startswith("torn: ")
    assert "Traceback" not in said.err
    ledger = (folder.out / "torn.frames.csv").read_text().splitlines()[1:]
    assert 3 < len(ledger) < 20


def test_frames_that_cannot_be_decoded_are_told_and_the_rest_is_tracked(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make_video(folder.root / "bad.mp4", 20, gop=1, b_frames=0)
    lost = with_damaged_packet(path, 7)
    assert folder.track("--format", "csv,frames", source=path) == 0
    said = capfd.readouterr().err
    assert said == f"bad: 1 frames could not be decoded, the first is frame {lost}\n"
    ledger = (folder.out / "bad.frames.csv").read_text().splitlines()[1:]
    assert [line.rpartition(",")[2] for line in ledger].count("corrupt") == 1


class Bomb:
    """Makes a file when it is unpickled carelessly."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def network_file(kind: str, folder: Folder) -> Path:
    if kind == "missing.onnx":
        return folder.root / kind
    path = folder.root / kind.replace(" ", "_")
    if kind.startswith("text"):
        path.write_text("not a network " * 50)
    elif kind.startswith("empty"):
        path.write_bytes(b"")
    elif kind == "noise.pth":
        path.write_bytes(np.random.default_rng(0).bytes(5_000))
    elif kind == "bomb.pth":
        path.write_bytes(pickle.dumps({"state_dict": Bomb(folder.root / "exploded")}))
    elif kind == "half.onnx":
        path.write_bytes(folder.estimator.read_bytes()[:-5_000])
    elif kind == "detector.onnx":
        path.write_bytes(folder.detector.read_bytes())
    return path


@pytest.mark.parametrize(
    "kind",
    ["missing.onnx", "text.onnx", "empty.onnx", "half.onnx", "detector.onnx", "text.pth",
     "empty.pth", "noise.pth", "bomb.pth", "text.safetensors"],
)  # fmt: skip
def test_an_estimator_that_is_none_is_refused_in_a_line(
    folder: Folder, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = network_file(kind, folder)
    run = ["track", str(folder.video), "-o", str(folder.out), "--detector", str(folder.detector)]
    assert main([*run, "--estimator", str(path)]) == 1
    refused(capfd.readouterr().err, path.name)
    assert not folder.out.exists()
    assert not (folder.root / "exploded").exists()


@pytest.mark.parametrize("kind", ["missing.onnx", "text.onnx", "empty.onnx", "estimator"])
def test_a_detector_that_is_none_is_refused_in_a_line(
    folder: Folder, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = folder.estimator if kind == "estimator" else network_file(kind, folder)
    run = ["track", str(folder.video), "-o", str(folder.out), "--estimator", str(folder.estimator)]
    assert main([*run, "--detector", str(path)]) == 1
    refused(capfd.readouterr().err, path.name)
    assert not folder.out.exists()


@pytest.mark.parametrize("missing", ["detector", "estimator"])
def test_offline_without_weights_the_ways_out_are_named(
    folder: Folder, missing: str, capfd: pytest.CaptureFixture[str]
) -> None:
    named: dict[str, Path | str] = {"detector": folder.detector, "estimator": folder.estimator}
    named[missing] = {"detector": DETECTOR_ON_CPU, "estimator": ESTIMATOR}[missing]
    words = [word for name, path in named.items() for word in (f"--{name}", str(path))]
    run = ["track", str(folder.video), "-o", str(folder.out), "--offline", "--device", "cpu"]
    assert main([*run, *words]) == 1
    said = capfd.readouterr().err
    assert said.startswith("posetrack: ")
    assert "Traceback" not in said
    assert "posetrack models" in said
    assert str(folder.root / "weights") in said
    assert not folder.out.exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--format", "csv,xml"], "--format: no format 'xml'; there are"),
        (["--decode", "no_such_module:decode"], "no module 'no_such_module'"),
        (["--decode", "json:nothing"], "no function 'nothing'"),
        (["--decode", "nonsense"], "--decode: no layout 'nonsense'"),
        (["--skeleton", "centaur"], "--skeleton: no skeleton 'centaur'"),
        (["--skeleton", "mpii_16"], "17 channels"),
        (["--size", "128x96"], "128"),
        (["--estimator", "no_such_model"], "no_such_model"),
        (["--detector", "no_such_model"], "no_such_model"),
        (["--boxes", "nowhere.txt", "--detector", ""], "nowhere.txt"),
        (["--start", "-1"], "start"),
        (["--start", "5", "--stop", "3"], "stop"),
        (["--stride", "0"], "stride"),
        (["--memory", "0"], "memory"),
        (["--max-oks", "7"], "max_oks"),
        (["--min-score", "nan"], "min_score"),
        (["--trails", "-1"], "trails"),
        (["--ahead", "-1"], "ahead"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_refused_in_a_line_and_nothing_is_left(
    folder: Folder, words: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder.track(*words) == 1
    refused(capfd.readouterr().err, complaint)
    assert not folder.out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--nonsense"],
        ["--size", "12"],
        ["--flow", "magic"],
        ["--memory", "many"],
        ["--device", "cdua"],
    ],
    ids=" ".join,
)
def test_what_the_command_line_does_not_know_ends_with_two(
    folder: Folder, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        folder.track(*words)
    assert ended.value.code == 2
    assert words[0] in capfd.readouterr().err
    assert not folder.out.exists()


def test_results_cannot_go_where_a_file_is(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.out.write_text("mine")
    assert folder.track() == 1
    refused(capfd.readouterr().err, "expected a folder")
    assert folder.out.read_text() == "mine"


def test_a_password_in_an_address_is_in_no_file(folder: Folder) -> None:
    from posetrack.cli import parser
    from posetrack.cli.track import settings_of

    words = ["track", "rtsp://me:secret@camera/1", "-o", "out"]
    assert "secret" not in repr(settings_of(parser().parse_args(words)))
