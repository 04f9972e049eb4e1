"""Cleaning: how near to the truth each method comes, and its cost in seconds of one core.

    python benchmarks/cleaning.py [FRAMES]

Truth is walkers whose keypoints are known; faults of known size are put in. The error is the root
mean square distance from the truth in pixels, for people about 270 pixels tall.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median as middle

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cleaning_made import error, idf1, jittered, of_keypoints, swapped, walkers, with_gaps

from posetrack import Trajectories
from posetrack.cleaning import (
    butterworth,
    cubic,
    drop_short,
    fill_gaps,
    gate_scores,
    join_tracklets,
    kalman,
    linear,
    loess,
    median,
    mend_swaps,
    one_euro,
    pchip,
    reject_outliers,
    savitzky_golay,
)

Step = Callable[[Trajectories], Trajectories]

SMOOTHERS: dict[str, Step] = {
    "Butterworth, 6 Hz": butterworth,
    "Savitzky-Golay, 0.3 s": savitzky_golay,
    "median, 0.2 s": median,
    "LOESS, 0.4 s": loess,
    "Kalman, velocity": kalman,
    "Kalman, acceleration": partial(kalman, acceleration=True),
    "One-Euro (causal)": one_euro,
}
LEGS, ARMS = ["hip", "knee", "ankle"], ["shoulder", "elbow", "wrist"]


def main() -> None:
    errors()
    identities()
    speed(frames=int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, people=10)


def errors() -> None:
    truth = walkers(600, 3)
    print(f"{'error in pixels':42} {'raw':>8} {'cleaned':>8} {'ratio':>6}")
    for sigma in (1.5, 3.0):
        raw = jittered(truth, sigma)
        for name, smooth in SMOOTHERS.items():
            told(f"jitter of {sigma} px: {name}", error(raw, truth), error(smooth(raw), truth))
    gapped, gone = with_gaps(jittered(truth, 1.5), longest=9)
    held = last_value(gapped)
    for name, way in (("linear", linear), ("pchip", pchip), ("cubic", cubic)):
        filled = fill_gaps(gapped, 0.4, interpolate=way)
        told(
            f"gaps to 0.3 s: {name} (raw: last held)",
            at(held, truth, gone),
            at(filled, truth, gone),
        )
    spoiled = with_outliers(jittered(truth, 1.5))
    mended = fill_gaps(reject_outliers(spoiled), 0.3)
    told("2 % outliers of 60 px: Hampel and linear", error(spoiled, truth), error(mended, truth))
    raw = jittered(exchanged(truth), 1.5)
    told("left and right exchanged in 11 %", error(raw, truth), error(mend_swaps(raw), truth))
    everything = with_outliers(with_gaps(jittered(exchanged(truth), 3.0))[0])
    clean = kalman(fill_gaps(reject_outliers(mend_swaps(everything)), 0.3))
    told(
        "all of these: mended, filled, Kalman",
        error(last_value(everything), truth),
        error(clean, truth),
    )


def told(name: str, before: float, after: float) -> None:
    print(f"{name:42} {before:8.2f} {after:8.2f} {after / before:6.2f}")


def at(made: Trajectories, truth: Trajectories, where: np.ndarray) -> float:
    """Error of some keypoints only."""
    return error(replace(made, xy=np.where(where[..., None], made.xy, np.nan)), truth)


def last_value(made: Trajectories) -> Trajectories:
    """Gaps filled with what was seen last: what a user of raw files often does."""
    xy = made.xy.copy()
    for t in range(1, len(xy)):
        xy[t] = np.where(np.isfinite(xy[t]), xy[t], xy[t - 1])
    return replace(made, xy=xy)


def with_outliers(made: Trajectories, *, share: float = 0.02, far: float = 60.0) -> Trajectories:
    rng = np.random.default_rng(7)
    angle = rng.uniform(0, 2 * np.pi, made.scores.shape)
    jump = far * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    jump[rng.random(made.scores.shape) >= share] = 0
    return replace(made, xy=made.xy + jump)


def exchanged(truth: Trajectories) -> Trajectories:
    """Left and right of the whole body, of legs, of arms, for 1 to 15 frames, here and there."""
    rng = np.random.default_rng(8)
    groups = (["eye", "ear", *ARMS, *LEGS], LEGS, ARMS)
    spans = [
        (start, start + int(rng.integers(1, 16)), groups[int(rng.integers(0, 3))])
        for start in range(20, len(truth) - 40, 40)
    ]
    return swapped(truth, spans)


def identities() -> None:
    """Two people who are hidden now and then and get new ids each time."""
    truth = walkers(900, 2)
    noisy = jittered(truth, 2.0)
    starts = np.arange(0, 900, 150)
    xy = np.full((900, 2 * len(starts), 17, 2), np.nan, np.float32)
    for part, start in enumerate(starts):
        xy[start : start + 120, 2 * part : 2 * part + 2] = noisy.xy[start : start + 120, ::-1]
    tracked = of_keypoints(xy)
    made = join_tracklets(tracked, max_gap=2.0)
    print(f"\n{'IDF1 with 1 s hidden of each 5 s':42} {'ids':>8} {'IDF1':>8}")
    for name, found in (
        ("as tracked", tracked),
        ("joined", made),
        ("and filled", fill_gaps(made, 2.0)),
    ):
        print(f"{name:42} {len(found.ids):8} {idf1(truth, found):8.3f}")


def speed(*, frames: int, people: int) -> None:
    """A gap of one keypoint every 10 s, of a whole person every minute."""
    rng = np.random.default_rng(0)
    t = np.arange(frames)
    body = rng.uniform(0, 200, (17, 2)).astype(np.float32)
    place = np.cumsum(rng.normal(0, 1, (frames, people, 1, 2)), axis=0, dtype=np.float32)
    xy = body + place + rng.normal(0, 1, (frames, people, 17, 2)).astype(np.float32)
    for person in range(people):
        for start in range(person, frames - 30, 1800):
            xy[start : start + 15, person] = np.nan
        for point in range(17):
            for start in range(17 * point, frames - 30, 300):
                xy[start : start + 5, person, point] = np.nan
    made = Trajectories(
        t, t / 30, np.arange(people) + 1, xy, np.full(xy.shape[:3], 0.9), walkers(2, 1).skeleton
    )
    del xy
    steps: dict[str, Step] = {
        "gate_scores": lambda tr: gate_scores(tr, 0.5),
        "reject_outliers": reject_outliers,
        "mend_swaps": mend_swaps,
        "join_tracklets": join_tracklets,
        "drop_short": lambda tr: drop_short(tr, 1.0),
        "fill_gaps, linear": lambda tr: fill_gaps(tr, 0.3),
        **SMOOTHERS,
    }
    small = made.select(frames=(0, 1000))
    print(f"\n{f'{people} people, 17 keypoints, {frames:,} frames':42} {'s of a core':>8}")
    for name, step in steps.items():
        step(small)  # kernels are compiled
        begun = time.process_time()
        step(made)
        print(f"{name:42} {time.process_time() - begun:8.1f}", flush=True)
    plain_scipy(made)


def plain_scipy(made: Trajectories) -> None:
    """What scipy takes for the same filters on data without gaps, as one call each."""
    from scipy.ndimage import median_filter
    from scipy.signal import butter, savgol_filter, sosfiltfilt

    values = np.nan_to_num(made.xy[:, :1].reshape(len(made), -1).astype(np.float64))
    people = len(made.ids)
    sections = butter(2, 0.4, output="sos")
    calls = {
        "plain scipy: sosfiltfilt": lambda: sosfiltfilt(sections, values, axis=0),
        "plain scipy: savgol_filter": lambda: savgol_filter(values, 9, 2, axis=0),
        "plain scipy: median_filter (7 frames)": lambda: median_filter(values, (7, 1)),
    }
    for name, call in calls.items():
        taken = []
        for _ in range(3):
            begun = time.process_time()
            call()
            taken.append(time.process_time() - begun)
        print(f"{name:42} {people * middle(taken):8.1f}")


if __name__ == "__main__":
    main()
