"""``posetrack track`` killed at random moments: what is left is a prefix of an undisturbed run.

    python benchmarks/kills.py [--kills 50] [--terms 20] [--last 50] [--resumed 0] [--frames 160]
        [--seed 0] [-o benchmarks/RESULTS/kills.md]

A rendered scene is tracked with every table and the overlay; detector and pose network read the
truth (`posetrack.testing`), so that a run takes seconds. Each run is a forked process that SIGKILL
ends at a random moment between its first and its last, or that SIGTERM asks to end, at any moment
or in the last second. Afterwards `posetrack recover` is run on its folder, and every table must be
a prefix of the undisturbed run's, row by row and value by value, every unfinished video must play
and show the pictures of the undisturbed one, and what `recover` made of it as many; else the
status is 1.

With ``--resumed N`` so many runs with ``--resume`` and every output there is, every second of them
cleaned, are killed with SIGKILL at random moments, some twice, and then finished by the same
command: all their files must be byte for byte those of a run that was not killed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from posetrack import Tracker, __version__
from posetrack.cli import main
from posetrack.cli import track as command
from posetrack.runs import resuming
from posetrack.runs.resuming import read_point
from posetrack.testing import SceneDetector, SceneEstimator, camera_pan
from posetrack.video import VideoWriter, open_video

FORMATS = "csv,parquet,posetrack18,coco,frames,audit"
FRAMES = 160


def use_fakes(scene: Any) -> None:
    """Have the command track with networks that read the truth, ten milliseconds a frame."""

    class Slow(SceneEstimator):
        def __call__(self, image: Any, boxes: Any, /) -> Any:
            time.sleep(0.01)
            return super().__call__(image, boxes)

    def tracker(arguments: Any) -> tuple[Tracker, dict[Any, Any]]:
        flow = command.build_flow(arguments)
        return Tracker(SceneDetector(scene, miss=0.1), Slow(scene), flow), {}

    command.open_tracker = tracker


def start(images: Path, out: Path) -> int:
    """The process that tracks the images into a folder; its words go to ``out.txt``."""
    child = os.fork()
    if child:
        return child
    with (out.parent / f"{out.name}.txt").open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    status = 99
    try:
        line = ["track", str(images), "-o", str(out), "--format", FORMATS, "--flow", "lk"]
        status = main([*line, "--rate", "25", "--overlay-as", "mp4"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


EVERYTHING = ["--trails", "10", "--blur-faces", "pixelate", "--angles", "--plot", "--resume"]
CLEANED = ["--smooth", "butterworth", "--fill", "0.3", "--join", "0.5"]


def start_resumable(video: Path, folder: Path, words: list[str]) -> int:
    """The process that tracks a video into a folder's ``out``, with points that are close."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        folder.mkdir(exist_ok=True)
        os.chdir(folder)  # files record where results go: the same in all folders
        with Path("said.txt").open("a") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        resuming.EVERY, resuming.MOST_OF_THE_TIME = 0.3, 1.0
        line = ["track", str(video), "-o", "out", "--format", FORMATS, "--flow", "lk"]
        status = main([*line, *EVERYTHING, *words])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def content_of(out: Path) -> dict[str, bytes]:
    """All files but the notes on the run."""
    files = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".resume"]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def resume_killed(options: argparse.Namespace, folder: Path) -> tuple[str, bool]:
    """Kill runs and have the same command finish them; the report, and whether all was equal."""
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    scene = camera_pan(frames=options.frames, people=4, seed=options.seed)
    video = folder / "walk.mp4"
    with VideoWriter(video, rate=25) as writer:
        for number in range(options.frames):
            writer.write(scene.render(number))
    use_fakes(scene)
    importlib.import_module("posetrack.plots")  # once, and not in each process
    importlib.import_module("matplotlib.pyplot")
    draw = random.Random(options.seed)
    expected, seconds = {}, {}
    for name, words in (("plain", []), ("cleaned", CLEANED)):
        for _ in range(2):  # the first compiles
            shutil.rmtree(folder / name, ignore_errors=True)
            begun = time.monotonic()
            os.waitpid(start_resumable(video, folder / name, words), 0)
            seconds[name] = time.monotonic() - begun
        expected[name] = content_of(folder / name / "out")
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    for number in range(options.resumed):
        name, words = ("cleaned", CLEANED) if number % 2 else ("plain", [])
        own = folder / f"resumed-{number}"
        moments = [draw.uniform(0, 1.05 * seconds[name]) for _ in range(1 + (number % 5 == 0))]
        for moment in moments:
            child = start_resumable(video, own, words)
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        point = own / "out" / "walk.resume"
        stage = read_point(point).stage if point.exists() else "nothing yet"
        seen[f"killed while {stage}"] += 1
        _, status = os.waitpid(start_resumable(video, own, words), 0)
        found = content_of(own / "out")
        differing = sorted(
            file
            for file in {*found, *expected[name]}
            if found.get(file) != expected[name].get(file)
        )
        if status or differing:
            said = (own / "said.txt").read_text()[-300:]
            wrong.append(f"{own.name} after {moments} s: status {status}, {differing}: {said}")
        print(f"{own.name} of {name}, killed while {stage}: {len(wrong)} wrong so far", flush=True)
        shutil.rmtree(own)
    count = len(expected["plain"]), len(expected["cleaned"])
    lines = [
        f"## SIGKILL and the same command again, {options.resumed} times",
        "",
        f"{options.frames} frames with every output ({count[0]} files; cleaned {count[1]}): "
        f"{FORMATS}, overlay, {' '.join(EVERYTHING)}; every second one with {' '.join(CLEANED)}; "
        "every fifth killed twice. All files compared byte for byte with those of a run that was "
        "not killed.",
        "",
        *[f"* {what}: {times}" for what, times in sorted(seen.items())],
        "",
        "Wrong: " + ("nothing." if not wrong else ""),
        *wrong,
        "",
    ]
    return "\n".join(lines), not wrong


def rows_of(path: Path) -> list[Any]:
    """A table's rows, to be compared by value; a text's lines."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        columns = [table[name].to_pylist() for name in table.column_names]
        return [repr(row) for row in zip(*columns, strict=True)]
    if path.suffix == ".csv":
        lines = path.read_text().split("\n")
        return lines[:-1]  # a killed process may leave a piece of a line
    document = json.loads(path.read_text())
    if isinstance(document, list):
        return document
    for image in document["images"]:
        image.pop("nframes")  # of an unfinished file, of what there is
    kinds = {"image": "images", "person": "annotations"}
    return [(kind, one) for kind, key in kinds.items() for one in document[key]]


def is_prefix(left: Path, whole: Path) -> bool:
    """Whether a file's rows are the first ones of another's."""
    some, every = rows_of(left), rows_of(whole)
    for kind in ("image", "person"):
        if some and isinstance(some[0], tuple):
            ours = [row for row in some if row[0] == kind]
            theirs = [row for row in every if row[0] == kind]
            if ours != theirs[: len(ours)]:
                return False
    if some and isinstance(some[0], tuple):
        return True
    return some == every[: len(some)]


def plays(path: Path) -> list[Any]:
    """A small picture of every frame of a video that can be read."""
    try:
        with open_video(path) as video:
            return [cv2.resize(frame.image, (64, 48), None, 0, 0, 3) for frame in video]
    except ValueError:
        return []


def are_alike(ours: list[Any], theirs: list[Any]) -> bool:
    """Whether pictures are as many and the same, as far as encoding allows."""
    if len(ours) != len(theirs):
        return False
    return all(np.abs(a.astype(int) - b).mean() < 3.0 for a, b in zip(ours, theirs, strict=True))


def look_at(out: Path, whole: Path, seen: Counter[str]) -> list[str]:
    """What is wrong with what a run left, after `posetrack recover`."""
    if not out.is_dir():
        seen["nothing yet"] += 1
        return []
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(["recover", str(out)])
    wrong = []
    for path in sorted(out.iterdir()):
        if path.suffix in (".arrows", ".jsonl", ".joining") or path.name.endswith(".meta.json"):
            continue
        done = ".partial" not in path.name
        name = path.name.replace(".partial", "")
        kind = "".join(Path(name).suffixes)
        if path.suffix == ".mp4":
            shown = plays(path)
            count = len(shown)
            original = whole / name.replace(".recovered", "")
            good = count > 0 and are_alike(shown, plays(original)[:count])
            if ".recovered" in name:
                pieces = path.with_name(name.replace(".recovered", ".partial"))
                good &= are_alike(shown, plays(pieces))
            seen[f"{kind} {'whole' if done else 'plays' if count else 'does not play'}"] += 1
        else:
            good = is_prefix(path, whole / name)
            good &= not done or rows_of(path) == rows_of(whole / name)
            count = len(rows_of(path))
            seen[f"{kind} {'whole' if done else 'prefix' if count else 'empty'}"] += 1
        if not good:
            wrong.append(f"{path.name}: {count} rows or frames")
    return wrong


def run(options: argparse.Namespace, folder: Path) -> tuple[str, bool]:
    """Kill runs; gives the report and whether nothing was wrong."""
    kills, terms, last, seed = options.kills, options.terms, options.last, options.seed
    frames = options.frames
    scene = camera_pan(frames=frames, people=4, seed=seed)
    images, whole = folder / "walk", folder / "whole"
    images.mkdir()
    for number in range(frames):
        cv2.imwrite(str(images / f"{number:04}.png"), scene.render(number))
    use_fakes(scene)
    for _ in range(2):  # the first compiles
        begun = time.monotonic()
        os.waitpid(start(images, whole), 0)
        seconds = time.monotonic() - begun
    draw = random.Random(seed)
    lines, good = [], True
    whole_run, end = (0.0, 1.05 * seconds), (max(seconds - 1.0, 0.0), seconds + 0.1)
    for title, sent, count, span in (
        ("SIGKILL", signal.SIGKILL, kills, whole_run),
        ("SIGTERM", signal.SIGTERM, terms, whole_run),
        ("SIGTERM in the last second", signal.SIGTERM, last, end),
    ):
        seen: Counter[str] = Counter()
        wrong: list[str] = []
        for number in range(count):
            out = folder / f"{title.replace(' ', '-')}-{number}"
            child = start(images, out)
            moment = draw.uniform(*span)
            time.sleep(moment)
            os.kill(child, sent)
            _, status = os.waitpid(child, 0)
            said = (folder / f"{out.name}.txt").read_text()
            code = os.waitstatus_to_exitcode(status)
            seen[f"status {code}"] += 1
            found = look_at(out, whole, seen)
            # Before the command begins it has nothing to keep, and ends as any process does.
            good_codes = (0, 130) if out.is_dir() else (0, 130, -signal.SIGTERM)
            if sent is signal.SIGTERM and (code not in good_codes or "Traceback" in said):
                found.append(f"ended with {code}: {said[-300:]}")
            wrong += [f"{out.name} after {moment:.2f} s: {one}" for one in found]
        good &= not wrong
        lines += [f"## {title}, {count} times", ""]
        lines += [f"* {what}: {times}" for what, times in sorted(seen.items())]
        lines += ["", "Wrong: " + ("nothing." if not wrong else ""), *wrong, ""]
    head = [
        "# Runs that were killed",
        "",
        f"`python benchmarks/kills.py --kills {kills} --terms {terms} --last {last} "
        f"--frames {frames} --seed {seed}`, posetrack {__version__}: a scene of {frames} frames, "
        f"4 people, {FORMATS} and the overlay; an undisturbed run took {seconds:.1f} s. Moments "
        "are drawn evenly from 0 to 1.05 of that. How often each file was left, and how; `whole` "
        "is finished and equal to the undisturbed run's, `prefix` its first rows, `plays` an "
        "unfinished video that shows the pictures of the undisturbed run's up to where it ends "
        "(its last piece may be encoded otherwise).",
        "",
    ]
    return "\n".join([*head, *lines]), good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--terms", type=int, default=20)
    parser.add_argument("--last", type=int, default=50)
    parser.add_argument("--resumed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    np.seterr(all="ignore")
    reports, nothing_wrong = [], True
    with tempfile.TemporaryDirectory() as made:
        for do, wanted in (
            (run, options.kills + options.terms + options.last),
            (resume_killed, options.resumed),
        ):
            if wanted:
                text, good = do(options, Path(made))
                reports.append(text)
                nothing_wrong &= good
    report = "\n".join(reports)
    print(report)
    if options.out is not None:
        options.out.write_text(report)
    sys.exit(0 if nothing_wrong else 1)
