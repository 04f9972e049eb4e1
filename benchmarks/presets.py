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
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from identities import CLIPS, HERE, Row, measures, open_clip, open_scenes

from posetrack import Tracker
from posetrack.runs.presets import PRESETS

REAL = ("TUD-Campus", "TUD-Campus/3", "lab/5")
SHOWN = ("IDF1", "MOTA", "HOTA", "switches", "ids", "recall")


def run(row: Row, settings: Mapping[str, Any]) -> dict[str, float]:
    """Scores of a row, and seconds of the processor."""
    if row.memo is not None:  # asks the networks what these settings ask of them
        row.run(Tracker(row.detector, row.estimator, **settings))
    tracker = Tracker(row.detector, row.estimator, **settings)
    before = time.process_time()
    tracks = row.run(tracker)
    spent = time.process_time() - before
    if row.memo is not None:
        row.memo.save()
    return {**measures(row, tracks), "seconds": spent}


def of_tracker(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of a preset that are the tracker's own."""
    import inspect

    known = inspect.signature(Tracker).parameters
    others = ("detector", "estimator", "flow")
    return {name: one for name, one in settings.items() if name in known and name not in others}


def lines(rows: Sequence[Row], chosen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table in Markdown: default and presets for each row."""
    cells = ["| row | settings | " + " | ".join(SHOWN) + " | CPU of the default |"]
    cells.append("|---|---|" + "---|" * (len(SHOWN) + 1))
    for row in rows:
        run(row, {})  # loads, compiles and fills the cache
        usual = run(row, {})
        for name, settings in {"default": {}, **chosen}.items():
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
        picked = {name: of_tracker(one.settings) for name, one in PRESETS.items()}
        picked = {name: one for name, one in picked.items() if one}
    clips = [open_clip(clip, given.data, given.cache) for clip in CLIPS if clip.name in REAL]
    every = [*clips, *open_scenes(range(given.seeds))]
    if given.rows:
        every = [row for row in every if any(word in row.name for word in given.rows.split(","))]
    text = "\n".join(lines(every, picked)) + "\n"
    if given.out:
        given.out.write_text(text)
