"""One video through a tracker, and all that is made of it: tables, overlay, angles, pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

from posetrack.runs.interruptions import hold_interruptions
from posetrack.runs.outputs import ENDINGS, FORMATS
from posetrack.runs.pictures import kind_of
from posetrack.runs.resuming import Point, Points, inputs_of
from posetrack.runs.window import Window
from posetrack.runs.writer import (
    Colours,
    Opening,
    OpenSink,
    Overlay,
    ResultPaths,
    RunWriter,
    clean_tracks,
    describe_video_run,
    draw_plots,
    gather,
    open_tables,
    write_angles,
)
from posetrack.video.reachability import is_camera

if TYPE_CHECKING:
    from posetrack.draw.faces import Cover

OverlayKind: TypeAlias = Literal["mp4", "jpg", "png"]

Watch: TypeAlias = Callable[[int, int | None, int], bool]
"""Takes frames done, frames in all where that is known, and people; gives whether to go on."""

_LAG_EVERY: Final = 10.0  # seconds between two lines on it
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
    before
        How many of the frames an earlier process had tracked.
    passed_over
        Whether that one had finished it, and nothing was done.
    """

    frames: int
    people: int
    lines: list[str]
    problems: list[str]
    trajectories: Callable[[], Any]
    before: int = 0
    passed_over: bool = False


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
    resume: bool = False,
    watch: Watch | None = None,
    tell: Callable[[str], None] | None = None,
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
    resume
        Whether to note every few seconds where the run stands, in ``NAME.resume``, and to go on
        from there if an earlier process left it unfinished: to the same bytes as a run that is
        never stopped. A video that is finished is passed over.
    watch
        Called after each frame; where it gives False, the run ends and what is done is kept.
    tell
        Of a live source (``reading`` with ``live``): is told in a line when it is lost and back,
        and every ten seconds how late its frames are.

    Raises
    ------
    ValueError
        If an earlier process did the same with other settings, networks or another video, or
        ``source`` cannot be read again.
    """
    from tqdm import tqdm

    from posetrack.formats.provenance import describe_run
    from posetrack.tracking.pipeline import choose_batch, track_images, track_video
    from posetrack.video import open_video

    lags = _Lags(tell) if reading.get("live") else None
    if lags is not None:
        # Nothing is done ahead, or the newest frame would be old before its turn.
        reading, ahead = {**reading, "tell": tell}, 0

    def open_again() -> Any:
        return open_video(source, **reading)

    points, last = None, None
    if resume:
        described = describe_run(settings=settings, weights=weights)
        inputs = inputs_of(source, described, wanted, reading, unrelated=unrelated)
        points = _points(results, inputs, wanted, needs_table=in_memory)
        last, in_memory = points.last, False
        if last is not None and last.stage == "finished":
            return _pass_over(last, wanted, results)

    comes_once = isinstance(source, int) or (
        isinstance(source, str) and (is_camera(source) or "://" in source)
    )
    with ExitStack() as stack:
        video = stack.enter_context(
            open_again()
            if last is None
            else open_video(source, **reading, known=last.begin, reread=last.damaged)
        )
        provenance: Mapping[str, Any] | None = None
        if points is not None:  # one for all processes that work on it
            provenance = None if last is None else last.provenance
            provenance = provenance or describe_video_run(video, settings, weights)
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
                provenance=provenance,
                resumable=points is not None,
            )
        )
        bar = stack.enter_context(
            tqdm(
                total=_count_frames(video, reading),
                initial=0 if last is None else last.frames,
                unit=" frames",
                desc="" if results is None else results.name,
                disable=None if progress else True,
            )
        )
        window = Window(video.source.name) if show else None
        if window is not None:
            stack.callback(window.close)
        at = None if boxes is None else scale_boxes(boxes, video.scale)
        together = 1 if unrelated else choose_batch(video, tracker, ahead=ahead, boxes=at)
        course = _Course(together, last)
        if points is not None and last is None:
            points.begin()
        if last is not None:
            course.reopen(run, last)
            if last.tracker:
                tracker.load_state_dict(last.tracker)
        pairs: Any = ()
        if last is None or last.stage == "tracking":
            pairs = (
                track_images(video, tracker, boxes=at, ahead=ahead, last=max(course.people | {0}))
                if unrelated
                else track_video(video, tracker, boxes=at, ahead=ahead, tracked=course.tracked)
            )
            stack.callback(pairs.close)
        # A camera ends when it is told to: what there is is whole then, as after any end.
        held: Any = nullcontext if lags is None else hold_interruptions
        try:
            for frame, tracks in pairs:
                with held():
                    course.note(frame, tracks)
                    if window is not None:
                        window.show(frame, tracks)
                    run.write(frame, tracks)
                    bar.update()
                    ids = len(course.people)
                    bar.set_postfix_str(f"{len(tracks)} people, {ids} ids", refresh=False)
                    if points is not None and (run.frames == 1 or points.due) and run.whole:
                        one = None if unrelated else tracker
                        points.write(partial(course.point, run, provenance, video, one))
                    if lags is not None:
                        lags.note(frame.lag, video.ledger)
                    if window is not None and window.closed:
                        break
                    if watch is not None and not watch(run.frames, bar.total, len(course.people)):
                        break
        except KeyboardInterrupt:
            if lags is None or not run.frames:
                raise
        problems = [] if last is None else list(last.remarks)
        if last is None or last.stage == "tracking":
            problems += _problems(video)
            if len(course.sizes) > 1 and not unrelated and video.source.kind == "images":
                problems.append(
                    "these images are of different sizes: if they are no video, say that they are "
                    "unrelated"
                )
        problems = list(dict.fromkeys(problems))
        if points is not None and run.frames and (last is None or last.stage == "tracking"):
            run.end()
            points.write(partial(course.ending, run, provenance, problems))
    lines = run.finish()
    if lags is not None:
        lines.append(lags.describe(video.ledger))
    if points is not None and run.frames:
        points.finish(frames=run.frames, people=course.people, remarks=problems, lines=lines)
    before = 0 if last is None else last.frames
    return Outcome(
        run.frames, len(course.people), lines, problems, lambda: run.trajectories, before
    )


class _Lags:
    """How late the frames of a live source are."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell or (lambda _: None)
        self._last = self._largest = 0.0
        self._due = time.monotonic() + _LAG_EVERY

    def note(self, lag: float | None, ledger: Any) -> None:
        """Take note of a frame's lag; now and then it is told."""
        self._last = lag or 0.0
        self._largest = max(self._largest, self._last)
        if time.monotonic() >= self._due:
            self._due += _LAG_EVERY
            self._tell(self.describe(ledger))

    def describe(self, ledger: Any) -> str:
        """In a line."""
        from posetrack.video import Status

        return (
            f"lag {self._last:.3f} s, at most {self._largest:.3f} s; "
            f"{ledger.counts[Status.DECODED]} frames taken, "
            f"{ledger.counts[Status.SKIPPED]} left out"
        )


class _Course:
    """What of a run is not in its files, and where another process would go on with it."""

    def __init__(self, together: int, last: Point | None) -> None:
        self._together = together
        self.people: set[int] = set() if last is None else set(last.people)
        self.sizes = set() if last is None else {tuple(shape) for shape in last.sizes}
        self.tracked = 0 if last is None else last.tracked
        self._group = 0 if last is None else last.begin  # first frame of the detector's last run
        self._begin = self._group
        self._opening: Opening | None = None

    def reopen(self, run: RunWriter, last: Point) -> None:
        """Open the files where they were left."""
        from posetrack.skeletons import Skeleton

        skeleton = Skeleton.from_json(last.skeleton, "the run's skeleton")
        self._opening = Opening(last.size, skeleton, ending=last.stage == "ending")
        run.reopen(last.frames, [replace(self._opening, state=state) for state in last.files])

    def note(self, frame: Any, tracks: Any) -> None:
        """Take note of a frame."""
        if self._opening is None:
            height, width = frame.image.shape[:2]
            self._opening = Opening((width, height), tracks.skeleton)
        self.people.update(tracks.ids.tolist())
        self.sizes.add(frame.image.shape)
        self._group = frame.index if self.tracked == 0 else self._group
        self.tracked = (self.tracked + 1) % self._together
        self._begin = self._group if self.tracked else frame.index + 1

    def point(
        self, run: RunWriter, provenance: Mapping[str, Any] | None, video: Any, tracker: Any
    ) -> Point:
        """Where it stands after the last frame; all files are safe on the disk.

        Raises
        ------
        ValueError
            If the tracker's state cannot be written.
        """
        from posetrack.video import Status

        try:
            state = {} if tracker is None else tracker.state_dict()
        except TypeError as error:
            raise ValueError(f"a run with this flow cannot be resumed: {error}") from error
        damaged = bool(video.remarks or video.ledger.counts[Status.CORRUPT])
        return replace(
            self._make_point("tracking", run, provenance),
            begin=self._begin,
            tracked=self.tracked,
            damaged=damaged,
            sizes=sorted(self.sizes),
            remarks=list(video.remarks),
            tracker=state,
        )

    def ending(
        self, run: RunWriter, provenance: Mapping[str, Any] | None, remarks: list[str]
    ) -> Point:
        """The same after the last of all frames."""
        return replace(self._make_point("ending", run, provenance), remarks=remarks)

    def _make_point(
        self,
        stage: Literal["tracking", "ending"],
        run: RunWriter,
        provenance: Mapping[str, Any] | None,
    ) -> Point:
        assert self._opening is not None  # there was a frame
        return Point(
            stage,
            provenance=provenance,
            frames=run.frames,
            size=self._opening.image_size,
            skeleton=self._opening.skeleton.to_json(),
            files=run.progress(),
            people=sorted(self.people),
        )


def _points(
    results: ResultPaths | None,
    inputs: Mapping[str, Any],
    wanted: Wanted,
    *,
    needs_table: bool,
) -> Points:
    """The points of a run that can be resumed."""
    if results is None:
        raise ValueError("a run is resumed from its files: give a folder for them")
    if needs_table and not (wanted.cleaning or {"csv", "parquet"} & set(wanted.formats)):
        raise ValueError("a resumed run is read from a table: add parquet or csv to the formats")
    results.folder.mkdir(parents=True, exist_ok=True)
    return Points(results, inputs)


def _pass_over(last: Point, wanted: Wanted, results: ResultPaths | None) -> Outcome:
    """The outcome of a run that an earlier process finished."""
    assert results is not None  # where there is a point there are files
    results.paths += [results.folder / Path(name).name for name, _ in last.whole]

    def trajectories() -> Any:
        from posetrack.trajectories import load

        for name in ("parquet", "csv"):
            if name in wanted.formats:
                return load(results.folder / f"{results.name}{ENDINGS[name]}")
        raise ValueError(f"{results.name}: finished before, without a table of what was tracked")

    return Outcome(
        last.frames,
        len(last.people),
        list(last.lines),
        list(last.remarks),
        trajectories,
        last.frames,
        passed_over=True,
    )


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
    provenance: Mapping[str, Any] | None,
    resumable: bool,
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
        names,
        video,
        settings=settings,
        weights=weights,
        explain=explain,
        provenance=provenance,
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
    return RunWriter(results, sinks, finishers, resumable=resumable)


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
