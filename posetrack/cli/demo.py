"""``posetrack demo``: a drawn scene tracked, with what it takes and nothing to download."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

PLAINLY = """\
A drawn scene: no trained network ships with this version, so the demo's detector and pose
estimator read the truth and make mistakes on purpose: each person is missed in {miss:.0%} of
the frames, there are boxes where nobody is, and all is jittered. Optical flow, identities, tables
and overlay are the real ones. For your own video: posetrack track VIDEO fetches networks once, or
give it files with --detector FILE.onnx --estimator FILE.onnx."""
MISS = 0.25


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "demo",
        help="track a drawn scene; needs no download",
        description="Track a drawn scene and write tables and an overlay; needs no download.",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out"), help="folder for the results"
    )
    parser.add_argument("--frames", type=int, default=150, help="length of the scene")
    parser.add_argument("--seed", type=int, default=7, help="draws clothes, wall and mistakes")
    parser.set_defaults(run=run)


def demo_scene(frames: int, seed: int) -> Any:
    """Four people in front of a wall: two cross, one walks past the fourth and out; it pans."""
    from posetrack.testing import walking

    time = np.arange(frames)
    pan = np.stack([40 * np.sin(time / 25), np.zeros(frames)], axis=1)
    starts = np.array([[60.0, 270], [560, 285], [470, 345], [500, 350]])
    speeds = np.array([2.6, 0.1, -2.2, 1.6])
    paths = np.repeat(starts[None], frames, axis=0)
    paths[..., 0] += speeds * time[:, None]
    on_screen = paths[..., 0] - pan[:, :1]
    present = (on_screen > -40) & (on_screen < 680)
    height = np.array([140.0, 150, 245, 255])
    return walking(paths, height=height, present=present, size=(640, 360), pan=pan, seed=seed)


def run(arguments: argparse.Namespace) -> int:
    """Render, track, write, and compare with the truth."""
    from posetrack.cli.outputs import Outputs, check_folder
    from posetrack.pipeline import track_video
    from posetrack.testing import SceneDetector, SceneEstimator
    from posetrack.tracker import Tracker
    from posetrack.video import Frame

    if not 1 <= arguments.frames <= 2**16:
        raise ValueError(f"--frames must lie in 1 .. 65536, got {arguments.frames}")
    check_folder(arguments.out)
    print(PLAINLY.format(miss=MISS))
    scene = demo_scene(arguments.frames, arguments.seed)
    faults = {"miss": MISS, "false": 0.3, "jitter": 0.02, "seed": arguments.seed}
    tracker = Tracker(SceneDetector(scene, **faults), SceneEstimator(scene, jitter=0.008))
    video = SimpleNamespace(rate=Fraction(25), source=SimpleNamespace(name="drawn scene"))
    options = SimpleNamespace(out=arguments.out, overlay=True, trails=30, stride=1)
    settings = {"frames": arguments.frames, "seed": arguments.seed}
    found: list[tuple[int, int, int]] = []
    with Outputs(
        video, "demo", ["csv", "parquet", "posetrack18"], settings, {}, options
    ) as outputs:
        frames = (Frame(image, number, number / 25) for number, image in enumerate(scene))
        for frame, tracks in track_video(frames, tracker):
            found += _compare(scene, frame.index, tracks)
            outputs.write(frame, tracks)
    _report(scene, found, outputs.paths)
    return 0


def _compare(scene: Any, frame: int, tracks: Any) -> list[tuple[int, int, int]]:
    """(frame, true person or 0, id given) of everybody returned for a frame."""
    from posetrack.association import pose_similarity

    truth, ids = scene.truth(frame)
    alike = pose_similarity(truth, tracks.poses)
    rows = []
    for column, identity in enumerate(tracks.ids.tolist()):
        best = int(alike[:, column].argmax()) if len(truth) else -1
        real = int(ids[best]) if best >= 0 and alike[best, column] > 0.5 else 0
        rows.append((frame, real, identity))
    return rows


def _report(scene: Any, found: list[tuple[int, int, int]], paths: list[Path]) -> None:
    print(f"\n{'person':>8} {'frames':>7} {'found':>7} {'ids':>12}")
    for person in range(1, scene.present.shape[1] + 1):
        given = [identity for _, real, identity in found if real == person]
        present = int(scene.present[:, person - 1].sum())
        ids = ",".join(map(str, dict.fromkeys(given)))
        print(f"{person:>8} {present:>7} {len(given) / max(present, 1):>7.0%} {ids:>12}")
    ghosts = sum(real == 0 for _, real, _ in found)
    print(f"{'nobody':>8} {'':>7} {ghosts:>7}")
    print("\n" + "\n".join(f"wrote {path}" for path in paths))
