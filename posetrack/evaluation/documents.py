"""Which files are there, and which prediction belongs to which ground truth."""

from __future__ import annotations

import itertools
from pathlib import Path


def sequence_name(path: Path) -> str:
    """Name of the sequence in a file: the file's name up to its first dot.

    Examples
    --------
    >>> sequence_name(Path("val/000342_mpii_test.json.gz"))
    '000342_mpii_test'
    """
    return path.name.split(".")[0]


def pair_files(truth: Path, predictions: Path) -> list[tuple[Path, Path]]:
    """Ground-truth files with their predictions, by ascending name.

    Parameters
    ----------
    truth
        A folder of ``*.json`` (or ``*.json.gz``), one a sequence; or one file.
    predictions
        A folder with files of the same names, or with a folder ``sequences`` that holds them; or
        one file if ``truth`` is one. Further files in it are not read.

    Raises
    ------
    FileNotFoundError
        If a folder or a prediction is missing; the message names the sequences.
    ValueError
        If the ground-truth folder is empty or holds a sequence twice.
    """
    if truth.is_file() and predictions.is_file():
        return [(truth, predictions)]
    for what, path in (("ground truth", truth), ("predictions", predictions)):
        if not path.exists():
            raise FileNotFoundError(f"no {what} at {path}: expected a folder or a file")
    if predictions.is_file():
        raise ValueError(f"{truth} is a folder, {predictions} is a file: give both alike")
    wanted = [truth] if truth.is_file() else json_files(truth)
    if not wanted:
        raise ValueError(f"no .json files in {truth}")
    if (predictions / "sequences").is_dir() and not json_files(predictions):
        predictions = predictions / "sequences"
    given = {_stem(path): path for path in json_files(predictions)}
    missing = [path.name for path in wanted if _stem(path) not in given]
    if missing:
        names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise FileNotFoundError(
            f"{len(missing)} of {len(wanted)} sequences have no prediction in {predictions}: "
            f"{names}. A sequence without people still needs its file, with its images listed."
        )
    return [(path, given[_stem(path)]) for path in wanted]


def json_files(folder: Path) -> list[Path]:
    """JSON files of a folder by name.

    Raises
    ------
    ValueError
        If a file is there twice, packed and not.
    """
    files = sorted(
        (path for path in folder.iterdir() if path.name.endswith((".json", ".json.gz"))), key=_stem
    )
    for first, second in itertools.pairwise(files):
        if _stem(first) == _stem(second):
            raise ValueError(f"{folder} holds both {first.name} and {second.name}: remove one")
    return files


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz")
