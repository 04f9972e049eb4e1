"""``posetrack recover``: finishes what a killed run left in a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from posetrack.checks import reason_of

_UNFINISHED = ".partial"
_SPOOLS = {".arrows": ".parquet", ".jsonl": ".json"}


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``recover`` to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "recover",
        help="finish what a killed run left, and say what can be used",
        description="Finish what a killed run left in a folder: NAME.partial.parquet and "
        "NAME.partial.json are made of their spools, NAME.recovered.mp4 of an unfinished video's "
        "pieces, without encoding it again; all other unfinished files are looked at. "
        "Nothing is removed or written over; a second call does nothing more.",
        epilog="Not while a run writes into the folder: what it has not finished looks the same.",
    )
    parser.add_argument("folder", type=Path, metavar="OUT", help="the folder with the results")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Look at every unfinished file; 1 if one of them cannot be used."""
    folder: Path = args.folder
    if not folder.is_dir():
        print(f"posetrack recover: {folder}: expected a folder with results", file=sys.stderr)
        return 2
    left = sorted(path for path in folder.iterdir() if _is_unfinished(path))
    finished = {_result_path(path) for path in left}
    failed = 0
    for path in left:
        if path in finished:
            continue  # its spool's line mentions it
        try:
            print(f"{path}: {_finish_file(path)}")
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            print(f"posetrack recover: {' '.join(reason.split())}", file=sys.stderr)
            failed += 1
    for path in sorted(folder.glob("*.resume")):
        if sentence := _describe_point(path):
            print(f"{path}: {sentence}")
    if not left:
        print(f"{folder}: nothing unfinished")
    return 1 if failed else 0


def _describe_point(path: Path) -> str:
    """What can be done with a run that notes where it stands; nothing to say of a finished one."""
    from posetrack.runs.resuming import read_point

    try:
        point = read_point(path)
    except (OSError, ValueError, TypeError, KeyError):
        return "cannot be read; `track --resume` begins again once it is removed"
    if point.stage == "finished":
        return ""
    return f"with {point.frames:,} frames; `posetrack track ... --resume` goes on from there"


def _is_unfinished(path: Path) -> bool:
    """Whether a file's name is one of `posetrack.files.partial_name`; links are left alone.

    Examples
    --------
    >>> _is_unfinished(Path("nowhere/match.partial.csv"))
    False
    """
    mark = Path(path.stem).suffix
    number = mark.removeprefix(f"{_UNFINISHED}-")
    named = mark == _UNFINISHED or (mark != number and number.isdecimal())
    return named and path.is_file() and not path.is_symlink()


def _result_path(path: Path) -> Path | None:
    """The path that a spool or an unfinished video becomes; None for other files.

    Examples
    --------
    >>> _result_path(Path("match.partial-2.arrows")).name
    'match.partial-2.parquet'
    >>> _result_path(Path("match.partial-2.mp4")).name
    'match.recovered-2.mp4'
    """
    from posetrack.video.writer import VIDEO_ENDINGS

    if path.suffix in VIDEO_ENDINGS:
        name, mark = Path(path.stem).stem, Path(path.stem).suffix
        return path.with_name(f"{name}{mark.replace(_UNFINISHED, '.recovered')}{path.suffix}")
    ending = _SPOOLS.get(path.suffix)
    return None if ending is None else path.with_suffix(ending)


def _finish_file(path: Path) -> str:
    """Finish one file if it needs that, and say in a few words what there is of it.

    Raises
    ------
    OSError, ValueError
        If nothing of it can be used; the message names it.
    """
    from posetrack.video.pieces import JOINING

    if path.suffix == ".resume":
        return "half a note of where a run stands; the whole one is beside it"
    if path.suffix == JOINING:
        return (
            "of a video that was being joined; what it is made of is beside it, this can be removed"
        )
    if not path.stat().st_size:
        raise ValueError(f"{path}: empty; nothing was written before the run ended")
    target = _result_path(path)
    if target is not None:
        return _finish(path, target)
    if path.suffix == ".csv":
        return _rows(path)
    return f"left as it is, {path.stat().st_size:,} bytes"


def _finish(spool: Path, target: Path) -> str:
    from posetrack.formats import recover
    from posetrack.video.writer import VIDEO_ENDINGS

    if target.exists() or target.is_symlink():
        return f"finished already, as {target.name}"
    if target.suffix in VIDEO_ENDINGS:
        return _join(spool, target)
    recover(spool)
    kept = ""
    if target.suffix == ".parquet":
        import pyarrow.parquet as pq

        from posetrack.formats.arrow_arrays import open_arrow_file

        kept = f", {pq.read_metadata(open_arrow_file(target)).num_rows:,} rows"
    return f"finished as {target.name}{kept}"


def _join(pieces: Path, target: Path) -> str:
    from posetrack.video.pieces import join_pieces

    extent = join_pieces(pieces, target)
    return f"finished as {target.name}, {extent.images:,} frames, {extent.seconds:.1f} s"


def _rows(path: Path) -> str:
    from posetrack.files import MAX_JSON_BYTES, read_bytes

    count = read_bytes(path, MAX_JSON_BYTES).count(b"\n") - 1
    return f"{max(count, 0):,} rows, to be read as it is"
