"""Run an iterator ahead in a background thread, with a bound, and stop it cleanly."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")

_GLANCE_S = 0.05  # how often a waiting producer looks whether it should stop


class _End:
    """Last in the queue: the iterator ended, or failed with an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetch(Generic[Item]):
    """Iterate ``items`` in a background thread that keeps at most ``ahead`` of them ready.

    The thread ends, and the generator is closed in it, when the items end, when the generator
    raises (the exception comes to the consumer, after the items before it), when `close` is
    called, and when nobody holds the object any more.

    Parameters
    ----------
    items
        A generator; only the thread touches it from now on.
    ahead
        How many items may wait, at least 1. The thread holds one more in its hands.
    patience
        Seconds that `close` waits for the thread; it may be inside a read that cannot be
        interrupted before its own time limit.

    Examples
    --------
    >>> with Prefetch((n * n for n in range(4)), ahead=2) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """

    def __init__(
        self, items: Generator[Item, None, None], ahead: int, *, patience: float = 15.0
    ) -> None:
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, got {ahead}")
        self._ready: queue.Queue[Item | _End] = queue.Queue(maxsize=ahead)
        stop = threading.Event()
        # The thread knows the queue and the event but not this object, so that an abandoned
        # object is collected and its finalizer stops the thread.
        thread = threading.Thread(
            target=_fill, args=(items, self._ready, stop), name="posetrack-prefetch", daemon=True
        )
        self._end: _End | None = None
        self._stop = weakref.finalize(self, _shut, self._ready, stop, thread, patience)
        thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._end is not None or not self._stop.alive:
            raise StopIteration
        item = self._ready.get()
        if not isinstance(item, _End):
            return item
        self._end = item
        self.close()
        if item.error is not None:
            raise item.error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for it; may be called twice."""
        self._stop()

    def __enter__(self) -> Prefetch[Item]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fill(
    items: Generator[Item, None, None], ready: queue.Queue[Item | _End], stop: threading.Event
) -> None:
    """The thread: move items to the queue until they end or someone says stop."""
    end = _End(None)
    try:
        for item in items:
            if not _put(ready, item, stop):
                break
            del item  # else this thread would keep the last image alive while it decodes
    except BaseException as error:
        end = _End(error)
    try:
        items.close()
    except BaseException as error:
        end = _End(end.error or error)
    _put(ready, end, stop)


def _put(ready: queue.Queue[Item | _End], item: Item | _End, stop: threading.Event) -> bool:
    """Wait for room; False when asked to stop instead."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=_GLANCE_S)
        except queue.Full:
            continue
        return True
    return False


def _shut(
    ready: queue.Queue[Item | _End],
    stop: threading.Event,
    thread: threading.Thread,
    patience: float,
) -> None:
    """Stop the thread, empty the queue, and wait."""
    stop.set()
    while not ready.empty():
        try:
            ready.get_nowait()
        except queue.Empty:
            break
    if thread is not threading.current_thread() and thread.ident is not None:
        thread.join(patience)
    with suppress(queue.Full):  # someone else may be waiting for an item
        ready.put_nowait(_End(None))
