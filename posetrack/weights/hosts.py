"""Hosts that did not answer, remembered for a day, so that nobody waits for them at each start."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from posetrack.files import read_bytes, write_whole

SECONDS: Final = 24 * 3600.0
"""How long a host that did not answer is not asked again by itself."""

_FILE: Final = "silent_hosts.json"
_LARGEST: Final = 2**16


def host_of(url: str) -> str:
    """Host and port of an address.

    Examples
    --------
    >>> host_of("https://example.org/net.pth")
    'example.org'
    """
    return urlsplit(url).netloc


def silent_hosts(folder: Path) -> dict[str, float]:
    """Hosts that did not answer within the last day, and how many seconds ago that was.

    Parameters
    ----------
    folder
        With the weights; what is written down there is believed only as far as it makes sense.

    Examples
    --------
    >>> silent_hosts(Path("/nonexistent"))
    {}
    """
    now = time.time()
    return {
        host: now - since for host, since in _read(folder).items() if 0 <= now - since < SECONDS
    }


def remember_silent(host: str, folder: Path) -> None:
    """Write down that a host does not answer now; where that cannot be written, nothing is."""
    _write({**_read(folder), host: time.time()}, folder)


def forget_silent(host: str, folder: Path) -> None:
    """Forget that a host did not answer: it does again."""
    hosts = _read(folder)
    if hosts.pop(host, None) is not None:
        _write(hosts, folder)


def _read(folder: Path) -> dict[str, float]:
    try:
        hosts = json.loads(read_bytes(folder / _FILE, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(hosts, dict):
        return {}
    return {
        host: float(since)
        for host, since in hosts.items()
        if isinstance(since, int | float) and not isinstance(since, bool)
    }


def _write(hosts: dict[str, float], folder: Path) -> None:
    now = time.time()
    recent = {host: since for host, since in hosts.items() if 0 <= now - since < SECONDS}
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _FILE, json.dumps(recent), durable=False)
