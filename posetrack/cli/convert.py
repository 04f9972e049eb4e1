"""``posetrack convert``: tables of tracks as the files of other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from posetrack.cli.outputs import check_folder

_ENDINGS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "posetrack18": ".json",
    "coco": ".coco.json",
    "openpose": ".openpose",
    "movement": ".movement.nc",
    "dlc": ".dlc.csv",
    "mot": ".mot.txt",
    "sleap": ".sleap.h5",
}


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "convert",
        help="write tracks in the formats of other programs",
        description="Write a table of tracks (.csv or .parquet), or a folder of OpenPose's JSON "
        "with identities, in other formats.",
        epilog="movement and sleap need pip install 'posetrack[formats]'.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a table, or OpenPose's folder")
    parser.add_argument(
        "--to", required=True, metavar="LIST", help=f"formats, of {', '.join(_ENDINGS)}"
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out"), help="folder (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, help="frames a second, for OpenPose's files, which do not tell"
    )
    parser.add_argument(
        "--skeleton",
        choices=("body_25", "coco_18"),
        default="body_25",
        help="for OpenPose's files (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read once, write each format."""
    listed = (name.strip() for name in arguments.to.split(","))
    formats = [name for name in dict.fromkeys(listed) if name]
    unknown = sorted(set(formats) - set(_ENDINGS))
    if unknown or not formats:
        raise ValueError(f"--to: unknown {unknown}; expected a list of {', '.join(_ENDINGS)}")
    check_folder(arguments.out)
    source: Path = arguments.file
    name = source.name.removesuffix(".openpose") if source.is_dir() else source.stem
    paths = {kind: arguments.out / f"{name}{_ENDINGS[kind]}" for kind in formats}
    for kind, path in paths.items():
        if path.resolve() == source.resolve():
            raise ValueError(f"--to {kind} would replace {source} itself; give another --out")
    trajectories = _read(source, arguments.rate)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for kind, path in paths.items():
        _writer(kind, arguments.skeleton)(path, trajectories)
    print(
        f"{name}: {len(trajectories)} frames, {len(trajectories.ids)} people -> "
        + ", ".join(map(str, paths.values()))
    )
    return 0


def _read(source: Path, rate: float | None) -> Any:
    from posetrack.trajectories import Trajectories, load

    if not source.is_dir():
        return load(source)
    from posetrack.formats.openpose import read_openpose

    if rate is None:
        raise ValueError(f"{source}: OpenPose's files tell no times; give --rate")
    return Trajectories.from_table(read_openpose(source, rate=rate))


def _writer(kind: str, skeleton: str) -> Callable[[Path, Any], None]:
    """What writes trajectories in a format."""
    from posetrack.formats import CocoWriter, PoseTrack18Writer
    from posetrack.formats.animal import write_dlc, write_movement, write_sleap
    from posetrack.formats.mot import write_mot
    from posetrack.formats.openpose import write_openpose
    from posetrack.skeletons import KNOWN_SKELETONS
    from posetrack.trajectories import save

    def by_frame(opened: Any) -> Callable[[Path, Any], None]:
        def write(path: Path, made: Any) -> None:
            known = dict(made.metadata)
            with opened(path, made.skeleton, **known) as sink:
                for frame in made.to_table().frames():
                    sink.write(*frame)

        return write

    def whole(write: Callable[[Path, Any], None]) -> Callable[[Path, Any], None]:
        return lambda path, made: write(path, made.to_table())

    writers: dict[str, Callable[[Path, Any], None]] = {
        "csv": lambda path, made: save(made, path),
        "parquet": lambda path, made: save(made, path),
        "posetrack18": by_frame(PoseTrack18Writer),
        "coco": by_frame(CocoWriter),
        "openpose": whole(lambda path, t: write_openpose(path, t, KNOWN_SKELETONS[skeleton])),
        "movement": whole(write_movement),
        "dlc": whole(write_dlc),
        "mot": whole(write_mot),
        "sleap": whole(write_sleap),
    }
    return writers[kind]
