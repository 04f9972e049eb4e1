"""``posetrack doctor``: what is installed here, whether it is what was tested, and a self-test."""

from __future__ import annotations

import argparse
import json
import platform
import socket
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

TESTED: Final = {
    "python": ("3.11", "3.13"),
    "av": ("17.0", "19.0.2"),
    "msgspec": ("0.19", "0.23.0"),
    "numba": ("0.61", "0.68.1"),
    "numpy": ("2.1", "2.5.5"),
    "onnxruntime": ("1.31", "1.32.0"),
    "opencv-contrib-python": ("4.11.0", "5.1"),
    "pyarrow": ("18.0", "26.0.1"),
    "scipy": ("1.14.1", "1.18"),
    "torch": ("2.9", "2.15.0"),
    "torchvision": ("0.24", "0.29.2"),
}
"""Lowest and newest versions that the tests have been run with."""
_OPTIONAL: Final = ("onnxruntime", "torch", "torchvision")
_DECODERS: Final = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg")


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed here, whether it was tested, and whether networks run rightly",
        description="Versions and whether they are tested ones, devices, codecs, caches, the "
        "networks that are here, and a self-test: a stored picture through the networks inside "
        "the package by every runtime on every device found, compared with what they found where "
        "they were made. Nothing is sent or fetched without --hosts.",
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.add_argument(
        "--hosts", action="store_true", help="ask whether the hosts of the networks answer, too"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, and say; 1 where the self-test failed or there is nothing that runs networks."""
    from posetrack import selftest

    outcomes = [selftest.run_self_test(*one) for one in selftest.runtimes_here()]
    found: dict[str, Any] = {
        "versions": versions(),
        "codecs": codecs(),
        "caches": _caches(),
        "networks": networks(),
        "self_test": [selftest.as_object(outcome) for outcome in outcomes],
    }
    if arguments.hosts:
        found["hosts"] = hosts()
    good = bool(outcomes) and all(outcome.passed for outcome in outcomes)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return 0 if good else 1
    for name, one in found["versions"].items():
        tested = "" if one["tested"] in (True, None) else f"  (tested: {one['range']})"
        print(f"{name} {one['version'] or 'not installed'}{tested}")
    print("codecs: " + ", ".join(f"{name} {found['codecs'][name]}" for name in found["codecs"]))
    for name, text in found["caches"].items():
        print(f"{name}: {text}")
    print(f"networks here: {', '.join(found['networks']) or 'none'}")
    for host, answer in found.get("hosts", {}).items():
        print(f"{host}: {answer}")
    for outcome in outcomes:
        print(f"self-test by {outcome}")
    if not outcomes:
        print("nothing here runs networks: pip install onnxruntime, or torch", file=sys.stderr)
    return 0 if good else 1


def versions() -> dict[str, dict[str, Any]]:
    """Installed versions of `TESTED`, and whether they lie within the tested ones."""
    from posetrack import __version__
    from posetrack.selftest import version_of

    here: dict[str, dict[str, Any]] = {
        "posetrack": {"version": __version__, "tested": None, "range": ""}
    }
    for name, (lowest, newest) in TESTED.items():
        found = platform.python_version() if name == "python" else version_of(name)
        if name == "opencv-contrib-python" and not found:
            found = version_of("opencv-python-headless") or version_of("opencv-python")
        tested: bool | None = is_between(found, lowest, newest) if found else None
        if not found and name not in _OPTIONAL:
            tested = False
        here[name] = {"version": found, "tested": tested, "range": f"{lowest} to {newest}"}
    return here


def is_between(version: str, lowest: str, newest: str) -> bool:
    """Whether a version lies between two, both counted in; what follows the numbers is passed over.

    Examples
    --------
    >>> is_between("2.10.1+cu130", "2.9", "2.14"), is_between("2.14.3", "2.9", "2.14")
    (True, True)
    >>> is_between("3.0", "2.9", "2.14")
    False
    """
    given = _numbers(version)
    upper = _numbers(newest)
    return _numbers(lowest) <= given and given[: len(upper)] <= upper


def _numbers(version: str) -> list[int]:
    import re

    plain = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in plain[0].split(".")] if plain else []


def codecs() -> dict[str, str]:
    """Which of the usual videos can be read here, and whether H.264 can be written."""
    import av

    states = {}
    for name in _DECODERS:
        try:
            av.Codec(name, "r")
            states[name] = "read"
        except (ValueError, av.error.FFmpegError):
            states[name] = "missing"
    try:
        av.Codec("libx264", "w")
        states["h264"] += " and written"
    except (ValueError, av.error.FFmpegError):
        states["h264"] += ", not written: no overlays here"
    return states


def _caches() -> dict[str, str]:
    """The cache folders, and any problem with them."""
    import tempfile

    from posetrack.files import cache_folder

    try:
        folder = cache_folder()
    except OSError as error:
        return {"cache": f"none: {error}"}
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return {"cache": f"{folder} ({_megabytes(folder):.0f} MB)"}
    except OSError as error:
        return {"cache": f"{folder}: cannot be written: {error.strerror}"}


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def networks() -> list[str]:
    """Networks of the catalogue whose weights are on this machine."""
    from posetrack.weights import find_cached
    from posetrack.weights.catalogue import MODELS

    try:
        return [name for name, card in MODELS.items() if card.bundled or find_cached(card)]
    except OSError:
        return [name for name, card in MODELS.items() if card.bundled]


def hosts(seconds: float = 3.0) -> dict[str, str]:
    """Whether the hosts of the networks' weights take a connection."""
    from posetrack.weights.catalogue import MODELS

    names = {urlsplit(file.url).hostname for card in MODELS.values() for file in card.files}
    answers = {}
    for name in sorted(filter(None, names)):
        try:
            socket.create_connection((name, 443), timeout=seconds).close()
            answers[name] = "answers"
        except OSError as error:
            answers[name] = f"does not answer: {error.strerror or error}"
    return answers
