"""A file's provenance: version, settings, weights, source, time and machine."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

import numpy as np

import posetrack
from posetrack.files import date_of_writing, printable, sha256_of, without_credentials

Json = None | bool | int | float | str | list[Any] | dict[str, Any]

_LIBRARIES = ("numpy", "opencv-contrib-python", "torch", "torchvision", "onnxruntime", "openvino")
_LONGEST_ARRAY = 1000


def describe_run(
    *,
    settings: Mapping[str, object] | None = None,
    weights: Mapping[str, str | Path | Mapping[str, object]] | None = None,
    source: str | Path | int | None = None,
    created: datetime | None = None,
) -> dict[str, Any]:
    """Describe a run for the files it writes; the same run gives the same but for ``created``.

    Parameters
    ----------
    settings
        The arguments that were used, by name, of whatever types; see `as_json`.
    weights
        Weight files by what they are for (``detector``, ``estimator``): a path is described with
        `describe_file`, a mapping is taken as it is.
    source
        The video: a path, an address (a password in it is left out) or a camera's number.
    created
        When; `posetrack.files.date_of_writing` when None.

    Returns
    -------
    dict
        Of what JSON can hold: ``posetrack`` (version), ``created``, ``source``, ``settings``,
        ``weights``, ``python``, ``platform``, ``libraries``.

    Examples
    --------
    >>> made = describe_run(settings={"min_oks": 0.25}, source="rtsp://me:secret@cam/1")
    >>> made["settings"], made["source"]
    ({'min_oks': 0.25}, {'address': 'rtsp://cam/1'})
    """
    when = date_of_writing() if created is None else created
    return {
        "posetrack": posetrack.__version__,
        "created": when.isoformat(timespec="seconds"),
        "source": describe_source(source),
        "settings": as_json(dict(settings or {})),
        "weights": {
            name: describe_file(given) if isinstance(given, str | Path) else as_json(given)
            for name, given in sorted((weights or {}).items())
        },
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": _versions(),
    }


def describe_file(path: str | Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a file, read in pieces.

    Examples
    --------
    >>> describe_file(__file__)["file"]
    'provenance.py'
    """
    path = Path(path)
    return {"file": printable(path.name), "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def describe_source(source: str | Path | int | None) -> dict[str, Any] | None:
    """A video as text, without passwords; a file's size distinguishes files of the same name.

    Hashing hours of video would cost more than writing the tables, so it is not done.

    Examples
    --------
    >>> describe_source(0)
    {'camera': 0}
    """
    if source is None:
        return None
    if isinstance(source, int):
        return {"camera": source}
    if isinstance(source, str) and "://" in source:
        return {"address": without_credentials(source)}
    path = Path(source)
    described: dict[str, Any] = {"file": printable(str(source))}
    if path.is_file():
        described["bytes"] = path.stat().st_size
    return described


def as_json(value: object) -> Json:
    """The nearest thing JSON can hold: never fails, and never writes NaN, which is not JSON.

    Mappings, sequences, sets (sorted), dataclasses, numpy values and paths keep their content; a
    function or class becomes its name, anything else its type's name.

    Examples
    --------
    >>> as_json({"size": (256, 192), "limit": float("inf"), "where": Path("a/b"), "key": len})
    {'size': [256, 192], 'limit': 'inf', 'where': 'a/b', 'key': 'builtins.len'}
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, np.ndarray):
        small = value.size <= _LONGEST_ARRAY
        return as_json(value.tolist()) if small else f"array {value.shape} {value.dtype}"
    if isinstance(value, Mapping):
        return {printable(str(key)): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((as_json(item) for item in value), key=str)
    if isinstance(value, PurePath):
        return printable(value.as_posix())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: as_json(getattr(value, field.name)) for field in fields}
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _versions() -> dict[str, str]:
    """Versions of the libraries that decide results, of those that are installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
