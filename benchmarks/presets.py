"""Each preset against the default, on the rows that it is for.

    python benchmarks/presets.py [--data ../shared/data] [--cache FOLDER] [--seeds N]
                                 [--rows NAMES] [--try NAME=VALUE,NAME=VALUE] [-o TABLE.md]

Rows are those of ``identities.py``: real clips scored by the IoU of boxes, rendered scenes by OKS.
Seconds are of the processor, for the tracker and everything it asks for, as a ratio to the default
on the same row in the same run; the networks' answers are kept, so of real clips it is the
tracker's own part.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from identities import CLIPS, HERE, Row, measures, open_clip, open_scenes

from posetrack import Tracker, Trajectories
from posetrack.cleaning import clean
from posetrack.runs.cleaned import ranking_of
from posetrack.runs.presets import PRESETS
from posetrack.testing import SceneDetector, SceneEstimator
from posetrack.world import squats
from posetrack.world.ablation.running import JITTER, SWAPPED
from posetrack.world.ablation.worlds import WORLDS, RecordedScene
from posetrack.world.scoring import frame_similarities

REAL = ("TUD-Campus", "lab/5")
ROWS = {
    "fast": ("lab/5", "crowd", "camera_pan"),
    "accurate": ("TUD-Campus", "behind_pole", "crossing"),
    "crowd": ("TUD-Campus", "crowd"),
    "sports": ("fast_motion", "fast_halved", "low_frame_rate"),
    "single": ("squats",),
}
"""What each preset is for, by the beginnings of rows' names."""

CLEANING = {*inspect.signature(clean).parameters}
SHOWN = ("IDF1", "MOTA", "HOTA", "switches", "ids", "recall")


def run(row: Row, settings: Mapping[str, Any]) -> dict[str, float]:
    """Scores of a row, and seconds of the processor."""
    cleaning = {name: one for name, one in settings.items() if name in CLEANING}
    settings = {name: one for name, one in settings.items() if name not in CLEANING}
    if row.memo is not None:  # asks the networks what these settings ask of them
        row.run(Tracker(row.detector, row.estimator, **settings))
    tracker = Tracker(row.detector, row.estimator, **settings)
    before = time.process_time()
    tracks = row.run(tracker)
    spent = time.process_time() - before
    if cleaning:
        cleaning["select"] = ranking_of(cleaning["select"])
        frames = [(n, row.seconds[n], one) for n, one in enumerate(tracks)]
        cleaned = clean(Trajectories.from_tracks(frames), **cleaning)
        tracks = [one for _, _, one in cleaned.to_table().frames()]
    if row.memo is not None:
        row.memo.save()
    return {**measures(row, tracks), "seconds": spent}


def one_person(seed: int) -> Row:
    """Somebody who does squats, and a detector that also finds people where nobody is."""
    scene = RecordedScene(squats(people=1, frames=50, rate=12.5, size=(320, 180), seed=seed))
    return Row(
        f"squats {seed}",
        scene.images,
        [number / 12.5 for number in range(len(scene))],
        SceneDetector(scene, seed=seed, miss=0.15, gaps=0.1, gap_length=8, false=0.3),
        SceneEstimator(scene, jitter=JITTER, swapped=SWAPPED, seed=seed),
        lambda tracks: frame_similarities(scene.truths, tracks, min_oks=0.5),
        1,
    )


def lines(rows: Sequence[Row], chosen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table in Markdown: default and presets for each row."""
    cells = ["| row | settings | " + " | ".join(SHOWN) + " | CPU of the default |"]
    cells.append("|---|---|" + "---|" * (len(SHOWN) + 1))
    for row in rows:
        meant = {
            name: one
            for name, one in chosen.items()
            if not ROWS.get(name) or row.name.startswith(ROWS[name])
        }
        if not meant:
            continue
        run(row, {})  # loads, compiles and fills the cache
        usual = run(row, {})
        for name, settings in {"default": {}, **meant}.items():
            found = run(row, settings) if settings else usual
            numbers = [f"{found[one]:.{0 if one in ('switches', 'ids') else 1}f}" for one in SHOWN]
            share = f"{found['seconds'] / usual['seconds']:.2f}"
            cells.append(f"| {row.name} | {name} | " + " | ".join([*numbers, share]) + " |")
            print(cells[-1], flush=True)
    return cells


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="folder for the networks' answers")
    parser.add_argument("--seeds", type=int, default=1, help="of the rendered scenes")
    parser.add_argument("--rows", help="those whose names hold one of these words, with commas")
    parser.add_argument("--try", dest="tried", action="append", default=[], metavar="N=V,N=V")
    parser.add_argument("-o", "--out", type=Path, help="a file for the table")
    given = parser.parse_args()
    if given.tried:
        picked = {
            text: {n: ast.literal_eval(v) for n, v in (s.split("=") for s in text.split(","))}
            for text in given.tried
        }
    else:
        picked = {name: dict(one.settings) for name, one in PRESETS.items() if name in ROWS}
    clips = [open_clip(clip, given.data, given.cache) for clip in CLIPS if clip.name in REAL]
    wanted = {name for names in ROWS.values() for name in names}
    worlds = [world for world in WORLDS if world.name in wanted]
    every = [*clips, *open_scenes(range(given.seeds), worlds=worlds)]
    every += [one_person(seed) for seed in range(given.seeds)]
    if given.rows:
        every = [row for row in every if any(word in row.name for word in given.rows.split(","))]
    text = "\n".join(lines(every, picked)) + "\n"
    if given.out:
        given.out.write_text(text)
