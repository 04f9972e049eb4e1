"""Where a run's results go: sinks take its frames as they come, finishers make the rest.

A sink is opened with the first frame, which says what the keypoints are and how large the images.
Its file appears when it is whole; where the run breaks off, it keeps what it has beside it. When
the video is over the finishers run, one after the other: cleaning, angles, pictures. All of them
take the run's trajectories from `RunWriter.trajectories`, so that all its files have the same
people. With cleaning, the tracker's own results go to ``NAME.raw.parquet`` while it runs, and the
tables asked for and the overlay are made from the cleaned ones.
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

_OF_THE_RUN = ("frames", "audit")  # of the run, and not of the tracks


class Sink(Protocol):
    """Takes one frame after another."""

    def write(self, frame: Any, tracks: Tracks, /) -> None:
        """Add a frame."""
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
        while path.exists() and any(path.samefile(kept) for kept in self.keep):
            path = path.with_name(f"{path.name.removesuffix(ending)}-tracked{ending}")
        self.paths.append(path)
        return path


OpenSink = Callable[["RunWriter", Any, Tracks], Sink]
"""Opens a sink for the run, given its first frame and the people in it."""

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
    """

    def __init__(
        self,
        results: ResultPaths | None,
        sinks: Sequence[OpenSink],
        finishers: Sequence[Finisher] = (),
    ) -> None:
        self._results, self.finishers = results, finishers
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
            for open_sink in self._open_sinks:
                self._sinks.append(open_sink(self, frame, tracks))
        self.frames += 1
        for sink in self._sinks:
            sink.write(frame, tracks)

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
                    kept = sink.abort()
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
        if self.frames and parts:
            error.add_note(f"{self.results.name}: {'; '.join(parts)}")


# Sinks.


class _Table:
    """A writer of tracks, which wants index, time and tracks."""

    def __init__(self, writer: Any) -> None:
        self.path, self._writer = writer.path, writer
        self.partial: Path | None = getattr(writer, "partial", None)
        self.close, self.abort = writer.close, writer.abort

    def write(self, frame: Any, tracks: Tracks) -> None:
        self._writer.write(frame.index, frame.seconds, tracks)


def open_tables(
    formats: Iterable[str],
    video: Any,
    *,
    settings: Mapping[str, object],
    weights: Mapping[str, Path | Mapping[str, object]],
    explain: Callable[[], Any] | None = None,
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
    """
    provenance = cache(lambda: _describe(video, settings, weights))

    def opener(name: str) -> OpenSink:
        def open_sink(run: RunWriter, frame: Any, tracks: Tracks) -> Sink:
            from posetrack import formats as known

            ending = ".raw.parquet" if name == "raw" else ENDINGS[name]
            described, path = provenance(), run.results(ending)
            if name == "frames":
                return _Ledger(path, video)
            if name == "audit":
                from posetrack.audit import MatchWriter

                assert explain is not None  # who asks for an audit has a tracker
                return _Table(MatchWriter(path, explain))
            writers = {
                "csv": known.CsvWriter,
                "coco": known.CocoWriter,
                "posetrack18": known.PoseTrack18Writer,
            }
            run.tables += [path] if name in ("raw", "csv", "parquet") else []
            height, width = frame.image.shape[:2]
            return _Table(
                writers.get(name, known.ParquetWriter)(
                    path,
                    tracks.skeleton,
                    image_size=(width, height),
                    rate=float(video.rate),
                    provenance=described,
                )
            )

        return open_sink

    return [opener(name) for name in formats]


def _describe(
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

    def open_sink(run: RunWriter, frame: Any, tracks: Tracks) -> Sink:
        del tracks
        height, width = frame.image.shape[:2]
        return _Gathered(
            run,
            {
                "provenance": _describe(video, settings, weights),
                "image_size": (width, height),
                "rate": float(video.rate),
            },
        )

    return open_sink


class _Gathered:
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


class _Ledger:
    """``frames``: index, seconds and status of every frame of the file, written in the end."""

    def __init__(self, path: Path, video: Any) -> None:
        self.path, self._video = path, video

    def write(self, frame: Any, tracks: Tracks) -> None:
        """Nothing: the video keeps the ledger."""

    def close(self) -> None:
        self._write().publish()

    def abort(self) -> Path:
        kept: Path = self._write().keep()
        return kept

    def _write(self) -> Any:
        from posetrack.files import PartialFile

        rows = [
            f"{index},{seconds:.6f},{status.name.lower()}\n"
            for index, seconds, status in self._video.ledger
        ]
        file = PartialFile(self.path)
        try:
            file.write("".join(["frame,seconds,status\n", *rows]).encode())
        except BaseException:
            file.discard()
            raise
        return file


class Colours:
    """A sink that gathers the colours people wear, while there are images, for joining."""

    def __init__(self) -> None:
        from posetrack.cleaning import TorsoColours

        self._colours = TorsoColours()

    def __call__(self, run: RunWriter, frame: Any, tracks: Tracks, /) -> Sink:  # noqa: ARG002
        """Open it."""
        return self

    def write(self, frame: Any, tracks: Tracks) -> None:
        """Look at a frame."""
        self._colours.update(frame.image, tracks, frame.seconds)

    def close(self) -> None:
        """Nothing: it has no file."""

    def abort(self) -> None:
        """Nothing."""

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

    def __call__(self, run: RunWriter, frame: Any, tracks: Tracks, /) -> Sink:  # noqa: ARG002
        """Open the sink."""
        return _OverlaySink(self.open(run.results), self)

    def open(self, results: ResultPaths) -> Any:
        """What takes the drawn images: ``NAME.mp4``, ``NAME.jpg`` or a folder ``NAME``."""
        if self.kind == "mp4":
            from posetrack.video import VideoWriter

            return VideoWriter(results(".mp4"), rate=self.rate, queue=0)
        return _Pictures(results, self.kind, self.files)


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


class _OverlaySink:
    """Draws and encodes in the background.

    ``faces`` is by frame what to cover, where that is known before.
    """

    def __init__(self, writer: Any, look: Overlay, faces: Mapping[int, Any] | None = None) -> None:
        from posetrack.draw import FaceCover, Trails
        from posetrack.tracking.pipeline import Background

        self._cover, self._faces, self._recent = look.cover, faces, FaceCover()
        self._trails = Trails(look.trails) if look.trails else None
        self._writer, self._pictures = writer, isinstance(writer, _Pictures)
        self.path = writer.path
        self._sound, self._lasting = look.sound, float(1 / look.rate)
        self._times: tuple[float, float] | None = None
        self._work = Background(self._draw)

    @property
    def partial(self) -> Path | None:
        kept: Path | None = self._writer.partial
        return kept

    def _draw(self, item: tuple[Any, Tracks]) -> None:
        from posetrack.draw import cover_regions, draw_tracks, find_heads

        frame, tracks = item
        if self._cover:
            regions = (
                self._recent.update(find_heads(tracks), frame.seconds)
                if self._faces is None
                else self._faces[frame.index]
            )
            cover_regions(frame.image, regions, cover=self._cover, out=frame.image)
        image = draw_tracks(frame.image, tracks, trails=self._trails, out=frame.image)
        more = {"index": frame.index} if self._pictures else {}
        self._writer.write(image, frame.seconds, **more)

    def write(self, frame: Any, tracks: Tracks) -> None:
        self._times = (self._times or (frame.seconds, 0.0))[0], frame.seconds
        self._work.put((frame, tracks))

    def close(self) -> None:
        try:
            self._work.close()
        except BaseException:
            self._writer.abort()
            raise
        self._writer.close()
        if self._sound is not None and self._times is not None and not self._pictures:
            from posetrack.video.sound import add_sound

            begin, end = self._times
            add_sound(self.path, self._sound, begin=begin, end=end + self._lasting)

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
