"""How old the frames of a live source are when they are given, at any speed of the reader.

    python benchmarks/live.py [--minutes 10] [--rtsp SERVER.py] [-o benchmarks/RESULTS/live.txt]

A server of this machine sends MJPEG over HTTP in real time, 25 pictures a second, each with the
time in it as bright and dark blocks; so the age of a picture when a reader gets it is known to the
millisecond, encoder, network and decoder included. Readers in processes of their own take a
picture, wait as a network of their speed would, and take the next. The point of reference reads the
same source without ``live``, frame by frame, at one of these speeds.

With ``--rtsp`` (a program that is given a port and serves 25 frames a second at ``/live``) the same
readers follow that, too. Its pictures have no numbers: the age is that since the arrival, and what
the network holds back shows as frames that are missing against the clock in the end.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

RATE = 25
BITS, SIDE = 24, 26
PAUSES = {"at once": 0.0, "10 a second": 0.1, "1 in 2 seconds": 2.0}
REFERENCE = "10 a second"
WARM = 10.0  # seconds in which all processes start


def picture(milliseconds: int) -> bytes:
    """A JPEG with a time in blocks."""
    image = np.zeros((360, 640, 3), np.uint8)
    for bit in range(BITS):
        image[:60, bit * SIDE : (bit + 1) * SIDE] = 255 * (milliseconds >> bit & 1)
    return cv2.imencode(".jpg", image)[1].tobytes()


def time_in(image: Any) -> float:
    """The seconds in a picture."""
    middle = [int(image[30, bit * SIDE + SIDE // 2].mean()) for bit in range(BITS)]
    return sum((value > 127) << bit for bit, value in enumerate(middle)) / 1e3


def serve(port: int, begin: float) -> None:
    """Pictures from ``begin`` on, by the clock, to all who ask."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=F")
            self.end_headers()
            number = int((time.time() - begin) * RATE)
            try:
                while True:
                    # A camera that is late leaves pictures out, too.
                    number = max(number + 1, int((time.time() - begin) * RATE))
                    time.sleep(max(0.0, begin + number / RATE - time.time()))
                    jpeg = picture(int(1e3 * (time.time() - begin)))
                    head = f"--F\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def follow(
    address: str, pause: float, seconds: float, begin: float | None, live: bool
) -> dict[str, Any]:
    """Read for so many seconds; ages in seconds and when each was seen."""
    from posetrack.video import Status, open_video

    ages: list[tuple[float, float]] = []
    told: list[str] = []
    cpu = time.process_time()
    with open_video(address, live=live, tell=told.append) as video:
        started = time.monotonic()
        first = None
        for frame in video:
            now = time.time()
            age = frame.lag if begin is None else now - begin - time_in(frame.image)
            first = age if first is None else first
            passed = time.monotonic() - started
            if passed > WARM:
                ages.append((passed, float(age or 0.0)))
            if passed > seconds:
                break
            time.sleep(pause)
        counts = video.ledger.counts
    return {
        "ages": ages,
        "first": first or 0.0,
        "taken": counts[Status.DECODED],
        "left": counts[Status.SKIPPED],
        "missing": RATE * passed - counts[Status.DECODED] - counts[Status.SKIPPED],
        "cpu": (time.process_time() - cpu) / passed,
        "told": told,
    }


def doze(seconds: float) -> list[float]:
    """How late this machine wakes a process that sleeps for an interval of the source."""
    late, end = [], time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        time.sleep(1 / RATE)
        late.append(time.monotonic() - begun - 1 / RATE)
    return late


def line_of(name: str, found: dict[str, Any]) -> str:
    """One line on a reader."""
    when, ages = np.array(found["ages"]).T
    half = when > when[-1] / 2
    within = 100 * float((ages < 2 / RATE).mean())
    return (
        f"{name:32} {found['taken']:6} {found['left']:6} {1e3 * np.median(ages):8.1f} "
        f"{1e3 * np.percentile(ages, 99):8.1f} {1e3 * ages.max():9.1f} {within:7.2f} % "
        f"{1e3 * np.median(ages[~half]):8.1f} {1e3 * np.median(ages[half]):8.1f} "
        f"{1e3 * found['first']:8.1f} {found['missing']:7.1f} {100 * found['cpu']:6.1f} %"
        + "".join(f"\n  {line}" for line in found["told"])
    )


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rtsp", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    seconds, begin, port = 60 * arguments.minutes, time.time(), free_port()
    context = get_context("spawn")
    server = context.Process(target=serve, args=(port, begin), daemon=True)
    server.start()
    address = f"http://127.0.0.1:{port}/live"
    sources: list[tuple[str, str, float | None]] = [("MJPEG", address, begin)]
    rtsp = None
    if arguments.rtsp:
        port = free_port()
        rtsp = subprocess.Popen(
            ["/usr/bin/python3", arguments.rtsp, str(port)], stdout=subprocess.PIPE
        )
        assert rtsp.stdout is not None
        rtsp.stdout.readline()
        sources.append(("RTSP", f"rtsp://127.0.0.1:{port}/live", None))
    time.sleep(2)
    jobs = {
        f"{kind}, live, {name}": (source, pause, seconds, zero, True)
        for kind, source, zero in sources
        for name, pause in PAUSES.items()
    }
    reference = address, PAUSES[REFERENCE], min(seconds, 60.0), begin, False
    jobs[f"MJPEG, not live, {REFERENCE}"] = reference
    try:
        with ProcessPoolExecutor(len(jobs) + 1, mp_context=context) as pool:
            dozing = pool.submit(doze, seconds)
            coming = {name: pool.submit(follow, *job) for name, job in jobs.items()}
            found = {name: job.result() for name, job in coming.items()}
            late = 1e3 * np.array(dozing.result())
    finally:
        server.kill()
        if rtsp is not None:
            rtsp.kill()
    text = "\n".join(
        [
            f"{arguments.minutes:g} minutes, {RATE} pictures a second of 640 x 360, "
            f"{os.cpu_count()} cores with other work; all readers at once.",
            "Ages in milliseconds after the first ten seconds; of MJPEG since the picture was "
            "begun at the server, of RTSP since its arrival.",
            "The machine alone wakes a process late by "
            f"{np.median(late):.1f} ms (median), {np.percentile(late, 99):.1f} ms (99 %), at most "
            f"{late.max():.1f} ms.",
            f"Two intervals of the source are {2e3 / RATE:g} ms. The reference ran for a minute.",
            "",
            f"{'':32} {'taken':>6} {'left':>6} {'median':>8} {'99 %':>8} {'largest':>9} "
            f"{'< 2 int.':>9} {'1st half':>8} {'2nd half':>8} {'first':>8} {'missing':>7} "
            f"{'core':>8}",
            *(line_of(name, one) for name, one in found.items()),
        ]
    )
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
