"""Processes beside the tests, and waiting for them on a machine however busy."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from posetrack.ops.compilation import kernel_folder

Value = TypeVar("Value")

PATIENCE = 600.0
"""Seconds after which something hangs. Nothing that works takes a tenth of it; no test measures."""


def wait_until(there: Callable[[], bool]) -> None:
    """Look again and again, and fail only where it hangs."""
    start = time.monotonic()
    while not there():
        assert time.monotonic() - start < PATIENCE, "waited in vain"
        time.sleep(0.01)


def lend_kernels(home: Path) -> None:
    """Spare programs with this ``POSETRACK_HOME`` half a minute of compiling."""
    with contextlib.suppress(OSError):  # where they are not compiled yet, or just being written
        shutil.copytree(kernel_folder(), home / "kernels", dirs_exist_ok=True)


def in_a_fresh_process(function: Callable[..., Value], *arguments: object) -> Value:
    """What a module's function returns where nothing has run before it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result(PATIENCE)
