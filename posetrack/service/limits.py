"""How much a client may ask for, and how a client is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from posetrack.checks import check_at_least, check_whole

_LONGEST_LINE: Final = 300


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is accepted of clients; the rest is refused.

    Parameters
    ----------
    queue
        Pictures that wait for the networks, with the one in work. Further ones are refused with
        429.
    video_queue
        The same of videos.
    image_bytes
        Most bytes of a picture.
    video_bytes
        Most bytes of a video.
    held_bytes
        Most bytes of all bodies together that are kept on disk.
    pixels
        Most pixels of a picture, and of each picture of a video.
    video_frames
        Most frames of a video.
    people
        Most people for whom the pose network is run in a picture: those scored highest.
    head_seconds
        Seconds in which a request's head has to come.
    body_seconds
        Seconds in which its body has to come, or what is at an address.
    picture_seconds
        Seconds from then until a picture is answered: it is refused with 503 where it can no longer
        be, going by how long the last ones took.
    video_seconds
        Seconds from then until a video has to be tracked; else it is given up with 503.
    answer_seconds
        Seconds for which a client may not take what is sent.
    connections
        Most connections at a time.

    Examples
    --------
    >>> Limits(queue=0)
    Traceback (most recent call last):
    ValueError: queue must be a whole number of at least 1, got 0
    """

    queue: int = 8
    video_queue: int = 2
    image_bytes: int = 20_000_000
    video_bytes: int = 50_000_000
    held_bytes: int = 400_000_000
    pixels: int = 1 << 24
    video_frames: int = 600
    people: int = 50
    head_seconds: float = 5.0
    body_seconds: float = 20.0
    picture_seconds: float = 4.0
    video_seconds: float = 60.0
    answer_seconds: float = 10.0
    connections: int = 200

    def __post_init__(self) -> None:
        for field in fields(self):
            check = check_whole if field.type == "int" else check_at_least
            check(1 if field.type == "int" else 0, **{field.name: getattr(self, field.name)})


class RefusedError(ValueError):
    """A request that is not answered: the status of HTTP, and one line for the client."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class Deadline:
    """A moment by which something has to be done.

    Examples
    --------
    >>> Deadline(10).seconds > 9
    True
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        """How many are left; 0 once it has passed."""
        return max(0.0, self._at - time.monotonic())


@contextmanager
def refuse_unreadable(path: Path, name: str) -> Iterator[None]:
    """What is wrong with a client's file is for the client to hear, without its place here.

    Examples
    --------
    >>> with refuse_unreadable(Path("/tmp/x7"), "the picture"):
    ...     raise ValueError("/tmp/x7: damaged image")
    Traceback (most recent call last):
    posetrack.service.limits.RefusedError: the picture: damaged image
    """
    try:
        yield
    except RefusedError:
        raise
    except ModuleNotFoundError as error:
        raise RefusedError(415, f"{name}: of a kind that is not read here") from error
    except (ValueError, OSError) as error:
        raise RefusedError(422, one_line(error, path, name)) from error


def one_line(error: Exception, path: Path, name: str) -> str:
    """An error's first line with ``name`` for ``path``; nothing of it if it names other files.

    Examples
    --------
    >>> one_line(OSError("cannot open /etc/posetrack"), Path("/tmp/x7"), "the video")
    'the video: it cannot be read'
    """
    line = str(error).replace(f"file:{path}", name).replace(str(path), name).partition("\n")[0]
    if str(path.parent) in line or " /" in line or "'/" in line:
        return f"{name}: it cannot be read"
    return line[:_LONGEST_LINE] or f"{name}: it cannot be read"
