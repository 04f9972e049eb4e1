"""What all files that are written have in common, and where posetrack keeps its own."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_LAST: Final = 253_402_300_799  # the last second of the year 9999


def date_of_writing() -> datetime:
    """The date to write into a file: now, or what ``SOURCE_DATE_EPOCH`` says.

    With that variable set, the same run gives the same bytes whenever it is repeated. Whatever
    puts a date into a file takes it from here. Source: reproducible-builds.org,
    "SOURCE_DATE_EPOCH specification" 1.1.

    Returns
    -------
    datetime
        In UTC.

    Raises
    ------
    ValueError
        If ``SOURCE_DATE_EPOCH`` is set, not empty, and no whole number of seconds since 1970.

    Examples
    --------
    >>> os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    >>> date_of_writing().isoformat()
    '2023-11-14T22:13:20+00:00'
    >>> del os.environ["SOURCE_DATE_EPOCH"]
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return datetime.now(UTC)
    # int() takes blanks, underscores and the digits of other scripts, too.
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 13 else _LAST + 1
    if seconds > _LAST:
        raise ValueError(
            f"SOURCE_DATE_EPOCH is {text!r:.40}; expected seconds since 1970, a whole number such "
            "as 1700000000: correct or unset it"
        )
    return datetime.fromtimestamp(seconds, UTC)


def cache_folder() -> Path:
    """Where posetrack keeps what it can get again: ``POSETRACK_HOME``, else the platform's place.

    Raises
    ------
    FileNotFoundError
        If neither ``POSETRACK_HOME`` nor a home folder is known.

    Examples
    --------
    >>> import os
    >>> os.environ["POSETRACK_HOME"] = "somewhere"
    >>> cache_folder().name
    'somewhere'
    >>> del os.environ["POSETRACK_HOME"]
    """
    home = os.environ.get("POSETRACK_HOME")
    try:
        if home:
            return Path(home).expanduser()
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("posetrack", appauthor=False))
    except RuntimeError as error:
        raise _no_home() from error
    if not folder.is_absolute():  # what older releases of platformdirs give then: "~/.cache"
        raise _no_home()
    return folder


def _no_home() -> FileNotFoundError:
    return FileNotFoundError(
        "no home folder is known for this user; set POSETRACK_HOME to a folder of yours"
    )
