"""Identities on real clips and rendered scenes: the tracker against itself and against peers.

    python benchmarks/identities.py [--data ../shared/data] [--cache FOLDER] [--peer PYTHON]
                                    [--seeds N] [--set NAME=VALUE ...] [--left-out]
                                    [--whole-image FILE ...] [--variations]

All trackers get the same detections; those that use keypoints get the same poses. Networks are
asked once for each image and box, and their answers kept in the cache folder, so that a tracker
with other settings is measured in seconds. Real clips are scored by the IoU of boxes (0.5),
rendered scenes, in which everything is known, by OKS (0.5).

Peers live in an environment of their own, whose Python is named to this script:

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install norfair trackers
    python benchmarks/identities.py --peer .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from identities_variations import PLAIN, VARIATIONS, Footage, Variation, every

from posetrack import Detections, Poses, Tracker, Tracks
from posetrack.detectors.onnx import OnnxDetector
from posetrack.detectors.onnx_layouts import decode_fastestdet
from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.evaluation.whole_poses import (
    FrameSimilarities,
    evaluate_similarities,
    iou_similarities,
)
from posetrack.formats.mot import read_lines
from posetrack.interfaces import FlowEstimator
from posetrack.ops.matching import match_optimally
from posetrack.testing import SceneDetector, SceneEstimator
from posetrack.video import open_video
from posetrack.world.ablation.running import FAULTS, JITTER, SWAPPED
from posetrack.world.ablation.worlds import WORLDS, RecordedScene, World
from posetrack.world.scoring import frame_similarities

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
MEASURES = ("ids", "IDF1", "MOTA", "HOTA", "switches", "ghosts", "recall")
GHOST = 5  # frames


@dataclass(frozen=True)
class Clip:
    """A real video whose people are known.

    Parameters
    ----------
    name
        What tables call it.
    video
        File below the data's folder ``videos``.
    truth
        MOT text, in that folder or in ``tests/identities``.
    variation
        How it is changed.
    """

    name: str
    video: str
    truth: str
    variation: Variation = PLAIN

    def changed(self, variation: Variation) -> Clip:
        """The same clip, varied."""
        name = f"{self.name}, {variation.name}" if variation.name else self.name
        return replace(self, name=name, variation=variation)


WHOLE = (
    Clip("TUD-Campus", "TUD-Campus.mp4", "TUD-Campus.gt.txt"),
    Clip("store_aisle", "store_aisle.mp4", "store_aisle.gt.txt"),
    Clip("lab", "lab.mp4", "lab.gt.txt"),
)
STEPS = {"TUD-Campus": 3, "store_aisle": 5, "lab": 5}
CLIPS = tuple(
    one
    for clip in WHOLE
    for step in (STEPS[clip.name],)
    for one in (
        clip,
        replace(clip, name=f"{clip.name}/{step}", variation=Variation("", every(step))),
    )
)


class Memo:
    """Answers of two networks about one video, kept in a file: detector and estimator at once.

    Parameters
    ----------
    models
        Folder of the networks.
    path
        The file; None keeps nothing.
    variation
        What becomes of the detections, and which network gives them.
    """

    def __init__(self, models: Path, path: Path | None, variation: Variation = PLAIN) -> None:
        self._models, self._path, self._variation = models, path, variation
        self._detector: Callable[[np.ndarray], Detections] | None = None
        self._estimator: OnnxTopDown | None = None
        self._boxes: dict[int, np.ndarray] = {}
        self._poses: dict[bytes, np.ndarray] = {}
        self._grown, self.frame = False, 0
        if path is not None and path.is_file():
            with np.load(path) as kept:
                for frame, row in zip(kept["frames"].tolist(), kept["boxes"], strict=True):
                    self._boxes[frame] = row[np.isfinite(row[:, 0])]
                self._poses = dict(zip(map(bytes, kept["keys"]), kept["poses"], strict=True))
        self.skeleton = self.estimator.skeleton

    @property
    def estimator(self) -> OnnxTopDown:
        if self._estimator is None:
            self._estimator = OnnxTopDown(self._models / "simplepose_256x192.onnx")
        return self._estimator

    def detect(self, image: np.ndarray) -> Detections:
        """The detector's boxes in the frame that is set."""
        if self.frame not in self._boxes:
            if self._detector is None:
                self._detector = open_detector(self._models / self._variation.detector)
            found = self._detector(image)
            self._boxes[self.frame] = np.column_stack([found.xyxy, found.scores])
            self._grown = True
        rows = self._boxes[self.frame]
        return self._variation.err(Detections(rows[:, :4], rows[:, 4]), self.frame)

    def __call__(self, image: np.ndarray, boxes: Detections, /) -> Poses:
        """The network's poses in the frame that is set."""
        keys = [
            hashlib.sha1(np.int64(self.frame).tobytes() + box.astype(np.float32).tobytes()).digest()
            for box in boxes.xyxy
        ]
        missing = [row for row, key in enumerate(keys) if key not in self._poses]
        if missing:
            made = self.estimator(image, boxes[np.array(missing)])
            for row, xy, scores in zip(missing, made.xy, made.scores, strict=True):
                self._poses[keys[row]] = np.column_stack([xy, scores]).astype(np.float32)
            self._grown = True
        if not keys:
            return Poses.empty(self.skeleton)
        values = np.stack([self._poses[key] for key in keys])
        return Poses(values[..., :2], values[..., 2], boxes, self.skeleton)

    def save(self) -> None:
        """Keep what was asked."""
        if self._path is None or not self._grown:
            return
        most = max((len(rows) for rows in self._boxes.values()), default=0)
        boxes = np.full((len(self._boxes), most, 5), np.nan, np.float32)
        for slot, rows in zip(boxes, self._boxes.values(), strict=True):
            slot[: len(rows)] = rows
        keys = np.array([np.frombuffer(key, np.uint8) for key in self._poses])
        poses = np.array(list(self._poses.values()))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        frames = np.array(list(self._boxes), np.int64)
        np.savez(self._path, frames=frames, boxes=boxes, keys=keys, poses=poses)
        self._grown = False


def open_detector(file: Path) -> Callable[[np.ndarray], Detections]:
    """A network that finds people; one that finds poses gives their boxes."""
    if "pose" in file.name:
        network: Any = load_estimator(file, device="cpu")
        return lambda image: network(image).boxes
    if "fastestdet" in file.name:
        return OnnxDetector(file, decode=decode_fastestdet)
    return OnnxDetector(file)


@dataclass
class Row:
    """One clip or scene, opened: what a tracker is run on and how its answer is scored."""

    name: str
    images: list[np.ndarray]
    seconds: list[float]
    detector: Callable[[np.ndarray], Detections]
    estimator: Any
    score: Callable[[Sequence[Tracks]], FrameSimilarities]
    people: int
    memo: Memo | None = None
    frames: list[int] = field(default_factory=list)
    flow: FlowEstimator | None = None

    def run(self, tracker: Tracker) -> list[Tracks]:
        """The tracks of each frame."""
        tracks = []
        for number, image in enumerate(self.images):
            if self.memo is not None:
                self.memo.frame = self.frames[number]
            tracks.append(self.update(tracker, image, number))
        return tracks

    def update(self, tracker: Tracker, image: np.ndarray, number: int) -> Tracks:
        """One frame."""
        return tracker.update(image, seconds=self.seconds[number])


def open_clip(clip: Clip, data: Path, cache: Path | None) -> Row:
    """Decode a clip, read its truth and vary both."""
    path = data / "videos" / clip.truth
    lines = read_lines(path if path.is_file() else TESTS / "identities" / clip.truth)
    with open_video(data / "videos" / clip.video) as video:
        shown = [(frame.image, frame.seconds, frame.index) for frame in video]
    images, seconds, frames = (list(one) for one in zip(*shown, strict=True))
    true = [np.flatnonzero(lines.frame == frame) for frame in frames]
    footage = clip.variation.film(
        Footage(
            images,
            seconds,
            frames,
            [lines.ids[rows] for rows in true],
            [lines.xyxy[rows] for rows in true],
        )
    )

    def score(tracks: Sequence[Tracks]) -> FrameSimilarities:
        matrices = [
            iou_similarities(_xywh(true), _xywh(people.boxes.xyxy))
            for true, people in zip(footage.xyxy, tracks, strict=True)
        ]
        ids = tuple(people.ids for people in tracks)
        order = np.arange(len(footage.frames))
        return FrameSimilarities(clip.name, order, tuple(footage.ids), ids, tuple(matrices))

    kept = None if cache is None else cache / f"{_cached_name(clip)}.npz"
    memo = Memo(data / "models", kept, clip.variation)
    flow = clip.variation.flow
    return Row(
        clip.name,
        footage.images,
        footage.seconds,
        memo.detect,
        memo,
        score,
        len(np.unique(np.concatenate(footage.ids))),
        memo,
        footage.frames,
        None if flow is None else flow(),
    )


def _cached_name(clip: Clip) -> str:
    """Answers about the same pixels by the same networks are kept in the same file."""
    stem, variation = Path(clip.video).stem, clip.variation
    if variation.pixels:
        return f"{stem} {variation.name}"
    return stem if variation.detector == PLAIN.detector else f"{stem} {variation.detector[:-5]}"


def _xywh(xyxy: np.ndarray) -> np.ndarray:
    return np.column_stack([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]])


def open_scenes(
    seeds: Iterable[int],
    size: tuple[int, int] = (320, 180),
    worlds: Sequence[World] = tuple(WORLDS),
) -> list[Row]:
    """Render the scenes of the ablation, with a detector and an estimator that make mistakes."""
    rows = []
    for seed in seeds:
        for world in worlds:
            scene = RecordedScene(world.make(seed=seed, size=size, **world.settings))
            rate = scene.scene.rate
            rates = {**FAULTS, **world.faults}

            def score(tracks: Sequence[Tracks], scene: RecordedScene = scene) -> FrameSimilarities:
                return frame_similarities(scene.truths, tracks, min_oks=0.5)

            rows.append(
                Row(
                    f"{world.name} {seed}",
                    scene.images,
                    [number / rate for number in range(len(scene))],
                    SceneDetector(scene, seed=seed, **rates),
                    SceneEstimator(scene, jitter=JITTER, swapped=SWAPPED, seed=seed),
                    score,
                    len({who for truth in scene.truths for who in truth.ids.tolist()}),
                )
            )
    return rows


def measures(row: Row, tracks: Sequence[Tracks]) -> dict[str, float]:
    """Numbers of `MEASURES`; ratios in percent."""
    pairs = row.score(tracks)
    result = evaluate_similarities([pairs], min_similarity=0.5).rows()["poses"]
    right: dict[int, int] = {}
    wrong: dict[int, int] = {}
    for ids, matrix in zip(pairs.predicted_ids, pairs.similarities, strict=True):
        matched = set(match_optimally(matrix, at_least=0.5)[1].tolist())
        for place, identity in enumerate(ids.tolist()):
            counts = right if place in matched else wrong
            counts[identity] = counts.get(identity, 0) + 1
    ghosts = [who for who, n in wrong.items() if n >= GHOST and n > right.get(who, 0)]
    return {
        "ids": len(right.keys() | wrong.keys()),
        "IDF1": result["IDF1"],
        "MOTA": result["MOTA"],
        "HOTA": result["HOTA"],
        "switches": result["IDs"],
        "ghosts": len(ghosts),
        "recall": result["Rec"],
    }


class Peers:
    """The peers, in a process of their own environment, which ends with this one.

    Parameters
    ----------
    python
        The Python of that environment.
    cache
        Folder for their answers, which no setting of the tracker changes; None keeps nothing.
    """

    def __init__(self, python: str, cache: Path | None) -> None:
        self._command = [python, str(HERE / "identities_peers.py")]
        self._cache = cache
        self._process: Any = None

    def ask(self, given: Mapping[str, np.ndarray], images: Sequence[np.ndarray]) -> Any:
        """Boxes and identities of each peer and frame."""
        digest = hashlib.sha1(Path(self._command[1]).read_bytes() + images[-1].tobytes())
        for values in given.values():
            digest.update(values.tobytes())
        kept = None if self._cache is None else self._cache / f"peers {digest.hexdigest()}.json"
        if kept is not None and kept.is_file():
            return json.loads(kept.read_text())
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "given.npz"
            np.savez(path, **given, images=np.stack(images))
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
            text = self._process.stdout.readline()
        if kept is not None:
            kept.write_text(text)
        return json.loads(text)


def peers_of(row: Row, peers: Peers) -> dict[str, list[Tracks]]:
    """What the peers make of the same detections; their boxes only, keypoints stay unseen."""
    found, poses = [], []
    for number, image in enumerate(row.images):
        if row.memo is not None:
            row.memo.frame = row.frames[number]
        boxes = row.detector(image)
        found.append(boxes)
        poses.append(row.estimator(image, boxes))
    rate = 1 / float(np.median(np.diff(row.seconds)))
    given = {
        "xyxy": np.concatenate([boxes.xyxy for boxes in found]).astype(float),
        "scores": np.concatenate([boxes.scores for boxes in found]).astype(float),
        "xy": np.concatenate([people.xy for people in poses]).astype(float),
        "people": np.array([len(boxes) for boxes in found]),
        "rate": np.array(rate),
    }
    answers: dict[str, list[Tracks]] = {}
    for name, frames in peers.ask(given, row.images).items():
        answers[name] = [
            _tracks(np.array(boxes, float).reshape(-1, 4), ids, boxes_given, people)
            for (boxes, ids), boxes_given, people in zip(frames, found, poses, strict=True)
        ]
    return answers


def _tracks(xyxy: np.ndarray, ids: list[int], given: Detections, poses: Poses) -> Tracks:
    """A peer's boxes, each with the pose of the likest box that it was given."""
    order = np.argsort(ids)
    boxes = Detections(xyxy[order], np.ones(len(ids)))
    who = np.array(ids, np.int64)[order]
    if not len(ids) or not len(given):
        nothing = np.full((len(ids), len(poses.skeleton), 2), np.nan)
        unseen = np.zeros(nothing.shape[:2])
        return Tracks(Poses(nothing, unseen, boxes, poses.skeleton), who)
    nearest = iou_similarities(_xywh(boxes.xyxy), _xywh(given.xyxy)).argmax(axis=1)
    return Tracks(Poses(poses.xy[nearest], poses.scores[nearest], boxes, poses.skeleton), who)


Results = dict[str, dict[str, dict[str, float]]]
"""By tracker, then row, then measure."""

GRID: tuple[dict[str, Any], ...] = (
    {},
    {"min_new_score": 0.25},
    {"min_new_score": 0.35},
    {"spread": 0.5},
    {"spread": 1.5},
    {"box_recency": 0.3},
    {"box_recency": 0.7},
    {"box_memory": 0.0},
    {"max_box_iou": 0.6},
    {"probation": 0.0},
)
"""Settings among which leaving one clip out chooses."""


def run_all(rows: Iterable[Row], settings: Mapping[str, Any], peers: Peers | None) -> Results:
    """Every tracker on every row."""
    results: Results = {}
    for row in rows:
        tracker = Tracker(row.detector, row.estimator, row.flow, **settings)
        results.setdefault("posetrack", {})[row.name] = measures(row, row.run(tracker))
        if peers is not None:
            for name, tracks in peers_of(row, peers).items():
                results.setdefault(name, {})[row.name] = measures(row, tracks)
        if row.memo is not None:
            row.memo.save()
    return results


def left_out(rows: Sequence[Row]) -> list[str]:
    """For each video, what the settings that are best on the others do on it."""
    scores = [run_all(rows, settings, None)["posetrack"] for settings in GRID]
    worth = [
        {name: one["IDF1"] + one["MOTA"] for name, one in of_rows.items()} for of_rows in scores
    ]
    lines = []
    for video in dict.fromkeys(row.name.split("/")[0] for row in rows):
        own = [row.name for row in rows if row.name.split("/")[0] == video]
        others = [row.name for row in rows if row.name not in own]
        best = max(range(len(GRID)), key=lambda k: sum(worth[k][name] for name in others))
        for name in own:
            cells = "  ".join(f"{key} {scores[best][name][key]:.1f}" for key in MEASURES[:3])
            lines.append(f"{name:16}{GRID[best] or 'the defaults'!s:28}{cells}")
    return lines


class WholeImage:
    """A network that sees the image whole, asked once for each frame of a clip."""

    bottom_up = True

    def __init__(self, network: Any, memo: Memo) -> None:
        self.skeleton, self._network, self._memo = network.skeleton, network, memo
        self._known: dict[int, Poses] = {}

    def __call__(self, image: np.ndarray) -> Poses:
        frame = self._memo.frame
        if frame not in self._known:
            self._known[frame] = self._network(image)
        return self._known[frame]


def run_whole(rows: Sequence[Row], file: Path, settings: Mapping[str, Any]) -> Results:
    """A network that sees the image whole, alone and beside the detector, on every clip."""
    network = load_estimator(file, device="cpu")
    results: Results = {}
    for row in rows:
        if row.memo is not None:
            estimator = WholeImage(network, row.memo)
            for name, detector in ((file.stem, None), ("  and boxes", row.detector)):
                tracks = row.run(Tracker(detector, estimator, **settings))
                results.setdefault(name, {})[row.name] = measures(row, tracks)
    return results


def table(rows: Sequence[Row], results: Results) -> list[str]:
    """A line for each tracker and row."""
    lines = [f"{'':20}{'':22}" + "".join(f"{name:>10}" for name in MEASURES)]
    for row in rows:
        for tracker, of_rows in results.items():
            if row.name in of_rows:
                one = of_rows[row.name]
                ids = f"{one['ids']:.0f} of {row.people}"
                cells = [ids, *(f"{one[name]:.1f}" for name in MEASURES[1:4])]
                cells += [f"{one[name]:.0f}" for name in MEASURES[4:6]]
                cells.append(f"{one['recall']:.1f}")
                lines.append(f"{row.name:20}{tracker:22}" + "".join(f"{c:>10}" for c in cells))
    return lines


def run_varied(
    data: Path, cache: Path | None, settings: Mapping[str, Any], peers: Peers | None
) -> tuple[dict[str, int], Results]:
    """How many people are in each clip varied in each way, and every tracker on it.

    One clip at a time: their pictures would not fit in memory together.
    """
    people: dict[str, int] = {}
    results: Results = {}
    for variation in VARIATIONS:
        for clip in WHOLE:
            row = open_clip(clip.changed(variation), data, cache)
            people[row.name] = row.people
            for name, one in run_all([row], settings, peers).items():
                results.setdefault(name, {}).update(one)
    return people, results


def varied_table(people: Mapping[str, int], results: Results) -> list[str]:
    """A table in Markdown: ids / IDF1 / MOTA of every tracker, means, and where a peer is ahead."""
    names, ours = [*results], results["posetrack"]
    lines = ["| clip | people | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for row, count in people.items():
        cells = [_in_cell(results[name].get(row)) for name in names]
        lines.append(f"| {row} | {count} | " + " | ".join(cells) + " |")
    means = []
    for name in names:
        every_row = [*results[name].values()]
        idf1, mota = (np.mean([one[key] for one in every_row]) for key in ("IDF1", "MOTA"))
        over = sum(abs(one["ids"] - people[row]) for row, one in results[name].items())
        means.append(f"{over:.0f} / {idf1:.1f} / {mota:.1f}")
    lines.append("| mean; ids: sum of the distances to the truth | | " + " | ".join(means) + " |")
    lines += ["", "Where a peer is ahead:", ""]
    for row in people:
        for key in ("IDF1", "MOTA"):
            best = max(
                (name for name in names if row in results[name]), key=lambda n: results[n][row][key]
            )
            if best != "posetrack" and results[best][row][key] > ours[row][key]:
                lines.append(
                    f"* {row}: {key} {ours[row][key]:.1f}, {best} {results[best][row][key]:.1f}"
                )
    return lines


def _in_cell(one: Mapping[str, float] | None) -> str:
    return "" if one is None else f"{one['ids']:.0f} / {one['IDF1']:.1f} / {one['MOTA']:.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="folder for the networks' answers")
    parser.add_argument("--peer", help="the Python of an environment with the peers in it")
    parser.add_argument("--seeds", type=int, default=1, help="of the rendered scenes; 0: none")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--left-out", action="store_true", help="choose settings without each clip")
    parser.add_argument("--whole-image", nargs="*", default=[], type=Path, metavar="FILE")
    parser.add_argument("--variations", action="store_true", help="the clips in every variation")
    given = parser.parse_args()
    chosen = {name: ast.literal_eval(value) for name, value in (s.split("=") for s in given.set)}
    peers = None if given.peer is None else Peers(given.peer, given.cache)
    if given.variations:
        print("\n".join(varied_table(*run_varied(given.data, given.cache, chosen, peers))))
        sys.exit()
    clips = [open_clip(clip, given.data, given.cache) for clip in CLIPS]
    everything = [*clips, *open_scenes(range(given.seeds))]
    print("\n".join(table(everything, run_all(everything, chosen, peers))))
    for file in given.whole_image:
        print("\n" + "\n".join(table(clips, run_whole(clips, file, chosen))))
    if given.left_out:
        print("\nchosen without the clip, and what that does on it")
        print("\n".join(left_out(clips)))
