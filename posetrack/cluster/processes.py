"""Workers that are processes of this machine, by `concurrent.futures`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache

from posetrack.cluster.jobs import Done, Job, MakeWork, Work, do_in_worker


class ProcessWorker:
    """One process, which loads what it needs with its first job and keeps it.

    Parameters
    ----------
    make
        Makes what does the jobs.
    device
        Where it computes.
    cores
        How many cores its libraries use.
    """

    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(self, make: MakeWork, device: str, cores: int) -> None:
        self._settings = make, device, cores
        self._pool = self._open()
        self._last: Future[Done] | None = None

    def submit(self, job: Job, /) -> Future[Done]:
        """Begin a job."""
        self._last = self._pool.submit(_do, *self._settings, job)
        return self._last

    def renew(self) -> None:
        """Start another process in place of one that died."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._open()

    def close(self) -> None:
        """End the process, in the middle of a job if it has one."""
        if self._last is not None and not self._last.done():
            for process in list((getattr(self._pool, "_processes", None) or {}).values()):
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    @staticmethod
    def _open() -> ProcessPoolExecutor:
        # One process a pool: another's death breaks no pool but its own. Forked children of a
        # process that has opened networks or CUDA are of no use.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_begin)


def limit_threads(cores: int) -> None:
    """Have the libraries of this process use so many cores, whatever the machine has.

    The number of threads is part of what a result depends on: sums are split by it.
    """
    os.environ["OMP_NUM_THREADS"] = str(cores)  # see `posetrack.devices.usable_cores`
    import cv2

    cv2.setNumThreads(cores)


def _begin() -> None:
    """In the new process: Ctrl-C is for the one that gives the jobs, and none outlives that."""
    from tqdm import tqdm

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # its own is shared with other processes, and outlives a kill
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, name="parent", daemon=True).start()


def _do(make: MakeWork, device: str, cores: int, job: Job) -> Done:
    def work(job: Job) -> Done:
        return _make_work(make, device, cores)(job)

    return do_in_worker(work, job)


@cache
def _make_work(make: MakeWork, device: str, cores: int) -> Work:
    """What does the jobs, made once a process."""
    limit_threads(cores)
    return make(device)
