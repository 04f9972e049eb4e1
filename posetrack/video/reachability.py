"""Whether a camera or an address is there, found out in a moment and without opening it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {
    "http": 80, "https": 443, "rtmp": 1935, "rtmps": 443, "rtsp": 554, "rtsps": 322,
}  # fmt: skip
_SECONDS: Final = 1.0


def is_camera(source: str) -> bool:
    """Whether a source is a camera's number, and not the name of a file or folder that is there.

    Examples
    --------
    >>> is_camera("0"), is_camera("walk/0")
    (True, False)
    """
    return source.isdecimal() and not Path(source).exists()


def check_live(source: int | str, *, seconds: float = _SECONDS) -> None:
    """Refuse a camera that is not there and an address where nothing listens.

    A host that does not answer within ``seconds`` passes: `open_video` waits for it longer.

    Parameters
    ----------
    source
        A camera's number, or an address.
    seconds
        To wait for the host.

    Raises
    ------
    FileNotFoundError
        If there is no such camera.
    ValueError
        If the address is of no kind that is read.
    ConnectionError
        If the host is not known, or refuses.

    Examples
    --------
    >>> check_live("rtsp://127.0.0.1:9/door")
    Traceback (most recent call last):
    ConnectionError: rtsp://127.0.0.1:9/door: 127.0.0.1 refuses at port 9...
    """
    if isinstance(source, int):
        from posetrack.video.camera import check_exists

        check_exists(source)
        return
    from urllib.request import getproxies  # loads what speaks HTTP; most sources are files

    from posetrack.files import without_credentials
    from posetrack.video.reader import check_url

    check_url(source)
    parts = urlsplit(source)
    scheme, label = parts.scheme.lower(), without_credentials(source)
    proxied = scheme in ("http", "https") and scheme in getproxies()
    if scheme not in _PORTS or proxied:
        return
    try:
        port = parts.port or _PORTS[scheme]
        socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
    except TimeoutError:
        return
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from error
    except socket.gaierror as error:
        raise ConnectionError(f"{label}: no host is called {parts.hostname}") from error
    except OSError as error:
        raise ConnectionError(
            f"{label}: {parts.hostname} refuses at port {port}: {error.strerror or error}; is the "
            "address right, and does it send?"
        ) from error
