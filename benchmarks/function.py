"""The function of docker/lambda: room on disk, cold start, time a picture, without Docker.

    python benchmarks/function.py [--python PYTHON3.13] [--keep FOLDER]

The Dockerfile's steps are run in a fresh environment: the packages of docker/lambda/lean.txt, the
wheel, the kernels. Then AWS Lambda's own runtime client runs the handler against its interface,
which is played here on the loopback: the time from the start of the process to the first answer is
the cold start.
"""

from __future__ import annotations

import argparse
import base64
import http.server
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = (ROOT / "posetrack" / "bundled" / "selftest.png").read_bytes()


class Interface(http.server.BaseHTTPRequestHandler):
    """AWS Lambda's runtime interface: the next event, and what was answered."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        event = json.dumps(self.server.events.get()).encode()
        self.send_response(200)
        for name, value in (
            ("Lambda-Runtime-Aws-Request-Id", "1"),
            ("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000)),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:posetrack"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(event))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answers.put((self.path, json.loads(body)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def install(place: Path, python: str) -> Path:
    """The Dockerfile's steps; gives the interpreter."""
    subprocess.run([python, "-m", "venv", place / "venv"], check=True)
    own = place / "venv" / "bin" / "python"
    pip = [own, "-m", "pip", "install", "-q", "--no-cache-dir", "--no-deps"]
    lean = ROOT / "docker" / "lambda" / "lean.txt"
    subprocess.run([*pip, "--only-binary", ":all:", "-r", lean], check=True)
    source = place / "source"
    ignored = shutil.ignore_patterns(".*", "tests", "docs", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    subprocess.run([*pip, source], check=True)
    shutil.rmtree(source)
    (place / "function").mkdir()
    shutil.copy(ROOT / "docker" / "lambda" / "handler.py", place / "function")
    started = time.monotonic()
    subprocess.run(
        [own, "-c", "import handler"], cwd=place / "function", env=environment(place), check=True
    )
    print(f"kernels compiled in {time.monotonic() - started:.1f} s")
    subprocess.run(["chmod", "-R", "a+rX", place], check=True)
    return own


def environment(place: Path) -> dict[str, str]:
    own = {"POSETRACK_HOME": str(place / "posetrack"), "NUMBA_CPU_NAME": "generic"}
    # Lambda's functions have neither a home nor a folder to write to but this one.
    return own | {"PATH": os.environ["PATH"], "TMPDIR": tempfile.gettempdir()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--keep", type=Path, help="a folder for the environment, or one of before")
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    place = arguments.keep or Path(tempfile.mkdtemp(prefix="function-"))
    own = place / "venv" / "bin" / "python"
    if not own.exists():
        place.mkdir(exist_ok=True)
        own = install(place, arguments.python)
    libraries = megabytes(place / "venv") - megabytes(place / "venv" / "bin")
    ask = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    standard = Path(subprocess.check_output([own, "-c", ask], text=True).strip())
    python = megabytes(standard) - sum(
        megabytes(standard / part)
        for part in ("site-packages", "test")
        if (standard / part).exists()
    )
    print(f"installed {libraries:.0f} MB, Python itself {python:.0f} MB")
    starts, pictures, processor, each = [], [], [], []
    for _ in range(arguments.starts):
        first, later, cpu, one = run(own, place)
        each.append(one)
        starts.append(first)
        pictures += later
        processor.append(cpu)
    starts.sort()
    pictures.sort()
    print(
        f"cold start to the first answer: median {starts[len(starts) // 2]:.1f} s of "
        f"{len(starts)}, {sorted(processor)[len(processor) // 2]:.1f} s of processor\n"
        f"a picture of 320 x 240 after that: median {pictures[len(pictures) // 2] * 1000:.0f} ms, "
        f"{sorted(each)[len(each) // 2] * 1000:.0f} ms of processor"
    )
    if arguments.keep is None:
        shutil.rmtree(place)
    return 0


def run(own: Path, place: Path) -> tuple[float, list[float], float, float]:
    """One start: seconds to the first answer, of each picture after it, and the processor's."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Interface) as server:
        server.events, server.answers = queue.Queue(), queue.Queue()
        server.handle_error = lambda *_: None  # the process is killed in the middle of asking
        threading.Thread(target=server.serve_forever, daemon=True).start()
        body = base64.b64encode(PICTURE).decode()
        event = {"rawPath": "/image", "body": body, "isBase64Encoded": True}
        address = f"127.0.0.1:{server.server_address[1]}"
        server.events.put(event)
        started = time.monotonic()
        process = subprocess.Popen(
            [own, "-m", "awslambdaric", "handler.handle"],
            cwd=place / "function",
            env=environment(place) | {"AWS_LAMBDA_RUNTIME_API": address},
            stderr=subprocess.DEVNULL,
        )
        try:
            check(server.answers.get(timeout=120))
            first = time.monotonic() - started
            cpu = processor_seconds(process.pid)
            later = []
            for _ in range(10):
                started = time.monotonic()
                server.events.put(event)
                check(server.answers.get(timeout=60))
                later.append(time.monotonic() - started)
            return first, later, cpu, (processor_seconds(process.pid) - cpu) / len(later)
        finally:
            process.kill()
            process.wait()
            server.shutdown()


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(answer: tuple[str, dict]) -> None:
    path, found = answer
    people = json.loads(found["body"]).get("people") if path.endswith("/response") else None
    if not people:
        raise SystemExit(f"{path}: {str(found)[:300]}")


if __name__ == "__main__":
    sys.exit(main())
