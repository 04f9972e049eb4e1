"""Which worker gets which job, and what happens to the job when the worker dies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Final, Protocol

from posetrack.cluster.jobs import Done, Job

_MOST_RENEWALS: Final = 5


class Worker(Protocol):
    """Does one job at a time somewhere else."""

    lost: tuple[type[BaseException], ...]
    """What `submit` raises, or its future, when the worker has died."""

    def submit(self, job: Job, /) -> Future[Done]:
        """Begin a job."""
        ...

    def renew(self) -> None:
        """Begin anew after the worker died."""
        ...

    def close(self) -> None:
        """End it, whatever it is doing."""
        ...


def run_jobs(
    jobs: Sequence[Job],
    workers: Sequence[Worker],
    *,
    retries: int = 3,
    report: Callable[[Job, Done], None] | None = None,
) -> list[Done]:
    """Do all jobs, each on whichever worker is free.

    A job whose worker died, or that failed in a way that may pass, is begun again behind the
    others; one that fails for good leaves the others alone.

    Parameters
    ----------
    jobs
        In the order in which they are begun.
    workers
        At least one. They are not closed here.
    retries
        How often a job is begun again.
    report
        Called when a job is done or has failed for good.

    Returns
    -------
    list
        What became of each job, in their order.

    Examples
    --------
    >>> class Here:
    ...     lost = ()
    ...     def submit(self, job):
    ...         future = Future()
    ...         future.set_result(Done(frames=len(job.source)))
    ...         return future
    >>> [done.frames for done in run_jobs([Job("a", "aa"), Job("b", "b")], [Here()])]
    [2, 1]
    """
    waiting = deque((number, 1) for number in range(len(jobs)))
    idle = deque(workers)
    running: dict[Future[Done], tuple[Worker, int, int]] = {}
    results: dict[int, Done] = {}
    while waiting or running:
        while waiting and idle:
            number, tries = waiting.popleft()
            worker = idle.popleft()
            running[_submit(worker, jobs[number])] = worker, number, tries
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            worker, number, tries = running.pop(future)
            idle.append(worker)
            error = future.exception()
            if error is None:
                done = future.result()
            elif isinstance(error, worker.lost):
                worker.renew()
                done = Done(failure="the process that tracked it died", again=True)
            else:
                raise error
            if done.failure and done.again and tries <= retries:
                waiting.append((number, tries + 1))
                continue
            times = f" ({tries} times)" if done.failure and done.again and tries > 1 else ""
            results[number] = done._replace(tries=tries, failure=done.failure + times)
            if report is not None:
                report(jobs[number], results[number])
    return [results[number] for number in range(len(jobs))]


def _submit(worker: Worker, job: Job) -> Future[Done]:
    """Begin a job on a worker, which may have died while it had nothing to do."""
    for _ in range(_MOST_RENEWALS):
        try:
            return worker.submit(job)
        except worker.lost:
            worker.renew()
    return worker.submit(job)
