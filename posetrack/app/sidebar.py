"""The left side of the page: the video, the networks, the thresholds."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from posetrack.app import choices as chosen
from posetrack.app.session_state import kept, without_folders
from posetrack.app.sessions import Session
from posetrack.app.subprocesses import Job
from posetrack.files import legal_name, write_whole
from posetrack.weights.catalogue import Kind

VIDEOS: Final = ("mp4", "mov", "m4v", "avi", "mkv", "webm", "mpg", "mpeg", "gif")
PICTURES: Final = ("jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp")
WEIGHTS: Final = ("onnx", "safetensors", "pth", "pt")
_SECONDS_TO_OPEN: Final = 120.0
_LARGEST_SIDE: Final = 960


@dataclass(frozen=True, eq=False)
class Source:
    """A video or picture that can be tracked.

    Parameters
    ----------
    path
        Where it is.
    facts
        Its size, length and rate in words.
    first
        Its first frame, BGR, made smaller.
    frames
        How many there are; None where that is not known.
    """

    path: Path
    facts: str = ""
    first: NDArray[np.uint8] | None = None
    frames: int | None = None


def choose_source(mine: Session, *, allow_paths: bool, max_seconds: float) -> Source | None:
    """The video: uploaded, from the camera, or by its path where that is allowed."""
    st.header("Video")
    kinds = ["Upload", "Camera picture", *(["Path"] if allow_paths else [])]
    kind = st.radio("From", kinds, horizontal=True, key="from", label_visibility="collapsed")
    path: Path | None = None
    if kind == "Path":
        text = st.text_input("Path on this machine", key="path")
        path = Path(text) if text else None
    else:
        uploaded = (
            st.camera_input("Picture", key="camera")
            if kind == "Camera picture"
            else st.file_uploader("Video or picture", type=[*VIDEOS, *PICTURES], key="upload")
        )
        if uploaded is not None:
            path = keep_upload(mine, uploaded)
    if path is None:
        return None
    asked = (str(path), path.stat().st_mtime_ns if path.is_file() else 0, max_seconds)
    found: Source | str = kept("source", asked, lambda: look_at_video(path, max_seconds))
    if isinstance(found, str):
        st.error(found)
        return None
    return found


def keep_upload(mine: Session, uploaded: Any) -> Path:
    """An upload as a file of this session; the same one is written once."""
    folder = mine.folder / f"upload-{legal_name(uploaded.file_id)}"
    name = Path(uploaded.name)
    path = folder / f"{legal_name(name.stem)}{name.suffix.lower()}"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        write_whole(path, uploaded.getbuffer().tobytes(), durable=False)
    return path


def look_at_video(path: Path, max_seconds: float) -> Source | str:
    """What is in a file; or why it cannot be tracked, in a line without its folder."""
    import cv2

    from posetrack.video import open_video

    try:
        with open_video(str(path), prefetch=0) as video:
            facts = []
            moves = video.source.kind == "video"
            if moves and video.count and video.rate:
                seconds = video.count / float(video.rate)
                if seconds > max_seconds:
                    return (
                        f"{path.name} lasts {seconds:.0f} s; at most {max_seconds:.0f} s are "
                        "taken here: cut it, or start the app with --max-seconds"
                    )
                facts = [f"{video.count} frames", f"{float(video.rate):.4g} a second"]
            frame = next(iter(video), None)
            if frame is None:
                return f"{path.name} has no picture that can be read"
            height, width = frame.image.shape[:2]
            scale = min(1.0, _LARGEST_SIDE / max(height, width))
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
            facts = [f"{width} x {height} pixels", *facts]
            first = np.asarray(small, np.uint8)
            return Source(path, ", ".join(facts), first, video.count if moves else 1)
    except (OSError, ValueError, RuntimeError) as error:
        return without_folders(str(error), path.parent)


def choose_settings(mine: Session, *, allow_paths: bool) -> chosen.Choices | None:
    """Networks, thresholds, frames; the tracker's other settings are folded away.

    None as long as a network's file is still to be given, or is none.
    """
    st.header("Networks")
    estimator, finds_boxes = _network(mine, allow_paths, "pose", "Pose network")
    detector: str | None = ""
    if not finds_boxes:
        detector, _ = _network(mine, allow_paths, "detector", "Detector")
    stride = None
    if estimator and chosen.is_posenet(estimator):
        stride = st.selectbox("PoseNet's output stride", [8, 16, 32], index=1, key="stride",
                              help="Smaller is finer and slower.")  # fmt: skip
    st.header("Thresholds")
    pose, point = (
        st.slider(title, 0.0, 1.0, chosen.default_of(name) or 0.0, 0.01, key=name, help=words)
        for title, name, words in (
            ("Pose score, at least", "min_pose_score", "Poses that score less are left out."),
            ("Keypoint score, at least", "min_keypoint_score",
             "Keypoints that score less do not count and are not drawn."),
        )
    )  # fmt: skip
    settings: dict[str, float] = {}
    with st.expander("Tracker, device, frames"):
        words = chosen.words_of_settings()
        for name in chosen.SHOWN:
            usual = chosen.default_of(name)
            value = st.number_input(
                name.replace("_", " ").capitalize(),
                min_value=0 if isinstance(usual, int) else 0.0,
                value=usual,
                placeholder="the detector's own",
                key=name,
                help=words[name],
            )
            if value is not None and value != usual:
                settings[name] = value
        device = st.selectbox("Device", ["auto", "cpu", "cuda"], key="device")
        precision = st.selectbox("Precision", chosen.PRECISIONS, key="precision",
                                 format_func=lambda one: one or "the network's")  # fmt: skip
        start = int(st.number_input("First frame", min_value=0, value=0, key="start"))
        stop = st.number_input("Stop before frame", min_value=1, value=None, key="stop_frame",
                               placeholder="the end")  # fmt: skip
    if estimator is None or detector is None:
        return None
    return chosen.Choices(
        detector, estimator, device, precision, stride, pose, point, start,
        None if stop is None else int(stop), settings,
    )  # fmt: skip


def _network(mine: Session, allow_paths: bool, kind: Kind, title: str) -> tuple[str | None, bool]:
    """A network's name or file, None if it is still to be given; whether it finds people itself."""
    known = chosen.networks(kind)
    name: str = st.selectbox(title, [*known, chosen.OWN_FILE], key=kind,
                             format_func=lambda one: known.get(one, one))  # fmt: skip
    if name != chosen.OWN_FILE:
        return name, chosen.finds_boxes(name)
    text: str = st.text_input("Its path", key=f"{kind} path") if allow_paths else ""
    path = Path(text) if text else None
    if path is None:
        uploaded = st.file_uploader("Its file", type=list(WEIGHTS), key=f"{kind} file")
        path = None if uploaded is None else keep_upload(mine, uploaded)
    if path is None:
        return None, False
    facts: dict[str, Any] = kept(f"{kind} file", str(path), lambda: look_at_file(mine, path, kind))
    if "error" in facts:
        st.error(without_folders(facts["error"], path.parent))
        return None, False
    return str(path), bool(facts["finds_boxes"])


def look_at_file(mine: Session, path: Path, kind: Kind) -> dict[str, Any]:
    """What network is in a file, found out in a process of its own; ``error`` if there is none."""
    words = ["video", "--device", "cpu", "--detector" if kind == "detector" else "--estimator"]
    job = Job(
        Path(tempfile.mkdtemp(prefix="look-", dir=mine.folder)),
        [*words, str(path)],
        "look",
        kind=kind,
    )
    mine.jobs.append(job)
    with st.spinner("The file is opened"):
        state = job.wait(_SECONDS_TO_OPEN)
    if state.name != "done":
        job.kill()
        return {"error": state.error or f"{path.name} takes too long to open"}
    return {"finds_boxes": job.note("finds_boxes")}
