"""Every setting over every scene, each scene rendered once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from posetrack.interfaces import Detector, Image, PoseEstimator
from posetrack.structures import Detections, Poses, Tracks
from posetrack.testing import SceneDetector, SceneEstimator
from posetrack.tracking.tracker import Tracker
from posetrack.world.ablation.scores import measure
from posetrack.world.ablation.settings import Block, Setting
from posetrack.world.ablation.worlds import RecordedScene, World

FAULTS: Final[Mapping[str, float]] = {
    "miss": 0.1, "gaps": 0.1, "gap_length": 5.0, "false": 0.2, "jitter": 0.02, "doubled": 0.05,
}  # fmt: skip
"""The fake detector's defaults, unless the setting or the world gives others."""

JITTER, SWAPPED = 0.01, 0.02
"""The fake estimator's."""

Networks = tuple[Detector, PoseEstimator]


@dataclass(frozen=True)
class Row:
    """Scores of one setting in one scene.

    Parameters
    ----------
    block, setting, world
        Their names.
    seed
        Of people, place and faults.
    scores
        By the names of `posetrack.world.ablation.scores.MEASURES`.
    """

    block: str
    setting: str
    world: str
    seed: int
    scores: Mapping[str, float]


def run_ablation(
    blocks: Sequence[Block],
    worlds: Sequence[World],
    *,
    seeds: Iterable[int],
    size: tuple[int, int] = (320, 180),
    networks: Networks | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Run a tracker with each setting over each scene and score it.

    Parameters
    ----------
    blocks
        What to compare.
    worlds
        Where; a block may name fewer.
    seeds
        Each gives every world once more, with other people and faults; the same for all settings,
        so that differences between settings are more certain than the settings' own numbers.
    size
        Width and height of the pictures.
    networks
        Detector and estimator of settings that need real ones; such settings are left out if
        this is None.
    report
        Called with a world's name and seed when it is done.

    Returns
    -------
    rows
        Settings that are the same but for their name are run once and have the same scores.
    """
    rows = []
    for seed in seeds:
        for world in worlds:
            wanted = [
                (block, setting)
                for block in blocks
                if block.worlds is None or world.name in block.worlds
                for setting in block.settings
                if networks is not None or not setting.networks
            ]
            if wanted:
                scene = world.record(seed, size)
                rows += _rows(wanted, world, scene, seed, networks)
            report(f"{world.name}, seed {seed}")
    return rows


def _rows(
    wanted: Sequence[tuple[Block, Setting]],
    world: World,
    scene: RecordedScene,
    seed: int,
    networks: Networks | None,
) -> list[Row]:
    done: list[tuple[Setting, dict[str, float]]] = []
    rows = []
    for block, setting in wanted:
        scores = next((scores for other, scores in done if setting.same_as(other)), None)
        if scores is None:
            scores = run_setting(setting, scene, world.faults, seed=seed, networks=networks)
            done.append((setting, scores))
        rows.append(Row(block.name, setting.name, world.name, seed, scores))
    return rows


def run_setting(
    setting: Setting,
    scene: RecordedScene,
    faults: Mapping[str, float] | None = None,
    *,
    seed: int = 0,
    networks: Networks | None = None,
) -> dict[str, float]:
    """Scores of one setting in one scene.

    The time is that of the processor, all threads together, and the median of the frames. That of
    fakes is not counted; that of networks is.
    """
    if setting.networks:
        if networks is None:
            raise ValueError(f"{setting.name}: expected the networks it wants, got none")
        detector, estimator = networks
    else:
        rates = {**FAULTS, **(faults or {}), **dict(setting.faults)}
        detector = SceneDetector(scene, seed=seed, **rates)
        estimator = SceneEstimator(scene, jitter=JITTER, swapped=SWAPPED, seed=seed)
    timed = _Timed(estimator)
    tracker = Tracker(detector, timed, setting.flow(scene), **dict(setting.tracker))
    tracks: list[Tracks] = []
    detected: list[Detections | None] = []
    seconds = []
    for number, image in enumerate(scene.images):
        start, timed.seconds = time.process_time(), 0.0
        found = tracker.detect(image, number)
        looked = time.process_time()
        tracks.append(tracker.update(image, detections=found, seconds=number / scene.rate))
        end = time.process_time()
        detected.append(found)
        seconds.append(end - start if setting.networks else end - looked - timed.seconds)
    scores = measure(scene.truths, tracks, detected)
    return {**scores, "ms": 1000 * float(np.median(seconds))}


class _Timed:
    """An estimator that says how long it took."""

    def __init__(self, estimator: PoseEstimator) -> None:
        self._estimator, self.skeleton, self.seconds = estimator, estimator.skeleton, 0.0

    def __call__(self, image: Image, boxes: Detections, /) -> Poses:
        start = time.process_time()
        poses = self._estimator(image, boxes)
        self.seconds += time.process_time() - start
        return poses
