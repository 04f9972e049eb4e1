"""Work on a device recorded once and replayed: hundreds of launches become one."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Work: TypeAlias = Callable[[Tensor], Tensor]
Capture: TypeAlias = Callable[[Work, Tensor, Any], tuple[Callable[[], object], Tensor]]
"""From work, its input and the memory of graphs before: what repeats it, and where it answers."""

BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How many crops a graph is for; between two of them at most half is for nothing."""


def choose_batch_size(count: int, most: int) -> int:
    """The smallest of `BATCH_SIZES` that holds ``count``, at most ``most``.

    Examples
    --------
    >>> [choose_batch_size(count, 64) for count in (1, 5, 20, 64)], choose_batch_size(40, 45)
    ([1, 6, 24, 64], 45)
    """
    return min([size for size in BATCH_SIZES if count <= size < most] or [max(count, most)])


def capture_on_cuda(work: Work, given: Tensor, pool: Any) -> tuple[Callable[[], object], Tensor]:
    """Record work on ``given`` as a CUDA graph; see `Capture`.

    It is run three times before, for libraries choose and allocate in their first runs. Other
    threads may use the device meanwhile.
    """
    device = given.device
    side: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(3):
            work(given)
    torch.cuda.current_stream(device).wait_stream(side)
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, stream=side, capture_error_mode="thread_local"):
        answer = work(given)
    return graph.replay, answer


@dataclass
class _Recorded:
    given: Tensor
    repeat: Callable[[], object]
    answer: Tensor


class Graphs:
    """Run work on tensors, recorded once for each shape and replayed from then on.

    Parameters
    ----------
    capture
        Records; None runs the work as it is each time.

    Notes
    -----
    Graphs share one pool of memory, so a replay may overwrite another graph's answer: answers are
    copied behind each replay, on the same stream. Where recording fails, a warning says so once
    and work is run as it is.
    """

    def __init__(self, capture: Capture | None) -> None:
        self._capture = capture
        self._begin()

    def _begin(self) -> None:
        self._recorded: dict[Hashable, _Recorded] = {}
        self._lock = threading.Lock()
        self._pool: Any = None
        self._done: Any = None

    @property
    def used(self) -> bool:
        """Whether anything is recorded at all: else there is no use in padded batches."""
        return self._capture is not None

    def run(self, key: Hashable, work: Work, given: Tensor) -> Tensor:
        """The answer of ``work`` to ``given``.

        Parameters
        ----------
        key
            What else the work depends on, beside the shape: the same key is the same work.
        work
            From a tensor to one, on the device alone, without a look at values.
        given
            On the device.
        """
        if self._capture is None:
            return work(given)
        with self._lock:
            stream: Any = torch.cuda.current_stream(given.device) if given.is_cuda else None
            if stream is not None and self._done is not None:
                stream.wait_event(self._done)  # another thread's stream may be at work
            whole = (key, tuple(given.shape), given.dtype)
            recorded = self._recorded.get(whole)
            if recorded is None:
                recorded = self._record(work, given)
                if recorded is None:
                    return work(given)
                self._recorded[whole] = recorded
            recorded.given.copy_(given)
            recorded.repeat()
            answer = recorded.answer.clone()
            if stream is not None:
                self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
                self._done.record(stream)
            return answer

    def _record(self, work: Work, given: Tensor) -> _Recorded | None:
        assert self._capture is not None
        fixed = given.clone()
        if self._pool is None and given.is_cuda:
            self._pool = torch.cuda.graph_pool_handle()
        try:
            repeat, answer = self._capture(work, fixed, self._pool)
        except RuntimeError as error:
            self._capture = None
            line = " ".join(str(error).split())[:200]
            warnings.warn(
                f"CUDA graphs cannot be used here, so each launch is made anew: {line}",
                RuntimeWarning,
                stacklevel=3,
            )
            return None
        return _Recorded(fixed, repeat, answer)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles record anew."""
        return {"_capture": self._capture}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._capture = state["_capture"]
        self._begin()
