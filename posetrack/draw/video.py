"""A video drawn again from stored tracks: over its frames, or on a plain ground."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.draw.colours import Colour
from posetrack.draw.faces import (
    Cover,
    FloatArray,
    Heads,
    cover_regions,
    faces_over_time,
    find_heads,
)
from posetrack.draw.overlay import draw_tracks
from posetrack.draw.trails import Trails
from posetrack.formats.table import TrackTable
from posetrack.structures import Person, Tracks
from posetrack.trajectories import Trajectories
from posetrack.video import Frame, VideoWriter
from posetrack.video.reader import check_size, open_tracked

Labels = bool | Callable[[Person], str]


@dataclass(frozen=True)
class Drawn:
    """The result of drawing a video: the number of frames written, and notes."""

    frames: int
    notes: tuple[str, ...] = ()


def draw_video(
    tracks: TrackTable | Trajectories,
    path: str | Path,
    *,
    video: str | Path | None = None,
    background: Colour | None = None,
    seconds: tuple[float, float] | None = None,
    people: bool = True,
    faces: Cover | None = None,
    everybody: Sequence[TrackTable | Trajectories] = (),
    trails: int = 0,
    boxes: bool = True,
    labels: Labels = True,
    min_score: float = 0.2,
    thickness: float | None = None,
    quality: float = 23.0,
) -> Drawn:
    """Draw stored tracks over their video, or on a plain ground, into a new video.

    Frames go by one at a time, from the table's first to its last. Of a table of every n-th frame
    only those are drawn.

    Parameters
    ----------
    tracks
        The tracks to draw.
    path
        The video to write; it appears when it is whole.
    video
        The video that was tracked. Without it a background is needed.
    background
        A colour (blue, green, red) instead of the video's images.
    seconds
        First time, and that before which to stop, by the table's clock.
    people
        Whether to draw anybody: without, faces can be covered and nothing else.
    faces
        How to cover faces, see `posetrack.draw.cover_regions`; None shows them.
    everybody
        All tracks whose faces are covered, including people left out of ``tracks``.
    trails
        How many places of each person to draw as a trail.
    boxes, labels, min_score, thickness
        See `posetrack.draw.draw_tracks`.
    quality
        See `posetrack.video.VideoWriter`.

    Returns
    -------
    Drawn

    Raises
    ------
    ValueError
        If there is no frame to draw, or the table is not of this video: its size differs or it
        has frames that the video has not.
    FileNotFoundError, OSError
        If the video cannot be read or the new one not be written.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(8, 40, (5, 1, 17, 2))
    >>> tr = Trajectories(range(5), np.arange(5) / 25, [7], xy, np.ones((5, 1, 17)), COCO_17,
    ...                   metadata={"image_size": (64, 48), "rate": 25.0})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw_video(tr, Path(folder) / "sticks.mp4", background=(0, 0, 0))
    Drawn(frames=5, notes=())
    """
    table = table_of(tracks)
    span = span_of(table, seconds)
    if video is None and background is None:
        raise ValueError("expected a video to draw over, or a background such as (0, 0, 0)")
    if video is not None and Path(path).resolve() == Path(video).resolve():
        raise ValueError(f"{path} is the video that is drawn over; give another name")
    notes: list[str] = []
    with ExitStack() as stack:
        if video is None or background is not None:
            frames, rate = _plain_frames(table, span, background), rate_of(table) / span.step
        else:
            reader = stack.enter_context(_open(table, video, span, notes))
            frames, rate = reader, float(reader.rate) / span.step
        covered = None
        if faces is not None and background is None:
            shown = range(span.first, span.last + 1, span.step)
            covered = faces_of_tables([table, *everybody], shown)
        writer = stack.enter_context(VideoWriter(path, rate=rate, quality=quality))
        past = Trails(trails) if trails and people else None
        late = 0.0
        for frame, time, here in _together(frames, table, span):
            image = frame.image
            if covered is not None:
                assert faces is not None
                cover_regions(image, covered[frame.index], cover=faces, out=image)
            if people:
                draw_tracks(
                    image, here, trails=past, boxes=boxes, labels=labels, min_score=min_score,
                    thickness=thickness, out=image,
                )  # fmt: skip
            late = max(late, 0.0 if time is None else abs(frame.seconds - time))
            writer.write(image, frame.seconds, copy=False)
    if late > max(1.5 / rate, 0.05):
        notes.append(f"times of the table and the video differ by up to {late:.2f} s")
    expected = len(range(span.first, span.last + 1, span.step))
    if writer.count < expected and background is None:
        notes.append(f"{expected - writer.count} of {expected} frames are not in the video")
    return Drawn(writer.count, tuple(notes))


def _open(table: TrackTable, video: str | Path, span: Span, notes: list[str]) -> Any:
    """The video at these frames, after a look whether it is the one that was tracked."""
    reader = open_tracked(
        video, _size_of(table), start=span.first, stop=span.last + 1, stride=span.step
    )
    try:
        _check(table, str(video), reader, span)
    except BaseException:
        reader.close()
        raise
    total = reader.count
    if total is not None and total > span.last + 1:
        notes.append(f"frames {span.first} to {span.last} of {total} are in the new video")
    return reader


def _check(table: TrackTable, video: str, reader: Any, span: Span) -> None:
    size, count = _size_of(table), reader.count if reader.counted else None
    check_size(video, reader.size, size)
    # A file's declared length may be a little off; frames missing at the end are reported.
    if count is not None and span.last >= count + max(2, count // 50):
        raise ValueError(
            f"{video} has {count} frames, the tracks go on to frame {span.last}; give the video "
            "that was tracked, or a part with seconds"
        )
    if size is None and len(table):
        middle = (table.xyxy[:, :2] + table.xyxy[:, 2:]) / 2
        outside = (middle < 0).any(axis=1) | (middle > np.array(reader.size)).any(axis=1)
        if 2 * outside.sum() > len(middle):
            raise ValueError(
                f"most people of the tracks are outside the {reader.size[0]} x {reader.size[1]} "
                f"pixels of {video}; give the video that was tracked"
            )


def _together(
    frames: Iterator[Frame], table: TrackTable, span: Span
) -> Iterator[tuple[Frame, float | None, Tracks]]:
    """Each frame with the table's time and people; None and no people where the table lacks it."""
    nobody = Tracks.empty(table.skeleton)
    coming = (one for one in table.frames() if span.first <= one[0] <= span.last)
    index, time, here = next(coming, (span.last + 1, 0.0, nobody))
    for frame in frames:
        while index < frame.index:
            index, time, here = next(coming, (span.last + 1, 0.0, nobody))
        if index == frame.index:
            yield frame, time, here
        else:
            yield frame, None, nobody


def faces_of_tables(
    tracks: Sequence[TrackTable | Trajectories], frames: Sequence[int]
) -> dict[int, FloatArray]:
    """Regions to cover in each of some frames, so that no face of several tables is seen.

    In frames that a table lacks, what was there a moment before or after.

    Parameters
    ----------
    tracks
        Of the same video, for instance before and after people were left out.
    frames
        Indices that will be shown.

    Returns
    -------
    By index, (M, 4) ellipses for `posetrack.draw.cover_regions`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(8, 40, (2, 1, 17, 2))
    >>> tr = Trajectories([0, 5], [0.0, 0.2], [7], xy, np.ones((2, 1, 17)), COCO_17)
    >>> [len(regions) > 0 for regions in faces_of_tables([tr], range(6)).values()]
    [True, True, True, True, True, True]
    """
    nobody = Heads(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, bool))
    found = {int(index): np.zeros((0, 4)) for index in frames}
    for table in map(table_of, tracks):
        frame, times = _times_of(table)
        heads = {index: find_heads(here) for index, _, here in table.frames()}
        # Also the frames around: a person seen just before the part is covered at its beginning.
        every = sorted(set(found) | set(heads))
        seconds = np.interp(every, frame, times).tolist() if len(frame) else [0.0] * len(every)
        coming = (
            (index, time, heads.get(index, nobody))
            for index, time in zip(every, seconds, strict=True)
        )
        for index, regions in faces_over_time(coming).items():
            if index in found:
                found[index] = np.concatenate([found[index], regions])
    return found


@dataclass(frozen=True)
class Span:
    """Which frames: from the first to the last, every ``step``-th."""

    first: int
    last: int
    step: int


def table_of(tracks: TrackTable | Trajectories) -> TrackTable:
    """Trajectories as a table; a table as it is."""
    return tracks.to_table() if isinstance(tracks, Trajectories) else tracks


def _times_of(table: TrackTable) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index and seconds of all frames of a table, those without people, too."""
    empty = list(table.empty)
    frame = np.append(table.frame, np.array([index for index, _ in empty], np.int64))
    seconds = np.append(table.seconds, np.array([time for _, time in empty], np.float64))
    frame, rows = np.unique(frame, return_index=True)
    return frame, seconds[rows]


def span_of(table: TrackTable, seconds: tuple[float, float] | None) -> Span:
    """The frames of a table, or of some of its seconds.

    Raises
    ------
    ValueError
        If there is none.
    """
    frame, times = _times_of(table)
    step = int(np.median(np.diff(frame))) if len(frame) > 1 else 1
    if (np.diff(frame) % step).any():
        step = 1
    if seconds is not None:
        frame = frame[(times >= seconds[0]) & (times < seconds[1])]
    if not len(frame):
        time_range = "" if seconds is None else f" from {seconds[0]:g} to {seconds[1]:g} s"
        raise ValueError(f"the table has no frame{time_range}; there is nothing to draw")
    return Span(int(frame[0]), int(frame[-1]), step)


def rate_of(table: TrackTable) -> float:
    """Frames a second: as the file says, else from its times."""
    rate_in_table = table.metadata.get("rate")
    if isinstance(rate_in_table, int | float) and 0 < rate_in_table < math.inf:
        return float(rate_in_table)
    frame, times = _times_of(table)
    if len(frame) < 2 or times[-1] <= times[0]:
        return 25.0
    return float((frame[-1] - frame[0]) / (times[-1] - times[0]))


def _size_of(table: TrackTable) -> tuple[int, int] | None:
    """Width and height of the images, if the table knows."""
    rate_in_table = table.metadata.get("image_size")
    if isinstance(rate_in_table, Sequence) and len(rate_in_table) == 2 and min(rate_in_table) > 1:
        return int(rate_in_table[0]), int(rate_in_table[1])
    return None


def _plain_frames(table: TrackTable, span: Span, background: Colour | None) -> Iterator[Frame]:
    """Frames of one colour, with the times of the table; a gap in it is filled at its rate."""
    size = _size_of(table)
    if size is None:
        corners = table.xyxy[np.isfinite(table.xyxy).all(axis=1), 2:]
        far = corners.max(axis=0, initial=15) if len(corners) else np.array([63, 63])
        size = min(math.ceil(far[0]) + 1, 16384), min(math.ceil(far[1]) + 1, 16384)
    frame, times = _times_of(table)
    blank = np.full((size[1], size[0], 3), background or (0, 0, 0), np.uint8)
    for index in range(span.first, span.last + 1, span.step):
        yield Frame(blank.copy(), index, float(np.interp(index, frame, times)))
