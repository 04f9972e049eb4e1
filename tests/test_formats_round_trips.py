"""What each format keeps: there and back, up to what the table of formats says is lost."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import posetrack
from posetrack import BODY_25, COCO_17, Skeleton, Trajectories
from posetrack.cli.convert import writer_of
from posetrack.formats.registry import FORMATS
from posetrack.skeletons import POSETRACK_15, POSETRACK_17
from posetrack.trajectories import Origin

BOTH_WAYS = [name for name, known in FORMATS.items() if known.reads and known.writes]
SLOTS = {"posetrack17": POSETRACK_15, "posetrack18": POSETRACK_17, "openpose": BODY_25}
NEEDS = {
    "movement": ("xarray", "h5netcdf"),
    "sleap": ("h5py",),
    "dlc-h5": ("tables", "h5py"),
    "nwb": ("pynwb", "ndx_pose"),
    "dlc-labels": ("tables", "h5py"),
    "slp": ("sleap_io",),
    "c3d": ("ezc3d",),
    "yolo": ("yaml",),
    "yolo-tracks": ("yaml",),
}
RATE = 25.0
SIZE = (5000, 5000)


@st.composite
def walks(draw: Any, skeleton: Skeleton) -> Trajectories:
    """Up to three people in up to six frames, some of whose keypoints are not seen."""
    steps = draw(st.lists(st.integers(1, 3), max_size=6))
    frame = np.cumsum([0, *steps])[1:] if draw(st.booleans()) else np.arange(len(steps))
    ids = sorted(draw(st.sets(st.integers(0, 9999), max_size=3)))
    each = (len(frame), len(ids), len(skeleton))
    xy = draw(hnp.arrays(np.float32, (*each, 2), elements=st.floats(1, 4000, width=32)))
    seen = draw(hnp.arrays(bool, each))
    scores = draw(hnp.arrays(np.float32, each, elements=st.floats(1 / 1024, 1, width=32)))
    corner = draw(hnp.arrays(np.float32, (*each[:2], 2), elements=st.floats(-99, 999, width=32)))
    there = seen.any(axis=-1)
    boxes = np.concatenate([corner, corner + 50], axis=-1)
    boxes[~there] = np.nan
    age = np.where(there, draw(hnp.arrays(np.int64, each[:2], elements=st.integers(0, 3))), 0)
    origin = np.where(seen, draw(st.sampled_from([0, 1, 6, 24])), (age > 0)[..., None])
    return Trajectories(
        frame,
        frame / RATE,
        ids,
        np.where(seen[..., None], xy, np.nan),
        scores,
        skeleton,
        boxes,
        np.where(there, 0.5, 0),
        age,
        origin,
        {"rate": RATE, "provenance": {"made": "up"}},
    )


def there_and_back(name: str, made: Trajectories) -> Trajectories:
    arguments = argparse.Namespace(skeleton=None, metres_per_pixel=None, image_size=SIZE)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"walk{FORMATS[name].ending}"
        written = writer_of(name, arguments)(path, made)
        path = written[0] if isinstance(written, list) else path
        without = FORMATS[name].ids is None
        return posetrack.load(
            path, rate=RATE, skeleton=made.skeleton, image_size=SIZE, untracked=without
        )


@pytest.mark.parametrize("name", BOTH_WAYS)
@given(data=st.data())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_a_format_keeps_what_the_table_says(name: str, data: st.DataObject) -> None:
    for library in NEEDS.get(name, ()):
        pytest.importorskip(library, reason=f"needs {library}")
    known = FORMATS[name]
    made = data.draw(walks(SLOTS.get(name, COCO_17)))
    # A folder without files is no folder of OpenPose's, and there is no NWB, C3D or HDF5 of nobody.
    assume(len(made) or name not in ("openpose", "yolo", "yolo-tracks"))
    assume(made.present.any() or name not in ("dlc-h5", "nwb", "c3d"))
    if known.ids == "name":  # a file a person
        assume(made.present.any())
        made = made.select(ids=made.ids[made.present.any(axis=0)][:1].tolist())
    if known.ids is None:  # who is alone in the frames is the first
        made = made.select(ids=made.ids[:1].tolist())
        made = replace(made, ids=made.ids * 0 + 1)
    if name == "yolo":  # labels lie within the image
        made = replace(made, boxes=made.boxes.clip(0, SIZE[0]))
    found = there_and_back(name, made)
    there = made.present.any(axis=0)
    made = made.select(ids=made.ids[there].tolist())  # nobody keeps who is in no frame
    assert found.ids.tolist() == made.ids.tolist()
    assert set(made.frame[made.present.any(axis=1)].tolist()) <= set(found.frame.tolist())
    if known.empty == "yes" and "rows from frame 0" not in known.note:
        assert found.frame.tolist() == made.frame.tolist()
    rows = np.isin(made.frame, found.frame)
    made = made.select(frames=None) if rows.all() else _part(made, rows)
    found = _part(found, np.isin(found.frame, made.frame))
    np.testing.assert_allclose(found.seconds, made.seconds, atol=0.002)
    assert found.skeleton.keypoints == made.skeleton.keypoints
    if known.xy is not None:
        np.testing.assert_allclose(found.xy, made.xy, rtol=1e-6 * (known.xy > 0), atol=known.xy)
    else:
        assert np.isnan(found.xy).all()
    unseen = np.isnan(found.xy[..., 0])
    assert (found.scores[unseen] == 0).all()
    if known.scores is not None:
        np.testing.assert_allclose(found.scores, made.scores, atol=known.scores)
    if known.boxes is not None:
        np.testing.assert_allclose(found.boxes, made.boxes, rtol=1e-6, atol=known.boxes)
    if known.box_scores is not None:
        np.testing.assert_allclose(found.box_scores, made.box_scores, atol=known.box_scores)
    if known.origin:
        np.testing.assert_array_equal(found.origin, made.origin)
        np.testing.assert_array_equal(found.flow_age, made.flow_age)
    else:
        assert (found.origin == Origin.DETECTED).all()
    if known.skeleton == "kept":
        assert found.skeleton == made.skeleton
    if known.provenance and len(made.frame):
        assert found.metadata["provenance"] == {"made": "up"}


def _part(whole: Trajectories, rows: np.ndarray) -> Trajectories:
    values = {name: getattr(whole, name)[rows] for name in ("frame", "seconds", "xy", "scores")}
    values |= {name: getattr(whole, name)[rows] for name in ("boxes", "box_scores", "flow_age")}
    return Trajectories(
        ids=whole.ids, skeleton=whole.skeleton, origin=whole.origin[rows],
        metadata=whole.metadata, **values,
    )  # fmt: skip


def test_every_format_that_is_written_has_a_writer() -> None:
    arguments = argparse.Namespace(skeleton=None, metres_per_pixel=None)
    for name, known in FORMATS.items():
        if known.writes and name != "opensim-mot":
            assert callable(writer_of(name, arguments)), name
    endings = [known.ending for known in FORMATS.values() if known.writes]
    assert len(set(endings)) == len(endings)
