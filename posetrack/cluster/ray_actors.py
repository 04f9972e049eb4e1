"""Workers that are Ray's actors, on this machine or on all of a cluster.

Ray places them, tells when one dies, and carries jobs there and results back; jobs are given out by
`posetrack.cluster.scheduling`, as to processes. Its usage statistics and its dashboard are off.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from posetrack.checks import require_library
from posetrack.cluster.jobs import Done, Job, MakeWork, Work, do_in_worker
from posetrack.cluster.processes import limit_threads

_PATIENCE: Final = 10.0


@contextmanager
def connect(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster; or a cluster of this machine alone, which ends with it.

    Parameters
    ----------
    address
        ``HOST:PORT`` or ``auto``, the cluster that this machine belongs to; "local": a new one.

    Yields
    ------
    ray
        The module.

    Raises
    ------
    ModuleNotFoundError
        If Ray is not installed.
    ConnectionError
        If there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray's daemons inherit it
    with require_library("--address needs Ray", "posetrack[cluster]"):
        import ray
    _check_answers(address)
    settings: dict[str, Any] = {"configure_logging": False, "log_to_driver": False}
    if address == "local":
        # A cluster of its own is for this machine alone.
        settings |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    with _own_signals():
        try:
            ray.init(address=address, **settings)
        except (ConnectionError, ValueError, RuntimeError) as error:
            line = str(error).strip().partition("\n")[0]
            raise _no_cluster(address, line) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _no_cluster(address: str | None, reason: object) -> ConnectionError:
    return ConnectionError(
        f"--address {address}: no cluster of Ray answers there ({reason}); start one with "
        "`ray start --head`, or give local"
    )


def _check_answers(address: str | None) -> None:
    """Refuse an address where nothing listens; Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if not (colon and port.isdecimal() and "/" not in host):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, getattr(error, "strerror", None) or error) from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """What Ray does at SIGTERM is not what a command does."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main and before is not None:
            signal.signal(signal.SIGTERM, before)


def count_workers(ray: Any, cores: int, gpus: int) -> int:
    """How many workers of so many cores and GPUs the cluster has room for, at least 1."""
    there = ray.cluster_resources()
    room = [there.get("CPU", 0) // cores]
    room += [there.get("GPU", 0) // gpus] if gpus else []
    return max(1, int(min(room)))


class RayWorker:
    """One actor, which loads what it needs with its first job and keeps it.

    Parameters
    ----------
    ray
        The module, connected.
    make
        Makes what does the jobs; posetrack is installed on all machines.
    device
        Where it computes; of a GPU that Ray gives it, "cuda".
    cores, gpus
        What it takes of its machine.
    """

    def __init__(self, ray: Any, make: MakeWork, device: str, cores: int, gpus: int = 0) -> None:
        self._ray = ray
        self.lost: tuple[type[BaseException], ...] = (ray.exceptions.RayActorError,)
        # Ray would keep a record of each job for its dashboard.
        remote: Any = ray.remote(
            num_cpus=cores, num_gpus=gpus, max_restarts=0, enable_task_events=False
        )
        self._open: Callable[[], Any] = lambda: remote(_Actor).remote(make, device, cores)
        self._actor = self._open()

    def submit(self, job: Job, /) -> Future[Done]:
        """Begin a job."""
        future: Future[Done] = self._actor.do.remote(job).future()
        return future

    def renew(self) -> None:
        """Start another actor in place of one that died, wherever there is room."""
        self._actor = self._open()

    def close(self) -> None:
        """End it."""
        self._ray.kill(self._actor)


class _Actor:
    """Runs in Ray's process."""

    def __init__(self, make: MakeWork, device: str, cores: int) -> None:
        self._make, self._device, self._cores = make, device, cores
        self._work: Work | None = None

    def do(self, job: Job) -> Done:
        return do_in_worker(self._with_networks, job)

    def _with_networks(self, job: Job) -> Done:
        if self._work is None:
            limit_threads(self._cores)
            self._work = self._make(self._device)
        return self._work(job)
