"""MMDeploy's ``onnx_sdk`` archives: a ZIP of a network and its preprocessing.

RTMPose, RTMW, RTMO and the YOLOX for people are published so. Beside ``end2end.onnx`` lie
``pipeline.json`` (resizing, colours, decoding) and ``detail.json`` (what it was exported from).
Nothing is unpacked onto the disk, so the names in the archive lead nowhere; what is read of it is
bounded before it is read.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from posetrack.checkpoints.card import ModelCard
from posetrack.checks import no_such_file
from posetrack.files import parse_json
from posetrack.ops.crops import BGR_255, Normalisation

_LARGEST_MODEL = 2**31 - 1
"""Bytes; a protobuf message cannot be larger."""

_LARGEST_JSON = 2**20

_MOST_MEMBERS = 1000

_DENSEST = 100
"""Weights hardly shrink when packed: what grows more than this is no network."""

_LARGEST_SIDE = 4096


def read_archived_model(path: str | Path) -> bytes:
    """The ONNX model in an archive.

    Parameters
    ----------
    path
        The archive: ``end2end.onnx`` in whichever folder, or one single ``.onnx``.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is no ZIP archive, damaged, locked by a password, has no or several networks, or
        would grow beyond reason.

    Examples
    --------
    >>> read_archived_model("nowhere.zip")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.zip: no such file or folder
    """
    path = Path(path)
    with _Archive(path) as archive:
        member = _model_in(path, archive.members)
        if member.file_size > _DENSEST * max(member.compress_size, 1) + 2**20:
            raise ValueError(
                f"{path}: {member.filename[:80]!r} would grow from {member.compress_size:,} to "
                f"{member.file_size:,} bytes, which weights do not; nothing of it was read"
            )
        return archive.read(member, _LARGEST_MODEL)


def read_archived_card(path: str | Path) -> ModelCard:
    """The card from the JSON files beside the model in an archive.

    Parameters
    ----------
    path
        The archive.

    Returns
    -------
    card
        Input size, colours and padding, as far as they are there.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_archived_model`; also if a JSON file is damaged or makes no sense.
    """
    path = Path(path)
    with _Archive(path) as archive:
        folder = _model_in(path, archive.members).filename.rpartition("/")[0]
        found = {}
        for name in ("pipeline.json", "detail.json"):
            inside = f"{folder}/{name}" if folder else name
            member = next((m for m in archive.members if m.filename == inside), None)
            if member is not None:
                data = archive.read(member, _LARGEST_JSON)
                found[name] = parse_json(data, f"{path}: {name}", dict[str, Any])
    try:
        pipeline = found.get("pipeline.json", {})
        steps = list(_steps(pipeline))
        size = (
            _simcc_size(pipeline) or _size(steps) or _size_in_detail(found.get("detail.json", {}))
        )
        return ModelCard(
            input_size=size,
            normalisation=_normalisation(steps) if steps else None,
            padding=_padding(steps),
        )
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(
            f"{path}: its pipeline.json or detail.json makes no sense: {error}"
        ) from error


class _Archive:
    """A ZIP file open for bounded reading; what goes wrong names the file."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise no_such_file(path)
        self.path = path

    def __enter__(self) -> _Archive:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"{self.path}: not a ZIP archive, or damaged or cut short ({error}); fetch it again"
            ) from error
        self.members = self._zip.infolist()
        if len(self.members) > _MOST_MEMBERS:
            self._zip.close()
            raise ValueError(
                f"{self.path}: {len(self.members):,} files, which no network's archive has"
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, member: zipfile.ZipInfo, most: int) -> bytes:
        """A member whole, of at most this many bytes."""
        name = member.filename[:80]
        if member.file_size > most:
            raise ValueError(
                f"{self.path}: {name!r} has {member.file_size:,} bytes, more than {most:,}"
            )
        try:
            with self._zip.open(member) as file:
                data = file.read(member.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise ValueError(f"{self.path}: {name!r} is damaged ({error}); fetch it again") from (
                error
            )
        except (RuntimeError, NotImplementedError) as error:  # a password; an unknown packing
            raise ValueError(f"{self.path}: {name!r} cannot be read: {error}") from error
        if len(data) != member.file_size:
            raise ValueError(f"{self.path}: {name!r} is not as long as the archive says")
        return data


def _model_in(path: Path, members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    models = [member for member in members if member.filename.endswith(".onnx")]
    if len(models) > 1:
        models = [m for m in models if m.filename.split("/")[-1] == "end2end.onnx"]
    if len(models) != 1:
        raise ValueError(
            f"{path}: expected an archive with one network, end2end.onnx; it has "
            f"{len(models) or 'none'} of that name"
        )
    return models[0]


def _steps(pipeline: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The preprocessing steps of an image, one mapping a step."""
    for task in _tasks(pipeline):
        for step in task.get("transforms", []):
            if not isinstance(step, Mapping):
                raise TypeError(f"a transform is {str(step)[:80]}")
            yield step


def _tasks(pipeline: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    inner = pipeline.get("pipeline", {})
    tasks = inner.get("tasks", []) if isinstance(inner, Mapping) else []
    if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
        raise TypeError(f"its tasks are {str(tasks)[:80]}")
    return tasks


def _simcc_size(pipeline: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) by the decoding of SimCC, which published files have right more often."""
    for task in _tasks(pipeline):
        params = task.get("params")
        if isinstance(params, Mapping) and isinstance(params.get("input_size"), list):
            return _sides(params["input_size"])
    return None


def _size(steps: list[Mapping[str, Any]]) -> tuple[int, int] | None:
    """(width, height) of the input."""
    for kind, key in (("TopDownAffine", "image_size"), ("Resize", "size"), ("Pad", "size")):
        for step in steps:
            if step.get("type") == kind and isinstance(step.get(key), list):
                sides = _sides(step[key])
                # Detection's Resize and Pad write height first.
                return sides if key == "image_size" else (sides[1], sides[0])
    return None


def _size_in_detail(detail: Mapping[str, Any]) -> tuple[int, int] | None:
    config = detail.get("onnx_config")
    shape = config.get("input_shape") if isinstance(config, Mapping) else None
    return _sides(shape) if isinstance(shape, list) else None


def _sides(values: list[Any]) -> tuple[int, int]:
    if len(values) != 2 or not all(type(v) is int and 0 < v <= _LARGEST_SIDE for v in values):
        raise ValueError(f"an image of {str(values)[:80]}")
    return values[0], values[1]


def _normalisation(steps: list[Mapping[str, Any]]) -> Normalisation:
    """Normalisation of the pipeline; without one, pixels as the image has them."""
    for step in steps:
        if step.get("type") == "Normalize":
            mean, std = (tuple(float(v) / 255 for v in step[key]) for key in ("mean", "std"))
            if not all(math.isfinite(value) for value in (*mean, *std)):
                raise ValueError(f"Normalize by {mean} and {std}")
            return Normalisation(mean, std, rgb=bool(step.get("to_rgb", True)))  # type: ignore[arg-type]
    return BGR_255


def _padding(steps: list[Mapping[str, Any]]) -> float | None:
    for step in steps:
        if "padding" in step and "BboxCenterScale" in str(step.get("type")):
            padding = float(step["padding"])
            if not 0 < padding < 100:
                raise ValueError(f"padding {padding}")
            return padding
    return None
