"""Downloads weights from where they are published, one process at a time, and verifies them."""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from posetrack.files import lock_file, sha256_of
from posetrack.weights.cache import (
    cache_path,
    find_verified,
    first_hash,
    is_verified,
    remember,
    shards_of,
    weights_folder,
    what_it_is,
)
from posetrack.weights.catalogue import CatalogueEntry, RemoteFile, find_entry
from posetrack.weights.hosts import forget_silent, host_of, remember_silent, silent_hosts

if TYPE_CHECKING:
    from posetrack.weights.download import Progress

_NO_DOWNLOAD: Final = {
    "detector": "the bundled one (--detector bundled), OpenCV's HOG, and boxes read from a file",
    "pose": "the bundled network (--estimator bundled), and poses of your own given to "
    "update(poses=...)",
    "flow": "the DIS, Farneback, TV-L1 and Lucas-Kanade flows of OpenCV",
}


def is_offline() -> bool:
    """Whether ``POSETRACK_OFFLINE`` forbids downloads: set, and not 0, false or no.

    Examples
    --------
    >>> import os
    >>> os.environ["POSETRACK_OFFLINE"] = "1"
    >>> is_offline()
    True
    >>> del os.environ["POSETRACK_OFFLINE"]
    """
    return os.environ.get("POSETRACK_OFFLINE", "").lower() not in ("", "0", "false", "no")


def fetch(
    model: str | CatalogueEntry,
    *,
    offline: bool = False,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
    wait: float = 1.0,
) -> Path:
    """Return the path of a model's verified weights, downloading them if need be.

    The URLs are tried in order, but none of a host that has not answered. A download that breaks
    off is taken up where it stopped, now or by a later call. Processes that want the same file wait
    for the first of them.

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
        If no URL gave the right file; the message has each one's reason, and what to do.
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> fetch("raft_small", offline=True, folder="/nonexistent")
    Traceback (most recent call last):
    FileNotFoundError: raft_small is not in /nonexistent, and downloads are switched off...
    """
    card = find_entry(model) if isinstance(model, str) else model
    folder = weights_folder() if folder is None else Path(folder)
    found = _find_or_bring(card, folder, offline, progress, timeout, None, wait)
    if isinstance(found, Path):
        return found
    raise found.error(_ways_out(found.reason, found.failures, card, folder))


def fetch_in_time(
    model: str | CatalogueEntry,
    seconds: float,
    *,
    offline: bool = False,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Path | str:
    """What `fetch` returns, or within a few seconds a short reason why it is not available.

    Parameters
    ----------
    model, offline, folder, progress
        See `fetch`.
    seconds
        Until the first bytes must come from each of the hosts. A download that goes on is waited
        for. A host that did not answer is not asked again for a day.

    Returns
    -------
    Path of the file, or why it is missing.

    Raises
    ------
    ValueError
        If no model has this name.

    Examples
    --------
    >>> fetch_in_time("raft_small", 5, offline=True, folder="/nonexistent")
    'downloads are switched off'
    """
    card = find_entry(model) if isinstance(model, str) else model
    folder = weights_folder() if folder is None else Path(folder)
    try:
        known = silent_hosts(folder)
        found = _find_or_bring(card, folder, offline, progress, 30.0, seconds, 1.0, known)
    except OSError as error:  # no space, no permission
        return " ".join(str(error).split())
    if isinstance(found, Path):
        return found
    if not found.failures:
        return "downloads are switched off"
    reasons = (f"{host_of(url) or url}: {reason}" for url, reason in found.failures)
    return "; ".join(dict.fromkeys(reasons))


class _Missing(NamedTuple):
    """Why a model's weights are not available, and the URL or path tried."""

    error: type[OSError]
    reason: str
    failures: list[tuple[str, str]]


def _find_or_bring(
    card: CatalogueEntry,
    folder: Path,
    offline: bool,
    progress: Progress | None,
    timeout: float,
    answer_within: float | None,
    wait: float,
    known_silent: Mapping[str, float] | None = None,
) -> Path | _Missing:
    found = find_verified(card, folder)
    if found is not None:
        return found
    if card.bundled:
        raise FileNotFoundError(
            f"{card.name} comes with the package, but this copy has no {card.bundled}; install "
            "posetrack from a wheel, or name another network"
        )
    if card.by_hand:
        raise FileNotFoundError(
            f"{card.name} cannot be fetched by a program: {card.by_hand}, or take what needs no "
            f"download: {_NO_DOWNLOAD[card.kind]}"
        )
    places = [(cache_path(file, card, folder), file) for file in card.files]
    failures = [(str(path), _describe_change(path, file)) for path, file in places if path.exists()]
    for changed, file in places:
        if changed.exists() and first_hash(changed, file):
            warnings.warn(f"{changed}: {_describe_change(changed, file)}", stacklevel=3)
    if offline or is_offline():
        head = f"{card.name} is not in {folder}, and downloads are switched off"
        return _Missing(FileNotFoundError, head, failures)
    _require_writable(folder)
    silent = {
        host: f"no answer {_ago(seconds)} ago (`posetrack models check` asks again)"
        for host, seconds in (known_silent or {}).items()
    }
    from posetrack.weights.download import SilentHostError, is_lookup_down

    for file in card.files:
        host = host_of(file.url)
        if host in silent:  # whoever waits, waits for a host once
            failures.append((file.url, silent[host]))
            continue
        try:
            path = _bring_all(file, card, folder, progress, timeout, answer_within, wait)
        except ConnectionError as error:
            failures.append((file.url, str(error)))
            if isinstance(error, SilentHostError):
                silent[host] = str(error)
                if known_silent is not None and not is_lookup_down(error.__cause__):
                    remember_silent(host, folder)
        else:
            forget_silent(host, folder)
            return path
    return _Missing(ConnectionError, f"{card.name} could not be had", failures)


def _bring_all(
    file: RemoteFile,
    card: CatalogueEntry,
    folder: Path,
    progress: Progress | None,
    timeout: float,
    answer_within: float | None,
    wait: float,
) -> Path:
    """A file with the further files that it needs beside it."""
    target = cache_path(file, card, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    _bring(file, target, card.size, progress, timeout, answer_within, wait)
    try:
        shards = shards_of(target, file)
    except ValueError as error:
        target.unlink(missing_ok=True)
        raise ConnectionError(f"not the file expected: {error}") from error
    for path, shard in shards:
        _bring(shard, path, card.size, progress, timeout, answer_within, wait)
    return target


def _describe_change(path: Path, file: RemoteFile) -> str:
    first = first_hash(path, file)
    if first:
        return f"changed since it was brought here: its SHA-256 was {first}"
    return "damaged, its SHA-256 is another"


def _ago(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h" if hours else f"{minutes} min"


def _bring(
    file: RemoteFile,
    target: Path,
    size: int,
    progress: Progress | None,
    timeout: float,
    answer_within: float | None,
    wait: float,
) -> Path:
    """Download and verify one file; raises ConnectionError if either fails."""
    from posetrack.weights.download import discard, download

    with _partial(target) as part:
        if is_verified(target, file):  # brought by another process while we waited
            return target
        for _ in range(2):
            resumed = part.exists()
            download(
                file.url,
                part,
                max_bytes=size + max(size // 4, 1 << 20),
                timeout=timeout,
                answer_within=answer_within,
                progress=progress,
                wait=wait,
            )
            digest = sha256_of(part)
            first = first_hash(target, file)
            if digest.startswith(file.sha256) and first and digest != first:
                discard(part)
                raise ConnectionError(
                    f"not the file that came first: SHA-256 {digest}, then {first}. If you trust "
                    f"it, remove {target}.verified and fetch it again"
                )
            if digest.startswith(file.sha256):
                part.replace(target)
                remember(target, digest, target.stat())
                return target
            what = what_it_is(part)
            discard(part)
            if not resumed:  # else its beginning may be of another day: once more, from the start
                break
    raise ConnectionError(
        f"not the file expected: SHA-256 begins {digest[:16]}, not {file.sha256}{what}"
    )


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
    from posetrack.weights.download import discard

    # Not through a link that someone may have put there.
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(target.with_name(target.name + ".lock"), flags, 0o666), "ab") as lock:
        if lock_file(lock, wait=True):
            yield target.with_name(target.name + ".part")
            return
        own = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            yield own
        finally:
            discard(own)


def _ways_out(
    head: str, failures: list[tuple[str, str]], card: CatalogueEntry, folder: Path
) -> str:
    """What went wrong, URL by URL, and what can be done, in a line."""
    names = " or ".join(dict.fromkeys(file.name for file in card.files))  # hosts share names
    if any(file.has_own_folder for file in card.files):
        folder, names = folder / card.name, f"{names} with the files beside it"
    tried = "; ".join(f"{url}: {reason}" for url, reason in failures)
    tried = f" ({tried})" if tried else ""
    return (
        f"{head}{tried}. What you can do: give a file in place of the name; run `posetrack models "
        f"download {card.name}` where there is a connection, and copy {names} to {folder}; or use "
        f"{_NO_DOWNLOAD[card.kind]}"
    )
