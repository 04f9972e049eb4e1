"""A web server on this machine that serves files well or badly, and remembers what was asked."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """One file, and how the server treats those who ask for it.

    break_after: close the connection after so many bytes, the first ``breaks`` times.
    announce: say this Content-Length. claim: say this Content-Range when asked for the rest.
    linked: say this X-Linked-Etag, as Hugging Face's hub does.
    """

    content: bytes = b""
    status: int = 200
    ranges: bool = True
    etag: str = ""
    content_type: str = "application/octet-stream"
    break_after: int | None = None
    breaks: int = 1
    endless: bool = False
    announce: int | None = None
    no_length: bool = False
    silent: bool = False
    redirect: str = ""
    claim: str = ""
    linked: str = ""


@dataclass
class Server:
    url: str
    files: dict[str, Served] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of every request."""
    sent: list[int] = field(default_factory=list)
    """Bytes of body sent for every request."""
    stop: threading.Event = field(default_factory=threading.Event)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def serving() -> Iterator[Server]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    http.told = Server(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield http.told
    finally:
        http.told.stop.set()
        http.shutdown()
        thread.join()
        http.server_close()


@contextmanager
def refused_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        told: Server = self.server.told
        asked_range = self.headers.get("Range")
        told.asked.append((self.path, asked_range))
        self._number = len(told.sent)
        told.sent.append(0)
        file = told.files.get(self.path)
        self.close_connection = True
        with suppress(BrokenPipeError, ConnectionResetError):  # the client has had enough
            self._answer(told, file, asked_range)

    do_HEAD = do_GET  # noqa: N815 - the client reads no body

    def _answer(self, told: Server, file: Served | None, asked_range: str | None) -> None:
        if file is None or file.status >= 400:
            self._head(404 if file is None else file.status, {"Content-Length": "0"})
            return
        if file.silent:
            told.stop.wait(20)
            return
        if file.redirect:
            self._head(302, {"Location": file.redirect, "Content-Length": "0"})
            return
        start = self._start(file, asked_range)
        if start is None:
            size = len(file.content)
            self._head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
        else:
            self._body(told, file, start)

    def _start(self, file: Served, asked_range: str | None) -> int | None:
        """First byte to send; None if there is nothing there."""
        match = re.fullmatch(r"bytes=(\d+)-", asked_range or "")
        if_range = self.headers.get("If-Range")
        changed = if_range is not None and if_range != file.etag
        if match is None or not file.ranges or changed:
            return 0
        start = int(match[1])
        return start if start < len(file.content) else None

    def _body(self, told: Server, file: Served, start: int) -> None:
        size = len(file.content)
        headers = {"Content-Type": file.content_type}
        if file.etag:
            headers["ETag"] = file.etag
        if file.linked:
            headers["X-Linked-Etag"] = file.linked
        if start:
            headers["Content-Range"] = file.claim or f"bytes {start}-{size - 1}/{size}"
        if not (file.endless or file.no_length):
            headers["Content-Length"] = str((file.announce or size) - start)
        self._head(206 if start else 200, headers)
        if file.endless:
            while not told.stop.is_set():
                self.wfile.write(bytes(1 << 16))
        end = size
        if file.break_after is not None and file.breaks > 0:
            file.breaks -= 1
            end = min(size, start + file.break_after)
        told.sent[self._number] = end - start  # before the last byte, after which tests look
        self.wfile.write(file.content[start:end])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
