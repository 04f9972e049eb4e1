"""One video through a tracker, and all that is made of it: tables, overlay, angles, pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self, TypeAlias, get_args

from posetrack.formats.provenance import describe_run
from posetrack.runs.interruptions import hold_interruptions
from posetrack.runs.outputs import ENDINGS, FORMATS
from posetrack.runs.pictures import kind_of
from posetrack.runs.resuming import Point, Points, inputs_of
from posetrack.runs.segments import SHORTEST, Segments, load_all
from posetrack.runs.window import Window
from posetrack.runs.writer import (
    Colours,
    Finisher,
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
_GAP: Final = 1.0  # seconds without a frame that are told
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
    segment
        Seconds after which these results are made whole and others begun, see
        `posetrack.runs.segments`; None: they are of the whole run.

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
    segment: float | None = None

    def __post_init__(self) -> None:
        from posetrack.checks import no_such

        if self.overlay not in (True, False, *get_args(OverlayKind)):
            raise ValueError(no_such("kind of overlay", str(self.overlay), get_args(OverlayKind)))
        for name in self.formats:
            if name not in FORMATS:
                raise ValueError(no_such("format", name, FORMATS))
        if self.trails < 0:
            raise ValueError(f"trails must be at least 0, got {self.trails}")
        if self.angles and not self.has_table:
            raise ValueError("angles are of what is in a table: add parquet or csv to the formats")
        if self.blur_faces and not self.overlay:
            raise ValueError(
                "faces are blurred in the overlay: leave --no-overlay (overlay=False) away"
            )
        if self.plot and not self.has_table:
            raise ValueError("plots are of what is in a table: add parquet or csv to the formats")
        if self.plot:
            from posetrack.plots.paper import empty_figure

            empty_figure(width=1, height=1)  # says how to get matplotlib, if it is not there
        if self.segment is not None:
            self._check_segment(self.segment)

    def _check_segment(self, seconds: float) -> None:
        if not SHORTEST <= seconds < float("inf"):
            raise ValueError(f"segments have {SHORTEST:g} second or more, got {seconds:g}")
        if self.cleaning:
            raise ValueError(
                "cleaning looks at a whole run, and segments are whole before it ends: leave one "
                "away (`posetrack clean` cleans the table of a segment)"
            )

    @property
    def has_table(self) -> bool:
        """Whether what was tracked can be read again from a table."""
        return bool(self.cleaning or {"csv", "parquet"} & set(self.formats))


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


def track_together(runs: Sequence[Run], arrived: Event) -> Iterator[tuple[int, Outcome]]:
    """Follow several live sources side by side, each with a tracker and files of its own.

    The newest images of all that have one go through the networks that their trackers share in one
    batch (`posetrack.tracking.pipeline.update_together`). A source that is silent, away or at its
    end holds up no other; Ctrl-C ends all of them with whole files.

    Parameters
    ----------
    runs
        Of live sources.
    arrived
        Whose ``set`` each of them has as its ``arrived``.

    Yields
    ------
    number, outcome
        Of each source as soon as it has ended.
    """
    from posetrack.tracking.pipeline import update_together
    from posetrack.video.live import newest_of

    with ExitStack() as stack:
        for run in runs:
            stack.enter_context(run)
        videos = {number: run.video for number, run in enumerate(runs)}
        try:
            for newest in newest_of(videos, arrived):
                frames = {number: frame for number, frame in newest.items() if frame is not None}
                for number, frame in frames.items():
                    runs[number].before(frame)
                people = update_together(
                    [runs[number].tracker for number in frames], list(frames.values())
                )
                ended = [number for number in newest if number not in frames]
                with hold_interruptions():  # what is tracked of one is written of all
                    for (number, frame), tracks in zip(frames.items(), people, strict=True):
                        if not runs[number].take(frame, tracks):
                            ended.append(number)
                    for number in ended:
                        del videos[number]
                yield from ((number, runs[number].close()) for number in ended)
        except KeyboardInterrupt:
            if not any(run.ends_when_asked for run in runs):
                raise
        for number in list(videos):
            yield number, runs[number].close()


class Run:
    """A source on its way through a tracker into files.

    `track` takes it all the way. Step by step it is opened as a context manager: the source, the
    files, the bar, the window. `follow` takes all its frames, or `take` one; `close` makes
    everything whole. Where an error closes it, what there is is kept.

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
    arrived
        See `posetrack.video.open_video`.
    row
        Of the bar, where there are several.

    Raises
    ------
    ValueError
        If an earlier process did the same with other settings, networks or another video, or
        ``source`` cannot be read again.
    """

    def __init__(
        self,
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
        arrived: Callable[[], object] | None = None,
        row: int | None = None,
    ) -> None:
        self._row = row
        self._source, self.tracker, self._results = source, tracker, results
        self._settings, self._weights, self._boxes = settings, weights, boxes
        self._unrelated, self._show, self._progress = unrelated, show, progress
        self._watch, self._tell, self._in_memory = watch, tell, in_memory
        self._reading, self._ahead, self._lags = reading, ahead, None
        if reading.get("live"):
            # Nothing is done ahead, or the newest frame would be old before its turn.
            self._reading = {**reading, "tell": tell, "arrived": arrived}
            self._ahead, self._lags = 0, _Lags(tell)
        if unrelated:  # of images by themselves there is no identity to explain
            wanted = replace(wanted, formats=[one for one in wanted.formats if one != "audit"])
        self._wanted = wanted
        self._check_segments()
        self._points: Points | None = None
        self._last: Point | None = None
        if resume:
            self._go_on()
        self._problems: list[str] = []
        self._stack = ExitStack()

    def _check_segments(self) -> None:
        """Refuse segments where there is nothing to cut, or where a reader needs a table."""
        if self._wanted.segment is None:
            return
        if self._results is None:
            raise ValueError("segments are of files: give a folder for them")
        if self._unrelated:
            raise ValueError("segments are of a video: images that are unrelated have no times")
        if self._in_memory and not self._wanted.has_table:
            raise ValueError("a run in segments is read from tables: add parquet or csv")
        self._in_memory = False

    def _go_on(self) -> None:
        """Look where an earlier process was."""
        described = describe_run(settings=self._settings, weights=self._weights)
        inputs = inputs_of(
            self._source, described, self._wanted, self._reading, unrelated=self._unrelated
        )
        self._points = _points(self._results, inputs, self._wanted, needs_table=self._in_memory)
        self._last, self._in_memory = self._points.last, False

    @cached_property
    def finished_before(self) -> Outcome | None:
        """The outcome where an earlier process came to the end, and nothing is to be done."""
        if self._last is None or self._last.stage != "finished":
            return None
        return _pass_over(self._last, self._wanted, self._results)

    @property
    def frames(self) -> int:
        """So far."""
        return self._files.frames

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.video = stack.enter_context(self._open_video())
            """The open source."""
            self._provenance = self._describe()
            self._files = stack.enter_context(self._open_files())
            self._bar = stack.enter_context(self._open_bar())
            self._window = Window(self.video.source.name) if self._show else None
            if self._window is not None:
                stack.callback(self._window.close)
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _open_video(self) -> Any:
        from posetrack.video import open_video

        if self._last is None:
            return open_video(self._source, **self._reading)
        last = self._last
        return open_video(self._source, **self._reading, known=last.begin, reread=last.damaged)

    def _open_again(self) -> Any:
        from posetrack.video import open_video

        return open_video(self._source, **self._reading)

    def _describe(self) -> Mapping[str, Any] | None:
        """Provenance that is one for all processes or segments; None: that of the one piece."""
        if self._last is not None and self._last.provenance is not None:
            return self._last.provenance
        if self._points is None and self._wanted.segment is None:
            return None
        return describe_video_run(self.video, self._settings, self._weights)

    def _open_files(self) -> Segments:
        comes_once = isinstance(self._source, int) or (
            isinstance(self._source, str) and (is_camera(self._source) or "://" in self._source)
        )
        sinks, finishers = _sinks(
            self.video,
            self._wanted,
            to_files=self._results is not None,
            settings=self._settings,
            weights=self._weights,
            stride=self._reading.get("stride", 1),
            own_times=self._reading.get("rate") is None,
            reopen=None if comes_once else self._open_again,
            explain=lambda: self.tracker.explanation,
            in_memory=self._in_memory,
            provenance=self._provenance,
        )

        def open_writer(results: ResultPaths | None, row: int) -> RunWriter:
            return RunWriter(
                results, sinks, finishers, resumable=self._points is not None, first_row=row
            )

        return Segments(self._results, open_writer, self._wanted.segment, tell=self._tell)

    def _open_bar(self) -> Any:
        from tqdm import tqdm

        return tqdm(
            total=_count_frames(self.video, self._reading),
            initial=0 if self._last is None else self._last.frames,
            unit=" frames",
            desc="" if self._results is None else self._results.name,
            disable=None if self._progress else True,
            position=self._row,
        )

    def _begin(self) -> None:
        """Begin, or go on where an earlier process was."""
        from posetrack.tracking.pipeline import choose_batch

        boxes, video = self._boxes, self.video
        self._boxes = None if boxes is None else scale_boxes(boxes, video.scale)
        together = 1 if self._unrelated else choose_batch(
            video, self.tracker, ahead=self._ahead, boxes=self._boxes
        )  # fmt: skip
        self._course = _Course(together, self._last)
        if self._last is not None:
            self._files.reopen(self._last.frames, self._last.position, openings_of(self._last))
            if self._last.turning:
                self._files.turn()
            if self._last.tracker:
                self.tracker.load_state_dict(self._last.tracker)
        elif self._points is not None:
            self._points.begin()

    @property
    def _has_more(self) -> bool:
        """Whether there may be frames that no earlier process has seen."""
        return self._last is None or self._last.stage == "tracking"

    def track(self) -> Outcome:
        """Take the source all the way; nothing where an earlier process came to its end."""
        if self.finished_before is not None:
            return self.finished_before
        with self:
            self.follow()
            return self.close()

    def follow(self) -> None:
        """Take all frames, until the source ends or someone ends the run."""
        with closing(self._pairs()) as pairs:
            try:
                for frame, tracks in pairs:
                    if not self.take(frame, tracks):
                        break
            except KeyboardInterrupt:
                if not self.ends_when_asked:
                    raise

    def close(self) -> Outcome:
        """`end`, close all, and `finish`."""
        self.end()
        self.__exit__(None, None, None)
        return self.finish()

    @property
    def ends_when_asked(self) -> bool:
        """Whether Ctrl-C is its end, after which all is whole: of a live source that has begun."""
        return self._lags is not None and bool(self._files.frames)

    def _pairs(self) -> Generator[tuple[Any, Any], None, None]:
        from posetrack.tracking.pipeline import track_images, track_video

        if not self._has_more:
            return
        how: dict[str, Any] = {"boxes": self._boxes, "ahead": self._ahead}
        if self._unrelated:
            last = max(self._course.people | {0})
            yield from track_images(self.video, self.tracker, last=last, **how)
        else:
            begun = self._course.tracked
            yield from track_video(
                self.video, self.tracker, tracked=begun, before=self.before, **how
            )

    def before(self, frame: Any) -> None:
        """Get ready for a frame that the tracker has not seen: say that there was a gap before it.

        A segment that ends before it is made whole.
        """
        if self._lags is not None:
            self._lags.note_gap(frame.seconds, self.tracker.longest_gap)
        if not self._files.ends_before(frame):
            return
        with hold_interruptions():
            self._files.end(more=True)
            if self._points is not None:
                self._points.write(partial(self._point, turning=True))
            self._files.turn()

    def take(self, frame: Any, tracks: Any) -> bool:
        """Do all that is to be done with a frame and its people; gives whether to go on."""
        with hold_interruptions() if self._lags is not None else nullcontext():
            self._course.note(frame, tracks)
            if self._window is not None:
                self._window.show(frame, tracks)
            self._files.write(frame, tracks)
            self._show_progress(len(tracks))
            if self._points is not None and self._is_due(self._points):
                self._points.write(self._point)
            if self._lags is not None:
                self._lags.note(frame.lag, self.video.ledger)
            return not self._is_stopped()

    def _is_due(self, points: Points) -> bool:
        return (self._files.frames == 1 or points.due) and self._files.writer.whole

    def _show_progress(self, here: int) -> None:
        self._bar.update()
        people = len(self._course.people)
        self._bar.set_postfix_str(f"{here} people, {people} ids", refresh=False)

    def _is_stopped(self) -> bool:
        """Whether someone wants it to end with this frame.

        Raises
        ------
        KeyboardInterrupt
            If another process is to go on with it: what there is is left for that, as by Ctrl-C.
        """
        stopped = self._window is not None and self._window.closed
        if self._watch is not None and not stopped:
            people = len(self._course.people)
            stopped = not self._watch(self._files.frames, self._bar.total, people)
        if stopped and self._points is not None:
            raise KeyboardInterrupt
        return stopped

    def _point(self, *, turning: bool = False) -> Point:
        tracker = None if self._unrelated else self.tracker
        return replace(
            self._course.point(self._files, self.video, tracker),
            provenance=self._provenance,
            turning=turning,
        )

    def end(self) -> None:
        """Take note that no frame follows."""
        problems = [] if self._last is None else list(self._last.remarks)
        if self._has_more:
            problems += _problems(self.video)
            if len(self._course.sizes) > 1 and not self._unrelated:
                problems += _of_different_sizes(self.video)
        self._problems = list(dict.fromkeys(problems))
        if self._points is not None and self._files.is_open and self._has_more:
            self._files.end()
            self._points.write(self._ending)

    def _ending(self) -> Point:
        return replace(
            self._course.ending(self._files, self._problems), provenance=self._provenance
        )

    def finish(self) -> Outcome:
        """Make what is made of all frames, when the files are closed."""
        lines = self._files.finish()
        if self._lags is not None:
            lines.append(self._lags.describe(self.video.ledger))
        frames, people = self._files.frames, self._course.people
        if self._points is not None and frames:
            self._points.finish(frames=frames, people=people, remarks=self._problems, lines=lines)
        before = 0 if self._last is None else self._last.frames
        files = self._files
        return Outcome(
            frames, len(people), lines, self._problems, lambda: files.trajectories, before
        )


class _Lags:
    """How late the frames of a live source are."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell or (lambda _: None)
        self._last = self._largest = self._seconds = 0.0
        self._due = time.monotonic() + _LAG_EVERY

    def note(self, lag: float | None, ledger: Any) -> None:
        """Take note of a frame's lag; now and then it is told."""
        self._last = lag or 0.0
        self._largest = max(self._largest, self._last)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LAG_EVERY
            self._tell(self.describe(ledger))

    def note_gap(self, seconds: float, longest: float) -> None:
        """Tell whether identities go on where no frame came for long."""
        gap, self._seconds = seconds - self._seconds, seconds
        if gap < _GAP:
            return
        end = "identities go on" if gap <= longest else (
            f"nobody keeps an identity over more than {longest:.1f} s (spread, recency)"
        )  # fmt: skip
        self._tell(f"{gap:.1f} s without a frame: {end}")

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

    def note(self, frame: Any, tracks: Any) -> None:
        """Take note of a frame."""
        self.people.update(tracks.ids.tolist())
        self.sizes.add(frame.image.shape)
        self._group = frame.index if self.tracked == 0 else self._group
        self.tracked = (self.tracked + 1) % self._together
        self._begin = self._group if self.tracked else frame.index + 1

    def point(self, files: Segments, video: Any, tracker: Any) -> Point:
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
            self._make_point("tracking", files),
            begin=self._begin,
            tracked=self.tracked,
            damaged=damaged,
            sizes=sorted(self.sizes),
            remarks=list(video.remarks),
            tracker=state,
        )

    def ending(self, files: Segments, remarks: list[str]) -> Point:
        """The same after the last of all frames."""
        return replace(self._make_point("ending", files), remarks=remarks)

    def _make_point(self, stage: Literal["tracking", "ending"], files: Segments) -> Point:
        opening = files.writer.opening
        assert opening is not None  # there was a frame
        return Point(
            stage,
            frames=files.frames,
            size=opening.image_size,
            skeleton=opening.skeleton.to_json(),
            files=files.writer.progress(),
            people=sorted(self.people),
            position=files.position,
        )


def openings_of(last: Point) -> list[Opening]:
    """With what the sinks are opened again, where an earlier process left them."""
    from posetrack.skeletons import Skeleton

    skeleton = Skeleton.from_json(last.skeleton, "the run's skeleton")
    ending = last.stage == "ending" or last.turning
    return [Opening(last.size, skeleton, state, ending=ending) for state in last.files]


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
    if needs_table and not wanted.has_table:
        raise ValueError("a resumed run is read from a table: add parquet or csv to the formats")
    results.folder.mkdir(parents=True, exist_ok=True)
    return Points(results, inputs)


def _pass_over(last: Point, wanted: Wanted, results: ResultPaths | None) -> Outcome:
    """The outcome of a run that an earlier process finished."""
    assert results is not None  # where there is a point there are files
    whole = [results.folder / Path(name).name for name, _ in last.whole]
    results.paths = list(dict.fromkeys([*results.paths, *whole]))

    def trajectories() -> Any:
        for name in ("parquet", "csv"):
            if name in wanted.formats:
                return load_all([path for path in results.paths if path.suffix == ENDINGS[name]])
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


def _sinks(
    video: Any,
    wanted: Wanted,
    *,
    to_files: bool,
    settings: Mapping[str, object],
    weights: Mapping[str, Any],
    stride: int,
    own_times: bool,
    reopen: Callable[[], Any] | None,
    explain: Callable[[], Any],
    in_memory: bool,
    provenance: Mapping[str, Any] | None,
) -> tuple[list[OpenSink], list[Finisher]]:
    """The sinks and finishers that were asked for."""
    cleaning, formats = wanted.cleaning, list(wanted.formats)
    overlay = None
    if wanted.overlay and to_files:
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
    if not to_files:
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
    finishers: list[Finisher] = []
    if cleaning:
        finishers.append(
            clean_tracks(cleaning, formats, colours=colours, overlay=overlay, reopen=reopen)
        )
    if wanted.angles and to_files:
        finishers.append(write_angles(None if wanted.angles is True else list(wanted.angles)))
    if wanted.plot and to_files:
        drawn_on = video.source.name if reopen is not None else None
        finishers.append(draw_plots(drawn_on, one_person=cleaning.get("select") is not None))
    return sinks, finishers


def _problems(video: Any) -> list[str]:
    """Notes on frames that were missing or unreadable."""
    from posetrack.video import Status

    corrupt = video.ledger.where(Status.CORRUPT)
    found = [] if not len(corrupt) else [
        f"{len(corrupt)} frames could not be decoded, the first is frame {int(corrupt[0])}"
    ]  # fmt: skip
    ended = [video.problem] if video.problem else []
    return [*video.remarks, *ended, *found]


def _of_different_sizes(video: Any) -> list[str]:
    if video.source.kind != "images":
        return []
    return [
        "these images are of different sizes: if they are no video, say that they are unrelated"
    ]


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
