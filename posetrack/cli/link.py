"""``posetrack link``: identities for poses from any format that is read."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from posetrack.cli.convert import (
    ENDINGS,
    add_reading,
    add_scale,
    name_of,
    paths_of,
    read_tracks,
    write_all,
)
from posetrack.cli.input_checks import check_video
from posetrack.cli.network_options import add_device, add_flow, build_flow
from posetrack.cli.options import add_out
from posetrack.cli.track import add_tracker, tracker_settings

_SETTINGS = (
    "memory",
    "spread",
    "recency",
    "min_similarity",
    "min_keypoint_score",
    "min_pose_score",
    "min_new_score",
    "min_hits",
    "probation",
    "max_given_oks",
    "flow_similarity",
    "coasting",
    "leaving",
    "similarity",
    "match",
)


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "link",
        help="give identities to poses of other programs",
        description="Read poses from any format that is read (COCO results, OpenPose's folder, "
        "AlphaPose, MMPose, PoseTrack and others) and give them identities with the tracker. With "
        "the video, optical flow carries past poses along; without it, their own velocity does.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a file, or OpenPose's folder")
    parser.add_argument("--video", metavar="VIDEO", help="what the poses are of")
    add_out(parser)
    parser.add_argument(
        "--to",
        default="csv,parquet,posetrack18",
        metavar="LIST",
        help=f"formats, of {', '.join(ENDINGS)}",
    )
    parser.add_argument(
        "--keep-ids",
        action="store_true",
        help="keep the identities that the file has, and give some to the others only",
    )
    add_reading(parser)
    add_scale(parser)
    add_flow(parser)
    add_device(parser)
    add_tracker(parser, _SETTINGS)
    parser.set_defaults(run=run, coasting=True)


def run(arguments: argparse.Namespace) -> int:
    """Read, link, write."""
    paths = paths_of(arguments)
    check_video(arguments.video)
    video = _open_video(arguments.video)
    try:
        if video is not None and arguments.rate is None and not _has_times(arguments.file):
            arguments.rate = float(video.rate)
        poses = read_tracks(arguments, untracked="keep" if arguments.keep_ids else True)
        if video is not None and video.scale != (1.0, 1.0):
            video.close()
            video = _open_video(arguments.video, poses.metadata.get("image_size"))
        linked = _link_poses(poses, video, arguments)
    finally:
        if video is not None:
            video.close()
    written = write_all(linked, paths, arguments)
    print(
        f"{name_of(arguments.file)}: {len(linked)} frames, {len(linked.ids)} people -> "
        + ", ".join(map(str, written))
    )
    return 0


def _open_video(source: str | None, size: tuple[int, int] | None = None) -> Any:
    """The video at images of the size that the poses are in; as stored where that is not known."""
    if source is None:
        return None
    from posetrack.video.reader import open_tracked

    return open_tracked(source, size)


def _has_times(path: Path) -> bool:
    """Whether a file is the project's own, which has each frame's time."""
    from posetrack.formats.reading import is_own

    return is_own(path)


def _link_poses(poses: Any, video: Any, arguments: argparse.Namespace) -> Any:
    """Trajectories, with what made them in their provenance."""
    from posetrack import __version__
    from posetrack.formats.provenance import as_json, describe_source
    from posetrack.tracking.linking import link

    frames = None if video is None else _Watched(video)
    linked = link(
        poses,
        video=frames,
        keep_ids=arguments.keep_ids,
        flow=None if video is None else build_flow(arguments),
        **tracker_settings(arguments, _SETTINGS),
    )
    settings = {key: value for key, value in vars(arguments).items() if key != "run"}
    described = {"posetrack": __version__, "settings": as_json(settings)}
    described["video"] = describe_source(arguments.video)
    before = dict(linked.metadata.get("provenance") or {})
    metadata = dict(linked.metadata) | {"provenance": before | {"linked": described}}
    if frames is not None and frames.size is not None:
        metadata |= {"image_size": frames.size, "rate": float(video.rate)}
    return replace(linked, metadata=metadata)


class _Watched:
    """Frames as they come, and how large they are."""

    def __init__(self, video: Any) -> None:
        self.video = video
        self.size: tuple[int, int] | None = None

    def __iter__(self) -> Any:
        for frame in self.video:
            self.size = (frame.image.shape[1], frame.image.shape[0])
            yield frame
