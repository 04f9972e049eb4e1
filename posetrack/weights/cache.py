"""The folder with weights: which files in it are what they should be.

A file counts only if its SHA-256 is the one in the table, and, where the table has but its first
digits, the one that it had when it first came. That is found out once and remembered
beside the file, with its size and time of change: hashing 200 MB took 0.13 s, and 0.41 s without
the processor's own instructions for it, at each start.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from posetrack.files import cache_folder, sha256_of, write_whole
from posetrack.weights.catalogue import CatalogueEntry, RemoteFile, find_entry
from posetrack.weights.shards import shard_names

_OF_TRANSFORMERS: Final = ("config.json", "preprocessor_config.json")
"""What lies beside weights of ``transformers``."""


def weights_folder() -> Path:
    """Where downloaded weights lie: ``weights`` in the cache folder.

    Examples
    --------
    >>> weights_folder().name
    'weights'
    """
    return cache_folder() / "weights"


def find_cached(model: str | CatalogueEntry, *, folder: str | Path | None = None) -> Path | None:
    """Path of a model's verified file if it is on this machine, else None. Never connects.

    Raises
    ------
    ValueError
        If no model has this name.

    Examples
    --------
    >>> find_cached("raft_small", folder="/nonexistent") is None
    True
    """
    card = find_entry(model) if isinstance(model, str) else model
    return find_verified(card, weights_folder() if folder is None else Path(folder))


def verify(path: str | Path, card: CatalogueEntry) -> RemoteFile:
    """Find which file of a catalogue entry a local file is, by its SHA-256.

    Raises
    ------
    ValueError
        If it is not one of them; the message has its hash and those expected.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rtmpose.zip"
    >>> from posetrack.weights.catalogue import find_entry
    >>> _ = path.write_text("a page that says try again later")
    >>> verify(path, find_entry("rtmpose_s"))
    Traceback (most recent call last):
        ...
    ValueError: ...rtmpose.zip...
    """
    digest = sha256_of(Path(path))
    for file in card.files:
        if file.sha256 and digest.startswith(file.sha256):
            return file
    known = dict.fromkeys(f"{file.sha256}..." for file in card.files if file.sha256)
    raise ValueError(
        f"{path} is not {card.name}: its SHA-256 is {digest}, expected "
        f"{' or '.join(known) or 'one that nobody has published'}"
        f"{what_it_is(Path(path))}"
    )


def find_verified(card: CatalogueEntry, folder: Path) -> Path | None:
    """The first file of a catalogue entry that lies in ``folder`` and has the right SHA-256.

    Of a network that comes with the package, its file there.
    """
    if card.bundled:
        inside = Path(__file__).parents[1] / "bundled" / card.bundled
        return inside if inside.is_file() else None
    for file in card.files:
        path = cache_path(file, card, folder)
        if is_verified(path, file) and all(is_verified(*shard) for shard in shards_of(path, file)):
            return path
    return None


def cache_path(file: RemoteFile, card: CatalogueEntry, folder: Path) -> Path:
    """Where in the cache folder a file of a model is kept."""
    return folder / card.name / file.name if file.has_own_folder else folder / file.name


def shards_of(path: Path, file: RemoteFile) -> list[tuple[Path, RemoteFile]]:
    """Further files that a downloaded file needs beside it, with their URLs.

    Raises
    ------
    ValueError
        If it is no graph model for TensorFlow.js, where it should be one.
    """
    if not file.has_own_folder:
        return []
    root = file.url.rpartition("/")[0]
    names = _OF_TRANSFORMERS if file.layout == "transformers" else shard_names(path)
    return [(path.with_name(name), RemoteFile(f"{root}/{name}", "", file.layout)) for name in names]


def is_verified(path: Path, file: RemoteFile) -> bool:
    """Whether ``path`` has the SHA-256 of ``file``; hashed again only if it has changed."""
    try:
        status = path.stat()
    except OSError:
        return False
    digest, size, changed = _recall(path)
    if (size, changed) != (status.st_size, status.st_mtime_ns):
        first = digest
        try:
            digest = sha256_of(path)
        except OSError:
            return False
        if first != digest and _is_hash_of(first, file):
            return False  # and the note stays: the file is another than the one that was brought
        remember(path, digest, status)
    return digest.startswith(file.sha256)


def first_hash(path: Path, file: RemoteFile) -> str:
    """SHA-256 that was recorded when ``file`` was first stored at ``path``; empty if none was."""
    digest = _recall(path)[0]
    return digest if _is_hash_of(digest, file) else ""


def _is_hash_of(digest: str, file: RemoteFile) -> bool:
    """Whether a remembered hash is a whole one of ``file``, and not of something else there."""
    return len(digest) == 64 and digest.startswith(file.sha256)


def _recall(path: Path) -> tuple[str, int, int]:
    """Hash, size and time of change written down by `remember`; a match for no file if missing."""
    try:
        digest, size, changed = _note(path).read_text(encoding="ascii").split()
        return digest, int(size), int(changed)
    except (OSError, ValueError):
        return "", -1, -1


def remember(path: Path, digest: str, status: os.stat_result) -> None:
    """Write down that a file of this size and time of change has this hash."""
    # A cache that cannot be written to is still a cache: its files are hashed each time.
    with suppress(OSError):
        text = f"{digest} {status.st_size} {status.st_mtime_ns}\n"
        write_whole(_note(path), text, durable=False)


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def what_it_is(path: Path) -> str:
    """A guess at what a wrong file is, to append to an error message."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "; it is a web page (a login, a notice, an error), not weights"
    if not start:
        return "; it is empty"
    return ""
