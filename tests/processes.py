"""Processes beside the tests, and waiting for them on a machine however busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Value = TypeVar("Value")

PATIENCE = 600.0
"""Seconds after which something hangs. Nothing that works takes a tenth of it; no test measures."""


def wait_until(there: Callable[[], bool]) -> None:
    """Look again and again, and fail only where it hangs."""
    start = time.monotonic()
    while not there():
        assert time.monotonic() - start < PATIENCE, "waited in vain"
        time.sleep(0.01)


def in_a_fresh_process(function: Callable[..., Value], *arguments: object) -> Value:
    """What a module's function returns where nothing has run before it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result(PATIENCE)
