"""SLEAP's project files, ``.slp``, through sleap-io: predictions and labels, with the video's name.

Source: sleap-io's documentation, "Data model"; its ``io/slp.py`` knows the versions of the file.
Videos are named and never opened.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import require_library
from posetrack.files import write_whole
from posetrack.formats.hdf5 import open_hdf5
from posetrack.formats.hints import NO_HINTS, Hints, ids_of_names, skeleton_of_names
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import Skeleton

_OURS: Final = "posetrack"
_NO_VIDEO: Final = "video.mp4"
_MOST_PEOPLE: Final = 20_000_000


def read_slp(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a project file of SLEAP's of one video.

    Where someone corrected a prediction, the correction is read. Identities are the numbers that
    tracks' names end in, else 1, 2, ...; instances of no track have none (see ``untracked``).
    ``provenance`` has the video's name as its source.

    Parameters
    ----------
    path
        A ``.slp`` file, packed with images or not.
    hints
        Its ``rate`` is needed: the file has no times.

    Raises
    ------
    ModuleNotFoundError
        If sleap-io is not installed.
    ValueError
        If it is not such a file, of several videos, or damaged.
    """
    path = Path(path)
    labels = _load(path)
    videos = {id(frame.video): frame.video for frame in labels.labeled_frames}
    if len(videos) > 1:
        names = ", ".join(_name_of(video) for video in list(videos.values())[:4])
        raise ValueError(f"{path}: {len(videos)} videos in one file ({names}); save one by itself")
    skeleton, order = _skeleton(path, labels, hints)
    people = People(str(path), hints)
    tracks = {id(track): number for number, track in enumerate(labels.tracks)}
    ids, named = ids_of_names([str(track.name) for track in labels.tracks])
    if len(labels) > _MOST_PEOPLE:
        raise ValueError(f"{path}: {len(labels):,} frames; at most {_MOST_PEOPLE:,} are read")
    for frame in labels.labeled_frames:
        index = int(frame.frame_idx)
        people.add_frame(index)
        for n, instance in enumerate(_leave_corrected_out(frame.instances)):
            points = _points(instance, order, len(skeleton))
            if points is None or not np.isfinite(points[:, 0]).any():
                people.leave_out("of another skeleton" if points is None else "without keypoints")
                continue
            number = tracks.get(id(instance.track)) if instance.track is not None else None
            identity = None if number is None else int(ids[number])
            score = float(getattr(instance, "score", np.nan))
            people.add(index, identity, points, None, score, part=f", frame {index}, instance {n}")
    described = dict(labels.provenance or {}).get(_OURS)
    metadata: dict[str, Any] = {"individuals": named or None}
    rate = None
    if isinstance(described, Mapping):
        metadata["provenance"], rate = described.get("provenance"), described.get("rate")
    elif videos:
        metadata["provenance"] = {"source": {"file": _name_of(next(iter(videos.values())))}}
    size = _size_of(next(iter(videos.values()))) if videos else None
    metadata["image_size"] = None if size is None else list(size)
    return people.table(skeleton, rate=rate, metadata=metadata)


def read_slp_labels(path: Path) -> Labels:
    """What people labelled in a project, and not what was predicted; images by video and frame.

    An image is called ``VIDEO/FRAME`` where it is of a video, else by its own name.

    Raises
    ------
    ModuleNotFoundError, ValueError, FileNotFoundError
        See `read_slp`.
    """
    labels = _load(path)
    skeleton, order = _skeleton(path, labels, NO_HINTS)
    predicted = import_module("sleap_io").PredictedInstance
    images = []
    for frame in labels.labeled_frames:
        index, names = int(frame.frame_idx), frame.video.filename
        name = f"{names}/{index}"
        if isinstance(names, list) and index < len(names):
            name = str(names[index])
        people = []
        for instance in frame.instances:
            points = None
            if not isinstance(instance, predicted):
                points = _points(instance, order, len(skeleton))
            if points is not None and np.isfinite(points[:, 0]).any():
                people.append(LabelledPerson(points, None, np.nan, None, name))
        images.append(LabelledImage(name, tuple(people), _size_of(frame.video), index))
    return Labels(skeleton, tuple(images))


def _load(path: Path) -> Any:
    """All labels, after the file has been looked at; videos stay closed."""
    sleap_io = _library()
    with open_hdf5(path) as file:
        missing = [name for name in ("metadata", "frames", "instances") if name not in file]
        if missing:
            raise ValueError(f"{path}: no {missing[0]!r}; expected a project file of SLEAP's")
        first = "format_id" not in file["metadata"].attrs
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")
            whole = _with_version(path, Path(folder)) if first else path
            return sleap_io.load_slp(str(whole), open_videos=False)
    except Exception as error:  # whatever a damaged file makes of the library
        raise ValueError(f"{path}: sleap-io cannot read it: {error}") from error


def _with_version(path: Path, folder: Path) -> Path:
    """A copy that says its version, 1.0: SLEAP's first projects do not, and sleap-io wants it."""
    copy = folder / "project.slp"
    copy.write_bytes(path.read_bytes())
    with import_module("h5py").File(copy, "r+") as file:
        file["metadata"].attrs["format_id"] = 1.0
    return copy


def _library() -> Any:
    with require_library("this format needs sleap-io", "posetrack[sleap]"):
        return import_module("sleap_io")


def _skeleton(path: Path, labels: Any, hints: Hints) -> tuple[Skeleton, dict[int, list[int]]]:
    """Keypoints of all skeletons by name, and where those of each go."""
    names: list[str] = []
    edges: list[tuple[str, str]] = []
    for one in labels.skeletons:
        names += [node.name for node in one.nodes if node.name not in names]
        edges += [(edge.source.name, edge.destination.name) for edge in one.edges]
    if not names:
        raise ValueError(f"{path}: no skeleton in it")
    order = {id(one): [names.index(node.name) for node in one.nodes] for one in labels.skeletons}
    title = labels.skeletons[0].name or path.stem
    return skeleton_of_names(names, title, hints.skeleton, edges), order


def _points(
    instance: Any, order: Mapping[int, list[int]], count: int
) -> NDArray[np.float64] | None:
    """(K, 3) of an instance; None if its skeleton is not among the file's."""
    at = order.get(id(instance.skeleton))
    if at is None:
        return None
    points = np.full((count, 3), np.nan)
    points[:, 2] = 0
    xy = np.asarray(instance.numpy(), np.float64)[:, :2]
    scores = np.ones(len(xy))
    if "score" in (instance.points.dtype.names or ()):
        scores = np.nan_to_num(np.asarray(instance.points["score"], np.float64))
    points[at, :2] = xy
    points[at, 2] = np.where(np.isfinite(xy).all(axis=1), scores, 0)
    return points


def _leave_corrected_out(instances: list[Any]) -> list[Any]:
    """Instances without predictions that someone has corrected."""
    replaced = {id(one.from_predicted) for one in instances if one.from_predicted is not None}
    by_hand = {id(one.track) for one in instances if not hasattr(one, "score") and one.track}
    return [
        one
        for one in instances
        if id(one) not in replaced
        and not (hasattr(one, "score") and one.track and id(one.track) in by_hand)
    ]


def _name_of(video: Any) -> str:
    name = video.filename
    return str(name[0] if isinstance(name, list) and name else name)


def _size_of(video: Any) -> tuple[int, int] | None:
    """Width and height where the file says them."""
    shape = video.backend_metadata.get("shape") if video.backend_metadata else None
    if not isinstance(shape, list | tuple) or len(shape) != 4:
        return None
    height, width = shape[1], shape[2]
    if not all(isinstance(side, int) and 0 < side < 1_000_000 for side in (width, height)):
        return None
    return width, height


def write_slp(path: str | Path, table: TrackTable) -> None:
    """Write a project file of SLEAP's: predicted instances with scores, tracks and the skeleton.

    The video is the source that the table's provenance names, else ``video.mp4``; SLEAP asks where
    it is. Tracks are called ``id_`` and their id. Boxes and times are not kept.

    Raises
    ------
    ModuleNotFoundError
        If sleap-io is not installed.
    OSError
        If nothing can be written there.
    """
    sleap_io = _library()
    own = table.skeleton
    nodes = [sleap_io.Node(name) for name in own.keypoints]
    pairs = own.edge_indices.tolist()
    skeleton = sleap_io.Skeleton(
        nodes=nodes,
        edges=[sleap_io.Edge(nodes[a], nodes[b]) for a, b in pairs],
        symmetries=[sleap_io.Symmetry([nodes[a], nodes[b]]) for a, b in own.mirrored_indices],
        name=own.name,
    )
    tracks = {person: sleap_io.Track(f"id_{person}") for person in np.unique(table.ids).tolist()}
    provenance = table.metadata.get("provenance")
    source = provenance.get("source") if isinstance(provenance, Mapping) else None
    name = source.get("file") if isinstance(source, Mapping) else None
    video = sleap_io.Video(filename=str(name or _NO_VIDEO), open_backend=False)
    frames = []
    for index, _, people in table.frames():
        instances = [
            sleap_io.PredictedInstance.from_numpy(
                people.xy[row].astype(np.float64),
                skeleton,
                point_scores=people.scores[row].astype(np.float64),
                score=float(people.boxes.scores[row]),
                track=tracks[identity],
                tracking_score=1.0,
            )
            for row, identity in enumerate(people.ids.tolist())
        ]
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=index, instances=instances))
    rate = table.metadata.get("rate")
    labels = sleap_io.Labels(
        labeled_frames=frames,
        videos=[video],
        skeletons=[skeleton],
        tracks=list(tracks.values()),
        provenance={_OURS: {"provenance": dict(provenance or {}), "rate": rate}},
    )
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.slp"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sleap_io.save_slp(labels, str(draft))
        write_whole(Path(path), draft.read_bytes())
