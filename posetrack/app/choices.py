"""What a person chose on the page, as words of ``posetrack track``."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Final

from posetrack.build import BUNDLED
from posetrack.cli.options import first_sentences
from posetrack.tracking.tracker import Tracker
from posetrack.weights.catalogue import MODELS, CatalogueEntry, Kind, look_up_entry

OWN_FILE: Final = "a file of my own"
LOOSE: Final = ("--min-hits", "1", "--probation", "0", "--min-new-score", "0",
                "--min-pose-score", "0", "--min-keypoint-score", "0")  # fmt: skip
"""Settings under which a frame keeps all that the networks find, to try thresholds on."""

SHOWN: Final = ("max_missed", "min_new_score", "min_similarity", "memory", "min_hits")
"""The tracker's settings that are folded away on the page."""

PRECISIONS: Final = ("", "float32", "half", "int8")
"""Of ``--precision``; the first leaves it to the network."""


@dataclass(frozen=True)
class Choices:
    """Networks, thresholds and frames.

    Parameters
    ----------
    detector, estimator
        Names, or paths of files; an empty detector where the pose network finds people by itself.
    device
        auto, cpu or cuda.
    precision
        Of `posetrack track`; empty for its default.
    output_stride
        Of PoseNet; None for the file's.
    min_pose_score, min_keypoint_score
        See `posetrack.Tracker`.
    start, stop
        Frames; ``stop`` may be None.
    settings
        Further ones of the tracker that are not at their defaults.
    """

    detector: str = BUNDLED
    estimator: str = BUNDLED
    device: str = "auto"
    precision: str = ""
    output_stride: int | None = None
    min_pose_score: float | None = None
    min_keypoint_score: float | None = None
    start: int = 0
    stop: int | None = None
    settings: dict[str, float] = field(default_factory=dict)


def words_of(source: str, choices: Choices, *, tried: int | None = None) -> list[str]:
    """The words of a run, or of one frame with all that the networks find in it.

    Parameters
    ----------
    source
        The video.
    choices
        What was chosen.
    tried
        The frame; None for a run.

    Examples
    --------
    >>> words_of("a.mp4", Choices(min_pose_score=0.2))[:5]
    ['a.mp4', '--preset', 'bundled', '--detector', 'bundled']
    >>> words_of("a.mp4", Choices(), tried=7)[-4:]
    ['--start', '7', '--stop', '8']
    """
    words = [source]
    if choices.detector == choices.estimator == BUNDLED:
        words += ["--preset", BUNDLED]
    if choices.detector:
        words += ["--detector", choices.detector]
    words += ["--estimator", choices.estimator, "--device", choices.device]
    if choices.precision:
        words += ["--precision", choices.precision]
    if choices.output_stride is not None:
        words += ["--output-stride", str(choices.output_stride)]
    if tried is not None:
        return [*words, *LOOSE, "--format", "parquet", "--no-overlay",
                "--start", str(tried), "--stop", str(tried + 1)]  # fmt: skip
    for name in ("min_pose_score", "min_keypoint_score"):
        if (value := getattr(choices, name)) is not None:
            words += [_flag(name), f"{value:g}"]
    for name, value in choices.settings.items():
        words += [_flag(name), f"{value:g}"]
    words += ["--start", str(choices.start)]
    words += [] if choices.stop is None else ["--stop", str(choices.stop)]
    return [*words, "--format", "csv,parquet,posetrack18,coco,frames,audit", "--no-audio"]


def finds_boxes(estimator: str) -> bool:
    """Whether a network of the table finds people by itself, so that it needs no detector.

    Examples
    --------
    >>> finds_boxes("rtmo_s"), finds_boxes("rtmpose_s"), finds_boxes("bundled")
    (True, False, False)
    """
    entry = look_up_entry(estimator)
    return entry is not None and entry.finds_boxes


def is_posenet(estimator: str) -> bool:
    """Whether it is a PoseNet, which has an output stride."""
    entry = look_up_entry(estimator)
    return entry is not None and entry.builder == "posenet"


def networks(kind: Kind) -> dict[str, str]:
    """Names of networks of a kind, and how they are shown: with size and licence.

    Examples
    --------
    >>> networks("pose")["bundled"]
    'bundled: 7 MB, MIT'
    """
    bundled = "bundled_pose" if kind == "pose" else "bundled_detector"
    found = {BUNDLED: _shown(BUNDLED, MODELS[bundled])}
    for name, entry in MODELS.items():
        if entry.serves_as(kind) and not entry.bundled and not entry.by_hand:
            found[name] = _shown(name, entry)
    return found


def _shown(name: str, entry: CatalogueEntry) -> str:
    return f"{name}: {entry.size / 1e6:.0f} MB, {entry.licence or 'licence not known'}"


def default_of(setting: str) -> float | None:
    """The default of a setting of the tracker; None where the detector's own counts.

    Examples
    --------
    >>> default_of("max_missed")
    2.0
    """
    value: float | None = inspect.signature(Tracker).parameters[setting].default
    return value


def words_of_settings() -> dict[str, str]:
    """What each setting of the tracker is for, in a sentence.

    Examples
    --------
    >>> words_of_settings()["memory"]
    'Length of the deque'
    """
    found = first_sentences(inspect.getdoc(Tracker) or "")
    return {name: found.get(name, "").replace("%%", "%") for name in SHOWN}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
