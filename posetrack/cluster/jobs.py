"""A video to be tracked, and what became of it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from posetrack.checks import reason_of
from posetrack.files import hide_credentials


@dataclass(frozen=True)
class Job:
    """A video.

    Parameters
    ----------
    name
        What its results are called.
    source
        A file, a folder or pattern of images, or an address that fsspec reads.
    """

    name: str
    source: str


class Done(NamedTuple):
    """What became of a video.

    Parameters
    ----------
    frames, people
        How many.
    before
        Whether it was finished before, and passed over.
    problems
        Notes on it.
    failure
        Why it is not whole, in one line; empty if it is.
    again
        Whether another try may do better.
    tries
        How often it was begun.
    """

    frames: int = 0
    people: int = 0
    before: bool = False
    problems: tuple[str, ...] = ()
    failure: str = ""
    again: bool = False
    tries: int = 1


Work: TypeAlias = Callable[[Job], Done]
"""Does a job; holds what is loaded once a worker."""

MakeWork: TypeAlias = Callable[[str], Work]
"""Makes it for a device, in the worker; it is pickled to get there."""


def do_in_worker(work: Work, job: Job) -> Done:
    """Do a job; whatever goes wrong is in what comes back, since not every error can be sent.

    Examples
    --------
    >>> def work(job):
    ...     raise ValueError(f"{job.source}: no video")
    >>> do_in_worker(work, Job("a", "a.mp4")).failure
    'a.mp4: no video'
    """
    try:
        return work(job)
    except OSError as error:
        return Done(failure=_line(reason_of(error)), again=not isinstance(error, FileNotFoundError))
    except MemoryError:
        return Done(failure="not enough memory", again=True)
    except (ValueError, RuntimeError, ImportError) as error:
        return Done(failure=_line(str(error)))
    except Exception as error:  # a fault of ours, which must not stop the others
        traceback.print_exc(file=sys.stderr)
        return Done(failure=_line(f"{type(error).__name__}: {error}"))


def _line(text: str) -> str:
    return " ".join(hide_credentials(text).split()) or "failed"
