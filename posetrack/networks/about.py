"""What our own weight files say of themselves: keypoints, input size, colours.

A safetensors file has it in its header, as JSON under ``posetrack``; a PyTorch file ``NAME.pth``
has the same JSON in ``NAME.pth.json`` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posetrack.crops import Normalisation
from posetrack.skeletons import Skeleton

_LARGEST_HEADER = 16 * 2**20
"""Bytes of a safetensors header believed; a thousand layers take a hundred thousand."""

_LARGEST_SIDE = 4096


@dataclass(frozen=True)
class About:
    """What a file says; None where it says nothing.

    Parameters
    ----------
    skeleton, input_size, normalisation
        See `posetrack.networks.checkpoints.PoseCheckpoint`.
    told
        Settings of the network that leave no trace in its weights, see
        `posetrack.networks.architectures.TOLD`.
    """

    skeleton: Skeleton | None = None
    input_size: tuple[int, int] | None = None
    normalisation: Normalisation | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


def read_about(path: str | Path) -> About | None:
    """What is kept with a weight file of ours; None for anybody else's.

    Raises
    ------
    ValueError
        If there is something that makes no sense.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "best.pth")
    ...     _ = Path(folder, "best.pth.json").write_text('{"input_size": [192, 256]}')
    ...     read_about(path).input_size
    (192, 256)
    """
    path = Path(path)
    beside = path.with_name(path.name + ".json")
    if path.suffix == ".safetensors":
        text = _in_header(path)
    elif beside.is_file():
        text = _text(beside)
    else:
        return None
    if text is None:
        return None
    try:
        said = json.loads(text)
        if not isinstance(said, Mapping):
            raise TypeError(f"expected names and values, got {type(said).__name__}")
        return About(
            _skeleton(said.get("skeleton")),
            _size(said.get("input_size")),
            _normalisation(said.get("normalisation")),
            _told(said.get("told")),
        )
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{path}: what is kept with its weights makes no sense: {reason}"
        ) from error


def _in_header(path: Path) -> str | None:
    """The text under ``posetrack``; what is no header at all is left to the reader of tensors."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > min(_LARGEST_HEADER, path.stat().st_size):
            return None
        try:
            header = json.loads(file.read(size))
        except (ValueError, RecursionError):
            return None
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    text = metadata.get("posetrack") if isinstance(metadata, dict) else None
    return text if isinstance(text, str) else None


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_HEADER:
        raise ValueError(f"{path} is too large for what is kept with weights")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text: {error}") from error


def _skeleton(said: Any) -> Skeleton | None:
    if said is None:
        return None
    pairs = {name: tuple(tuple(pair) for pair in said[name]) for name in ("edges", "mirrored")}
    sigmas = tuple(float(sigma) for sigma in said["sigmas"])
    return Skeleton(str(said["name"]), tuple(map(str, said["keypoints"])), **pairs, sigmas=sigmas)


def _size(said: Any) -> tuple[int, int] | None:
    if said is None:
        return None
    sides = list(said)
    if len(sides) != 2 or not all(
        type(side) is int and 0 < side <= _LARGEST_SIDE for side in sides
    ):
        raise ValueError(f"input_size must be a width and a height in pixels, got {said}")
    return sides[0], sides[1]


def _normalisation(said: Any) -> Normalisation | None:
    if said is None:
        return None
    mean, std = (tuple(float(value) for value in said[name]) for name in ("mean", "std"))
    return Normalisation(mean, std, rgb=bool(said["rgb"]))  # type: ignore[arg-type]


def _told(said: Any) -> dict[str, Any]:
    told = dict(said or {})
    if not all(isinstance(value, bool | int) for value in told.values()):
        raise ValueError(f"told must be switches and whole numbers, got {said}")
    return told
