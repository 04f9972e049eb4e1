"""``posetrack app``: the web app, in the browser."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from posetrack.files import folder_of_process


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "app",
        help="a web page to track, look, and mend identities in",
        description="Start a web app: a video is uploaded, people are tracked, and the page plays "
        "them with curves, doubtful moments, edits and files to download. It listens on this "
        "machine alone unless --host says otherwise, keeps each browser's files apart, and takes "
        "them away when the browser is gone.",
        epilog='Needs Streamlit: pip install "posetrack[app]".',
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on")
    parser.add_argument(
        "--allow-paths",
        action="store_true",
        help="videos and weights of this machine may be chosen by their path, by everybody who "
        "can open the page",
    )
    parser.add_argument(
        "--max-upload", type=int, default=500, metavar="MB", help="largest upload, in megabytes"
    )
    parser.add_argument(
        "--max-seconds", type=float, default=600.0, metavar="S", help="longest video, in seconds"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Start Streamlit, and clear up when it ends."""
    if not 0 < arguments.port < 65536:
        raise ValueError(f"--port must lie in 1 .. 65535, got {arguments.port}")
    if arguments.max_upload < 1 or not arguments.max_seconds > 0:
        raise ValueError("--max-upload and --max-seconds must be more than 0")
    if find_spec("streamlit") is None:
        raise ModuleNotFoundError(
            'the app needs Streamlit: pip install "posetrack[app]"', name="streamlit"
        )
    check_free(arguments)
    folder = folder_of_process("posetrack-app")
    try:
        server = subprocess.Popen(command(arguments), env=environment(arguments, folder))
        try:
            if not arguments.no_browser and _wait_until_it_answers(server, arguments):
                webbrowser.open(address(arguments))
            return server.wait()
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def command(arguments: argparse.Namespace) -> list[str]:
    """The words that start Streamlit."""
    page = Path(__file__).parents[1] / "app" / "page.py"
    return [
        sys.executable, "-m", "streamlit", "run", str(page),
        f"--server.address={arguments.host}",
        f"--server.port={arguments.port}",
        # Else Streamlit asks for an email address at its first start, and waits. The browser is
        # opened here.
        "--server.headless=true",
        f"--server.maxUploadSize={arguments.max_upload}",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
        "--client.toolbarMode=minimal",
        "--client.showErrorDetails=none",
    ]  # fmt: skip


def check_free(arguments: argparse.Namespace) -> None:
    """Raise where another program listens already: its page would be opened in place of ours.

    Raises
    ------
    OSError
        With what can be done.
    """
    host, port = arguments.host or "0.0.0.0", arguments.port
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"--host {host}: there is no such address on this machine") from error
    for family, kind, protocol, _, at in places:
        with socket.socket(family, kind, protocol) as tried:
            if os.name == "posix":  # else one that has just ended would count
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(at)
            except OSError as error:
                reason = (
                    f"port {port} is taken by another program; choose another with --port"
                    if error.errno == errno.EADDRINUSE
                    else f"cannot listen on {host}, port {port}: {error.strerror}"
                )
                raise OSError(reason) from error


def address(arguments: argparse.Namespace) -> str:
    """What to open in a browser of this machine."""
    host = "127.0.0.1" if arguments.host in ("", "0.0.0.0", "::") else arguments.host
    return f"http://{f'[{host}]' if ':' in host else host}:{arguments.port}"


def _wait_until_it_answers(
    server: subprocess.Popen[bytes], arguments: argparse.Namespace, patience: float = 60.0
) -> bool:
    """Whether the server came up, as long as it runs and within some seconds."""
    host = urlsplit(address(arguments)).hostname or ""
    end = time.monotonic() + patience
    while server.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            socket.create_connection((host, arguments.port), timeout=1.0).close()
            return True
        time.sleep(0.1)
    return False


def environment(arguments: argparse.Namespace, folder: Path) -> dict[str, str]:
    """What the page is told."""
    given = {
        "folder": str(folder),
        "allow_paths": arguments.allow_paths,
        "max_seconds": arguments.max_seconds,
        "sweep": True,
    }
    return {**os.environ, "POSETRACK_APP": json.dumps(given)}
