"""What is at a public address, for a client: never anything of the network that this runs in.

A client who names an address could have the server ask its own neighbours: the loopback, the
cloud's metadata at 169.254.169.254, machines behind the firewall. So a host's name is looked up
once, each address that it has must be public, and the connection goes to the address that was
checked, not to the name, which may mean another machine by then (DNS rebinding). Redirections are
addresses like any other. Proxies of the environment are not asked. Source: OWASP, "Server-Side
Request Forgery Prevention Cheat Sheet".
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from posetrack.service.limits import Deadline, RefusedError

_MOST_REDIRECTIONS: Final = 3
_LONGEST_ADDRESS: Final = 2000
_PIECE_BYTES: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind IPv6, RFC 6052

Resolve = Callable[[str, int], list[str]]
"""From a host and port to its numeric addresses."""


def is_public(address: str) -> bool:
    """Whether a numeric address is of the public internet, also where it stands inside another.

    Examples
    --------
    >>> [is_public(one) for one in ("8.8.8.8", "127.0.0.1", "169.254.169.254", "10.0.0.1")]
    [True, False, False, False]
    >>> [is_public(one) for one in ("::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0")]
    [False, False, False, False]
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner and not is_public(str(inner)):
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def look_up(host: str, port: int) -> list[str]:
    """The numeric addresses of a host, by the system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def fetch_public(
    url: str,
    path: Path,
    max_bytes: int,
    seconds: float,
    *,
    resolve: Resolve = look_up,
    allowed: Callable[[str], bool] = is_public,
) -> None:
    """Write what is at a public HTTP or HTTPS address to a file.

    Parameters
    ----------
    url
        The address; up to three redirections are followed.
    path
        The file.
    max_bytes
        More are refused.
    seconds
        For all of it.
    resolve, allowed
        How hosts are looked up, and which numeric addresses may be connected to.

    Raises
    ------
    RefusedError
        If it is no such address, leads to another, fails, is too large or too slow.
    """
    deadline = Deadline(seconds)
    for _ in range(_MOST_REDIRECTIONS + 1):
        parts = _check_address(url)
        port = parts.port or _PORTS[parts.scheme]
        addresses = _look_up_in_time(resolve, str(parts.hostname), port, deadline)
        # One that is not public is no accident: nor are the others to be trusted.
        if not addresses or not all(map(allowed, addresses)):
            raise RefusedError(403, "url: this host is not on the public internet")
        target = _get(parts, port, addresses[0], path, max_bytes, deadline)
        if target is None:
            return
        onward = urljoin(url, target)
        if parts.scheme == "https" and not onward.startswith("https:"):
            raise RefusedError(502, "url: it leads from https to an address that is not")
        url = onward
    raise RefusedError(502, f"url: more than {_MOST_REDIRECTIONS} redirections")


def _check_address(url: str) -> SplitResult:
    """The parts of an address that may be asked for."""
    if len(url) > _LONGEST_ADDRESS or not url.isascii() or not url.isprintable() or " " in url:
        raise RefusedError(400, "url: expected one of printable ASCII, at most 2000 characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RefusedError(400, "url: not an address") from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise RefusedError(400, "url: expected http://HOST/... or https://HOST/...")
    if parts.username is not None or parts.password is not None:
        raise RefusedError(400, "url: one with a user's name or password is not taken")
    return parts


def _look_up_in_time(resolve: Resolve, host: str, port: int, deadline: Deadline) -> list[str]:
    """Look a host up in a thread: the system's own patience is longer than a client's turn."""
    found: list[str] = []

    def run() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(resolve(host, port))

    thread = threading.Thread(target=run, name="posetrack-look-up", daemon=True)
    thread.start()
    thread.join(deadline.seconds)
    if thread.is_alive():
        raise RefusedError(504, "url: its host's name was not found in time")
    if not found:
        raise RefusedError(502, "url: there is no such host")
    return found


class _Connection(http.client.HTTPConnection):
    """To one numeric address, whatever the host's name means now; TLS is checked by the name."""

    def __init__(self, parts: SplitResult, port: int, address: str, deadline: Deadline) -> None:
        super().__init__(str(parts.hostname), port)
        self._address, self._secure, self._deadline = address, parts.scheme == "https", deadline

    def connect(self) -> None:
        self.sock = socket.create_connection(
            (self._address, self.port), timeout=max(0.01, self._deadline.seconds)
        )
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=self.host
            )

    def cut(self) -> None:
        """End whatever waits for the host."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


def _get(
    parts: SplitResult, port: int, address: str, path: Path, max_bytes: int, deadline: Deadline
) -> str | None:
    """Write what one address gives; or where it leads."""
    headers = {"User-Agent": "posetrack", "Accept-Encoding": "identity", "Connection": "close"}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(_Connection(parts, port, address, deadline)) as connection:
        # A host that sends a byte now and then would never be too slow for a socket's timeout.
        timer = threading.Timer(deadline.seconds, connection.cut)
        timer.daemon = True
        timer.start()
        try:
            connection.request("GET", target, headers=headers)
            with connection.getresponse() as response:
                if response.status in (301, 302, 303, 307, 308):
                    return _location(response)
                if response.status != 200:
                    raise RefusedError(502, f"url: the host answered {response.status}")
                if response.getheader("Content-Encoding", "identity") != "identity":
                    raise RefusedError(502, "url: the host packs what it sends")
                _save(response, path, max_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, RefusedError):
                raise
            late = not deadline.seconds or isinstance(error, TimeoutError)
            reason = "it is too slow" if late else "the host does not answer as it should"
            raise RefusedError(504 if late else 502, f"url: {reason}") from error
        finally:
            timer.cancel()
            timer.join()
    if not deadline.seconds:  # cut off in the middle of what has no declared length
        raise RefusedError(504, "url: it is too slow")
    return None


def _location(response: http.client.HTTPResponse) -> str:
    target = response.getheader("Location")
    if not target:
        raise RefusedError(502, "url: a redirection to nowhere")
    return target


def _save(response: http.client.HTTPResponse, path: Path, max_bytes: int) -> None:
    if (response.length or 0) > max_bytes:
        raise too_large(max_bytes)
    left = max_bytes
    with path.open("wb") as file:
        while piece := response.read(_PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise too_large(max_bytes)
            file.write(piece)


def too_large(max_bytes: int) -> RefusedError:
    """What a client hears who sends too much.

    Examples
    --------
    >>> too_large(20_000_000).args[0]
    'more than the 20 MB that are taken'
    """
    size = f"{max_bytes // 1_000_000} MB" if max_bytes >= 1_000_000 else f"{max_bytes} bytes"
    return RefusedError(413, f"more than the {size} that are taken")
