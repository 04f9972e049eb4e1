"""The settings that are compared, in blocks that each change one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from posetrack.interfaces import FlowEstimator
from posetrack.ops.matching import match_optimally
from posetrack.tracking.association import box_similarity
from posetrack.world.ablation.worlds import ExactFlow, OwnMotionFlow, RecordedScene, StandingFlow

FlowOf = Callable[[RecordedScene], FlowEstimator]


def dis(_: RecordedScene) -> FlowEstimator:
    """The tracker's default."""
    from posetrack.flows.dis import DisFlow

    return DisFlow()


def _fine_dis(_: RecordedScene) -> FlowEstimator:
    """DIS searched at finer scale, and smoothed."""
    from posetrack.flows.dis import DisFlow

    return DisFlow(finest_scale=1, patch_stride=3, iterations=16, refinement=3)


def farneback(_: RecordedScene) -> FlowEstimator:
    """Polynomial expansion."""
    from posetrack.flows.farneback import FarnebackFlow

    return FarnebackFlow()


def lucas_kanade(_: RecordedScene) -> FlowEstimator:
    """Each point by itself, checked by following it back."""
    from posetrack.flows.lucas_kanade import LucasKanadeFlow

    return LucasKanadeFlow()


def standing(_: RecordedScene) -> FlowEstimator:
    """Nothing moves."""
    return StandingFlow()


@dataclass(frozen=True)
class Setting:
    """A tracker, and the faults of what it is given.

    Parameters
    ----------
    name
        What tables call it.
    tracker
        Pairs of `posetrack.Tracker`'s keyword arguments; the rest are its defaults.
    flow
        Makes the flow for a scene.
    faults
        Pairs of the fake detector's rates instead of those that all settings share.
    networks
        Real networks instead of the fakes.
    """

    name: str
    tracker: tuple[tuple[str, Any], ...] = ()
    flow: FlowOf = dis
    faults: tuple[tuple[str, float], ...] = ()
    networks: bool = False

    def same_as(self, other: Setting) -> bool:
        """Whether only the names differ."""
        return replace(self, name="") == replace(other, name="")


@dataclass(frozen=True)
class Block:
    """Settings that are to be compared with each other.

    Parameters
    ----------
    name
        One word, for the command line and the CSV file.
    title
        What the table is called.
    settings
        Its rows.
    worlds
        Names of the scenes to look at; None for all.
    """

    name: str
    title: str
    settings: tuple[Setting, ...]
    worlds: tuple[str, ...] | None = None


def with_tracker(name: str, **settings: Any) -> Setting:
    """A tracker whose other settings are the defaults.

    Examples
    --------
    >>> with_tracker("short", memory=2).tracker
    (('memory', 2),)
    """
    return Setting(name, tuple(sorted(settings.items())))


PAPER: Mapping[str, Any] = {
    "coasting": False, "leaving": False, "spread": 0.0, "recency": 1.0, "box_recency": 1.0,
    "box_memory": 0.0, "max_box_iou": 0.5, "probation": 0.0,
}  # fmt: skip
"""The tracker's settings by which it compares as the paper's does."""


def paper(name: str, **settings: Any) -> Setting:
    """A tracker that compares as the paper's does: by flow alone, over the last frames."""
    return with_tracker(name, **{**PAPER, **settings})


def _paper_but(name: str, *defaults: str) -> Setting:
    """As `paper`, but for settings that are the tracker's defaults.

    Examples
    --------
    >>> "coasting" in dict(_paper_but("moving", "coasting").tracker)
    False
    """
    return with_tracker(name, **{key: PAPER[key] for key in PAPER if key not in defaults})


_DETECTOR_ONLY = {"flow_boxes": False, "flow_similarity": False, "memory": 1}

_LADDER = (
    paper("detector only, box IoU", similarity=box_similarity, **_DETECTOR_ONLY),
    paper("detector only, pose OKS", **_DETECTOR_ONLY),
    paper("+ flow boxes, pose OKS", flow_similarity=False, memory=1),
    paper("+ flow OKS", memory=1),
    paper("+ over 10 frames"),
    _paper_but("+ own velocity", "coasting", "leaving"),
    _paper_but("+ memory in seconds", "coasting", "leaving", "spread", "recency"),
    _paper_but(
        "+ fading flow boxes",
        *("coasting", "leaving", "spread", "recency", "box_recency", "box_memory", "max_box_iou"),
    ),
    with_tracker("+ probation in seconds (default)"),
)

STEPS = Block("steps", "The paper's steps, one after the other", _LADDER)

SIMILARITY = Block(
    "similarity",
    "Similarity (with flow boxes)",
    (
        paper("box IoU", similarity=box_similarity, flow_similarity=False, memory=1),
        paper("box IoU moved by flow", similarity=box_similarity, memory=1),
        paper("pose OKS", flow_similarity=False, memory=1),
        paper("flow OKS, 1 frame", memory=1),
        *(paper(f"flow OKS, {frames} frames", memory=frames) for frames in (2, 3, 5)),
        paper("flow OKS, 10 frames"),
        paper("flow OKS, 30 frames", memory=30),
    ),
)

PLAIN_SIMILARITY = Block(
    "plain",
    "Similarity without flow boxes: gaps of the detector are bridged by the memory alone",
    (
        paper("box IoU", similarity=box_similarity, **_DETECTOR_ONLY),
        paper("pose OKS", **_DETECTOR_ONLY),
        paper("flow OKS, 1 frame", flow_boxes=False, memory=1),
        *(
            paper(f"flow OKS, {frames} frames", flow_boxes=False, memory=frames)
            for frames in (2, 3, 5)
        ),
        paper("flow OKS, 10 frames", flow_boxes=False),
    ),
)

MATCHING = Block(
    "matching",
    "Matching",
    (
        paper("greedy"),
        paper("optimal", match=match_optimally),
        paper("greedy, 1 frame", memory=1),
        paper("optimal, 1 frame", memory=1, match=match_optimally),
    ),
)

FLOWS = Block(
    "flow",
    "Flow",
    (
        paper("none at all", flow_boxes=False, flow_similarity=False),
        replace(paper("standing still"), flow=standing),
        paper("DIS (default)"),
        replace(paper("DIS, finer"), flow=_fine_dis),
        replace(paper("Farneback"), flow=farneback),
        replace(paper("Lucas-Kanade"), flow=lucas_kanade),
        replace(paper("exact"), flow=ExactFlow),
        replace(paper("exact, of people even if hidden"), flow=OwnMotionFlow),
    ),
    ("crossing", "behind_pole", "fast_halved", "low_frame_rate", "camera_pan"),
)

EVERY = Block(
    "every",
    "Detector on every n-th frame",
    (
        with_tracker("every frame"),
        with_tracker("every 2nd", detect_every=2),
        with_tracker("every 5th", detect_every=5),
        with_tracker("every 2nd, no flow boxes", detect_every=2, flow_boxes=False),
    ),
)


def _missing(share: float, name: str, **settings: Any) -> Setting:
    return replace(with_tracker(name, **settings), faults=(("gaps", 0.0), ("miss", share)))


MISSES = Block(
    "misses",
    "People that the detector misses, drawn anew in every frame",
    tuple(
        setting
        for percent in (0, 10, 25, 50)
        for setting in (
            _missing(percent / 100, f"{percent} % missed, no flow boxes", flow_boxes=False),
            _missing(percent / 100, f"{percent} % missed"),
        )
    ),
    ("crossing", "behind_pole", "fast_halved", "camera_pan"),
)

NETWORK_STEPS = Block(
    "networks",
    "The same steps with the two networks that ship with the package",
    tuple(replace(setting, networks=True) for setting in _LADDER),
    ("crossing", "behind_pole", "fast_halved", "detector_gaps"),
)

BLOCKS = (STEPS, SIMILARITY, PLAIN_SIMILARITY, MATCHING, FLOWS, EVERY, MISSES)
"""All that need no networks."""
