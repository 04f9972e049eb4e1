"""The application behind uvicorn: patience with connections is bounded, too."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from posetrack.checks import require_library
from posetrack.service.application import Desk, make_app
from posetrack.service.limits import Limits
from posetrack.service.work import Finder

_HEAD_BYTES: Final = 16_000
_WAITING_CONNECTIONS: Final = 128


@contextmanager
def open_server(
    finder: Finder, *, host: str = "127.0.0.1", port: int = 8000, fetches: bool = False
) -> Iterator[tuple[Callable[[], None], Callable[[], None], str]]:
    """A server that listens, and answers while it runs.

    Parameters
    ----------
    finder
        Answers; it has the limits.
    host, port
        Where to listen: by default for this machine alone; port 0 is any that is free.
    fetches
        Whether clients may name public addresses.

    Yields
    ------
    run, stop, address
        ``run()`` answers until it is interrupted or another thread calls ``stop()``; where it is.

    Raises
    ------
    ModuleNotFoundError
        If uvicorn or FastAPI are not installed.
    OSError
        If it cannot listen there.
    """
    with require_library("the server needs uvicorn", "posetrack[serve]"):
        import uvicorn

    limits = finder.limits
    desk = Desk(finder, fetches=fetches)
    try:
        config = uvicorn.Config(
            make_app(desk),
            http=_patient_protocol(limits),
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.connections,
            timeout_keep_alive=round(max(1, limits.head_seconds)),
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=_HEAD_BYTES,
        )
        server = uvicorn.Server(config)
        with _listen(host, port) as listener:
            found = listener.getsockname()[1]
            shown = f"[{host}]" if ":" in host else host

            def stop() -> None:
                server.should_exit = True

            yield partial(server.run, sockets=[listener]), stop, f"http://{shown}:{found}"
    finally:
        desk.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_WAITING_CONNECTIONS)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"--host {host} --port {port}: cannot listen there: {reason}; port 0 is any free one"
        ) from error


def _patient_protocol(limits: Limits) -> Any:
    """Uvicorn's HTTP, which by itself waits for a request's head for ever."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Patient(H11Protocol):
        """Ends a connection on which no head comes to its end, or nobody takes the answer."""

        _head_timer: Any = None
        _answer_timer: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.set_write_buffer_limits(0)  # so that `pause_writing` says when it waits
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            if self._idle() and self._head_timer is None:
                self._expect_head()
            super().data_received(data)
            if not self._idle():
                self._stop_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            self._stop_answer_timer()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stop_answer_timer()
            self._answer_timer = self.loop.call_later(limits.answer_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._stop_answer_timer()
            super().resume_writing()

        def _stop_answer_timer(self) -> None:
            if self._answer_timer is not None:
                self._answer_timer.cancel()
                self._answer_timer = None

        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _expect_head(self) -> None:
            self._head_timer = self.loop.call_later(limits.head_seconds, self._lose_patience)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _lose_patience(self) -> None:
            if self._idle():
                self.transport.abort()

    return Patient
