"""The page: what Streamlit runs for each session, from top to bottom, at every change on it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from argparse import Namespace
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit import runtime
from streamlit.components.v1 import declare_component
from streamlit.runtime.scriptrunner import get_script_run_ctx

from posetrack.app import choices as chosen
from posetrack.app import player
from posetrack.app.maps import maps_part
from posetrack.app.session_state import kept, without_folders
from posetrack.app.sessions import Session, Sessions
from posetrack.app.sidebar import Source, choose_settings, choose_source
from posetrack.app.subprocesses import Job
from posetrack.app.worker import VIEW
from posetrack.audit import Moment, draw_moments, review_table
from posetrack.audit.edits import add_edit, apply_file, undo_edit
from posetrack.draw import draw_tracks
from posetrack.reports import Results, find_results
from posetrack.trajectories import Trajectories, load, save

# Strings on lines of their own would be shown: Streamlit writes every bare expression of a script.
OPTIONS: Final = "POSETRACK_APP"  # variable of the environment with what the app was given, as JSON

_MOST_MOMENTS: Final = 8
_PICTURE_HEIGHT: Final = 480
_STYLE: Final = "<style>.stMainBlockContainer { padding-top: 2.5rem; }</style>"
_VIEWS: Final = ("Watch", "Doubts and edits", "Files")

_play = declare_component("posetrack_player", path=str(player.FRONTEND))


@dataclass(frozen=True)
class Options:
    """What ``posetrack app`` was given.

    Parameters
    ----------
    folder
        For the sessions' files.
    allow_paths
        Whether files of this machine may be chosen by their path.
    max_seconds
        Of a video.
    sweep
        Whether files of browsers that are gone are taken away meanwhile.
    grace
        Seconds that a browser may be away before.
    """

    folder: str = ""
    allow_paths: bool = False
    max_seconds: float = 600.0
    sweep: bool = False
    grace: float = 30.0


def options() -> Options:
    """What the server was started with."""
    return Options(**json.loads(os.environ.get(OPTIONS, "{}")))


@st.cache_resource  # type: ignore[untyped-decorator,unused-ignore]
def all_sessions(parent: str, sweep: bool, grace: float) -> Sessions:
    """The server's sessions; the thread that clears up after them starts with the first."""
    folder = Path(parent) if parent else Path(tempfile.mkdtemp(prefix="posetrack-app-test-"))

    def is_active(name: str) -> bool:
        return bool(runtime.exists() and runtime.get_instance().is_active_session(name))

    found = Sessions(folder, is_active, grace=grace)
    if sweep:
        found.watch()
    return found


def session(given: Options) -> Session:
    """The session of the browser that looks."""
    context = get_script_run_ctx()
    sessions: Sessions = all_sessions(given.folder, given.sweep, given.grace)
    return sessions.of("test" if context is None else context.session_id)


def main() -> None:
    """The page."""
    st.set_page_config(page_title="posetrack", layout="wide")
    given = options()
    mine = session(given)
    st.html(_STYLE)
    st.title("posetrack")
    with st.sidebar:
        source = choose_source(mine, allow_paths=given.allow_paths, max_seconds=given.max_seconds)
        choices = choose_settings(mine, allow_paths=given.allow_paths)
    if source is None:
        st.caption(
            "People in video: every person's keypoints over time, with identities that last."
        )
        st.info("Choose a video or a picture at the left.")
        return
    if choices is None:
        st.info("Give the file of your network at the left.")
        return
    job = run_part(mine, source, choices)
    if job is not None and job.state().ended:
        results_part(mine, job, source)
    preview(mine, source, choices, alone=job is None)


def preview(mine: Session, source: Source, choices: chosen.Choices, *, alone: bool) -> None:
    """One frame with what the thresholds keep; networks are run anew for another frame alone."""
    path = source.path
    with st.expander("Try the thresholds on one frame", expanded=alone):
        left, right = st.columns([2, 3], vertical_alignment="top")
        with left:
            last = None if source.frames is None else max(0, source.frames - 1)
            frame = int(st.number_input("Frame", 0, last, min(choices.start, last or 0),
                                        key="tried"))  # fmt: skip
            asked = (str(path), choices.detector, choices.estimator, choices.output_stride,
                     choices.precision, choices.device, frame)  # fmt: skip
            state = st.session_state
            if st.button("Run the networks on this frame", key="try"):
                job = Job(
                    Path(tempfile.mkdtemp(prefix="try-", dir=mine.folder)),
                    chosen.words_of(str(path), choices, tried=frame),
                )
                mine.jobs.append(job)
                with st.spinner("The networks are loaded and run"):
                    ended = job.wait(300)
                state["candidates"] = (asked, job) if ended.name == "done" else None
                if ended.name != "done":
                    job.kill()
                    problem = ended.error or "this frame cannot be read"
                    st.error(without_folders(problem, path.parent, mine.folder))
            known = state.get("candidates")
            found = None
            if known and known[0] == asked:
                found = kept_poses(path, known[1].folder, choices)
                st.text(f"{found[1]} of {found[2]} poses are kept")
                st.caption("Move the thresholds at the left: the picture follows at once.")
            else:
                st.caption("Then the thresholds at the left can be tried without another run.")
        if found is not None:
            right.image(found[0], channels="BGR", width=_wide(found[0]))
        elif source.first is not None:
            right.image(
                source.first, channels="BGR", caption=source.facts, width=_wide(source.first)
            )


def _wide(image: NDArray[np.uint8]) -> int:
    """Width on the page of a picture that is to be seen whole."""
    height, width = image.shape[:2]
    wide: float = min(width, _PICTURE_HEIGHT * width / height)
    return max(1, round(wide))


def kept_poses(source: Path, folder: Path, choices: chosen.Choices) -> tuple[Any, int, int]:
    """The frame with the poses that thresholds keep drawn over it, how many, and of how many."""
    from posetrack.tracking.association import pose_scores
    from posetrack.video.reader import read_image

    (results,) = find_results(folder)
    found = load(results.table)
    image = read_image(str(source), int(found.frame[0]), found.metadata.get("image_size"))
    _, _, tracks = next(iter(found.to_table().frames()))
    good: np.ndarray[Any, Any] = pose_scores(tracks.poses) >= (choices.min_pose_score or 0)
    drawn = draw_tracks(image, tracks[good], min_score=choices.min_keypoint_score or 0)
    return drawn, int(good.sum()), len(good)


def run_part(mine: Session, source: Source, choices: chosen.Choices) -> Job | None:
    """Start, progress, stop; gives the run of this video, if there is one."""
    state = st.session_state
    job: Job | None = state.get("job")
    if state.get("job of", source.path) != source.path:
        job = None  # what is shown is of the video that is chosen
    running = job is not None and not job.state().ended
    title = "Track" if job is None else "Track again"
    if st.button(title, type="primary", disabled=running, key="track"):
        for before in mine.jobs:
            before.kill()
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=mine.folder))
        job = Job(folder, chosen.words_of(str(source.path), choices), view=True)
        mine.jobs.append(job)
        for name in ("person", "at", "clicks"):
            state.pop(name, None)
        state["job"], state["job of"], running = job, source.path, True
    if running:
        follow_run()
    return job


@st.fragment(run_every=0.5)  # type: ignore[untyped-decorator,unused-ignore]
def follow_run() -> None:
    """How far the run is, every half second; nothing else on the page is run again for it."""
    job: Job = st.session_state["job"]
    state = job.state()
    if state.ended:
        st.rerun()
    if state.name == "preparing":
        st.progress(0.0, "The networks are loaded.")
    elif state.name == "finishing":
        st.progress(1.0, "The video is copied for this page.")
    else:
        share = min(1.0, state.frames / state.total) if state.total else 0.0
        rate = "" if state.rate is None else f", {state.rate:.1f} frames a second"
        of = "" if state.total is None else f" of {state.total}"
        st.progress(share, f"{state.frames}{of} frames, {state.people} people{rate}")
    if st.button("Stop, and keep what is done", key="stop"):
        job.stop()


def results_part(mine: Session, job: Job, chosen_source: Source) -> None:
    """What a run came to."""
    state, source = job.state(), chosen_source.path
    if state.name == "failed":
        st.error(without_folders(state.error, source.parent, mine.folder))
        return
    if state.name == "stopped":
        st.warning(f"Stopped after {state.frames} frames; what was done is kept.")
    try:
        (results,) = find_results(job.folder)
    except ValueError:
        st.warning("There was no frame to track.")
        return
    edits = job.folder / f"{results.name}.edits.txt"
    done = edits.read_bytes() if edits.exists() else b""
    at = (str(results.table), done)
    original = kept("original", str(results.table), lambda: load(results.table))
    edited: Trajectories = kept(
        "edited", at, lambda: apply_file(original, edits).trajectories if done else original
    )
    if not edited.present.any():
        st.warning("Nobody was found. A lower pose score at the left lets more poses through; "
                   "try it on one frame below.")  # fmt: skip
        return
    frames = "1 frame" if len(edited) == 1 else f"{len(edited)} frames"
    st.text(f"{frames}, {len(edited.ids)} people: ids {edited.ids.tolist()[:40]}")
    view = st.radio("Show", _VIEWS, horizontal=True, key="view", label_visibility="collapsed")
    if view == "Watch":
        watch_part(job, edited, kept("tracks", at, lambda: player.tracks_json(edited)))
        maps_part(
            mine,
            job.folder,
            source,
            edited,
            st.session_state.get("person"),
            st.session_state.get("at"),
        )
    elif view == "Doubts and edits":
        edits_part(results.table, original, edited, edits, source)
    else:
        files_part(job, results, edited, edits, source)


def watch_part(job: Job, edited: Trajectories, tracks: bytes) -> None:
    """The video with people over it, and the curves of the one who is clicked."""
    state = st.session_state
    names = player.curve_names(edited)
    usual = [name for name in ("left_knee", "right_knee") if name in names]
    curves = st.multiselect("Curves", names, default=usual, max_selections=4, key="curves")
    person = state.get("person")
    if person not in edited.ids.tolist():
        person = None
    shown = player.curves_for_page(edited, person, curves)
    value = _play(
        video=_address(job.folder / VIEW, "video/mp4"),
        tracks=_address(tracks, "application/json"),
        person=person,
        curves=shown,
        key="player",
        default=None,
    )
    if isinstance(value, dict):
        state["at"] = value.get("frame")
        if value.get("clicks") != state.get("clicks", 0):
            state["clicks"] = value.get("clicks")
            if value.get("person") in edited.ids.tolist():
                state["person"] = value["person"]
                st.rerun()


def _address(content: Path | bytes, kind: str) -> str:
    """Where the page finds a file: under a hash of its content, as long as the session shows it."""
    if not runtime.exists() or (isinstance(content, Path) and not content.exists()):
        return ""
    data = content if isinstance(content, bytes) else str(content)
    address: str = runtime.get_instance().media_file_mgr.add(data, kind, f"posetrack-{kind}")
    return address


def edits_part(
    table: Path, original: Trajectories, edited: Trajectories, edits: Path, source: Path
) -> None:
    """Doubtful moments side by side, and buttons that write the edits file."""
    error = st.session_state.pop("edit error", "")
    if error:
        st.error(error)
    lines = edits.read_text(encoding="utf-8").splitlines() if edits.exists() else []
    apply = partial(_apply, original, edits)
    left, right = st.columns([3, 1])
    with left, st.form("edit", clear_on_submit=True):
        line = st.text_input("An edit: swap 1 2 from 12.4s, merge 7 into 3, split 4 at f120, "
                             "delete 6, rename 2 to 10", key="line")  # fmt: skip
        if st.form_submit_button("Apply") and line:
            apply(line)
            st.rerun()  # what stands above is of the edits before
    with right:
        st.button("Undo", on_click=_undo, args=(edits,), disabled=not lines, key="undo")
        st.text("\n".join(lines) or "no edits")
    st.subheader("Doubtful moments")
    moments, pictures = doubts_of(table, edited, source, tuple(lines))
    if not moments:
        st.text("None: no sign of a wrong identity was found.")
    for number, one in enumerate(moments):
        st.text(f"{one.seconds:.2f} s, frame {one.frame}, doubt {one.score:.2f}: {one.reason}")
        if number in pictures:
            st.image(pictures[number], channels="BGR")
        for column, (title, edit) in zip(st.columns(6), buttons_of(one, edited), strict=False):
            column.button(title, key=f"{number} {title}", help=edit, on_click=apply, args=(edit,))


def buttons_of(moment: Moment, edited: Trajectories) -> list[tuple[str, str]]:
    """Titles and lines of the edits that a moment suggests.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> tr = Trajectories([], [], [1, 2], np.zeros((0, 2, 17, 2)), np.zeros((0, 2, 17)), COCO_17)
    >>> [line for _, line in buttons_of(Moment(0.5, 9, 0.3, (1, 2), "near"), tr)]
    ['swap 1 2 from f9', 'merge 2 into 1', 'split 1 at f9', 'delete 1', 'rename 1 to 3']
    """
    first, free = moment.ids[0], int(edited.ids.max(initial=0)) + 1
    pair = moment.ids[:2] if len(moment.ids) > 1 else ()
    lines = [("Mend", moment.edit)] if moment.edit else []
    if pair:
        lines += [("Swap", f"swap {pair[0]} {pair[1]} from f{moment.frame}"),
                  ("Merge", f"merge {pair[1]} into {pair[0]}")]  # fmt: skip
    return [
        *lines,
        ("Split", f"split {first} at f{moment.frame}"),
        ("Delete", f"delete {first}"),
        ("Rename", f"rename {first} to {free}"),
    ]


def _apply(original: Trajectories, edits: Path, line: str) -> None:
    try:
        add_edit(original, edits, line)
    except ValueError as error:
        st.session_state["edit error"] = str(error)


def _undo(edits: Path) -> None:
    undo_edit(edits)


def doubts_of(
    table: Path, edited: Trajectories, source: Path, lines: tuple[str, ...]
) -> tuple[list[Moment], dict[int, Any]]:
    """Doubtful moments and their pictures; kept until another edit is written."""
    from posetrack.video.reader import open_tracked

    def look() -> tuple[list[Moment], dict[int, Any]]:
        # The tracker's notes name the ids before any edit.
        beside = table if not lines else table.with_name(f"edited-{table.name}")
        with st.spinner("Doubtful moments are looked for"):
            moments = review_table(beside, edited, video=str(source))[:_MOST_MOMENTS]
            with open_tracked(str(source), edited.metadata.get("image_size")) as frames:
                return moments, dict(draw_moments(frames, edited, moments)) if moments else {}

    found: tuple[list[Moment], dict[int, Any]] = kept("moments", (str(table), lines), look)
    return found


def files_part(job: Job, results: Results, edited: Trajectories, edits: Path, source: Path) -> None:
    """Tables and all formats, the overlay, the report, the edits."""
    from posetrack.cli.convert import ENDINGS, write_all

    st.dataframe(edited.to_pandas().head(1000), height=260)
    if edits.exists() and edits.stat().st_size:
        st.download_button("Edits", edits.read_bytes(), edits.name, key="get edits")
    name = results.name
    # A folder for each state of the edits: what was drawn before one is no longer true.
    done = edits.read_bytes() if edits.exists() else b""
    folder = job.folder / f"files-{hashlib.sha256(done).hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    kinds = sorted(ENDINGS, key=lambda one: one != "csv")
    kind: str = st.selectbox("Format", kinds, key="format")
    settings = Namespace(
        skeleton=None, height=None, metres_per_pixel=None, image_size=None, out=folder
    )
    written: list[Path] = []
    try:
        written = write_all(edited, {kind: folder / f"{name}{ENDINGS[kind]}"}, settings)
    except (ValueError, OSError, ImportError) as error:
        st.error(str(error))
    for path in written:
        if path.is_file():
            st.download_button(path.name, path.read_bytes(), path.name, key=f"get {path.name}")
        else:
            st.download_button(f"{path.name}.zip", _zipped(path), f"{path.name}.zip",
                               key=f"get {path.name}")  # fmt: skip
    if st.button("Draw the video with people over it", key="draw"):
        from posetrack.draw import draw_video

        try:
            with st.spinner("It is drawn"):
                draw_video(edited, folder / f"{name}.overlay.mp4", video=str(source))
        except (ValueError, OSError, ImportError) as error:
            st.error(str(error))
    if st.button("Write the report", key="report"):
        _write_report(folder, results, edited, source)
    for ending, title in ((".overlay.mp4", "Overlay"), (".report.html", "Report")):
        path = folder / f"{name}{ending}"
        if path.exists():
            st.download_button(title, path.read_bytes(), path.name, key=f"get {title}")


def _write_report(folder: Path, results: Results, edited: Trajectories, source: Path) -> None:
    from posetrack.reports import write_report

    table, page = (folder / f"{results.name}.{end}" for end in ("parquet", "report.html"))
    save(edited, table)
    try:
        with st.spinner("It is written"):
            write_report(Results(results.name, table, results.ledger), page, video=str(source))
    except (ValueError, OSError, ImportError) as error:
        st.error(str(error))


def _zipped(folder: Path) -> bytes:
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder.parent))
    return content.getvalue()


if __name__ == "__main__":
    main()
