"""The binary files that belong to a graph model for TensorFlow.js."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from posetrack.files import read_json

_LARGEST_JSON = 2**24

_MOST_SHARDS = 100


class _Group(msgspec.Struct):
    paths: list[str]


class _Model(msgspec.Struct):
    weightsManifest: list[_Group]  # noqa: N815


def shard_names(path: str | Path) -> list[str]:
    """Names of the binary files that a graph model's JSON says its weights are in.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there, no graph model, or names files elsewhere than beside it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.json"
    >>> _ = path.write_text('{"weightsManifest": [{"paths": ["group1-shard1of1.bin"]}]}')
    >>> shard_names(path)
    ['group1-shard1of1.bin']
    """
    path = Path(path)
    model = read_json(path, _Model, max_bytes=_LARGEST_JSON)
    names = [name for group in model.weightsManifest for name in group.paths]
    for name in names:
        if not re.fullmatch(r"[\w-][\w.-]*", name):
            raise ValueError(
                f"{path}: its weights are declared to be in {name[:80]!r}, no plain name"
            )
    if len(names) > _MOST_SHARDS:
        raise ValueError(f"{path}: {len(names)} files of weights")
    return names
