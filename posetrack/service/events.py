"""A picture or short video as a cloud function's event, and the answer as it wants it.

Events are those of AWS Lambda: of a function's own address and of API Gateway (payload formats 1.0
and 2.0), or given directly as ``{"url": ...}`` or ``{"body": ..., "isBase64Encoded": true}``.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from posetrack.files import dump_json
from posetrack.service.answers import Answer
from posetrack.service.content import Content
from posetrack.service.limits import Deadline, Limits, RefusedError
from posetrack.service.public_addresses import fetch_public, too_large
from posetrack.service.requests import url_of
from posetrack.service.work import Finder

Event = Mapping[str, Any]
Fetch = Callable[[str, Path, int, float], None]

MOST_ANSWER_BYTES: Final = 4_400_000
"""Of an answer before it is written in base64: AWS Lambda takes 6 MB."""

_KINDS: Final[dict[str, Content]] = {"image": "image", "video": "video"}


def handle(
    event: Event, finder: Finder, *, seconds: float | None = None, fetch: Fetch = fetch_public
) -> dict[str, Any]:
    """Answer an event; whatever is in it.

    Parameters
    ----------
    event
        From a client.
    finder
        Answers.
    seconds
        How many the function has left; None: as the limits say.
    fetch
        Writes what is at an address to a file.

    Returns
    -------
    dict
        ``statusCode``, ``headers``, ``body`` and ``isBase64Encoded``. A client who is refused
        hears why in one line, as JSON ``{"error": ...}``.

    Examples
    --------
    >>> from posetrack import Tracker
    >>> handle({"body": "aGVsbG8=", "isBase64Encoded": True}, Finder(Tracker(), Limits()))["body"]
    '{"error":"expected a picture or a video, this is of no kind that is read"}'
    """
    try:
        status, answer = 200, _answer(event, finder, seconds, fetch)
    except RefusedError as error:
        status, answer = error.status, Answer(dump_json({"error": str(error)}), "application/json")
    packed = not answer.media.startswith("application/json")
    body = base64.b64encode(answer.body) if packed else answer.body
    return {
        "statusCode": status,
        "headers": {"content-type": answer.media},
        "body": body.decode(),
        "isBase64Encoded": packed,
    }


def _answer(event: Event, finder: Finder, seconds: float | None, fetch: Fetch) -> Answer:
    if not isinstance(event, Mapping):
        raise RefusedError(400, "expected an event with a body or a url")
    limits = finder.limits
    query = event.get("queryStringParameters")
    out = query.get("out") if isinstance(query, Mapping) else event.get("out")
    kind = _KINDS.get(str(event.get("rawPath") or event.get("path") or "").strip("/"))
    most = limits.image_bytes if kind == "image" else limits.video_bytes
    whole = limits.picture_seconds if kind == "image" else limits.video_seconds
    deadline = Deadline(whole if seconds is None else min(whole, seconds))
    with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
        path = Path(folder) / "body"
        url = _write_body(event, path, most)
        if url is not None:
            fetch(url, path, most, min(limits.body_seconds, deadline.seconds))
        found = finder.answer(path, kind, None if out is None else str(out), deadline)
    if len(found.body) > MOST_ANSWER_BYTES:
        raise RefusedError(413, "the answer is larger than a function may give: send a shorter one")
    return found


def _write_body(event: Event, path: Path, most: int) -> str | None:
    """Write the body to a file; or give the address that stands in its place."""
    if isinstance(event.get("url"), str):
        return str(event["url"])
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise RefusedError(400, "expected a file as the body, or a url; there is neither")
    if len(body) > most * 4 // 3 + 4:
        raise too_large(most)
    if not event.get("isBase64Encoded"):
        return url_of(body.encode(errors="replace"))
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(400, "body: not base64") from error
    if data[:1] == b"{":
        return url_of(data)
    if len(data) > most:
        raise too_large(most)
    path.write_bytes(data)
    return None


def open_finder(preset: str, limits: Limits) -> Finder:
    """Load the networks of a preset, which are here already, and try them.

    Parameters
    ----------
    preset
        Of `posetrack.runs.presets.PRESETS`, such as "bundled".
    limits
        What is accepted.
    """
    from posetrack.runs.networks import build_tracker, makers
    from posetrack.runs.presets import settings_of_presets

    settings = settings_of_presets(preset)
    detector, estimator = settings.pop("detector", None), settings.pop("estimator", None)
    make = makers("cpu", offline=True)
    tracker, _ = build_tracker(detector, estimator, "dis", make, device="cpu", **settings)
    finder = Finder(tracker, limits)
    finder.warm_up()
    return finder


def make_handler(finder: Finder) -> Callable[[Event, Any], dict[str, Any]]:
    """The function that AWS Lambda calls with an event and what it says of the invocation."""
    return partial(_handle_in_time, finder)


def _handle_in_time(finder: Finder, event: Event, context: Any) -> dict[str, Any]:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    # The answer has to leave before the time is over.
    seconds = None if remaining is None else max(0.0, remaining() / 1000 - 1)
    return handle(event, finder, seconds=seconds)
