"""Neurodata Without Borders with its extension for poses, ``ndx-pose``, read and written.

Source: ndx-pose's ``spec/ndx-pose.extensions.yaml``, versions 0.1 to 0.4: a ``PoseEstimation``
holds a ``PoseEstimationSeries`` for each keypoint. Reading needs h5py alone; what the file says of
types is compared by name, and nothing that it declares is loaded.
"""

from __future__ import annotations

import re
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import require_library
from posetrack.files import date_of_writing, write_whole
from posetrack.formats.checked_table import table_of_arrays
from posetrack.formats.dense import MOST_VALUES, dense, score_columns
from posetrack.formats.hdf5 import floats, open_hdf5, strings
from posetrack.formats.hints import NO_HINTS, Hints, ids_of_names, skeleton_of_names
from posetrack.formats.table import TrackTable

_ONE: Final = "PoseEstimation"
_MOST_PEOPLE = 10_000


def write_nwb(path: str | Path, table: TrackTable) -> None:
    """Write an NWB file with a ``PoseEstimation`` for each person, as movement reads them.

    They lie in the processing module ``behavior`` and are called ``id_`` and the person's id, or
    ``PoseEstimation`` if there is one person, the subject; movement takes one person by
    ``pose_estimation_key="id_3"``. sleap-io reads NWB of its own alone: give it `write_slp`'s.
    Times are the video's own; boxes are not kept. A name of a keypoint with a slash or colon cannot
    be kept as it is.

    Raises
    ------
    ModuleNotFoundError
        If pynwb or ndx-pose is not installed.
    ValueError
        If nobody is in it, a name cannot stand in a file, or the video is too long to lay out at
        once.
    OSError
        If nothing can be written there.
    """
    path = Path(path)
    pynwb, ndx_pose = _library("pynwb"), _library("ndx_pose")
    laid = dense(table)
    if not len(laid.ids):
        raise ValueError(f"{path}: nobody is in it, and NWB keeps no poses of nobody; write CSV")
    for name in table.skeleton.keypoints:
        if set(name) & set("/:"):
            raise ValueError(f"{path}: keypoint {name!r} cannot stand in an NWB file; rename it")
    names = [f"id_{person}" for person in laid.ids.tolist()]
    file = pynwb.NWBFile(
        session_description="People tracked in a video by posetrack.",
        # Which is what movement calls a single person.
        identifier=names[0] if len(names) == 1 else str(uuid.uuid4()),
        session_start_time=date_of_writing(),
    )
    if len(names) == 1:
        file.subject = pynwb.file.Subject(subject_id=names[0], description="a person in a video")
    skeleton = ndx_pose.Skeleton(
        name=re.sub(r"[/:]", "_", table.skeleton.name),
        nodes=list(table.skeleton.keypoints),
        edges=table.skeleton.edge_indices.astype(np.uint8),
    )
    module = file.create_processing_module("behavior", "keypoints of people")
    module.add(ndx_pose.Skeletons(skeletons=[skeleton]))
    for column, name in enumerate(names):
        points = laid.xy[:, column], score_columns(laid)[:, column]
        module.add(
            ndx_pose.PoseEstimation(
                name=_ONE if len(names) == 1 else name,
                pose_estimation_series=list(_series(ndx_pose, table, laid.seconds, *points)),
                description=f"keypoints of {name}",
                skeleton=skeleton,
                source_software="posetrack",
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.nwb"
        with pynwb.NWBHDF5IO(str(draft), "w") as out:
            out.write(file)
        write_whole(path, draft.read_bytes())


def _series(
    ndx_pose: Any,
    table: TrackTable,
    seconds: NDArray[np.float64],
    xy: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> Iterator[Any]:
    """A series a keypoint; all have the times of the first."""
    times: Any = seconds
    for number, name in enumerate(table.skeleton.keypoints):
        series = ndx_pose.PoseEstimationSeries(
            name=name,
            data=xy[:, number],
            unit="pixels",
            reference_frame="(0, 0) is the centre of the image's first pixel; x right, y down",
            timestamps=times,
            confidence=scores[:, number],
        )
        times = series if number == 0 else times
        yield series


def read_nwb(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read the poses of an NWB file, all that are estimated and not trained on.

    Identities are the numbers that the ``PoseEstimation`` groups' names end in, or 1, 2, ...;
    a single one is the file's subject. Frames are the times at ``hints.rate``, or at the rate by
    which they grow, else counted.

    Raises
    ------
    ModuleNotFoundError
        If h5py is not installed.
    ValueError
        If it is not such a file or damaged, of three dimensions of space, or people have different
        times; the message names the file and the group.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        groups = _estimations(file)
        if not groups:
            raise ValueError(f"{path}: no PoseEstimation of ndx-pose in it")
        if len(groups) > _MOST_PEOPLE:
            raise ValueError(f"{path}: {len(groups)} people; at most {_MOST_PEOPLE} are read")
        people = {name: dict(_keypoints(path, group)) for name, group in groups.items()}
        skeletons = [_nodes(path, group) for group in groups.values()]
        if len(people) == 1 and "general/subject/subject_id" in file:
            subject = file["general/subject/subject_id"][()]
            name = subject.decode() if isinstance(subject, bytes) else str(subject)
            people = {name: next(iter(people.values()))}
    return _table(path, people, skeletons, hints)


def _estimations(file: Any) -> dict[str, Any]:
    """Groups of poses by name, in the order in which they are found; by path where names repeat."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if _type_of(item) == _ONE:
            short = name.rsplit("/", 1)[-1]
            found[name if short in found else short] = item

    file.visititems(visit)
    return found


def _type_of(item: Any) -> str:
    kind = item.attrs.get("neurodata_type", "")
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def _nodes(path: Path, group: Any) -> tuple[list[str], list[tuple[int, int]]]:
    """Keypoints and edges of the skeleton that a group links to; empty without one."""
    # A link goes by its target's name.
    links = [item for item in group.values() if _type_of(item) == "Skeleton" and "nodes" in item]
    if not links:
        return [], []
    skeleton = links[0]
    edges: list[tuple[int, int]] = []
    if "edges" in skeleton and skeleton["edges"].size:
        edges = [(int(a), int(b)) for a, b in floats(skeleton, "edges", path, 2)[:, :2].tolist()]
    return strings(skeleton, "nodes", path), edges


_Series = tuple[NDArray[np.float64], NDArray[np.floating[Any]], NDArray[np.floating[Any]]]


def _keypoints(path: Path, group: Any) -> Iterator[tuple[str, _Series]]:
    """Times, places and scores by keypoint."""
    for name, series in group.items():
        if _type_of(series) != "PoseEstimationSeries":
            continue
        where = f"{path}, {series.name}"
        xy = floats(series, "data", path, 2)
        if xy.shape[1] not in (2, 3):
            raise ValueError(f"{where}: places of {xy.shape[1]} dimensions; 2 or 3 are read")
        if np.nanmin(xy[:, 2:], initial=0) != 0 or np.nanmax(xy[:, 2:], initial=0) != 0:
            raise ValueError(f"{where}: places in space; those in images are read")
        xy = xy[:, :2]
        conversion = series["data"].attrs.get("conversion", 1.0)
        xy = xy * float(conversion) if conversion != 1 else xy
        scores = np.full(len(xy), np.nan)
        if "confidence" in series:
            scores = floats(series, "confidence", path, 1).astype(np.float64)
        times = _times(path, series, len(xy))
        if not len(xy) == len(scores) == len(times):
            raise ValueError(
                f"{where}: {len(xy)} places, {len(scores)} scores and {len(times)} times"
            )
        # Early versions of writers put the keypoint's name after that of the series.
        yield name.removeprefix("PoseEstimationSeries_"), (times, xy, scores)


def _times(path: Path, series: Any, count: int) -> NDArray[np.float64]:
    if "timestamps" in series:
        return floats(series, "timestamps", path, 1).astype(np.float64)
    if "starting_time" not in series:
        raise ValueError(f"{path}, {series.name}: no times")
    start = series["starting_time"]
    rate = float(start.attrs.get("rate", 0))
    if not 0 < rate < 1e9:
        raise ValueError(f"{path}, {series.name}: a rate of {rate:g}")
    return float(start[()]) + np.arange(count) / rate


def _table(
    path: Path,
    people: Mapping[str, Mapping[str, _Series]],
    skeletons: list[tuple[list[str], list[tuple[int, int]]]],
    hints: Hints,
) -> TrackTable:
    found = dict.fromkeys(name for points in people.values() for name in points)
    nodes, edges = max(skeletons, key=lambda one: len(one[0]))
    # The skeleton has the order; a series that it does not name stands behind.
    names = [name for name in nodes if name in found]
    names += [name for name in found if name not in names]
    if not names:
        raise ValueError(f"{path}: a PoseEstimation without PoseEstimationSeries")
    seconds = np.unique(np.concatenate([s[0] for p in people.values() for s in p.values()]))
    if not np.isfinite(seconds).all():
        raise ValueError(f"{path}: a time is not finite")
    if len(seconds) * len(people) * len(names) > MOST_VALUES:
        raise ValueError(f"{path}: over {MOST_VALUES:,} keypoints; at most that many are read")
    shape = (len(seconds), len(people), len(names))
    xy, scores = np.full((*shape, 2), np.nan, np.float32), np.ones(shape, np.float32)
    for column, points in enumerate(people.values()):
        for name, (times, places, confidence) in points.items():
            at = np.searchsorted(seconds, times), column, names.index(name)
            xy[at], scores[at] = places, confidence
    ids, named = ids_of_names(list(people))
    pairs = [(nodes[a], nodes[b]) for a, b in edges if max(a, b) < len(nodes)]
    skeleton = skeleton_of_names(names, path.stem, hints.skeleton, pairs)
    frames, rate = _frames(seconds, hints)
    metadata = {"rate": rate, "individuals": named or None}
    return table_of_arrays(str(path), frames, seconds, ids, xy, scores, skeleton, metadata)


def _frames(seconds: NDArray[np.float64], hints: Hints) -> tuple[NDArray[np.int64], float | None]:
    """Indices of frames by their times, and the rate, if it is known or shows in the times."""
    counted = np.arange(len(seconds))
    rate = hints.rate
    if rate is None and len(seconds) > 1:
        step = float(np.median(np.diff(seconds)))
        rate = float(f"{1 / step:.9g}")
    if rate is None:
        return counted, None
    frames = np.round(seconds * rate)
    steady = np.abs(frames - seconds * rate) < 0.25
    if not steady.all() or (np.diff(frames) <= 0).any() or frames.min(initial=0) < 0:
        return counted, rate
    return frames.astype(np.int64), rate


def _library(name: str) -> Any:
    needs = f"this format needs {name}"
    with require_library(needs, "posetrack[nwb]"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of the versions of its own parts
        return import_module(name)
