"""A user's own skeleton from a small TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from posetrack.skeletons.known import pairs_by_name, sigma_of
from posetrack.skeletons.skeleton import Skeleton

_KEYS = ("name", "keypoints", "edges", "mirrored", "sigmas")
_MAX_BYTES = 1_000_000


def read_skeleton(path: str | Path) -> Skeleton:
    """Read a skeleton from TOML.

    Parameters
    ----------
    path
        A file with ``keypoints`` (names) and, as wanted, ``name`` (else the file's stem),
        ``edges`` (pairs of names), ``mirrored`` (pairs of names; else names that differ only in
        ``left_`` and ``right_``) and ``sigmas`` (a table by name; else those of known names, and
        that of a shoulder for others).

    Raises
    ------
    ValueError
        If the file is not TOML, has an unknown key, or the skeleton is not consistent; the
        message names the file and the key.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "dog.toml"
    >>> _ = path.write_text('keypoints = ["nose", "left_paw", "right_paw"]')
    >>> read_skeleton(path).mirrored
    (('left_paw', 'right_paw'),)
    """
    path = Path(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path}: a skeleton file holds a few lines; this one is over 1 MB")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from error
    unknown = sorted(set(table) - set(_KEYS))
    if unknown:
        raise ValueError(f"{path}: unknown keys {unknown}; expected {', '.join(_KEYS)}")
    names = table.get("keypoints")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: 'keypoints' must be a list of names, got {names!r}")
    keypoints = tuple(names)
    mirrored = _pairs(table, "mirrored", path) if "mirrored" in table else pairs_by_name(keypoints)
    try:
        return Skeleton(
            str(table.get("name", path.stem)),
            keypoints,
            _pairs(table, "edges", path),
            mirrored,
            _sigmas(table, keypoints, path),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _pairs(table: dict[str, Any], key: str, path: Path) -> tuple[tuple[str, str], ...]:
    pairs = table.get(key, [])
    well_formed = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        for pair in pairs
    )
    if not well_formed:
        raise ValueError(f"{path}: {key!r} must be a list of pairs of names, got {pairs!r}")
    return tuple((first, second) for first, second in pairs)


def _sigmas(table: dict[str, Any], keypoints: tuple[str, ...], path: Path) -> tuple[float, ...]:
    given = table.get("sigmas", {})
    if not isinstance(given, dict) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in given.values()
    ):
        raise ValueError(f"{path}: 'sigmas' must be a table of numbers by keypoint, got {given!r}")
    strangers = sorted(set(given) - set(keypoints))
    if strangers:
        raise ValueError(f"{path}: 'sigmas' names keypoints that are not listed: {strangers}")
    return tuple(float(given.get(keypoint, sigma_of(keypoint))) for keypoint in keypoints)
