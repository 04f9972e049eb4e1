"""One video through a tracker, and all that is made of it: tables, overlay, angles, pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

from posetrack.runs.outputs import FORMATS
from posetrack.runs.pictures import kind_of
from posetrack.runs.window import Window
from posetrack.runs.writer import (
    Colours,
    OpenSink,
    Overlay,
    ResultPaths,
    RunWriter,
    clean_tracks,
    draw_plots,
    gather,
    open_tables,
    write_angles,
)
from posetrack.video.reachability import is_camera

if TYPE_CHECKING:
    from posetrack.draw.faces import Cover

OverlayKind: TypeAlias = Literal["mp4", "jpg", "png"]

USUAL_FORMATS: Final = ("csv", "parquet", "posetrack18", "audit")


@dataclass(frozen=True)
class Wanted:
    """The outputs wanted of a video.

    Parameters
    ----------
    formats
        Tables, of `posetrack.runs.outputs.FORMATS`.
    overlay
        The video with people drawn over it: True of a video as MP4, of images as pictures of
        their kind under their names; or "mp4", "jpg" or "png".
    audio
        Keep the sound of a video file in it, where it keeps its own times.
    trails
        For how many frames a line follows each person in it.
    blur_faces
        How faces are covered in it; None: not.
    angles
        A table of all angles, or of those named.
    plot
        Pictures of presence over time, trails and a heat map.
    cleaning
        Settings of `posetrack.cleaning.clean`; none: nothing is cleaned.

    Raises
    ------
    ValueError
        If something cannot be made, before hours have passed.
    ModuleNotFoundError
        If a library that it needs is not installed.
    """

    formats: Sequence[str] = USUAL_FORMATS
    overlay: bool | OverlayKind = True
    audio: bool = True
    trails: int = 0
    blur_faces: Cover | None = None
    angles: bool | Sequence[str] = False
    plot: bool = False
    cleaning: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from posetrack.checks import no_such

        if self.overlay not in (True, False, *get_args(OverlayKind)):
            raise ValueError(no_such("kind of overlay", str(self.overlay), get_args(OverlayKind)))
        for name in self.formats:
            if name not in FORMATS:
                raise ValueError(no_such("format", name, FORMATS))
        if self.trails < 0:
            raise ValueError(f"trails must be at least 0, got {self.trails}")
        has_table = bool(self.cleaning or {"csv", "parquet"} & set(self.formats))
        if self.angles and not has_table:
            raise ValueError("angles are of what is in a table: add parquet or csv to the formats")
        if self.blur_faces and not self.overlay:
            raise ValueError(
                "faces are blurred in the overlay: leave --no-overlay (overlay=False) away"
            )
        if self.plot and not has_table:
            raise ValueError("plots are of what is in a table: add parquet or csv to the formats")
        if self.plot:
            from posetrack.plots.paper import empty_figure

            empty_figure(width=1, height=1)  # says how to get matplotlib, if it is not there


class Outcome(NamedTuple):
    """The result of a video.

    Parameters
    ----------
    frames, people
        How many.
    lines
        What the finishers have to say.
    problems
        Notes on frames that were missing or unreadable.
    trajectories
        Gives what was tracked, cleaned where that was wanted.
    """

    frames: int
    people: int
    lines: list[str]
    problems: list[str]
    trajectories: Callable[[], Any]


def track_to_results(
    source: Any,
    tracker: Any,
    wanted: Wanted,
    results: ResultPaths | None,
    *,
    settings: Mapping[str, object],
    weights: Mapping[str, Any],
    reading: Mapping[str, Any],
    boxes: Callable[[int], Any] | None = None,
    ahead: int = 2,
    unrelated: bool = False,
    in_memory: bool = False,
    show: bool = False,
    progress: bool = False,
) -> Outcome:
    """Track a video and write the outputs wanted.

    Parameters
    ----------
    source
        As for `posetrack.video.open_video`.
    tracker
        A `posetrack.Tracker` at its beginning.
    wanted
        What to make; files only where ``results`` are given.
    results
        Where files go; None: none are written.
    settings, weights
        For provenance, see `posetrack.formats.describe_run`.
    reading
        Settings of `posetrack.video.open_video`.
    boxes
        From a frame's index to boxes in stored pixels, instead of the tracker's detector.
    ahead
        For how many frames the detector may be ahead.
    unrelated
        Whether the images are no video: people are found in each by itself.
    in_memory
        Whether to keep the tracks in memory, instead of reading them from a table in the end.
    show
        Whether to open a window; closing it ends the run after that frame.
    progress
        Whether to show a bar, on standard error if that is a terminal.
    """
    from tqdm import tqdm

    from posetrack.tracking.pipeline import track_images, track_video
    from posetrack.video import open_video

    def open_again() -> Any:
        return open_video(source, **reading)

    comes_once = isinstance(source, int) or (
        isinstance(source, str) and (is_camera(source) or "://" in source)
    )
    with ExitStack() as stack:
        video = stack.enter_context(open_again())
        run = stack.enter_context(
            _writer(
                video,
                # Of images by themselves there is no identity to explain.
                replace(wanted, formats=[one for one in wanted.formats if one != "audit"])
                if unrelated
                else wanted,
                results,
                settings=settings,
                weights=weights,
                stride=reading.get("stride", 1),
                own_times=reading.get("rate") is None,
                reopen=None if comes_once else open_again,
                explain=lambda: tracker.explanation,
                in_memory=in_memory,
            )
        )
        bar = stack.enter_context(
            tqdm(
                total=_count_frames(video, reading),
                unit=" frames",
                desc="" if results is None else results.name,
                disable=None if progress else True,
            )
        )
        people: set[int] = set()
        sizes: set[tuple[int, ...]] = set()
        window = Window(video.source.name) if show else None
        if window is not None:
            stack.callback(window.close)
        at = None if boxes is None else scale_boxes(boxes, video.scale)
        follow = track_images if unrelated else track_video
        pairs = follow(video, tracker, boxes=at, ahead=ahead)
        stack.callback(pairs.close)
        for frame, tracks in pairs:
            people.update(tracks.ids.tolist())
            sizes.add(frame.image.shape)
            if window is not None:
                window.show(frame, tracks)
            run.write(frame, tracks)
            bar.update()
            bar.set_postfix_str(f"{len(tracks)} people, {len(people)} ids", refresh=False)
            if window is not None and window.closed:
                break
    problems = _problems(video)
    if len(sizes) > 1 and not unrelated and video.source.kind == "images":
        problems.append(
            "these images are of different sizes: if they are no video, say that they are unrelated"
        )
    lines = run.finish()
    return Outcome(run.frames, len(people), lines, problems, lambda: run.trajectories)


def _writer(
    video: Any,
    wanted: Wanted,
    results: ResultPaths | None,
    *,
    settings: Mapping[str, object],
    weights: Mapping[str, Any],
    stride: int,
    own_times: bool,
    reopen: Callable[[], Any] | None,
    explain: Callable[[], Any],
    in_memory: bool,
) -> RunWriter:
    """The sinks and finishers that were asked for."""
    cleaning, formats = wanted.cleaning, list(wanted.formats)
    overlay = None
    if wanted.overlay and results is not None:
        keeps_sound = wanted.audio and video.source.kind == "video" and own_times
        usual: OverlayKind = kind_of(video.files) if video.files else "mp4"
        overlay = Overlay(
            video.rate / stride,
            wanted.trails,
            wanted.blur_faces,
            usual if wanted.overlay is True else wanted.overlay,
            video.files,
            Path(video.source.name) if keeps_sound else None,
        )
    colours = Colours() if cleaning and cleaning.get("join") is not None else None
    names = formats
    if cleaning:
        names = ["raw", *(name for name in formats if name in ("frames", "audit"))]
    if results is None:
        names = formats = []
    sinks: list[OpenSink] = open_tables(
        names, video, settings=settings, weights=weights, explain=explain
    )
    sinks += [gather(video, settings=settings, weights=weights)] if in_memory else []
    sinks += [] if colours is None else [colours]
    if overlay is not None and not (cleaning and reopen is not None):
        sinks.append(overlay)
    finishers = []
    if cleaning:
        finishers.append(
            clean_tracks(cleaning, formats, colours=colours, overlay=overlay, reopen=reopen)
        )
    if wanted.angles and results is not None:
        finishers.append(write_angles(None if wanted.angles is True else list(wanted.angles)))
    if wanted.plot and results is not None:
        drawn_on = video.source.name if reopen is not None else None
        finishers.append(draw_plots(drawn_on, one_person=cleaning.get("select") is not None))
    return RunWriter(results, sinks, finishers)


def _problems(video: Any) -> list[str]:
    """Notes on frames that were missing or unreadable."""
    from posetrack.video import Status

    corrupt = video.ledger.where(Status.CORRUPT)
    found = [] if not len(corrupt) else [
        f"{len(corrupt)} frames could not be decoded, the first is frame {int(corrupt[0])}"
    ]  # fmt: skip
    ended = [video.problem] if video.problem else []
    return [*video.remarks, *ended, *found]


def scale_boxes(boxes: Callable[[int], Any], scale: tuple[float, float]) -> Callable[[int], Any]:
    """Boxes given in a video's stored pixels, in those of its images."""
    if scale == (1.0, 1.0):
        return boxes
    from posetrack.structures import Detections

    def at(frame: int) -> Detections:
        stored = boxes(frame)
        return Detections(stored.xyxy * (*scale, *scale), stored.scores)

    return at


def boxes_from(path: str | Path, min_score: float | None = None) -> Callable[[int], Any]:
    """From a frame's index to the boxes in a file of PoseTrack18, COCO or MOT."""
    from posetrack.detectors.replay import ReplayDetector
    from posetrack.formats.boxes import read_boxes

    return ReplayDetector(read_boxes(path, min_score=min_score)).at


def _count_frames(video: Any, reading: Mapping[str, Any]) -> int | None:
    """How many frames there will be, as far as the video says."""
    ends = [end for end in (video.count, reading.get("stop")) if end is not None]
    start, stride = reading.get("start", 0), reading.get("stride", 1)
    return len(range(start, min(ends), stride)) if ends else None
