"""The server's application: bodies within bounds, a queue before the networks, and its figures.

A body goes to a folder of its own on disk as it comes; once it is whole the request takes a place
in the queue or is refused. So slow senders keep nobody from the queue, and what all of them
together may hold is bounded.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from posetrack import __version__
from posetrack.checks import require_library
from posetrack.files import dump_json
from posetrack.service.answers import Answer
from posetrack.service.content import Content
from posetrack.service.limits import Deadline, RefusedError
from posetrack.service.public_addresses import fetch_public, too_large
from posetrack.service.requests import JSON_BYTES, url_of
from posetrack.service.work import Finder

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_DRAIN_SECONDS: Final = 1.0
_ROUTES: Final = ("/image", "/video", "/health", "/metrics")
_LIBRARIES: Final = "the server needs fastapi, uvicorn and prometheus-client"


class Figures:
    """What the server counts, for Prometheus."""

    def __init__(self) -> None:
        with require_library(_LIBRARIES, "posetrack[serve]"):
            import prometheus_client as prometheus

        self._registry = prometheus.CollectorRegistry()
        self._text = prometheus.generate_latest
        self.media = prometheus.CONTENT_TYPE_LATEST
        self.answers = prometheus.Counter(
            "posetrack_answers", "Answers by path and status", ["path", "status"],
            registry=self._registry,
        )  # fmt: skip
        self.seconds = prometheus.Histogram(
            "posetrack_seconds", "From a request's head to its answer", ["path"],
            registry=self._registry,
        )  # fmt: skip
        self.waiting = prometheus.Gauge(
            "posetrack_waiting", "Requests in the queue or in work", ["kind"],
            registry=self._registry,
        )  # fmt: skip
        self.held = prometheus.Gauge(
            "posetrack_held_bytes", "Bytes of bodies on disk", registry=self._registry
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return bytes(self._text(self._registry))


class Desk:
    """Takes bodies in, keeps the queues, and hands files to the networks.

    Parameters
    ----------
    finder
        Answers; it has the limits.
    fetches
        Whether a client may name an address instead of sending a body.
    """

    def __init__(self, finder: Finder, *, fetches: bool = False) -> None:
        self._finder, self._limits, self._fetches = finder, finder.limits, fetches
        self.figures = Figures()
        self._room: dict[Content, int] = {
            "image": self._limits.queue,
            "video": self._limits.video_queue,
        }
        self._held = 0
        # Videos wait for each other, and pictures for pictures, which are quick.
        self._workers = {kind: ThreadPoolExecutor(1, f"posetrack-{kind}") for kind in self._room}
        self._fetchers = ThreadPoolExecutor(self._limits.queue, "posetrack-fetch")

    def close(self) -> None:
        """Finish what is in work, and drop what waits."""
        for workers in (*self._workers.values(), self._fetchers):
            workers.shutdown(cancel_futures=True)

    def hold(self, count: int) -> None:
        """Count bytes of bodies on disk, or with a minus those that are gone."""
        if count > 0 and self._held + count > self._limits.held_bytes:
            raise RefusedError(429, "busy: too much is being sent, try again later")
        self._held += count
        self.figures.held.set(self._held)

    async def answer(self, request: Any, kind: Content) -> Answer:
        """Answer a request for a picture or video.

        A client who is refused may still be sending: what comes is read for a moment, since the
        refusal could be lost if the connection were closed at once.

        Raises
        ------
        RefusedError
            If it is not to be had.
        """
        limits = self._limits
        most = limits.image_bytes if kind == "image" else limits.video_bytes
        body = _Body(self)
        with tempfile.TemporaryDirectory(prefix="posetrack-") as folder, body:
            path = Path(folder) / "body"
            try:
                await self._take_body(request, path, most, body)
            except RefusedError:
                if not body.whole:
                    await _read_on(request.receive)
                raise
            out = request.query_params.get("out")
            self._finder.check(path, kind, out)  # what is wrong at first sight need not wait
            deadline = Deadline(limits.picture_seconds if kind == "image" else limits.video_seconds)
            work = partial(self._finder.answer, path, kind, out, deadline)
            with self._take_slot(kind):
                return await asyncio.get_running_loop().run_in_executor(self._workers[kind], work)

    @contextmanager
    def _take_slot(self, kind: Content) -> Iterator[None]:
        """Take a place in a queue, if there is one."""
        if not self._room[kind]:
            raise RefusedError(429, "busy: the queue is full, try again later")
        waiting = self.figures.waiting.labels(kind)
        self._room[kind] -= 1
        waiting.inc()
        try:
            yield
        finally:
            self._room[kind] += 1
            waiting.dec()

    async def _take_body(self, request: Any, path: Path, most: int, body: _Body) -> None:
        """Write the body, or what is at the address that it names, to a file."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(415, "content-encoding: send it as it is")
        if media.startswith("multipart/"):
            raise RefusedError(415, "expected the file itself as the body, not a form")
        named = media == "application/json"
        seconds = self._limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                await body.write(request, path, JSON_BYTES if named else most)
        except TimeoutError as error:
            raise RefusedError(408, f"the body did not come within {seconds:g} s") from error
        if not named:
            return
        if not self._fetches:
            raise RefusedError(415, "addresses are not fetched here: send the file as the body")
        url = url_of(path.read_bytes())
        body.take(most)
        await asyncio.get_running_loop().run_in_executor(
            self._fetchers, partial(fetch_public, url, path, most, seconds)
        )


class _Body:
    """What one request has on disk, of what all together may have."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._bytes = desk, 0
        self.whole = False
        """Whether the client has sent all of it."""

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *_: object) -> None:
        self._desk.hold(-self._bytes)

    def take(self, count: int) -> None:
        self._desk.hold(count)
        self._bytes += count

    async def write(self, request: Any, path: Path, most: int) -> None:
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > most:
            raise too_large(most)
        left = most
        with path.open("wb") as file:
            async for piece in request.stream():
                left -= len(piece)
                if left < 0:
                    raise too_large(most)
                self.take(len(piece))
                file.write(piece)
        self.whole = True
        if left == most:
            raise RefusedError(400, "expected a file as the body, it is empty")


def make_app(desk: Desk) -> Any:
    """The application, as ASGI servers run it.

    Raises
    ------
    ModuleNotFoundError
        If FastAPI is not installed.
    """
    with require_library(_LIBRARIES, "posetrack[serve]"):
        from fastapi import FastAPI
        from starlette.requests import ClientDisconnect, Request
        from starlette.responses import Response

    # Its own pages about the application would have browsers fetch from other hosts.
    app = FastAPI(title="posetrack", version=__version__, docs_url=None, redoc_url=None)

    async def answer(request: Request, kind: Content) -> Response:
        try:
            found = await desk.answer(request, kind)
        except RefusedError as error:
            again = {"retry-after": "1"} if error.status in (429, 503) else {}
            return Response(
                dump_json({"error": str(error)}),
                error.status,
                {"connection": "close", **again},
                "application/json",
            )
        except ClientDisconnect:
            return Response(status_code=400)
        return Response(found.body, media_type=found.media)

    async def image(request: Request) -> Response:
        """People in the picture that is the body; ``?out=json``, ``jpg`` or ``png``."""
        return await answer(request, "image")

    async def video(request: Request) -> Response:
        """People in the video that is the body; ``?out=json`` or ``mp4``."""
        return await answer(request, "video")

    async def health(request: Request) -> Response:
        """Whether the server is there."""
        del request
        state = {"status": "ok", "posetrack": __version__}
        return Response(dump_json(state), media_type="application/json")

    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        del request
        return Response(desk.figures.text(), media_type=desk.figures.media)

    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    body = {"requestBody": {"required": True, "content": content}}
    for function, method, extra in (
        (image, "POST", body),
        (video, "POST", body),
        (health, "GET", None),
        (metrics, "GET", None),
    ):
        # FastAPI reads these, and does not find names that are imported in a function.
        function.__annotations__.update({"request": Request, "return": Response})
        app.add_api_route(
            f"/{function.__name__}",
            function,
            methods=[method],
            response_class=Response,
            openapi_extra=extra,
        )
    return Counted(app, desk.figures)


class Counted:
    """An application whose answers are counted.

    Parameters
    ----------
    app
        The application.
    figures
        Where.
    """

    def __init__(self, app: Any, figures: Figures) -> None:
        self._app, self._figures = app, figures

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI has it."""
        path = scope.get("path")
        path = path if path in _ROUTES else "other"
        started, status = time.monotonic(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._figures.answers.labels(path, str(status or "none")).inc()
            self._figures.seconds.labels(path).observe(time.monotonic() - started)


async def _read_on(receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    break
