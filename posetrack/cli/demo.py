"""``posetrack demo``: a rendered scene tracked, scored against its truth; nothing to download."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from posetrack.cli.options import add_out

if TYPE_CHECKING:
    from posetrack.tracking.tracker import Tracker
    from posetrack.world import Scene

NETWORKS = """\
A rendered scene, tracked by the two small networks that come with the package. They were trained on
rendered people only, such as these; on real video expect less. For your own video: posetrack track
VIDEO fetches larger networks once, or --preset bundled takes these."""
FAKES = """\
A rendered scene. Its detector and pose estimator read the truth and make mistakes on purpose: each
person is missed in {miss:.0%} of the frames and in bursts of about {length} frames for {gaps:.0%}
of the time, people of whom less than a fifth can be seen are not found, there are boxes where
nobody is, and all is jittered. Optical flow, identities, tables, overlay and scores are the real
ones."""
MISS, GAPS, GAP_LENGTH = 0.15, 0.05, 6
RATE = 25


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "demo",
        help="track a rendered scene and score it; needs no download",
        description="Track a rendered scene, write tables and an overlay, and print MOTA and IDF1 "
        "against the truth; needs no download.",
    )
    add_out(parser, words="folder for the results")
    parser.add_argument("--frames", type=int, default=120, help="length of the scene")
    parser.add_argument("--people", type=int, default=3, help="how many")
    parser.add_argument(
        "--seed",
        type=int,
        default=2,
        help="draws people and place",
    )
    parser.add_argument(
        "--fakes",
        action="store_true",
        help="take a detector and an estimator that read the truth and make mistakes, to see the "
        "tracker by itself",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Render, track, write, and compare with the truth."""
    from posetrack.cli.input_checks import check_folder
    from posetrack.runs.writer import Overlay, ResultPaths, RunWriter, open_tables
    from posetrack.tracking.pipeline import track_video
    from posetrack.video import Frame
    from posetrack.world import street

    if not 1 <= arguments.frames <= 2**16:
        raise ValueError(f"--frames must lie in 1 .. 65536, got {arguments.frames}")
    check_folder(arguments.out)
    print(FAKES.format(miss=MISS, gaps=GAPS, length=GAP_LENGTH) if arguments.fakes else NETWORKS)
    scene = replace(
        street(people=arguments.people, frames=arguments.frames, seed=arguments.seed, rate=RATE),
        threads=os.cpu_count() or 1,
    )
    tracker = _tracker(scene, arguments)
    video = SimpleNamespace(
        rate=Fraction(RATE), scale=(1.0, 1.0), source=SimpleNamespace(name="rendered scene")
    )
    settings = {name: getattr(arguments, name) for name in ("frames", "people", "seed", "fakes")}
    truths, found = [], []
    results = ResultPaths(arguments.out, "demo")
    sinks = open_tables(["csv", "parquet", "posetrack18"], video, settings=settings, weights={})
    with RunWriter(results, [*sinks, Overlay(Fraction(RATE), trails=30)]) as outputs:
        frames = (
            Frame(image, number, number / RATE) for number, image in enumerate(scene.images())
        )
        for frame, tracks in track_video(frames, tracker):
            truths.append(scene.facts(frame.index))
            found.append(tracks)
            outputs.write(frame, tracks)
    _report(truths, found)
    print("\n" + "\n".join(f"wrote {path}" for path in results.paths))
    return 0


def _tracker(scene: Scene, arguments: argparse.Namespace) -> Tracker:
    """A tracker with the bundled networks, or with fakes that know the scene."""
    from posetrack.build import bundled_detector, bundled_estimator
    from posetrack.testing import SceneDetector, SceneEstimator
    from posetrack.tracking.tracker import Tracker

    if not arguments.fakes:
        return Tracker(bundled_detector(), bundled_estimator())
    detector = SceneDetector(
        scene, miss=MISS, gaps=GAPS, gap_length=GAP_LENGTH, false=0.3, jitter=0.02,
        seed=arguments.seed,
    )  # fmt: skip
    return Tracker(detector, SceneEstimator(scene, jitter=0.008))


def _report(truths: Any, found: Any) -> None:
    """Print what became of each person, and the scores."""
    from posetrack.world.scoring import score_tracks, track_ids_of

    given = track_ids_of(truths, found)
    print(f"\n{'person':>8} {'frames':>7} {'found':>7} {'ids':>12}")
    for person, ids in sorted(given.items()):
        known = [identity for identity in ids if identity]
        names = ",".join(map(str, dict.fromkeys(known)))
        print(f"{person:>8} {len(ids):>7} {len(known) / len(ids):>7.0%} {names:>12}")
    scores = score_tracks(truths, found).rows()["poses"]
    print("\n" + "  ".join(f"{name} {scores[name]:.1f}" for name in ("MOTA", "IDF1", "HOTA"))
          + f"  switches {scores['IDs']:.0f}")  # fmt: skip
