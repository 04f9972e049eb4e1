"""The videos of a batch: files, folders, patterns and lists here, and addresses elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

from posetrack.checks import require_library
from posetrack.cluster.jobs import Job
from posetrack.files import hide_credentials, read_text
from posetrack.runs.outputs import SUMMARY, output_name
from posetrack.runs.sources import VIDEO_SUFFIXES, expand_sources

_LIVE: Final = ("rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
_LIST_BYTES: Final = 100_000_000


def find_jobs(
    words: Iterable[str], lists: Iterable[Path] = (), *, segments: bool = False
) -> list[Job]:
    """The videos that words and lists name, each once, with names for their results.

    Parameters
    ----------
    words
        Files, folders, patterns, and addresses such as ``s3://bucket/games/*.mp4``, as fsspec
        reads them.
    lists
        Text files with one of these a line; ``#`` begins a comment.
    segments
        Whether results are in segments, see `posetrack.runs.outputs.output_name`.

    Raises
    ------
    ValueError
        If there is none, or a live source among them.
    FileNotFoundError
        If a list, or what a word names, is not there.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a2.mp4", "a10.mp4"):
    ...     _ = (folder / name).write_bytes(b"")
    >>> [job.name for job in find_jobs([str(folder), str(folder / "a2.mp4")])]
    ['a2', 'a10']
    """
    listed = [line for path in lists for line in _lines(path)]
    sources = [source for word in [*words, *listed] for source in _expand(word)]
    jobs, names = [], {PurePosixPath(SUMMARY).stem}  # a video of that name has another one
    for source in dict.fromkeys(sources):
        name = output_name(source, names, segments=segments)
        names.add(name)
        jobs.append(Job(name, source))
    if not jobs:
        raise ValueError("expected videos, the folders, patterns and lists name none")
    return jobs


def _lines(path: Path) -> Iterator[str]:
    for line in read_text(path, _LIST_BYTES).splitlines():
        word = line.strip()
        if word and not word.startswith("#"):
            yield word


def _expand(word: str) -> list[str]:
    scheme, mark, _ = word.partition("://")
    if not mark:
        return expand_sources([word])
    if scheme.lower() in _LIVE:
        raise ValueError(f"{scheme}://...: a live source has no end; `posetrack track` follows it")
    return _expand_address(word)


def _expand_address(word: str) -> list[str]:
    """The videos at an address: of a folder or pattern those that end like one.

    Where there is none the address itself is a job, which fails by its name beside the others.
    """
    system, path = _open(word)
    is_pattern = any(mark in path for mark in "*?[")
    try:
        if not is_pattern and not system.isdir(path):
            return [word]
        found = system.glob(path) if is_pattern else system.ls(path, detail=False)
    except Exception as error:  # each kind of storage has errors of its own
        raise OSError(f"{hide_credentials(word)}: {_reason(error)}") from error
    videos = [one for one in found if PurePosixPath(one).suffix.lower() in VIDEO_SUFFIXES]
    return [system.unstrip_protocol(one) for one in _sort(videos)] or [word]


def _reason(error: Exception) -> str:
    """Why storage gave nothing, in one line without a password."""
    text = " ".join(hide_credentials(str(error)).split())
    return f"cannot be read: {text or type(error).__name__}"


def _sort(paths: Sequence[str]) -> list[str]:
    from posetrack.video.image_folders import sort_naturally

    texts = {Path(path): path for path in paths}
    return [texts[path] for path in sort_naturally(texts)]


def _open(word: str) -> tuple[Any, str]:
    with require_library("addresses need fsspec", "posetrack[remote]"):
        import fsspec.core
    try:
        system, path = fsspec.core.url_to_fs(word)
    except (ImportError, ValueError) as error:
        scheme = word.partition("://")[0]
        raise ValueError(f"{scheme}://...: cannot be read here: {error}") from error
    return system, str(path)


def is_elsewhere(source: str) -> bool:
    """Whether a source has to be copied before it is read.

    Examples
    --------
    >>> is_elsewhere("s3://games/a.mp4"), is_elsewhere("games/a.mp4")
    (True, False)
    """
    return "://" in source


@contextmanager
def fetch_copy(job: Job, folder: Path) -> Iterator[str]:
    """A job's video as a file here; one from elsewhere lies in ``folder`` meanwhile.

    It is called after the job wherever that is done, so that what is written of it is the same.

    Raises
    ------
    OSError
        If it cannot be fetched.
    """
    if not is_elsewhere(job.source):
        yield job.source
        return
    system, path = _open(job.source)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{job.name}{PurePosixPath(path).suffix.lower()}"
    try:
        try:
            system.get_file(path, str(copy))
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{job.name}: there is no such video") from error
        except Exception as error:  # each kind of storage has errors of its own
            raise OSError(f"{job.name}: {_reason(error)}") from error
        try:
            yield str(copy)
        except ValueError as error:  # who gave the address has no copy to look at
            if type(error) is not ValueError or str(copy) not in str(error):
                raise
            named = str(error).replace(str(copy), hide_credentials(job.source))
            raise ValueError(named) from error
    finally:
        copy.unlink(missing_ok=True)
