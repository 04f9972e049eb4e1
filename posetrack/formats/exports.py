"""Exports of tools as they come: a folder or a zip in which the file that is read lies."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from posetrack.checks import no_such_file

_MOST_MEMBERS: Final = 200_000
_MOST_BYTES: Final = 1_000_000_000
_OF_A_PICTURE: Final = 300_000  # its size stands at its beginning
_PIECE: Final = 1 << 20
_TABLES: Final = (
    *(".json", ".jsonl", ".ndjson", ".xml", ".csv", ".parquet", ".h5", ".hdf5", ".nc", ".nc4"),
    *(".nwb", ".slp", ".trc", ".c3d"),
)
_DATA: Final = (*_TABLES, ".txt", ".yaml", ".yml")
_OF_FRAMES: Final = ("_keypoints.json", ".predictions.json")
_BESIDE: Final = ("notes.json", ".meta.json")  # of Label Studio and of our own tables
_NUMBERED: Final = re.compile(r"(?<![A-Za-z0-9])\d+(?![A-Za-z0-9])", re.ASCII)
PICTURES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Endings of images that labels are of."""

_DEPTH: Final = 5


def split_at_zip(path: Path) -> tuple[Path, PurePosixPath] | None:
    """The zip that a path leads to or into, and where within; None if it leads to none.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "export.zip").touch()
    >>> file, within = split_at_zip(folder / "export.zip" / "train" / "labels.json")
    >>> file.name, str(within)
    ('export.zip', 'train/labels.json')
    """
    for file in (path, *path.parents):
        if file.suffix.lower() == ".zip" and file.is_file():
            return file, PurePosixPath(path.relative_to(file).as_posix())
    return None


@contextmanager
def unpack(path: Path) -> Iterator[Path]:
    """Unpack a zip's data files, and the first bytes of its pictures, to a temporary folder.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no zip, damaged, locked, names places outside, or unpacks to more than is read.
        In messages from within, the zip's name stands for the folder.
    """
    if not path.is_file():
        raise no_such_file(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "zip"
        folder.mkdir()
        try:
            with zipfile.ZipFile(path) as file:
                _unpack(file, path, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise ValueError(f"{path}: not a whole zip file: {error}") from error
        except RuntimeError as error:
            raise ValueError(f"{path}: {error}") from error  # a password
        try:
            yield folder
        except (ValueError, FileNotFoundError) as error:
            # What it names can be given as it is: `read_any` takes a path that leads into a zip.
            raise type(error)(str(error).replace(str(folder), str(path))) from error


def _unpack(file: zipfile.ZipFile, path: Path, folder: Path) -> None:
    members = file.infolist()
    if len(members) > _MOST_MEMBERS:
        raise ValueError(f"{path}: {len(members):,} files; at most {_MOST_MEMBERS:,} are read")
    left = _MOST_BYTES
    for member in members:
        target = _target(member, path)
        ending = target.suffix.lower()
        if member.is_dir() or ending not in (*_DATA, *PICTURES):
            continue
        limit = _OF_A_PICTURE if ending in PICTURES else left + 1
        out = folder / target
        out.parent.mkdir(parents=True, exist_ok=True)
        with file.open(member) as source, out.open("xb") as sink:
            while limit > 0 and (piece := source.read(min(_PIECE, limit))):
                sink.write(piece)
                limit -= len(piece)
                left -= len(piece)
                if left < 0:
                    raise ValueError(f"{path}: unpacks to over {_MOST_BYTES:,} bytes")


def _target(member: zipfile.ZipInfo, path: Path) -> PurePosixPath:
    """Where a member lies within; refused where it would lie elsewhere."""
    name = member.filename.replace("\\", "/")
    target = PurePosixPath(name)
    outside = target.is_absolute() or ".." in target.parts or PureWindowsPath(name).drive
    if outside or "\0" in name or not target.parts or stat.S_ISLNK(member.external_attr >> 16):
        raise ValueError(f"{path}: {member.filename!r:.80} leads out of the folder")
    return target


def find_files(folder: Path) -> list[Path]:
    """Files in a folder and those below it, in order; links are not followed.

    Raises
    ------
    ValueError
        If there are more than are read.
    """
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        if len(Path(root).relative_to(folder).parts) >= _DEPTH:
            folders.clear()
        folders.sort()
        found += [Path(root, name) for name in names if not name.startswith((".", "._"))]
        if len(found) > 10 * _MOST_MEMBERS:
            raise ValueError(f"{folder}: over {10 * _MOST_MEMBERS:,} files")
    return sorted(found)


def find_export(folder: Path) -> Path | None:
    """The one file in which an export's labels are; None if it has them in many or none.

    CVAT's ``annotations.xml`` or ``annotations/*.json``, Label Studio's ``result.json`` or
    ``project-*.json``, Roboflow's ``_annotations.coco.json``, DeepLabCut's ``CollectedData``; the
    folder that holds a file a frame; or whatever is there alone.

    Raises
    ------
    ValueError
        If there are several of a kind, of which one must be named.
    """
    files = find_files(folder)
    kinds = (
        [file for file in files if file.name == "annotations.xml"],
        [file for file in files if file.name == "result.json"],
        [file for file in files if file.name == "_annotations.coco.json"],
        [file for file in files if file.parent.name == "annotations" and file.suffix == ".json"],
        [file for file in files if file.name.startswith("project-") and file.suffix == ".json"],
        [file for file in files if file.name.startswith("CollectedData") and file.suffix == ".csv"],
        [file for file in files if file.name.startswith("CollectedData") and file.suffix == ".h5"],
    )
    for found in kinds:
        if len(found) > 1:
            names = ", ".join(str(file.relative_to(folder)) for file in found[:4])
            raise ValueError(
                f"{folder}: holds {len(found)} files of labels, {names}: name one of them, as "
                f"{found[0]}"
            )
        if found:
            return found[0]
    return _alone(files)


def _alone(files: Sequence[Path]) -> Path | None:
    """The one folder of files a frame, or the one table."""
    folders = sorted({file.parent for file in files if file.name.endswith(_OF_FRAMES)})
    if folders:
        return folders[0] if len(folders) == 1 else None
    labels = [file for file in files if file.suffix.lower() == ".txt"]
    if any(not file.name.startswith(("README", "classes")) for file in labels):
        return None
    tables = [file for file in files if file.suffix.lower() in _TABLES]
    tables = [file for file in tables if not file.name.endswith(_BESIDE)]
    if len(tables) != 1:
        return None
    # A number by itself in the name of JSON may be a frame's, as of files in OpenPose's layout.
    is_frame = tables[0].suffix.lower() == ".json" and _NUMBERED.search(tables[0].name)
    return None if is_frame else tables[0]
