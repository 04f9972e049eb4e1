"""Checks of the files, videos and folders on the command line, before anything is loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from posetrack.checks import no_such_file
from posetrack.video.reachability import is_camera


def check_files(*paths: str | Path | None) -> None:
    """Refuse files and folders that are not there; None is passed over, what is in a zip, too.

    Raises
    ------
    FileNotFoundError
        With what lies near under a similar name.

    Examples
    --------
    >>> check_files(None, "nowhere/tracks.csv")
    Traceback (most recent call last):
    FileNotFoundError: nowhere/tracks.csv: no such file, and no folder nowhere
    """
    for path in paths:
        if path is not None and not Path(path).exists():
            from posetrack.formats.exports import split_at_zip

            if split_at_zip(Path(path)) is None:
                raise no_such_file(Path(path))


def check_video(source: str | None) -> None:
    """Raise for a video, camera or address that is missing or unreadable; None is ignored.

    Raises
    ------
    ValueError, OSError
        See `posetrack.video.open_video` and `posetrack.video.reachability.check_live`.
    """
    from posetrack.video import open_video
    from posetrack.video.reachability import check_live

    if source is None:
        return
    if is_camera(source) or "://" in source:
        check_live(int(source) if is_camera(source) else source)  # opened once
    else:
        open_video(source, prefetch=0).close()


def check_folder(path: Path) -> None:
    """Refuse a folder for results that cannot become one; it is made with the first of them."""
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"--out {path}: expected a folder, this is a file")
    # The nearest folder that is there decides whether those below can be made.
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"--out {path}: {there} is a file, not a folder")
    _check_writable(path, there)


def check_new_file(path: Path | None, endings: Sequence[str] = ()) -> None:
    """Refuse a file for results that cannot be written; None is passed over.

    Parameters
    ----------
    path
        Where it is to be; its folder is there.
    endings
        What its name may end in; anything if empty.

    Examples
    --------
    >>> check_new_file(Path("curves.pgn"), (".png", ".svg"))
    Traceback (most recent call last):
    ValueError: curves.pgn: expected a name that ends in .png, .svg
    """
    if path is None:
        return
    if endings and path.suffix.lower() not in endings:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(endings)}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file, this is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    _check_writable(path, path.parent)


def _check_writable(path: Path, folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"--out {path}: nothing can be written in {folder}: {error.strerror}; give another"
        ) from error
