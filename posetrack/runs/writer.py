"""Where a run's results go: sinks take its frames as they come, finishers make the rest.

A sink is opened with the first frame, which says what the keypoints are and how large the images.
Its file appears when it is whole; where the run breaks off, it keeps what it has beside it. When
the video is over the finishers run, one after the other: cleaning, angles, pictures. All of them
take the run's trajectories from `RunWriter.trajectories`, so that all its files have the same
people. With cleaning, the tracker's own results go to ``NAME.raw.parquet`` while it runs, and the
tables asked for and the overlay are made from the cleaned ones.

A run that may be resumed asks its sinks how far they have come, and another process opens them from
there; see `posetrack.runs.resuming`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from posetrack.runs.interruptions import hold_interruptions
from posetrack.runs.outputs import ENDINGS
from posetrack.runs.pictures import PictureKind, picture_names, write_picture
from posetrack.structures import Tracks

if TYPE_CHECKING:
    from posetrack.draw.faces import Cover
    from posetrack.skeletons import Skeleton

_OF_THE_RUN = ("frames", "audit")  # of the run, and not of the tracks


@dataclass(frozen=True, eq=False)
class Opening:
    """What a sink is opened with.

    Parameters
    ----------
    image_size
        Width and height of the first image.
    skeleton
        What the keypoints are.
    state
        What a sink of an earlier process gave as its `Sink.progress`; None: it begins.
    ending
        Whether that process had all frames in its unfinished files.
    """

    image_size: tuple[int, int]
    skeleton: Skeleton
    state: Mapping[str, Any] | None = None
    ending: bool = False

    def is_finished(self, path: Path) -> bool:
        """Whether the earlier process came to making its file whole."""
        if not self.ending or self.state is None or "file" not in self.state:
            return False
        return path.is_file() and not path.with_name(Path(self.state["file"]).name).exists()


class Sink(Protocol):
    """Takes one frame after another; `Plain` has what most leave as it is."""

    @property
    def whole(self) -> bool:
        """Whether another process could go on after this frame."""
        ...

    def write(self, frame: Any, tracks: Tracks, /) -> None:
        """Add a frame."""
        ...

    def progress(self) -> Mapping[str, Any]:
        """How far it has come, in what JSON can hold, once all of that is safe on the disk."""
        ...

    def end(self) -> None:
        """Take note that no frame follows."""
        ...

    def suspend(self) -> Path | None:
        """Leave its unfinished file for another process, and return where it is."""
        ...

    def close(self) -> None:
        """Finish: the file appears under its name."""
        ...

    def abort(self) -> Path | None:
        """Keep what there is, and return where; None if there is nothing."""
        ...


class ResultPaths:
    """Where the results of one video go: under its name, but never over what the run needs.

    Parameters
    ----------
    folder, name
        Each result is ``folder/NAME`` and an ending.
    keep
        Files that are not to be written over.
    """

    def __init__(self, folder: Path, name: str, keep: Iterable[Path] = ()) -> None:
        self.folder, self.name = folder, name
        self.keep = [path for path in keep if path.exists()]
        self.paths: list[Path] = []
        """Those given so far."""

    def __call__(self, ending: str) -> Path:
        """Give an ending its path."""
        path = self.folder / f"{self.name}{ending}"
        while any(_are_one(path, kept) for kept in self.keep):
            path = path.with_name(f"{path.name.removesuffix(ending)}-tracked{ending}")
        self.paths.append(path)
        return path


def _are_one(path: Path, other: Path) -> bool:
    """Whether both are there and one file; what is whole may have been taken away meanwhile."""
    try:
        return path.samefile(other)
    except OSError:
        return False


class Plain:
    """What is the same in most sinks."""

    path: Path | None = None
    whole: bool = True

    def write(self, frame: Any, tracks: Tracks, /) -> None:
        """Nothing."""

    def progress(self) -> Mapping[str, Any]:
        """Nothing to remember."""
        return {}

    def end(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing: it has no file, or one that is whole."""

    def abort(self) -> Path | None:
        """Keep nothing."""
        return None

    def suspend(self) -> Path | None:
        """As `abort`."""
        return self.abort()


class _Finished(Plain):
    """A file that an earlier process has made whole."""

    def __init__(self, path: Path, state: Mapping[str, Any] | None) -> None:
        self.path, self._state = path, state or {}

    def progress(self) -> Mapping[str, Any]:
        return self._state


OpenSink = Callable[["RunWriter", Opening], Sink]
"""Opens a sink for the run."""

Finisher = Callable[["RunWriter"], str]
"""Makes something of the run in the end; returns a line to show, or ""."""


class RunWriter:
    """All results of one video.

    Parameters
    ----------
    results
        Where they go; None: no sink has a file.
    sinks
        Opened with the first frame, in this order.
    finishers
        Run by `finish`, in this order.
    resumable
        Whether what an error or Ctrl-C leaves is for another process to go on with.
    first_row
        The first frame of the video, be it left out, that the ledger in its files begins with.
    """

    def __init__(
        self,
        results: ResultPaths | None,
        sinks: Sequence[OpenSink],
        finishers: Sequence[Finisher] = (),
        *,
        resumable: bool = False,
        first_row: int = 0,
    ) -> None:
        self._results, self.finishers, self._resumable = results, finishers, resumable
        self.first_row = first_row
        self.more = False
        """Whether frames follow that go to another writer."""
        self.opening: Opening | None = None
        """What its sinks were opened with, once they are."""
        self.frames = 0
        self.tables: list[Path] = []
        """Own tables; the first is the one that everything else is made from."""
        self._open_sinks = sinks
        self._sinks: list[Sink] = []
        self._kept: list[Path] = []
        self._unfinished: list[Path] = []
        self._trajectories: Any = None

    @property
    def results(self) -> ResultPaths:
        """Where results go."""
        if self._results is None:
            raise ValueError("this run writes no files")
        return self._results

    def write(self, frame: Any, tracks: Tracks) -> None:
        """Add a frame to every sink. The overlay is drawn into the frame's own image."""
        if not self.frames:
            if self._results is not None:
                self._results.folder.mkdir(parents=True, exist_ok=True)
            height, width = frame.image.shape[:2]
            self.opening = Opening((width, height), tracks.skeleton)
            for open_sink in self._open_sinks:
                self._sinks.append(open_sink(self, self.opening))
        self.frames += 1
        for sink in self._sinks:
            sink.write(frame, tracks)

    def reopen(self, frames: int, openings: Iterable[Opening]) -> None:
        """Go on where an earlier process was, with so many frames in its files."""
        for open_sink, opening in zip(self._open_sinks, openings, strict=True):
            self.opening = opening
            self._sinks.append(open_sink(self, opening))
        self.frames = frames

    @property
    def whole(self) -> bool:
        """Whether another process could go on after this frame."""
        return all(sink.whole for sink in self._sinks)

    def progress(self) -> list[Mapping[str, Any]]:
        """How far each sink has come; all of it is safe on the disk."""
        return [sink.progress() for sink in self._sinks]

    def end(self) -> None:
        """Take note that no frame follows: the unfinished files have all."""
        for sink in self._sinks:
            sink.end()

    def finish(self) -> list[str]:
        """Run the finishers after the last frame; gives their lines."""
        try:
            lines = [finisher(self) for finisher in self.finishers] if self.frames else []
        except (OSError, KeyboardInterrupt) as error:
            self._note_results(error)
            raise
        return [line for line in lines if line]

    @property
    def trajectories(self) -> Any:
        """The run's trajectories after the last frame: those of a finisher that changed them."""
        from posetrack.trajectories import load

        if self._trajectories is None:
            self._trajectories = load(self.tables[0])
        return self._trajectories

    @trajectories.setter
    def trajectories(self, changed: Any) -> None:
        self._trajectories = changed

    def _finish_sinks(self, error: BaseException | None) -> None:
        """Close all, the last first, or after an error keep what they have; note where it is.

        One that cannot be closed does not keep the others from being whole.
        """
        first: BaseException | None = None
        for sink in reversed(self._sinks):
            path: Path | None = getattr(sink, "path", None)
            try:
                if error is None:
                    sink.close()
                    kept = path
                else:
                    kept = sink.suspend() if self._resumable else sink.abort()
            except (OSError, ValueError, RuntimeError) as second:
                # On a full disk to keep it fails, too, and its first error is the one to see.
                kept = getattr(sink, "partial", None) if error is None else None
                first = first or second
                if kept is None and path is not None:
                    self._unfinished.append(path)
            self._kept += [kept] if kept else []
        if first is not None and error is None:
            raise first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with hold_interruptions():
                self._finish_sinks(error)
        except BaseException as second:  # a full disk on closing; or interrupted meanwhile
            self._note_results(second)
            raise
        if error is not None:
            self._note_results(error)

    def _note_results(self, error: BaseException) -> None:
        """The last line that a command ends with."""
        kept = list(dict.fromkeys(str(path) for path in self._kept if path.exists()))
        parts = []
        if kept:
            parts.append(f"{self.frames} frames so far are in {', '.join(kept)}")
        if self._unfinished:
            names = ", ".join(path.name for path in self._unfinished)
            parts.append(
                f"what there is of {names} is beside them, and `posetrack recover "
                f"{self.results.folder}` finishes it where there is room"
            )
        if self._resumable:
            parts.append("the same command goes on from there")
        if self.frames and parts:
            error.add_note(f"{self.results.name}: {'; '.join(parts)}")


# Sinks.


class _Table(Plain):
    """A writer of tracks, which wants index, time and tracks."""

    def __init__(self, writer: Any) -> None:
        self.path, self._writer = writer.path, writer
        self.partial: Path | None = getattr(writer, "partial", None)

    def progress(self) -> Mapping[str, Any]:
        state: Mapping[str, Any] = self._writer.progress()
        return state

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> Path | None:
        kept: Path | None = self._writer.abort()
        return kept

    def suspend(self) -> Path | None:
        kept: Path | None = self._writer.suspend()
        return kept

    def write(self, frame: Any, tracks: Tracks) -> None:
        self._writer.write(frame.index, frame.seconds, tracks)


def open_tables(
    formats: Iterable[str],
    video: Any,
    *,
    settings: Mapping[str, object],
    weights: Mapping[str, Path | Mapping[str, object]],
    explain: Callable[[], Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> list[OpenSink]:
    """Sinks of the formats of `posetrack.runs.outputs.FORMATS`, and of ``raw``.

    Parameters
    ----------
    formats
        Their names.
    video
        An open video, or what has its ``rate``, ``scale`` and ``source.name``.
    settings, weights
        For provenance, see `posetrack.formats.describe_run`.
    explain
        Gives why the tracker gave each identity, for ``audit``.
    provenance
        Of an earlier process, instead.
    """
    describe = cache(
        lambda: describe_video_run(video, settings, weights) if provenance is None else provenance
    )

    def opener(name: str) -> OpenSink:
        def open_sink(run: RunWriter, opening: Opening) -> Sink:
            from posetrack import formats as known

            ending = ".raw.parquet" if name == "raw" else ENDINGS[name]
            described, path = describe(), run.results(ending)
            run.tables += [path] if name in ("raw", "csv", "parquet") else []
            if opening.is_finished(path):
                return _Finished(path, opening.state)
            if name == "frames":
                return _Ledger(path, video, run, opening.state)
            if name == "audit":
                from posetrack.audit import MatchWriter

                assert explain is not None  # who asks for an audit has a tracker
                return _Table(MatchWriter(path, explain, opening.state))
            writers = {
                "csv": known.CsvWriter,
                "coco": known.CocoWriter,
                "posetrack18": known.PoseTrack18Writer,
            }
            return _Table(
                writers.get(name, known.ParquetWriter)(
                    path,
                    opening.skeleton,
                    image_size=opening.image_size,
                    rate=float(video.rate),
                    provenance=described,
                    resume=opening.state,
                )
            )

        return open_sink

    return [opener(name) for name in formats]


def describe_video_run(
    video: Any,
    settings: Mapping[str, object],
    weights: Mapping[str, Path | Mapping[str, object]],
) -> dict[str, Any]:
    """The provenance of a run's files."""
    from posetrack.formats.provenance import describe_run

    record = describe_run(settings=settings, weights=weights, source=video.source.name)
    if video.scale != (1.0, 1.0):
        record["source"] |= {"stored_size": video.stored_size, "scale": video.scale}
    return record


def gather(
    video: Any,
    *,
    settings: Mapping[str, object],
    weights: Mapping[str, Path | Mapping[str, object]],
) -> OpenSink:
    """A sink that keeps the tracks in memory, for the run's trajectories; parameters as there."""

    def open_sink(run: RunWriter, opening: Opening) -> Sink:
        return _Gathered(
            run,
            {
                "provenance": describe_video_run(video, settings, weights),
                "image_size": opening.image_size,
                "rate": float(video.rate),
            },
        )

    return open_sink


class _Gathered(Plain):
    """Frames in memory; laid out as the run's trajectories when the video is over."""

    def __init__(self, run: RunWriter, metadata: Mapping[str, Any]) -> None:
        self._run, self._metadata = run, metadata
        self._frames: list[tuple[int, float, Tracks]] = []

    def write(self, frame: Any, tracks: Tracks) -> None:
        self._frames.append((frame.index, frame.seconds, tracks))

    def close(self) -> None:
        from posetrack.trajectories import Trajectories

        self._run.trajectories = Trajectories.from_tracks(self._frames, self._metadata)

    def abort(self) -> None:
        self._frames.clear()


class _Ledger(Plain):
    """``frames``: index, seconds and status of every frame of the file, written in the end.

    Where a run has several writers, each has those up to its last frame.
    """

    path: Path

    def __init__(
        self, path: Path, video: Any, run: RunWriter, state: Mapping[str, Any] | None = None
    ) -> None:
        from posetrack.formats.sinks import open_partial

        self.path, self._video, self._run = path, video, run
        self._last = -1 if state is None else int(state["last"])
        self._file = open_partial(path, None, state) if state and "file" in state else None

    def write(self, frame: Any, tracks: Tracks) -> None:
        del tracks
        self._last = frame.index

    def progress(self) -> Mapping[str, Any]:
        """Before the end only which frame is its last: a reader of the video has the same rows."""
        state = {"last": self._last}
        if self._file is None:
            return state
        return {**state, "file": self._file.partial.name, "length": self._file.sync()}

    def end(self) -> None:
        self._file = self._file or self._write()

    def close(self) -> None:
        self._file = self._file or self._write()
        self._file.publish()

    def abort(self) -> Path:
        self._file = self._file or self._write()
        kept: Path = self._file.keep()
        return kept

    def suspend(self) -> Path | None:
        return None if self._file is None else self.abort()

    def _write(self) -> Any:
        from posetrack.files import PartialFile

        stop = self._last + 1 if self._run.more else None
        rows = [
            f"{index},{seconds:.6f},{status.name.lower()}\n"
            for index, seconds, status in self._video.ledger.rows(self._run.first_row, stop)
        ]
        file = PartialFile(self.path)
        try:
            file.write("".join(["frame,seconds,status\n", *rows]).encode())
        except BaseException:
            file.discard()
            raise
        return file


class Colours(Plain):
    """A sink that gathers the colours people wear, while there are images, for joining."""

    def __init__(self) -> None:
        from posetrack.cleaning import TorsoColours

        self._colours = TorsoColours()

    def __call__(self, run: RunWriter, opening: Opening, /) -> Sink:  # noqa: ARG002
        """Open it."""
        if opening.state is not None:
            self._colours.load_state(opening.state["colours"])
        return self

    def write(self, frame: Any, tracks: Tracks) -> None:
        """Look at a frame."""
        self._colours.update(frame.image, tracks, frame.seconds)

    def progress(self) -> Mapping[str, Any]:
        """What was gathered."""
        return {"colours": self._colours.state}

    def histograms(self) -> Any:
        """By id, see `posetrack.cleaning.TorsoColours`."""
        return self._colours.histograms()


@dataclass(frozen=True)
class Overlay:
    """How the overlay is drawn.

    Parameters
    ----------
    rate
        Its frames a second.
    trails
        For how many frames a line follows each person.
    cover
        How faces are covered; None: not.
    kind
        A video, or a picture for each frame.
    files
        Of images: file and page of each frame, after which pictures are called.
    sound
        The file whose sound is kept; None: none is.
    """

    rate: Any
    trails: int = 0
    cover: Cover | None = None
    kind: Literal["mp4", "jpg", "png"] = "mp4"
    files: Sequence[tuple[Path, int]] = ()
    sound: Path | None = None

    def __call__(self, run: RunWriter, opening: Opening, /) -> Sink:
        """Open the sink."""
        state = opening.state
        if self.kind != "mp4":
            return _OverlaySink(_Pictures(run.results, self.kind, self.files), self, state=state)
        path = run.results(".mp4")
        if opening.is_finished(path):
            return _Joined(path, state or {}, self)
        return _OverlaySink(self._open_video(path, state), self, state=state)

    def open(self, results: ResultPaths) -> Any:
        """What takes the drawn images: ``NAME.mp4``, ``NAME.jpg`` or a folder ``NAME``."""
        if self.kind == "mp4":
            return self._open_video(results(".mp4"))
        return _Pictures(results, self.kind, self.files)

    def add_sound(self, path: Path, times: Sequence[float]) -> None:
        """Put the sound into the whole video, whose first and last image are of these times."""
        if self.sound is not None:
            from posetrack.video.sound import add_sound

            begin, last = times
            add_sound(path, self.sound, begin=begin, end=last + float(1 / self.rate))

    def _open_video(self, path: Path, state: Mapping[str, Any] | None = None) -> Any:
        from posetrack.video import VideoWriter
        from posetrack.video.pieces import Written

        resume = None
        if state is not None:
            size = state["written"]["size"]
            written = Written(**{**state["written"], "size": size and (int(size[0]), int(size[1]))})
            resume = path.with_name(Path(state["file"]).name), written
        return VideoWriter(path, rate=self.rate, queue=0, resume=resume)


class _Pictures:
    """Writes images as pictures: of one file beside the tables, of several into a folder."""

    def __init__(
        self, results: ResultPaths, kind: PictureKind, files: Sequence[tuple[Path, int]]
    ) -> None:
        self._kind, self._names = kind, picture_names(files, kind) if files else []
        if len(files) == 1:
            self.path = results(f".{kind}")
        else:
            results.keep += {path.parent for path, _ in files}
            self.path = results("")
        self._several = len(files) != 1
        self._stem = results.name
        self.partial = self.path

    def write(self, image: Any, seconds: float, *, index: int) -> None:
        """Write the picture of a frame."""
        del seconds
        path = self.path
        if self._several:
            name = self._names[index] if self._names else f"{self._stem}_{index:06d}.{self._kind}"
            path = path / name
        write_picture(image, path)

    def close(self) -> None:
        """Nothing: each picture is whole."""

    def abort(self) -> None:
        """Nothing: what there is stays."""


class _Joined(Plain):
    """An overlay whose pieces an earlier process has joined; perhaps it lacks its sound."""

    path: Path

    def __init__(self, path: Path, state: Mapping[str, Any], look: Overlay) -> None:
        self.path, self._state, self._look = path, state, look

    def progress(self) -> Mapping[str, Any]:
        return self._state

    def close(self) -> None:
        from posetrack.video.sound import has_sound

        if not has_sound(self.path):
            self._look.add_sound(self.path, self._state["times"])


class _OverlaySink(Plain):
    """Draws and encodes in the background.

    ``faces`` is by frame what to cover, where that is known before.
    """

    def __init__(
        self,
        writer: Any,
        look: Overlay,
        faces: Mapping[int, Any] | None = None,
        *,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        from posetrack.draw import FaceCover, Trails
        from posetrack.tracking.pipeline import Background

        self._cover, self._faces, self._recent = look.cover, faces, FaceCover()
        self._trails = Trails(look.trails) if look.trails else None
        self._writer, self._pictures = writer, isinstance(writer, _Pictures)
        self._ended = False
        self.path = writer.path
        self._look = look
        self._times: tuple[float, float] | None = None
        if state is not None:
            begin, last = state["times"]
            self._times = begin, last
            self._recent.load_state(state["faces"])
            if self._trails is not None:
                self._trails.load_state(state["trails"])
        # In this thread, which so knows with which frames pieces end while the other one draws.
        self._pieces = None
        if not self._pictures:
            from posetrack.video.pieces import PieceTimes

            self._pieces = PieceTimes(look.rate, writer.progress)
        self._work = Background(self._draw)

    @property
    def partial(self) -> Path | None:
        kept: Path | None = self._writer.partial
        return kept

    def _draw(self, item: tuple[Any, Tracks]) -> None:
        from posetrack.draw import cover_regions, draw_tracks, find_heads
        from posetrack.draw.overlay import draw_note

        frame, tracks = item
        if self._cover:
            regions = (
                self._recent.update(find_heads(tracks), frame.seconds)
                if self._faces is None
                else self._faces[frame.index]
            )
            cover_regions(frame.image, regions, cover=self._cover, out=frame.image)
        image = draw_tracks(frame.image, tracks, trails=self._trails, out=frame.image)
        if frame.lag is not None:
            draw_note(image, f"lag {frame.lag:.2f} s")
        more = {"index": frame.index} if self._pictures else {}
        self._writer.write(image, frame.seconds, **more)

    def write(self, frame: Any, tracks: Tracks) -> None:
        self._times = (self._times or (frame.seconds, 0.0))[0], frame.seconds
        self._work.put((frame, tracks))
        if self._pieces is not None:
            self.whole = self._pieces.add(frame.seconds)

    def progress(self) -> Mapping[str, Any]:
        self._work.wait()
        state: dict[str, Any] = {"times": self._times, "faces": self._recent.state}
        if self._trails is not None:
            state["trails"] = self._trails.state
        if not self._pictures:
            written = self._writer.sync()
            assert self._pieces is not None
            if not self._ended and written.images != self._pieces.now.images:
                raise RuntimeError(f"{self.path}: a piece ends at another image than was expected")
            state |= {"file": self._writer.partial.name, "written": vars(written)}
        return state

    def end(self) -> None:
        self._work.wait()
        self._ended = True
        if not self._pictures:
            self._writer.end()

    def close(self) -> None:
        try:
            self._work.close()
        except BaseException:
            self._writer.abort()
            raise
        self._writer.close()
        if self._times is not None and not self._pictures:
            self._look.add_sound(self._writer.path, self._times)

    def abort(self) -> Path | None:
        self._work.drain()
        self._writer.abort()
        return self.partial


# Finishers.


def clean_tracks(
    settings: Mapping[str, Any],
    formats: Iterable[str],
    *,
    colours: Colours | None = None,
    overlay: Overlay | None = None,
    reopen: Callable[[], Any] | None = None,
) -> Finisher:
    """Clean what was tracked, and write the tables and the overlay of that.

    Parameters
    ----------
    settings
        Of `posetrack.cleaning.clean`.
    formats
        Tables to write.
    colours
        Of people's clothes.
    overlay, reopen
        How to draw it in a second pass over the video, and what opens that again.
    """

    def finish(run: RunWriter) -> str:
        from posetrack.cleaning import clean
        from posetrack.runs.cleaned import describe_cleaning, write_formats

        try:
            before = run.trajectories
            worn = None if colours is None else colours.histograms()
            after = clean(before, **settings, colours=worn)
        except ValueError as error:
            if not run.tables:
                raise
            raise ValueError(
                f"{error}\nWhat was tracked is in {run.tables[0]}; try `posetrack clean` on it"
            ) from error
        tables = [name for name in formats if name not in _OF_THE_RUN]
        write_formats(after, tables, lambda name: run.results(ENDINGS[name]))
        if overlay is not None and reopen is not None:
            _draw_again(after, before, overlay, reopen, run.results)
        run.trajectories = after
        return f"cleaned: {describe_cleaning(before, after)}"

    return finish


def _draw_again(
    trajectories: Any,
    before: Any,
    overlay: Overlay,
    reopen: Callable[[], Any],
    results: ResultPaths,
) -> None:
    """The overlay of cleaned trajectories, in a second pass over the video."""
    from posetrack.draw.video import faces_of_tables

    faces = None
    if overlay.cover:  # also those of people that cleaning left out
        faces = faces_of_tables([before, trajectories], before.frame.tolist())
    coming = trajectories.to_table().frames()
    with reopen() as video:
        sink = _OverlaySink(overlay.open(results), overlay, faces)
        try:
            index, tracks = -1, Tracks.empty(trajectories.skeleton)
            for frame in video:
                while index < frame.index:
                    index, _, tracks = next(coming, (sys.maxsize, 0.0, tracks))
                if index == sys.maxsize:
                    break
                if index == frame.index:
                    sink.write(frame, tracks)
        except BaseException:
            sink.abort()
            raise
        sink.close()


def write_angles(names: Sequence[str] | None) -> Finisher:
    """``NAME.angles.csv``: these angles, or all."""

    def finish(run: RunWriter) -> str:
        from posetrack.analysis import angles_csv
        from posetrack.files import write_whole

        try:
            text = angles_csv(run.trajectories, None if names is None else list(names))
        except KeyError as error:
            raise ValueError(f"angles: {error.args[0]}") from error
        write_whole(run.results(".angles.csv"), text)
        return ""

    return finish


def draw_plots(video: str | None, *, one_person: bool) -> Finisher:
    """Pictures of what was tracked, see `write_plots`."""

    def finish(run: RunWriter) -> str:
        write_plots(run.trajectories, run.results, video=video, chosen=one_person)
        return ""

    return finish


_KEYPOINTS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
_ANGLES = ("left_elbow", "right_elbow", "left_knee", "right_knee")


def write_plots(
    trajectories: Any, path_for: Callable[[str], Path], *, video: str | None, chosen: bool
) -> list[Path]:
    """A timeline, trails and a heat map; of a chosen person also keypoints, angles and a strip.

    Parameters
    ----------
    trajectories
        What was tracked; without people no pictures are made.
    path_for
        Gives an ending its path.
    video
        What was tracked, to draw over its last frame; None where it comes once.
    chosen
        Whether these are of one person who was selected.
    """
    from posetrack import plots
    from posetrack.ops.angles import angle_names

    if not trajectories.present.any():
        return []
    image = None if video is None else _last_image(video, trajectories)
    paths: list[Path] = []

    def path(kind: str) -> Path:
        paths.append(path_for(f"-{kind}.png"))
        return paths[-1]

    plots.plot_presence(trajectories, path("timeline"))
    plots.plot_trails(trajectories, path("trails"), image=image)
    plots.plot_heatmap(trajectories, path("heatmap"), image=image)
    if not chosen or len(trajectories.ids) != 1:
        return paths
    keypoints = [name for name in _KEYPOINTS if name in trajectories.skeleton.keypoints]
    angles = [name for name in _ANGLES if name in angle_names(trajectories.skeleton)]
    if keypoints:
        plots.plot_keypoint(trajectories, keypoints, path("keypoints"))
    if angles:
        plots.plot_angle(trajectories, angles, path("angles"))
    plots.plot_strip(trajectories, path("strip"))
    return paths


def _last_image(video: str, trajectories: Any) -> Any:
    """The last frame that was tracked; nothing where the source is not to be read again."""
    from posetrack.video.reader import read_image

    try:
        return read_image(video, int(trajectories.frame[-1]))
    except (OSError, ValueError):
        return None
