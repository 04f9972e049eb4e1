"""`posetrack.track`: a video by its name to everybody's keypoints over time, in one call."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeAlias

from posetrack.runs.networks import Estimator, Named, build_tracker, makers
from posetrack.runs.outputs import output_name
from posetrack.runs.presets import settings_of_presets
from posetrack.runs.results import (
    USUAL_FORMATS,
    OverlayKind,
    Run,
    Wanted,
    boxes_from,
    scale_boxes,
)
from posetrack.runs.window import check_display
from posetrack.runs.writer import ResultPaths

if TYPE_CHECKING:
    from posetrack.draw.faces import Cover
    from posetrack.interfaces import Detector, FlowEstimator
    from posetrack.structures import Tracks
    from posetrack.trajectories import Trajectories
    from posetrack.video import Frame
    from posetrack.video.again import Video

Source: TypeAlias = "str | os.PathLike[str] | int | Sequence[str | os.PathLike[str]] | Video"
"""A video file, a folder, pattern or list of images, an address, a camera's number, a `Video`."""


def track(
    source: Source,
    *,
    detector: Named | Detector | None = None,
    estimator: Named | Estimator | None = None,
    flow: Named | FlowEstimator = "dis",
    device: str = "auto",
    offline: bool = False,
    preset: str | Sequence[str] = (),
    boxes: str | os.PathLike[str] | None = None,
    start: int = 0,
    stop: int | None = None,
    stride: int = 1,
    rate: float | None = None,
    stored_pixels: bool = False,
    ahead: int = 2,
    live: bool = False,
    patience: float = 60.0,
    cleaning: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    formats: Sequence[str] = USUAL_FORMATS,
    overlay: bool | OverlayKind = True,
    audio: bool = True,
    trails: int = 0,
    blur_faces: Cover | None = None,
    angles: bool | Sequence[str] = False,
    plot: bool = False,
    unrelated: bool = False,
    segment: float | None = None,
    resume: bool = False,
    show: bool = False,
    progress: bool = False,
    **settings: Any,
) -> Trajectories:
    """Track the people in a video: everybody's keypoints over time.

    It does what ``posetrack track`` does, by the same means and with the same defaults, and gives
    the trajectories back; files are written where ``out`` says so. A video too long for the memory
    goes through `track_frames`.

    Parameters
    ----------
    source
        A video file; a folder, pattern or list of images; an RTSP or HTTP address; a camera's
        number; or a `Video`.
    detector, estimator
        A name of ``posetrack models list``, ``"bundled"``, a file of your own, ``"hf:NAME"``, or an
        object, such as `posetrack.build.build_detector` makes with further settings. None: the
        default for the device, fetched on first use.
    flow
        Optical flow by name, or an object.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    offline
        Never download.
    preset
        Settings for a purpose, see `posetrack.runs.presets.PRESETS`; what is given beside it
        counts.
    boxes
        A file of people's boxes (PoseTrack18 or COCO JSON, MOT text) instead of a detector.
    start, stop, stride
        Take the frames of ``range(start, stop, stride)``.
    rate
        Frames per second: of images, 30 if not given; of a video, instead of its own times.
    stored_pixels
        Leave pictures as they are stored where their pixels are not square or their size changes.
    ahead
        Frames detected ahead in a thread of their own; 0: none.
    live, patience
        Of a camera or address take the newest frame, and leave out what came meanwhile; for how
        many seconds it may be away, see `posetrack.video.open_video`. Ctrl-C ends it, and what was
        tracked is given back. Several: see `track_live`.
    cleaning
        Settings of `posetrack.cleaning.clean`, such as ``{"fill": 0.3, "smooth": "butterworth"}``;
        ``select`` may also be largest, longest, central or moving.
    out
        A folder for files; None: none are written.
    formats
        Tables to write there: csv, parquet, posetrack18, coco, frames, audit.
    overlay
        Write the video with people drawn over it there: of images, pictures under their names.
        Or as "mp4", "jpg" or "png".
    audio
        Keep the sound in it.
    trails, blur_faces
        How it is drawn: trails of this many past frames; faces covered by "blur", "pixelate" or
        "fill".
    angles
        Write a table of all joint angles, or of those named, there.
    plot
        Write pictures of presence over time, trails and a heat map there.
    unrelated
        The images are no video: people are found in each by itself.
    segment
        Files in segments of so many seconds, each whole once the next begins: ``NAME-0000.csv``,
        ``NAME-0001.csv`` and so on, see `posetrack.runs.segments`. One of the tables must be csv
        or parquet.
    resume
        Note every few seconds in ``out`` where the run stands, and go on from there where an
        earlier call was stopped, to the same results; see `posetrack.runs.results.Run`.
    show
        Open a window with the people as they are tracked; closing it ends the run after that frame.
    progress
        Show a bar.
    **settings
        Of `posetrack.Tracker`, such as ``memory=20``.

    Returns
    -------
    trajectories

    Raises
    ------
    ValueError
        If something does not go together, a name is not known, or there is no frame.
    FileNotFoundError, ConnectionError, OSError
        If the video or a network are not available, or nothing can be written.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import SceneDetector, SceneEstimator, crossing
    >>> from posetrack.video import VideoWriter
    >>> scene = crossing(frames=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(Path(folder) / "two.mp4", rate=25) as video:
    ...         for image in scene:
    ...             video.write(image)
    ...     people = track(
    ...         Path(folder) / "two.mp4", ahead=0,
    ...         detector=lambda image: scene.truth(0)[0].boxes,
    ...         estimator=SceneEstimator(scene),
    ...     )
    >>> people.ids.tolist(), people.xy.shape
    ([1, 2], (4, 2, 17, 2))
    """
    given = dict(locals())
    used = _with_presets(given.pop("settings"), given)
    cleaned = _check_cleaning(used["cleaning"])
    wanted = Wanted((), overlay=False, cleaning=cleaned, segment=segment)
    if out is not None:
        wanted = Wanted(
            tuple(formats), overlay, audio, trails, blur_faces, angles, plot, cleaned, segment
        )
    if show:
        check_display()
    tracker, weights, at = _equipment(used)
    opened, reading = _reading(source, start, stop, stride, rate, stored_pixels)
    reading |= {"live": True, "patience": patience} if live else {}
    results = None
    if out is not None:
        name = output_name(_name_of(opened), set())
        keep = [Path(opened)] if isinstance(opened, str | os.PathLike) else []
        keep += [path for path in weights.values() if isinstance(path, Path)]
        results = ResultPaths(Path(out), name, keep)
    outcome = Run(
        opened,
        tracker,
        wanted,
        results,
        settings=_describe(used) | tracker.settled,
        weights=weights,
        reading=reading,
        boxes=at,
        ahead=ahead,
        unrelated=unrelated,
        in_memory=True,
        show=show,
        progress=progress,
        resume=resume,
    ).track()
    if not outcome.frames:
        raise ValueError(f"{opened}: no frame between start {start} and stop {stop}")
    trajectories: Trajectories = outcome.trajectories()
    return trajectories


def track_frames(
    source: Source,
    *,
    detector: Named | Detector | None = None,
    estimator: Named | Estimator | None = None,
    flow: Named | FlowEstimator = "dis",
    device: str = "auto",
    offline: bool = False,
    preset: str | Sequence[str] = (),
    boxes: str | os.PathLike[str] | None = None,
    start: int = 0,
    stop: int | None = None,
    stride: int = 1,
    rate: float | None = None,
    stored_pixels: bool = False,
    ahead: int = 2,
    live: bool = False,
    patience: float = 60.0,
    **settings: Any,
) -> Iterator[tuple[Frame, Tracks]]:
    """Track the people in a video frame by frame, for long ones and for cameras.

    Nothing is kept but what the tracker remembers. Networks are made when this is called, so that
    errors come at once; frames are read as they are asked for.

    Parameters
    ----------
    source, detector, estimator, flow, device, offline, preset, boxes, start, stop, stride, rate
        See `track`.
    stored_pixels, ahead, live, patience, **settings
        See `track`.

    Yields
    ------
    frame, tracks
        For every frame: its image, index and seconds, and the people in it.

    Raises
    ------
    ValueError, FileNotFoundError, ConnectionError, OSError
        See `track`.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import SceneEstimator, crossing
    >>> from posetrack.video import VideoWriter
    >>> scene = crossing(frames=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(Path(folder) / "two.mp4", rate=25) as video:
    ...         for image in scene:
    ...             video.write(image)
    ...     for frame, people in track_frames(
    ...         Path(folder) / "two.mp4", ahead=0,
    ...         detector=lambda image: scene.truth(0)[0].boxes,
    ...         estimator=SceneEstimator(scene),
    ...     ):
    ...         print(frame.index, people.ids.tolist())
    0 [1, 2]
    1 [1, 2]
    """
    given = dict(locals())
    used = _with_presets(given.pop("settings"), given)
    if used.get("cleaning"):
        raise ValueError(f"the preset {preset!r} cleans what was tracked, which needs track()")
    tracker, _, at = _equipment(used)
    opened, reading = _reading(source, start, stop, stride, rate, stored_pixels)
    if live:  # nothing is done ahead, or the newest frame would be old before its turn
        reading, ahead = {**reading, "live": True, "patience": patience}, 0

    def frames() -> Iterator[tuple[Frame, Tracks]]:
        from posetrack.tracking.pipeline import track_video
        from posetrack.video import open_video

        with open_video(opened, **reading) as video:
            found = None if at is None else scale_boxes(at, video.scale)
            yield from track_video(video, tracker, boxes=found, ahead=ahead)

    return frames()


def track_live(
    sources: Sequence[str | int],
    *,
    detector: Named | Detector | None = None,
    estimator: Named | Estimator | None = None,
    flow: Named | FlowEstimator = "dis",
    device: str = "auto",
    offline: bool = False,
    preset: str | Sequence[str] = (),
    patience: float = 60.0,
    tell: Callable[[str], None] | None = None,
    **settings: Any,
) -> Iterator[tuple[int, Frame, Tracks]]:
    """Track the people in several cameras and streams side by side.

    Each has a tracker of its own, with identities of its own; the newest images of all that have
    one go through the networks in one batch. One that is silent, away or at its end holds up no
    other. Networks are made and sources opened when this is called.

    Parameters
    ----------
    sources
        Cameras' numbers and addresses.
    detector, estimator, flow, device, offline, preset, patience, **settings
        See `track`.
    tell
        Is told in a line when a source is lost, and when it is back.

    Yields
    ------
    number, frame, tracks
        Which of the sources, its newest frame with its lag, and the people in it. It ends with the
        last source.

    Raises
    ------
    ValueError, FileNotFoundError, ConnectionError, OSError
        See `track`.

    Examples
    --------
    >>> for number, frame, people in track_live([0, "rtsp://hall/1"]):  # doctest: +SKIP
    ...     print(number, frame.lag, people.ids)
    """
    given = dict(locals()) | {"boxes": None}
    used = _with_presets(given.pop("settings"), given)
    if used.get("cleaning"):
        raise ValueError(f"the preset {preset!r} cleans what was tracked, which needs track()")
    tracker, _, _ = _equipment(used)
    arrived = Event()
    with ExitStack() as opening:
        from posetrack.video import open_video

        videos = {
            number: opening.enter_context(
                open_video(source, live=True, patience=patience, tell=tell, arrived=arrived.set)
            )
            for number, source in enumerate(sources)
        }
        opened = opening.pop_all()

    def frames() -> Iterator[tuple[int, Frame, Tracks]]:
        from posetrack.tracking.pipeline import update_together
        from posetrack.video.live import newest_of

        trackers = [tracker.twin() for _ in sources]
        with opened:
            for newest in newest_of(videos, arrived):
                here = {number: frame for number, frame in newest.items() if frame is not None}
                tracks = update_together([trackers[n] for n in here], list(here.values()))
                yield from zip(here, here.values(), tracks, strict=True)
                for number in newest.keys() - here.keys():
                    del videos[number]

    return frames()


def _name_of(source: Any) -> str:
    """The path that results are named after: of a list of images, the folder of the first."""
    if isinstance(source, str | os.PathLike | int):
        return os.fspath(source) if isinstance(source, os.PathLike) else str(source)
    return str(Path(source[0]).absolute().parent)


def _with_presets(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with the tracker's settings under ``settings``, over those of presets."""
    from posetrack.cleaning.steps import clean
    from posetrack.tracking.tracker import Tracker

    steps = {*inspect.signature(clean).parameters} - {"trajectories", "colours"}
    known = {*inspect.signature(Tracker).parameters} - {"detector", "estimator", "flow", "device"}
    if wrong := sorted(set(settings) - known):
        from posetrack.checks import no_such

        raise TypeError(no_such("setting", wrong[0], sorted(known | set(given))))
    of_presets = settings_of_presets(given["preset"])
    found = dict(given)
    for name, value in of_presets.items():
        if name in found and found[name] is None:
            found[name] = value
    tracking = {name: value for name, value in of_presets.items() if name in known}
    found["settings"] = {**tracking, **settings}
    cleaning = {name: value for name, value in of_presets.items() if name in steps}
    found["cleaning"] = {**cleaning, **(given.get("cleaning") or {})}
    return found


def _check_cleaning(cleaning: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of `posetrack.cleaning.clean`, with a ranking for a name; refused before the run."""
    from posetrack.cleaning.steps import clean, smoother_settings
    from posetrack.runs.cleaned import ranking_of

    found = dict(cleaning)
    try:
        inspect.signature(clean).bind(None, **found)
    except TypeError as error:
        raise ValueError(f"cleaning: {error}") from error
    smoother_settings(*(found.get(f"smooth{part}") for part in ("", "_cutoff", "_window")))
    if isinstance(found.get("select"), str):
        found["select"] = ranking_of(found["select"])
    return found


def _equipment(used: Mapping[str, Any]) -> tuple[Any, dict[str, Any], Any]:
    """The tracker, what its networks came from, and boxes by frame."""
    from posetrack.selftest import check_loaded

    device, boxes = used["device"], used["boxes"]
    if boxes is not None and used["detector"] is not None:
        raise ValueError("boxes take the place of a detector; leave one of them away")
    at = None if boxes is None else boxes_from(boxes)
    tracker, weights = build_tracker(
        used["detector"],
        used["estimator"],
        used["flow"],
        makers(device, offline=used["offline"]),
        boxes=None if boxes is None else Path(boxes),
        device=device,
        **used["settings"],
    )
    check_loaded(device)
    return tracker, weights, at


def _reading(
    source: Any, start: int, stop: int | None, stride: int, rate: float | None, stored_pixels: bool
) -> tuple[Any, dict[str, Any]]:
    """What to open and how; a `Video` has its own settings, unless given here."""
    from posetrack.video.again import Video

    reading: dict[str, Any] = {"start": start, "stop": stop, "stride": stride}
    reading |= {"rate": rate, "stored_pixels": stored_pixels}
    if not isinstance(source, Video):
        return source, reading
    usual = {"start": 0, "stop": None, "stride": 1, "rate": None, "stored_pixels": False}
    changed = {name: value for name, value in reading.items() if value != usual[name]}
    return source.source, {**usual, **source.settings, **changed}


def _describe(used: Mapping[str, Any]) -> dict[str, Any]:
    """All settings as they were used, for provenance, which names the source by itself."""
    others = ("source", "settings", "cleaning", "progress", "show", "resume")
    own = {name: value for name, value in used.items() if name not in others}
    return dict(sorted({**own, **used["settings"], **used["cleaning"]}.items()))
