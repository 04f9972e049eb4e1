"""Which hosts of the table answer, and which files are other than they were."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from posetrack.weights.cache import cache_path, find_verified, first_hash, weights_folder
from posetrack.weights.catalogue import CatalogueEntry, RemoteFile
from posetrack.weights.download import (
    at_endpoint,
    is_lookup_down,
    open_url,
    reason_of,
    sha256_in_headers,
)
from posetrack.weights.hosts import forget_silent, host_of, remember_silent

State = Literal["as it was", "changed", "not there", "no answer"]


@dataclass(frozen=True)
class FileCheck:
    """What a host says of a file.

    Parameters
    ----------
    model
        The row's name.
    url, host
        Where it is.
    state
        ``"as it was"`` as far as its host says; ``"changed"`` where hash or size are others than
        in the table or in the copy here; ``"not there"`` where the host answers and does not give
        it; ``"no answer"``.
    reason
        In a few words, for the last three.
    """

    model: str
    url: str
    host: str
    state: State
    reason: str = ""


def check_models(
    cards: Iterable[CatalogueEntry], *, folder: str | Path | None = None, timeout: float = 5.0
) -> list[FileCheck]:
    """Ask every host for the heads of its files, hosts side by side, and look at the copies here.

    Nothing is downloaded. A host that does not answer is asked once. What is found out of hosts is
    remembered, see `posetrack.weights.hosts`.

    Parameters
    ----------
    cards
        Rows of the table.
    folder
        With the weights. When None, `weights_folder`.
    timeout
        Seconds to wait for each answer.

    Returns
    -------
    checks
        One for each file, in the table's order.
    """
    folder = weights_folder() if folder is None else Path(folder)
    wanted = [(card, file) for card in cards for file in card.files]
    by_host: dict[str, list[tuple[CatalogueEntry, RemoteFile]]] = {}
    for card, file in wanted:
        by_host.setdefault(host_of(file.url), []).append((card, file))
    if not by_host:
        return []
    with ThreadPoolExecutor(len(by_host)) as pool:
        tasks = [
            pool.submit(_check_host, host, files, folder, timeout)
            for host, files in by_host.items()
        ]
        found = [task.result() for task in tasks]
    for host, (checks, offline) in zip(by_host, found, strict=True):
        if any(check.state != "no answer" for check in checks):
            forget_silent(host, folder)
        elif not offline:
            remember_silent(host, folder)
    by_url = {check.url: check for checks, _ in found for check in checks}
    return [by_url[file.url] for _, file in wanted]


def find_changes(cards: Iterable[CatalogueEntry], folder: str | Path | None = None) -> list[Path]:
    """Files in the cache folder that are not what they were when they came."""
    folder = weights_folder() if folder is None else Path(folder)
    return [
        path
        for card in cards
        if not card.bundled and find_verified(card, folder) is None
        for path in (cache_path(file, card, folder) for file in card.files)
        if path.exists()
    ]


def _check_host(
    host: str, files: list[tuple[CatalogueEntry, RemoteFile]], folder: Path, timeout: float
) -> tuple[list[FileCheck], bool]:
    """Check each file of a host; also return whether the host's name could not be resolved."""
    checks: list[FileCheck] = []
    silent, offline = "", False
    for card, file in files:
        if silent:
            checks.append(FileCheck(card.name, file.url, host, "no answer", silent))
            continue
        try:
            state, reason = _check_file(card, file, folder, timeout)
        except Exception as error:  # whatever a network can do
            state, reason = "no answer", reason_of(error, timeout)
            silent, offline = reason, is_lookup_down(error)
        checks.append(FileCheck(card.name, file.url, host, state, reason))
    return checks, offline


def _check_file(
    card: CatalogueEntry, file: RemoteFile, folder: Path, timeout: float
) -> tuple[State, str]:
    request = urllib.request.Request(
        at_endpoint(file.url), method="HEAD", headers={"User-Agent": "posetrack"}
    )
    try:
        response, stated = open_url(request, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        return "not there", f"HTTP status {error.code}"
    with response:
        length = response.headers.get("Content-Length", "")
        stated = stated or sha256_in_headers(response.headers)
    path = cache_path(file, card, folder)
    expected = first_hash(path, file) or file.sha256
    if stated and expected and not stated.startswith(expected):
        return "changed", f"its SHA-256 begins {stated[:16]}, not {expected[:16]}"
    if length.isdigit() and path.is_file() and int(length) != path.stat().st_size:
        return "changed", f"{int(length):,} bytes, here {path.stat().st_size:,}"
    if length.isdigit() and file.sha256 and not _is_near(int(length), card.size):
        return "changed", f"{int(length):,} bytes, about {card.size:,} are expected"
    return "as it was", ""


def _is_near(size: int, expected: int) -> bool:
    return 0.75 * expected <= size <= 1.25 * expected + 2**20
