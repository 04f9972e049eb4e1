"""A client's words: what is asked for, and by which address."""

from __future__ import annotations

from typing import Final

from posetrack.files import parse_json
from posetrack.service.limits import RefusedError

JSON_BYTES: Final = 10_000
"""Most bytes of a body that names an address."""


def url_of(body: bytes) -> str:
    """The address in a JSON body ``{"url": "https://..."}``.

    Raises
    ------
    RefusedError
        If it is anything else.

    Examples
    --------
    >>> url_of(b'{"url": "https://example.org/hall.jpg"}')
    'https://example.org/hall.jpg'
    >>> url_of(b'{"url": 3}')
    Traceback (most recent call last):
    posetrack.service.limits.RefusedError: expected JSON such as {"url": "https://HOST/picture.jpg"}
    """
    try:
        found = parse_json(body, "body", dict[str, str]) if len(body) <= JSON_BYTES else {}
    except ValueError:
        found = {}
    if set(found) != {"url"}:
        raise RefusedError(400, 'expected JSON such as {"url": "https://HOST/picture.jpg"}')
    return str(found["url"])
