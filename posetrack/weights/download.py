"""One file over https: streamed, resumed where it broke off, with a limit on its size.

What arrives is not trusted: the caller compares its hash before use (`posetrack.weights`).
"""

from __future__ import annotations

import errno
import http.client
import os
import queue
import re
import shutil
import socket
import stat
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from posetrack.files import sha256_of, write_whole
from posetrack.weights.catalogue import require_safe_url

Progress = Callable[[int, int | None], None]
"""Called with the bytes there are and the bytes there will be (None if the server does not say)."""

HUB: Final = "https://huggingface.co"

CHUNK: Final = 1 << 18
MAX_REDIRECTS: Final = 5
MAX_BREAKS: Final = 4
"""How often a broken connection is taken up again before a URL is given up."""

_NETWORK_ERRORS: Final = (OSError, http.client.HTTPException, ValueError)


class SilentHostError(ConnectionError):
    """The host did not answer or stopped sending; its other files need not be tried."""


class _BrokenError(ConnectionError):
    """The connection ended early; what arrived is kept, and the download can be resumed."""


class _StalledError(_BrokenError, SilentHostError):
    """The connection is open but sends nothing."""


def download(
    url: str,
    part: Path,
    *,
    max_bytes: int,
    timeout: float = 30.0,
    answer_within: float | None = None,
    progress: Progress | None = None,
    wait: float = 1.0,
) -> None:
    """Download ``url`` into ``part``, resuming after the bytes that ``part`` already has.

    Parameters
    ----------
    url
        https, or http of this machine; so must be every URL it redirects to.
    part
        Where the file grows; when this returns, it is whole. After a broken connection it stays
        for the next call, and ``part`` + ``.from`` beside it says which version of the file it is.
    max_bytes
        More than this is refused, whether announced or just sent.
    timeout
        Seconds without a byte until a connection counts as broken.
    answer_within
        Seconds until the first bytes must have come, the host's name looked up and all its
        addresses tried. When None, ``timeout``.
    progress
        See `Progress`.
    wait
        Seconds before a broken connection is taken up again, doubled each time.

    Raises
    ------
    SilentHostError
        If the host cannot be reached, or nothing comes from it any more.
    ConnectionError
        If the server does not give the file; the message says why, without the URL.
    OSError
        If it cannot be written (no space, no permission).

    Examples
    --------
    >>> download("http://localhost:1/net.pth", Path("net.part"), max_bytes=10, wait=0)
    Traceback (most recent call last):
    posetrack.weights.download.SilentHostError: ...
    """
    url = at_endpoint(url)
    require_safe_url(url)
    answer_within = timeout if answer_within is None else answer_within
    for attempt in range(MAX_BREAKS + 1):
        before = _size(part)
        try:
            return _download_once(url, part, max_bytes, timeout, answer_within, progress)
        except _BrokenError:
            # Only a connection that brought something is worth taking up again.
            if attempt == MAX_BREAKS or _size(part) <= before:
                raise
            time.sleep(wait * 2**attempt)
    return None


def at_endpoint(url: str) -> str:
    """An address of Hugging Face's hub at the mirror that ``HF_ENDPOINT`` names; others as is.

    Examples
    --------
    >>> at_endpoint("https://example.org/net.pth")
    'https://example.org/net.pth'
    """
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return mirror + url.removeprefix(HUB) if mirror and url.startswith(HUB + "/") else url


def discard(part: Path) -> None:
    """Remove a partial download and what is known of it."""
    part.unlink(missing_ok=True)
    _origin(part).unlink(missing_ok=True)


def _download_once(
    url: str,
    part: Path,
    max_bytes: int,
    timeout: float,
    answer_within: float,
    progress: Progress | None,
) -> None:
    have = _size(part)
    answer = _open(url, part, have, timeout, answer_within)
    if answer is None:
        return
    response, first = answer
    with response:
        start, total = _resume_at(response, have, part)
        if response.headers.get_content_type() == "text/html":
            raise ConnectionError("the server sent a web page instead of the file")
        if total is not None and total > max_bytes:
            raise ConnectionError(
                f"the server announces {total:,} bytes, at most {max_bytes:,} fit"
            )
        if total is not None:
            _require_space(part, total - start)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        write_whole(_origin(part), f"{url}\n{validator}\n", durable=False)
        done = start
        if progress is not None:
            progress(done, total)
        with _open_part(part, start) as file:
            file.truncate(start)
            file.seek(start)
            for chunk in _chunks(response, first):
                done += len(chunk)
                if done > max_bytes:
                    break
                file.write(chunk)
                if progress is not None:
                    progress(done, total)
    if done > max_bytes:
        discard(part)
        raise ConnectionError(f"the server sent more than the {max_bytes:,} bytes expected")
    if total is not None and done < total:
        raise _BrokenError(f"the connection ended after {done:,} of {total:,} bytes")
    stated = response.stated_sha256
    if stated and sha256_of(part) != stated:
        discard(part)
        raise ConnectionError(f"not the file that its host states, of SHA-256 {stated}")
    _origin(part).unlink(missing_ok=True)


def _open(
    url: str, part: Path, have: int, timeout: float, within: float
) -> tuple[Any, bytes] | None:
    """The server's response, for the rest if ``part`` has a beginning; None if it is complete."""
    headers = {"User-Agent": "posetrack", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = _validator(part, url)
        if validator:
            headers["If-Range"] = validator
    try:
        return _ask(urllib.request.Request(url, headers=headers), timeout, within)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            # There is nothing after what we have: all of it is here, or it is of another file.
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return None
            discard(part)
            return _open(url, part, 0, timeout, within)
        reason = " ".join(str(error.reason).split())
        raise ConnectionError(f"HTTP status {error.code}, {reason}") from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise SilentHostError(reason_of(error, within)) from error
    except _NETWORK_ERRORS as error:
        raise ConnectionError(reason_of(error, within)) from error


def _ask(request: urllib.request.Request, timeout: float, within: float) -> tuple[Any, bytes]:
    """The answer and the first bytes of its body, or a TimeoutError.

    A socket's own limit holds for each address of a host by itself, and not for the search of its
    name, which a thread of its own may be left with.
    """
    answers: queue.SimpleQueue[tuple[Any, bytes] | Exception] = queue.SimpleQueue()
    late, one_at_a_time = threading.Event(), threading.Lock()

    def ask() -> None:
        response: Any = None
        try:
            response, stated = open_url(request, timeout)
            response.stated_sha256 = stated or sha256_in_headers(response.headers)
            answer = response, response.read1(CHUNK)
        except Exception as error:  # goes to the thread that waits
            if response is not None:
                response.close()
            answers.put(error)
            return
        with one_at_a_time:
            if late.is_set():
                response.close()
            else:
                answers.put(answer)

    threading.Thread(target=ask, name="posetrack-download", daemon=True).start()
    try:
        outcome = answers.get(timeout=within)
    except queue.Empty:
        with one_at_a_time:
            late.set()
        # It may have come in this very moment.
        outcome = TimeoutError() if answers.empty() else answers.get()
    try:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
    finally:
        del outcome  # else error, traceback and this frame hold each other, and the connection


def sha256_in_headers(headers: Any) -> str:
    """The SHA-256 that Hugging Face's hub states of a large file in its answer; else empty.

    Examples
    --------
    >>> sha256_in_headers({"X-Linked-Etag": '"' + 64 * "a" + '"'}) == 64 * "a"
    True
    """
    text = str(headers.get("X-Linked-Etag") or "").strip().removeprefix("W/").strip('"')
    return text if re.fullmatch("[0-9a-f]{64}", text) else ""


def _resume_at(response: Any, have: int, part: Path) -> tuple[int, int | None]:
    """Offset at which the response begins, and the size of the whole file if known."""
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdigit() else None
    if response.status != http.client.PARTIAL_CONTENT:
        return 0, size  # the server does not resume, or the file has changed: all of it comes
    given = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", given)
    if match is None or int(match[1]) != have:
        discard(part)
        raise ConnectionError(f"asked for bytes from {have:,} on, the server gave {given!r}")
    return have, (int(match[2]) + 1 if match[3] == "*" else int(match[3]))


def _chunks(response: Any, first: bytes) -> Iterator[bytes]:
    """Chunks of the body as they arrive; raises `_BrokenError` if it ends early."""
    chunk = first
    while chunk:
        yield chunk
        try:
            chunk = response.read1(CHUNK)
        except TimeoutError as error:
            raise _StalledError(reason_of(error, None)) from error
        except _NETWORK_ERRORS as error:
            raise _BrokenError(reason_of(error, None)) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, never away from https."""

    max_redirections = MAX_REDIRECTS
    stated = ""
    """What a redirect states of the file: the store that the hub redirects to does not."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        require_safe_url(newurl)
        self.stated = self.stated or sha256_in_headers(headers)
        if req.full_url.startswith("https:") and urlsplit(newurl).scheme != "https":
            raise ValueError(f"redirected from https to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str, redirects: _Redirects) -> urllib.request.OpenerDirector:
    """Opens http and https only: urllib's own also opens file, ftp and data URLs.

    Proxies are those of the environment (``https_proxy``); none for this machine itself.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(None if url.startswith("https:") else {}),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        redirects,
    ):
        opener.add_handler(handler)
    return opener


def open_url(request: urllib.request.Request, timeout: float) -> tuple[Any, str]:
    """Send a request over https; return the response and the SHA-256 that a redirect named.

    Raises
    ------
    ValueError
        For another scheme, also of a redirect.
    OSError
        If the network fails or the host refuses.
    """
    require_safe_url(request.full_url)
    redirects = _Redirects()
    response = _opener(request.full_url, redirects).open(request, timeout=timeout)
    return response, redirects.stated


def is_lookup_down(error: object) -> bool:
    """Whether names could not be looked up: this machine is offline, perhaps, and nobody waited.

    A name that is looked up and does not exist is another thing: that host is gone.

    Examples
    --------
    >>> gone = urllib.error.URLError(socket.gaierror(socket.EAI_NONAME, "not known"))
    >>> offline = urllib.error.URLError(socket.gaierror(socket.EAI_AGAIN, "try again"))
    >>> is_lookup_down(gone), is_lookup_down(offline), is_lookup_down(TimeoutError())
    (False, True, False)
    """
    reason = getattr(error, "reason", None)
    return isinstance(reason, socket.gaierror) and reason.errno != socket.EAI_NONAME


def reason_of(error: Exception, timeout: float | None) -> str:
    """Why the network failed, in a few words.

    Examples
    --------
    >>> reason_of(TimeoutError(), 5)
    'no answer within 5 seconds'
    """
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer" + (f" within {timeout:.2g} seconds" if timeout else " in time")
    text = getattr(cause, "strerror", None) or str(cause)  # without "[Errno -2]"
    return " ".join(str(text).split()) or type(cause).__name__


def _origin(part: Path) -> Path:
    return part.with_name(part.name + ".from")


def _validator(part: Path, url: str) -> str:
    """What the server called the version of the file that ``part`` is the beginning of."""
    try:
        from_url, validator = _origin(part).read_text(encoding="utf-8").split("\n")[:2]
    except (OSError, ValueError):
        return ""
    # HTTP (RFC 9110, section 13.1.5) forbids weak validators here.
    return validator if from_url == url and not validator.startswith("W/") else ""


def _size(part: Path) -> int:
    """Bytes that an earlier call left; what is not a file of ours alone is removed, unread."""
    try:
        status = part.lstat()
    except FileNotFoundError:
        return 0
    ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or not ours:
        discard(part)
        return 0
    return status.st_size


def _open_part(part: Path, start: int) -> IO[bytes]:
    """The partial file: made anew, or opened to go on; in neither case through a link."""
    if not start:
        part.unlink(missing_ok=True)
        return part.open("xb")
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(part, flags), "r+b")


def _require_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise OSError(
            errno.ENOSPC, f"{needed:,} more bytes are needed, {free:,} are free", str(part.parent)
        )
