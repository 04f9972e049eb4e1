"""Ctrl-C and SIGTERM: both end a command, and neither in the middle of finishing a file."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupt_at_sigterm() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that results so far are kept; restore its handler then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextmanager
def hold_interruptions() -> Iterator[None]:
    """Finish what is begun: a first Ctrl-C or SIGTERM counts at the end, a second one at once.

    Raises
    ------
    KeyboardInterrupt
        At the end, if there was one and nothing else went wrong.

    Examples
    --------
    >>> try:
    ...     with hold_interruptions():
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("finished")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    finished
    interrupted
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            signal.default_int_handler(number, frame)
        asked = True

    # A signal that the caller ignores stays ignored: nohup and `trap '' INT` mean it.
    heeded = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is signal.default_int_handler
    ]
    for number in heeded:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.default_int_handler)
    if asked:
        raise KeyboardInterrupt
