"""Where a run's results go: one file a format, the overlay drawn and encoded in the background.

With cleaning, what the tracker gives goes to ``NAME.raw.parquet`` while it runs; when the video is
over, that is cleaned, and the formats asked for and the overlay are made from the result.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from posetrack.checks import no_such
from posetrack.cli.cleaning import cleaned, wants_cleaning, what_was_done, write_formats
from posetrack.structures import Tracks

FORMATS = ("csv", "parquet", "posetrack18", "coco", "frames", "audit")
ENDINGS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "posetrack18": ".json",
    "coco": ".coco.json",
    "frames": ".frames.csv",
    "audit": ".audit.parquet",
}
_OF_THE_RUN = ("frames", "audit")  # what tells of the run, and not of the tracks


def is_camera(source: str) -> bool:
    """Whether a source is a camera's number, and not the name of a file or folder that is there.

    Examples
    --------
    >>> is_camera("0"), is_camera("walk/0")
    (True, False)
    """
    return source.isdecimal() and not Path(source).exists()


def output_name(source: str, taken: set[str]) -> str:
    """What a video's results are called: after the file, folder or address, each name once.

    Examples
    --------
    >>> output_name("games/match.mp4", set()), output_name("0", set())
    ('match', 'camera-0')
    >>> output_name("rtsp://camera.local/hall/stream1", {"stream1"})
    'stream1-2'
    """
    if is_camera(source):
        name = f"camera-{source}"
    elif "://" in source:
        parts = urlsplit(source)
        name = Path(parts.path).stem or parts.hostname or "stream"
    else:
        path = Path(source)
        # A glob such as walk/*.png is called after its folder; a file may be called match[1].mp4.
        is_glob = bool(set("*?[") & set(path.name)) and not path.exists()
        name = path.resolve().parent.name if is_glob else path.resolve().stem
    name = name or "video"
    number, unique = 2, name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique


def check_folder(path: Path) -> None:
    """Refuse a folder for results that cannot become one; it is made with the first frame."""
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"--out {path}: expected a folder, this is a file")
    # The nearest folder that is there decides whether those below can be made.
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"--out {path}: {there} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise type(error)(
            f"--out {path}: nothing can be written in {there}: {error.strerror}; give another"
        ) from error


def formats_from(option: str, text: str, known: Iterable[str]) -> list[str]:
    """The names in a list with commas, each once.

    Raises
    ------
    ValueError
        If one is not known, or there is none.

    Examples
    --------
    >>> formats_from("--format", "csv, parquet,csv", FORMATS)
    ['csv', 'parquet']
    """
    names = [name for name in dict.fromkeys(map(str.strip, text.split(","))) if name]
    known = tuple(known)
    for name in names:
        if name not in known:
            raise ValueError(f"{option}: {no_such('format', name, known)}")
    return names


class Outputs:
    """All results of one video; files are begun with the first frame and appear when whole."""

    def __init__(
        self,
        video: Any,
        name: str,
        formats: list[str],
        settings: dict[str, object],
        weights: Mapping[str, Path | Mapping[str, object]],
        arguments: Any,
        *,
        keep: Sequence[Path] = (),
        reopen: Callable[[], Any] | None = None,
        explain: Callable[[], Any] | None = None,
    ) -> None:
        self.video, self.name, self.formats = video, name, formats
        self.settings, self.weights, self.arguments = settings, weights, arguments
        needed = (*keep, *(path for path in weights.values() if isinstance(path, Path)))
        self.keep = [path for path in needed if path.exists()]
        self.reopen, self.explain = reopen, explain
        self.frames = 0
        self.raw: Path | None = None
        self.paths: list[Path] = []
        self._partials: list[Path] = []
        self._ledger: Path | None = None
        self._stack = ExitStack()
        self._sinks: list[Any] = []
        self._overlay: Any = None
        self._cleans = wants_cleaning(arguments)
        self._colours: Any = None
        self._result: Any = None
        self._tables: list[Path] = []

    def write(self, frame: Any, tracks: Tracks) -> None:
        """Add a frame to every file. The overlay is drawn into the frame's own image."""
        if not self.frames:
            self._begin(frame, tracks)
        self.frames += 1
        for sink in self._sinks:
            sink.write(frame.index, frame.seconds, tracks)
        if self._colours is not None:
            self._colours.update(frame.image, tracks, frame.seconds)
        if self._overlay is not None:
            self._overlay.put((frame, tracks))

    def clean(self) -> str:
        """Clean what was tracked and write it, after the last frame; says what was done."""
        from posetrack.trajectories import load

        if self.raw is None:
            return ""
        try:
            before = load(self.raw)
            colours = None if self._colours is None else self._colours.histograms()
            after = cleaned(before, self.arguments, colours)
        except ValueError as error:
            raise ValueError(
                f"{error}\nWhat was tracked is in {self.raw}; try `posetrack clean` on it"
            ) from error
        tables = [name for name in self.formats if name not in _OF_THE_RUN]
        write_formats(after, tables, lambda name: self._place(ENDINGS[name]))
        if self.arguments.overlay and self.reopen is not None:
            self._draw_again(after, before)
        self._result = after
        return what_was_done(before, after)

    @property
    def result(self) -> Any:
        """The run's trajectories after the last frame: cleaned where that was asked for.

        What is made of a run in the end (angles, pictures) is made of these, so that all its
        files speak of the same people.
        """
        from posetrack.trajectories import load

        if self._result is None:
            self._result = load(self._tables[0])
        return self._result

    def plot(self) -> None:
        """Pictures of what was tracked, after cleaning, if they are wanted."""
        from posetrack.cli.track_plots import write_plots

        if not getattr(self.arguments, "plot", False) or not self.frames:
            return
        source = self.video.source.name if self.reopen is not None else None
        write_plots(
            self.result, self._place, video=source, chosen=self.arguments.select is not None
        )

    def _draw_again(self, trajectories: Any, before: Any) -> None:
        """The overlay of cleaned trajectories, in a second pass over the video."""
        assert self.reopen is not None
        faces = None
        if getattr(self.arguments, "blur_faces", None):
            from posetrack.draw.video import faces_of_tables

            # Also those of people whom cleaning left out.
            faces = faces_of_tables([before, trajectories], before.frame.tolist())
        coming = trajectories.to_table().frames()
        with self.reopen() as video, ExitStack() as stack:
            draw = self._overlay_of(stack, faces)
            index, tracks = -1, Tracks.empty(trajectories.skeleton)
            for frame in video:
                while index < frame.index:
                    try:
                        index, _, tracks = next(coming)
                    except StopIteration:
                        return
                if index == frame.index:
                    draw.put((frame, tracks))

    def problems(self) -> list[str]:
        """What there is to say of frames that were not there or could not be read."""
        from posetrack.video import Status

        corrupt = self.video.ledger.where(Status.CORRUPT)
        found = [] if not len(corrupt) else [
            f"{len(corrupt)} frames could not be decoded, the first is frame {int(corrupt[0])}"
        ]  # fmt: skip
        ended = [self.video.problem] if self.video.problem else []
        return [*self.video.remarks, *ended, *found]

    def _place(self, ending: str) -> Path:
        """Where a result goes: under the video's name, but never over what the run needs."""
        path: Path = self.arguments.out / f"{self.name}{ending}"
        while path.exists() and any(path.samefile(kept) for kept in self.keep):
            path = path.with_name(f"{path.name.removesuffix(ending)}-tracked{ending}")
        self.paths.append(path)
        return path

    def _begin(self, frame: Any, tracks: Tracks) -> None:
        from posetrack.formats import CocoWriter, CsvWriter, ParquetWriter, PoseTrack18Writer
        from posetrack.formats.provenance import describe_run

        self.arguments.out.mkdir(parents=True, exist_ok=True)
        height, width = frame.image.shape[:2]
        made = describe_run(
            settings=self.settings, weights=self.weights, source=self.video.source.name
        )
        if self.video.scale != (1.0, 1.0):
            made["source"] |= {"stored_size": self.video.stored_size, "scale": self.video.scale}
        writers: dict[str, Any] = {
            "csv": CsvWriter,
            "parquet": ParquetWriter,
            "posetrack18": PoseTrack18Writer,
            "coco": CocoWriter,
            "raw": ParquetWriter,
        }
        formats = list(self.formats)
        if self._cleans:
            formats = ["raw", *(name for name in formats if name in _OF_THE_RUN)]
            self._colours = self._wardrobe()
        for name in formats:
            path = self._place(".raw.parquet" if name == "raw" else ENDINGS[name])
            if name == "frames":
                self._ledger = path
                continue
            if name == "audit":
                self._add(self._matches(path))
                continue
            sink = writers[name](
                path,
                tracks.skeleton,
                image_size=(width, height),
                rate=float(self.video.rate),
                provenance=made,
            )
            self._add(sink)
            self.raw = path if name == "raw" else self.raw
            self._tables += [path] if name in ("csv", "parquet") else []
        if self.arguments.overlay and not (self._cleans and self.reopen is not None):
            self._overlay = self._overlay_of(self._stack)

    def _add(self, sink: Any) -> None:
        self._sinks.append(sink)
        self._stack.push(self._finish(sink))

    def _matches(self, path: Path) -> Any:
        """Keeps why the tracker gave each identity."""
        from posetrack.audit import MatchWriter

        assert self.explain is not None  # who asks for an audit has a tracker
        return MatchWriter(path, self.explain)

    def _wardrobe(self) -> Any:
        """Gathers the colours people wear while there are images, if joining wants them."""
        if self.arguments.join is None:
            return None
        from posetrack.cleaning import TorsoColours

        return TorsoColours()

    def _overlay_of(self, stack: ExitStack, faces: Mapping[int, Any] | None = None) -> Any:
        """Takes frames with their tracks to draw and encode, until the stack is left.

        ``faces`` says by frame what to cover, where that is known before.
        """
        from posetrack.draw import FaceCover, Trails, cover_regions, draw_tracks, find_heads
        from posetrack.tracking.pipeline import Background
        from posetrack.video import VideoWriter

        rate = self.video.rate / self.arguments.stride
        writer = stack.enter_context(VideoWriter(self._place(".mp4"), rate=rate, queue=0))
        self._partials.append(writer.partial)
        trails = Trails(self.arguments.trails) if self.arguments.trails else None

        cover = getattr(self.arguments, "blur_faces", None)
        recent = FaceCover()

        def draw(item: tuple[Any, Tracks]) -> None:
            frame, tracks = item
            if cover and faces is not None:
                cover_regions(frame.image, faces[frame.index], cover=cover, out=frame.image)
            elif cover:
                regions = recent.update(find_heads(tracks), frame.seconds)
                cover_regions(frame.image, regions, cover=cover, out=frame.image)
            image = draw_tracks(frame.image, tracks, trails=trails, out=frame.image)
            writer.write(image, frame.seconds)

        return stack.enter_context(Background(draw))

    def _finish(self, sink: Any) -> Callable[[Any, Any, Any], None]:
        """What is done with a sink at the end: close it, or keep what it has and note where."""

        def leave(kind: Any, error: BaseException | None, trace: Any) -> None:
            del kind, trace
            if error is None:
                sink.close()
                return
            try:
                kept = sink.abort()
            except OSError as second:  # a full disk fails again; the first error is the one to see
                error.add_note(f"{sink.path}: could not save all of what there was: {second}")
            else:
                self._partials += [kept] if kept else []

        return leave

    def _write_ledger(self, path: Path, *, whole: bool) -> None:
        """``frames``: index, seconds and status of every frame of the file."""
        from posetrack.files import PartialFile

        file = PartialFile(path)
        file.write(b"frame,seconds,status\n")
        for index, seconds, status in self.video.ledger:
            file.write(f"{index},{seconds:.6f},{status.name.lower()}\n".encode())
        if whole:
            file.publish()
        else:
            self._partials.append(file.keep())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if self._ledger is not None:
            self._write_ledger(self._ledger, whole=error is None)
        if error is not None and self.frames:
            where = ", ".join(str(path) for path in self._partials if path.exists())
            print(f"{self.name}: {self.frames} frames so far are in {where}", file=sys.stderr)
