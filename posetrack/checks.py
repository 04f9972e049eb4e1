"""Settings out of range, and names that are not known, are refused in a line that helps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral
from pathlib import Path


def check_whole(least: int, /, **settings: object) -> None:
    """Refuse what is not a whole number of at least ``least``.

    Raises
    ------
    ValueError
        With the setting's name and what was given.

    Examples
    --------
    >>> check_whole(1, memory=0)
    Traceback (most recent call last):
    ValueError: memory must be a whole number of at least 1, got 0
    """
    for name, value in settings.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


def check_fraction(**settings: float) -> None:
    """Refuse what does not lie in [0, 1]; NaN does not.

    Examples
    --------
    >>> check_fraction(max_oks=0.5, min_similarity=1)
    """
    for name, value in settings.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {value!r}")


def check_at_least(least: float, /, **settings: float) -> None:
    """Refuse what is smaller, or NaN.

    Examples
    --------
    >>> check_at_least(0, box_growth=0.15)
    """
    for name, value in settings.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}")


def check_known(kind: str, name: str, known: Iterable[str], *, has: str = "there are") -> None:
    """Refuse a name that is not in a list.

    Parameters
    ----------
    kind
        What it is a name of.
    name, known
        What was given, and what is known.
    has
        Goes before the list of all.

    Raises
    ------
    ValueError
        With the names that come near, and all there are.

    Examples
    --------
    >>> check_known("flow", "farnebak", ["dis", "farneback", "lk"])
    Traceback (most recent call last):
    ValueError: no flow 'farnebak' (did you mean 'farneback'?); there are dis, farneback, lk
    """
    known = tuple(known)
    if name not in known:
        raise ValueError(no_such(kind, name, known, has=has))


def no_such(kind: str, name: str, known: Iterable[str], *, has: str = "there are") -> str:
    """The sentence of `check_known`.

    Examples
    --------
    >>> no_such("keypoint", "tail", ["nose", "neck"], has="it has")
    "no keypoint 'tail'; it has nose, neck"
    """
    known = tuple(known)
    hint = did_you_mean(name, known).removeprefix("; ")
    return f"no {kind} {name!r}{f' ({hint})' * bool(hint)}; {has} {', '.join(known)}"


def check_all_known(
    kind: str, names: Iterable[str], known: Iterable[str], *, has: str = "there are"
) -> None:
    """Refuse the first of several names that is not in a list; see `check_known`.

    Examples
    --------
    >>> check_all_known("quantity", ["x", "sped"], ["x", "y", "speed"])
    Traceback (most recent call last):
    ValueError: no quantity 'sped' (did you mean 'speed'?); there are x, y, speed
    """
    known = tuple(known)
    for name in names:
        check_known(kind, name, known, has=has)


@contextmanager
def require_library(needs: str, install: str) -> Iterator[None]:
    """Say what to install where an import within finds a library missing.

    Parameters
    ----------
    needs
        What needs which library, as the message begins.
    install
        What pip installs: a package or, better, an extra of this one.

    Raises
    ------
    ModuleNotFoundError
        Instead of the import's, with the same name.

    Examples
    --------
    >>> with require_library("plots need matplotlib", "posetrack[eval]"):
    ...     import no_such_library
    Traceback (most recent call last):
    ModuleNotFoundError: plots need matplotlib: pip install "posetrack[eval]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        quoted = f'"{install}"' if "[" in install else install
        raise ModuleNotFoundError(f"{needs}: pip install {quoted}", name=error.name) from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'this' or 'that'?``, or nothing where no name comes near.

    Examples
    --------
    >>> did_you_mean("Raft-smal", ["raft_small", "dis"])
    "; did you mean 'raft_small'?"
    """
    plain = {_plain(one): one for one in known}
    given = _plain(name)
    close = get_close_matches(given, plain, n=3, cutoff=0.6)
    close = close or [one for one in plain if given and one.startswith(given)][:3]
    return f"; did you mean {' or '.join(repr(plain[one]) for one in close)}?" if close else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def no_such_file(path: Path) -> FileNotFoundError:
    """An error for a path that leads nowhere, with what lies there under a similar name.

    Examples
    --------
    >>> str(no_such_file(Path("nowhere/video.mp4"))).replace(chr(92), "/")
    'nowhere/video.mp4: no such file, and no folder nowhere'
    """
    parent = path.parent
    if not parent.is_dir():
        return FileNotFoundError(f"{path}: no such file, and no folder {parent}")
    try:
        near = get_close_matches(path.name, [entry.name for entry in parent.iterdir()])
    except OSError:  # a folder that may be passed through, and not read
        near = []
    hint = f"; near it: {', '.join(near)}" if near else ""
    return FileNotFoundError(f"{path}: no such file or folder{hint}")


def reason_of(error: OSError) -> str:
    """The system's reason for an error, without its number.

    Examples
    --------
    >>> reason_of(OSError(28, "No space left on device", "out/match.csv"))
    'out/match.csv: no space left on device'
    >>> reason_of(OSError("match.csv: nothing can be written here"))
    'match.csv: nothing can be written here'
    """
    if error.strerror is None:
        return str(error)
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
        return str(no_such_file(Path(error.filename)))
    reason = f"{error.strerror[:1].lower()}{error.strerror[1:]}"
    return reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}"
