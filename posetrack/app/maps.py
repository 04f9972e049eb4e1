"""Heatmaps of a chosen person at a chosen frame: where the pose network sees each keypoint."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from posetrack.app.session_state import without_folders
from posetrack.app.sessions import Session
from posetrack.app.subprocesses import Job, words_of_job
from posetrack.app.worker import MAPS
from posetrack.skeletons import Skeleton
from posetrack.trajectories import Trajectories

_ALL: Final = "all keypoints"
_HEIGHT: Final = 384
_SECONDS: Final = 300.0


def maps_part(
    mine: Session, run: Path, source: Path, edited: Trajectories, person: Any, frame: Any
) -> None:
    """A button that runs the run's pose network on the person in view, and what it gave."""
    xyxy = box_at(edited, person, frame)
    if xyxy is None:
        return
    asked = (str(run), frame, xyxy)
    state = st.session_state
    title = f"Heat maps of person {person} at frame {frame}"
    if st.button(title, key="look", help="How sure the pose network is of each keypoint's place."):
        job = Job(
            Path(tempfile.mkdtemp(prefix="maps-", dir=mine.folder)),
            words_of_job(run),
            "maps",
            frame=frame,
            xyxy=xyxy,
            size=edited.metadata.get("image_size"),
        )
        mine.jobs.append(job)
        with st.spinner("The pose network looks at this person"):
            ended = job.wait(_SECONDS)
        if ended.name == "done":
            with np.load(job.folder / MAPS, allow_pickle=False) as found:
                state["maps"] = (asked, found["crop"], found["maps"])
        else:
            job.kill()
            st.error(without_folders(ended.error, source.parent, mine.folder))
    known = state.get("maps")
    if not known or known[0] != asked:
        return
    _, crop, maps = known
    if len(maps) != len(edited.skeleton):
        st.error(f"The network gives {len(maps)} heatmaps, expected {len(edited.skeleton)}.")
        return
    name = st.selectbox("Keypoint", [_ALL, *edited.skeleton.keypoints], key="map of")
    picture = maps_picture(crop, maps, edited.skeleton, None if name == _ALL else name)
    st.image(picture, channels="BGR")


def box_at(edited: Trajectories, person: Any, frame: Any) -> tuple[float, ...] | None:
    """The box of a person at a frame; None where they are not there."""
    if not isinstance(frame, int) or person not in edited.ids.tolist():
        return None
    rows = np.flatnonzero(edited.frame == frame)
    if not len(rows):
        return None
    row, column = int(rows[0]), edited.ids.tolist().index(person)
    if not edited.present[row, column]:
        return None
    return tuple(round(float(side), 2) for side in edited.boxes[row, column])


def maps_picture(
    crop: NDArray[np.uint8], maps: NDArray[np.float32], skeleton: Skeleton, keypoint: str | None
) -> NDArray[np.uint8]:
    """The crop, all heatmaps glowing over it, and one keypoint's by itself with its peak; BGR.

    Parameters
    ----------
    crop
        (H, W, 3) uint8 BGR.
    maps
        (K, h, w).
    skeleton
        Of the K keypoints.
    keypoint
        The one by itself; None leaves it out.
    """
    from posetrack.ops.heatmaps import decode_quarter
    from posetrack.plots.inspection import View, heatmap_grid

    cells = decode_quarter(maps[None])[0][0]
    xy = cells * (crop.shape[1] / maps.shape[2], crop.shape[0] / maps.shape[1])
    view = View("what the network sees", crop, xy, maps, maps)
    chosen = [] if keypoint is None else [skeleton.index(keypoint)]
    return heatmap_grid([view], skeleton, chosen, height=_HEIGHT)
