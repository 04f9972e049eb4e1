"""`posetrack serve` under load and under attack, over the loopback alone.

    python benchmarks/service.py [--bad 1000] [--parallel 50]

A server of the command line with the networks inside the package gets pictures one after the
other, then as many at a time as asked for, then requests of which each is wrong in one of twenty
ways, in random order, with good pictures among them. It passes where the server still answers, no
answer took over 5 s, everything within the queue limit was answered whole, everything wrong was
refused in one line without a path of this machine, and memory stayed within bounds.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

import posetrack

PICTURE = (Path(posetrack.__file__).parent / "bundled" / "selftest.png").read_bytes()
MOST_SECONDS = 5.0
MOST_MEMORY = 1_500  # MB
BODY_SECONDS = 3


def png_of(width: int, height: int, rows: int) -> bytes:
    """A PNG of zeros that claims a size and holds some of its rows, packed a thousandfold."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes((3 * width + 1) * rows), 9)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )  # fmt: skip


class Client:
    """Requests to one server; what came, and how long after the last byte was sent."""

    def __init__(self, port: int) -> None:
        self.port = port

    def post(
        self, path: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> tuple[int, bytes, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        started = time.monotonic()
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), time.monotonic() - started
        except (ConnectionError, http.client.HTTPException):
            return 0, b"", time.monotonic() - started
        finally:
            connection.close()

    def raw(self, *pieces: bytes, pause: float = 0.0) -> tuple[int, bytes, float]:
        """Bytes as they are, with pauses between them; then what comes until the end."""
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as stream:
            try:
                for piece in pieces:
                    stream.sendall(piece)
                    time.sleep(pause)
                started = time.monotonic() if not pause else started
                answer = b""
                while piece := stream.recv(65536):
                    answer += piece
            except ConnectionError:
                answer = b""
        status = re.match(rb"HTTP/1.1 (\d+)", answer)
        return int(status[1]) if status else 0, answer, time.monotonic() - started


def bad_requests(client: Client) -> dict[str, Callable[[], tuple[int, bytes, float]]]:
    """Each kind of wrong request, by name."""
    noise = random.Random(0).randbytes(100_000)
    noisy = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noisy)[1].tobytes()
    head = b"POST /image HTTP/1.1\r\nHost: x\r\n"
    named = {"Content-Type": "application/json"}
    deep = b"[" * 5_000
    bomb, large = png_of(60_000, 60_000, 5_000), png_of(4_096, 4_096, 4_096)
    endless = b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + bytes(65536) + b"\r\n"
    post, raw = client.post, client.raw
    return {
        "text": lambda: post("/image", b"hello"),
        "noise": lambda: post("/video", noise),
        "nothing": lambda: post("/image", b""),
        "a picture as a video": lambda: post("/video", PICTURE),
        "half a picture": lambda: post("/image", jpeg[: len(jpeg) // 2]),
        "noise after a picture's first bytes": lambda: post("/image", PICTURE[:200] + noise),
        "noise after a video's first bytes": lambda: post("/video", b"\0\0\0 ftypisom" + noise),
        "a playlist": lambda: post("/video", b"#EXTM3U\n#EXTINF:9\nfile:///etc/passwd\n"),
        "a bomb over the pixel limit": lambda: post("/image", bomb),
        "a bomb within it": lambda: post("/image", large),
        "a packed body": lambda: post("/image", PICTURE, {"Content-Encoding": "gzip"}),
        "a form": lambda: post("/image", PICTURE, {"Content-Type": "multipart/form-data"}),
        "bad JSON": lambda: post("/image", b'{"url": ', named),
        "deep JSON": lambda: post("/image", deep, named),
        "JSON of wrong types": lambda: post("/video", b'{"url": [1, {"a": null}]}', named),
        "another path": lambda: post("/../../etc/passwd", PICTURE),
        "another method": lambda: post("/image", b"", method="DELETE"),
        "an answer of no kind": lambda: post("/image?out=../../x", PICTURE),
        "a body that claims a terabyte": lambda: raw(
            head + b"Content-Length: 1000000000000\r\n\r\n" + bytes(1000)
        ),
        "chunks without end": lambda: raw(head + endless, *[endless[30:]] * 400),
        "a huge header": lambda: raw(head + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n"),
        "many headers": lambda: raw(head + b"X: a\r\n" * 20_000 + b"\r\n"),
        "no HTTP": lambda: raw(b"\x16\x03\x01\x02\x00" + noise[:500] + b"\r\n\r\n"),
        "a slow head": lambda: raw(*[head[i : i + 1] for i in range(9)], pause=1),
        "a slow body": lambda: raw(
            head + b"Content-Length: 100\r\n\r\n", *[b"a"] * (BODY_SECONDS + 3), pause=1
        ),
    }


SLOW = {"a slow head", "a slow body"}
ANSWERED = {"a bomb within it"}  # 17 million pixels of nothing are a picture


def memory_of(process: int) -> tuple[int, int]:
    """Now and at most, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    now, most = (
        int(re.search(rf"{key}:\s+(\d+)", status)[1]) // 1000 for key in ("VmRSS", "VmHWM")
    )
    return now, most


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bad", type=int, default=1000)
    parser.add_argument("--parallel", type=int, default=50)
    arguments = parser.parse_args()
    words = f"serve --preset bundled --port 0 --device cpu --body-seconds {BODY_SECONDS}"
    server = subprocess.Popen(
        [sys.executable, "-m", "posetrack", *words.split(), "--head-seconds", "3"],
        stderr=subprocess.PIPE,
        text=True,
    )
    log: list[str] = []
    try:
        while "listening" not in (line := server.stderr.readline()):
            log.append(line)
            if not line:
                raise SystemExit(f"the server did not start: {''.join(log)}")
        threading.Thread(target=lambda: log.extend(server.stderr), daemon=True).start()
        return measure(Client(int(line.rpartition(":")[2])), server, log, arguments)
    finally:
        server.terminate()
        server.wait(30)


def measure(client: Client, server, log: list[str], arguments) -> int:
    problems: list[str] = []
    print(f"{os.cpu_count()} cores, load average at the start {os.getloadavg()[0]:.1f}")
    alone = sorted(client.post("/image", PICTURE)[2] for _ in range(20))
    print(f"one picture after the other: median {alone[10] * 1000:.0f} ms, most {alone[-1]:.2f} s")
    print(f"memory {memory_of(server.pid)[0]} MB")

    with ThreadPoolExecutor(arguments.parallel) as pool:
        found = [pool.submit(client.post, "/image", PICTURE) for _ in range(arguments.parallel)]
        answers = [one.result() for one in found]
    counts = collections.Counter(status for status, _, _ in answers)
    slowest = max(seconds for _, _, seconds in answers)
    print(f"{arguments.parallel} at a time: {dict(counts)}, the slowest {slowest:.2f} s")
    if slowest > MOST_SECONDS or set(counts) - {200, 429, 503} or not counts[200]:
        problems.append("pictures at a time")

    kinds = bad_requests(client)
    order = [name for name, _ in zip(_round(list(kinds)), range(arguments.bad), strict=False)]
    random.Random(1).shuffle(order)
    results: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    longest: dict[str, float] = collections.defaultdict(float)
    good: list[tuple[int, bytes, float]] = []
    stop = threading.Event()

    def send_good() -> None:
        while not stop.wait(1.0):
            good.append(client.post("/image", PICTURE))

    sender = threading.Thread(target=send_good)
    sender.start()
    with ThreadPoolExecutor(8) as pool:
        for name, (status, body, seconds) in zip(
            order, pool.map(lambda name: kinds[name](), order), strict=True
        ):
            results[name][status] += 1
            longest[name] = max(longest[name], seconds)
            content = body.partition(b"\r\n\r\n")[2] or body
            shown = content.decode(errors="replace")
            if name in ANSWERED and status == 200:
                continue
            if status == 200:
                problems.append(f"{name}: answered")
            if (
                "\n" in shown.strip()
                or "Traceback" in shown
                or re.search(r"/(tmp|work|home)", shown)
            ):
                problems.append(f"{name}: {shown[:200]}")
            if seconds > MOST_SECONDS and name not in SLOW:
                problems.append(f"{name}: {seconds:.1f} s")
    stop.set()
    sender.join()
    print(f"{len(order)} bad requests:")
    for name, counted in sorted(results.items()):
        print(f"  {name}: {dict(counted)}, the slowest {longest[name]:.2f} s")
    statuses = collections.Counter(status for status, _, _ in good)
    most = max(seconds for _, _, seconds in good)
    print(f"good pictures meanwhile: {dict(statuses)}, the slowest {most:.2f} s")
    if most > MOST_SECONDS or not statuses[200] or set(statuses) - {200, 429, 503}:
        problems.append("good pictures meanwhile")

    status, body, _ = client.post("/health", b"", method="GET")
    figures = client.post("/metrics", b"", method="GET")[1].decode()
    held = float(re.search(r"^posetrack_held_bytes (\S+)", figures, re.M)[1])
    now, peak = memory_of(server.pid)
    print(
        f"then: /health {status} {json.loads(body)}, held bytes {held:g}, memory {now} MB, "
        f"at most {peak} MB"
    )
    if status != 200 or held or peak > MOST_MEMORY or server.poll() is not None:
        problems.append("afterwards")
    if tracebacks := sum("Traceback" in line for line in log):
        problems.append(f"{tracebacks} tracebacks in the server's log: {''.join(log)[-3000:]}")
    print("FAILED: " + "; ".join(dict.fromkeys(problems)) if problems else "passed")
    return bool(problems)


def _round(names: list[str]):
    while True:
        yield from names


if __name__ == "__main__":
    sys.exit(main())
