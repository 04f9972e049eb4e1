"""The weights of the models in the table, as verified files on this machine.

    path = fetch("pose_resnet50_coco_256x192")  # downloaded once, then found in the cache folder

A file counts only if its SHA-256 is the one in the table; that is found out once and remembered
beside the file, with its size and time of change (hashing 200 MB takes 0.13 s where the processor
has instructions for it, several times that where not). Nothing here opens what is in a file.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from posetrack.download import Progress, discard, download
from posetrack.models import MODELS, ModelCard, RemoteFile, model_card

__all__ = [
    "MODELS",
    "ModelCard",
    "cache_folder",
    "cached_path",
    "fetch",
    "is_offline",
    "verify",
    "weights_folder",
]

_NO_DOWNLOAD: Final = {
    "detector": "OpenCV's HOG detector and boxes read from a file",
    "pose": "an ONNX network of your own, and poses of your own given to update(poses=...)",
    "flow": "the DIS, Farneback, TV-L1, RLOF and Lucas-Kanade flows of OpenCV",
}


def cache_folder() -> Path:
    """Where posetrack keeps what it can get again: ``POSETRACK_HOME``, else the platform's place.

    Examples
    --------
    >>> import os
    >>> os.environ["POSETRACK_HOME"] = "somewhere"
    >>> cache_folder().name
    'somewhere'
    >>> del os.environ["POSETRACK_HOME"]
    """
    home = os.environ.get("POSETRACK_HOME")
    if home:
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("posetrack", appauthor=False))


def weights_folder() -> Path:
    """Where downloaded weights lie: ``weights`` in the cache folder."""
    return cache_folder() / "weights"


def is_offline() -> bool:
    """Whether ``POSETRACK_OFFLINE`` forbids downloads: set, and not 0, false or no."""
    return os.environ.get("POSETRACK_OFFLINE", "").lower() not in ("", "0", "false", "no")


def fetch(
    model: str | ModelCard,
    *,
    offline: bool = False,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
    wait: float = 1.0,
) -> Path:
    """Path of a verified file of a model's weights, downloaded if it is not there yet.

    The URLs are tried in order. A download that breaks off is taken up where it stopped, now or
    by a later call. Processes that want the same file wait for the first of them.

    Parameters
    ----------
    model
        A name in `MODELS`, or a card of your own.
    offline
        Never connect; so does ``POSETRACK_OFFLINE=1``.
    folder
        Where the file is looked for and put. When None, `weights_folder`.
    progress
        Called with the bytes there are and the bytes there will be, or None for these.
    timeout
        Seconds without a byte until a connection counts as broken.
    wait
        Seconds before a broken connection is taken up again, doubled each time.

    Returns
    -------
    Path of the file.

    Raises
    ------
    ValueError
        If no model has this name.
    FileNotFoundError
        If it would have to be downloaded and must not be.
    ConnectionError
        If no URL gave the right file; the message has each one's reason, and the ways out.
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> fetch("raft_small", offline=True, folder="/nonexistent")
    Traceback (most recent call last):
    FileNotFoundError: raft_small is not in /nonexistent, and downloads are switched off...
    """
    card = model_card(model) if isinstance(model, str) else model
    folder = weights_folder() if folder is None else Path(folder)
    found = _cached(card, folder)
    if found is not None:
        return found
    failures = [
        f"{folder / file.name}: damaged, its SHA-256 is another"
        for file in card.files
        if (folder / file.name).exists()
    ]
    if offline or is_offline():
        head = f"{card.name} is not in {folder}, and downloads are switched off"
        raise FileNotFoundError(_ways_out(head, failures, card, folder))
    _require_writable(folder)
    for file in card.files:
        try:
            return _bring(file, folder, card.size, progress, timeout, wait)
        except ConnectionError as error:
            failures.append(f"{file.url}: {error}")
    raise ConnectionError(_ways_out(f"{card.name} could not be had", failures, card, folder))


def cached_path(model: str | ModelCard, *, folder: str | Path | None = None) -> Path | None:
    """Path of a model's verified file if it is on this machine, else None. Never connects.

    Raises
    ------
    ValueError
        If no model has this name.

    Examples
    --------
    >>> cached_path("raft_small", folder="/nonexistent") is None
    True
    """
    card = model_card(model) if isinstance(model, str) else model
    return _cached(card, weights_folder() if folder is None else Path(folder))


def verify(path: str | Path, card: ModelCard) -> RemoteFile:
    """Which of a card's files a local file is, by its hash.

    Raises
    ------
    ValueError
        If it is none of them; the message has its hash and those expected.
    OSError
        If it cannot be read.
    """
    digest = _sha256(Path(path))
    for file in card.files:
        if digest.startswith(file.sha256):
            return file
    expected = " or ".join(file.sha256 for file in card.files)
    raise ValueError(
        f"{path} is not {card.name}: its SHA-256 is {digest}, expected {expected}..."
        f"{_what_it_is(Path(path))}"
    )


def _cached(card: ModelCard, folder: Path) -> Path | None:
    for file in card.files:
        if _is_verified(folder / file.name, file):
            return folder / file.name
    return None


def _bring(
    file: RemoteFile,
    folder: Path,
    size: int,
    progress: Progress | None,
    timeout: float,
    wait: float,
) -> Path:
    """One file from its URL into the folder; ConnectionError if it does not come, or is wrong."""
    target = folder / file.name
    with _partial(target) as part:
        if _is_verified(target, file):  # brought by another process while we waited
            return target
        for _ in range(2):
            resumed = part.exists()
            download(
                file.url,
                part,
                max_bytes=size + max(size // 4, 1 << 20),
                timeout=timeout,
                progress=progress,
                wait=wait,
            )
            digest = _sha256(part)
            if digest.startswith(file.sha256):
                part.replace(target)
                _remember(target, digest, target.stat())
                return target
            what = _what_it_is(part)
            discard(part)
            if not resumed:  # else its beginning may be of another day: once more, from the start
                break
    raise ConnectionError(
        f"not the file expected: SHA-256 begins {digest[:16]}, not {file.sha256}{what}"
    )


def _is_verified(path: Path, file: RemoteFile) -> bool:
    """Whether ``path`` is ``file``; by what is remembered if it has not changed since."""
    try:
        status = path.stat()
    except OSError:
        return False
    digest, size, changed = _remembered(path)
    if (size, changed) != (status.st_size, status.st_mtime_ns):
        try:
            digest = _sha256(path)
        except OSError:
            return False
        _remember(path, digest, status)
    return digest.startswith(file.sha256)


def _remembered(path: Path) -> tuple[str, int, int]:
    """Hash, size and time of change written down by `_remember`; nonsense if there are none."""
    try:
        digest, size, changed = _note(path).read_text(encoding="ascii").split()
        return digest, int(size), int(changed)
    except (OSError, ValueError):
        return "", -1, -1


def _remember(path: Path, digest: str, status: os.stat_result) -> None:
    # A cache that cannot be written to is still a cache: its files are hashed each time.
    with suppress(OSError):
        text = f"{digest} {status.st_size} {status.st_mtime_ns}\n"
        _note(path).write_text(text, encoding="ascii")


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _what_it_is(path: Path) -> str:
    """What a wrong file seems to be, to be put after a message."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "; it is a web page (a login, a notice, an error), not weights"
    if not start:
        return "; it is empty"
    return ""


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"cannot write to the folder for weights, {folder}: {error.strerror}. "
            "Set POSETRACK_HOME to a folder of yours, or give folder=..."
        ) from error


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """Where a download of ``target`` grows, for one process and thread at a time.

    The system lets go of the lock when a process ends, however it ends; the empty lock file stays.
    Where the file system cannot lock, each has its own partial file, and nothing is resumed.
    """
    with target.with_name(target.name + ".lock").open("ab") as lock:
        if _lock(lock):
            yield target.with_name(target.name + ".part")
            return
        own = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            yield own
        finally:
            discard(own)


def _lock(file: IO[bytes]) -> bool:
    """Wait until this open file is the only one that is locked; False where that is not known."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            return False
    return True


def _ways_out(head: str, failures: list[str], card: ModelCard, folder: Path) -> str:
    """What went wrong, URL by URL, and what can be done."""
    names = " or ".join(file.name for file in card.files)
    tried = "".join(f"\n  {failure}" for failure in failures)
    return (
        f"{head}{':' if failures else '.'}{tried}\nWhat you can do:\n"
        f"  - on a machine with a connection, run `posetrack models download {card.name}` (or get "
        f"{card.files[0].url}) and copy {names} to {folder}\n"
        "  - give the path of a file that you have in place of the name\n"
        "  - choose another name: `posetrack models list` shows all, and which are here already\n"
        f"  - use what needs no download: {_NO_DOWNLOAD[card.kind]}"
    )
