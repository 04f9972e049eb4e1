"""Classifiers of postures in files that cannot run code, and labels from CSV."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack.analysis.postures import PostureClassifier
from posetrack.files import write_whole

_FORMAT: Final = "posetrack postures 1"
_ARRAYS: Final = {"mean": 1, "scale": 1, "vectors": 2, "counts": 1, "weights": 2, "offsets": 1}
_MAX_BYTES: Final = 500_000_000
_MAX_HEADER: Final = 100_000


def save_postures(classifier: PostureClassifier, path: str | Path) -> None:
    """Write a classifier to an ``.npz`` file: arrays of numbers and a header in JSON.

    Raises
    ------
    ValueError
        If the name does not end in ``.npz``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> two, none = np.zeros(3), np.zeros((2, 3))
    >>> weights, counts = np.array([[1.0, -1.0]]), np.array([1, 1])
    >>> trained = PostureClassifier(
    ...     ("nose", "left_hip"), ("lying", "standing"), two, two + 1, none, counts, weights,
    ...     np.zeros(1), 0.5,
    ... )
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "postures.npz"
    >>> save_postures(trained, path)
    >>> load_postures(path).labels
    ('lying', 'standing')
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected a name that ends in .npz")
    header = json.dumps(
        {
            "format": _FORMAT,
            "keypoints": classifier.keypoints,
            "labels": classifier.labels,
            "gamma": classifier.gamma,
        }
    ).encode()
    arrays: dict[str, Any] = {name: getattr(classifier, name) for name in _ARRAYS}
    file = io.BytesIO()
    np.savez_compressed(file, header=np.frombuffer(header, np.uint8), **arrays)
    write_whole(path, file.getvalue())


def load_postures(path: str | Path) -> PostureClassifier:
    """Read a classifier that `save_postures` wrote. No pickle is opened, whatever the name says.

    Raises
    ------
    ValueError
        If it is not such a file, broken, or far too large.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "other.npz"
    >>> np.savez(path, mean=np.zeros(3))
    >>> load_postures(path)
    Traceback (most recent call last):
        ...
    ValueError: ...other.npz: not a classifier of postures (.npz by `posetrack postures train`): ...
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as whole:
            names = {info.filename for info in whole.infolist()}
            size = sum(info.file_size for info in whole.infolist())
        if size > _MAX_BYTES or names != {f"{name}.npy" for name in (*_ARRAYS, "header")}:
            raise ValueError(f"it holds {sorted(names)[:10]}, {size} bytes")
        with np.load(path, allow_pickle=False) as file:
            header = file["header"]
            if header.dtype != np.uint8 or header.ndim != 1 or len(header) > _MAX_HEADER:
                raise ValueError("its header is not text")
            header_values = json.loads(header.tobytes())
            arrays = {name: _numbers(file[name], name, axes) for name, axes in _ARRAYS.items()}
        if not isinstance(header_values, dict) or header_values.get("format") != _FORMAT:
            raise ValueError(f"its header is not of {_FORMAT!r}")
        keypoints, labels = (_names(header_values.get(key), key) for key in ("keypoints", "labels"))
        counts = arrays.pop("counts")
        if (counts != np.round(counts)).any():
            raise ValueError("counts must be whole numbers")
        gamma = float(header_values["gamma"])
        return PostureClassifier(
            keypoints, labels, counts=counts.astype(np.int64), gamma=gamma, **arrays
        )
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: not a classifier of postures (.npz by `posetrack postures train`): {error}"
        ) from error


def _numbers(array: Any, name: str, axes: int) -> Any:
    if array.dtype.kind not in "fi" or array.ndim != axes:
        raise ValueError(f"{name} must be numbers along {axes} axes, got {array.dtype}")
    return array.astype(np.float64)


def _names(value: Any, key: str) -> tuple[str, ...]:
    good = isinstance(value, list) and all(isinstance(name, str) for name in value)
    if not good or len(set(value)) != len(value):
        raise ValueError(f"{key} must be different names, got {value!r}")
    return tuple(value)


def read_labels(path: str | Path) -> dict[tuple[int, int], str]:
    r"""Labels by (frame, id) from a CSV with the columns ``frame``, ``id`` and ``label``.

    Raises
    ------
    ValueError
        If a column is missing or a line is wrong; the message names file and line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.csv"
    >>> _ = path.write_text("frame,id,label\n0,3,sitting\n1,3,standing\n")
    >>> read_labels(path)
    {(0, 3): 'sitting', (1, 3): 'standing'}
    """
    path = Path(path)
    labels: dict[tuple[int, int], str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            if not {"frame", "id", "label"} <= set(lines.fieldnames or ()):
                raise ValueError(
                    f"{path}: expected columns frame, id, label, got {lines.fieldnames}"
                )
            for number, line in enumerate(lines, 2):
                try:
                    key = int(line["frame"]), int(line["id"])
                except (TypeError, ValueError) as error:
                    raise ValueError(
                        f"{path}, line {number}: frame and id must be whole numbers"
                    ) from error
                label = (line["label"] or "").strip()
                if not label or labels.get(key, label) != label:
                    raise ValueError(
                        f"{path}, line {number}: expected one label for each frame and id"
                    )
                labels[key] = label
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV file: {error}") from error
    return labels
