"""Trajectories from files, to the project's own tables, and Parquet too large for the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posetrack.trajectories.parts import part_of_skeleton
from posetrack.trajectories.values import Trajectories

if TYPE_CHECKING:
    from posetrack.formats.hints import Untracked
    from posetrack.skeletons import Skeleton


def load(
    path: str | Path,
    *,
    rate: float | None = None,
    skeleton: Skeleton | None = None,
    images: Sequence[int | str] | None = None,
    untracked: Untracked = False,
    image_size: tuple[int, int] | None = None,
) -> Trajectories:
    """Read tracks from a file: the project's own tables, or those of other programs.

    What kind a file is shows in its content, see `posetrack.formats.reading`; what each kind
    keeps, in `posetrack.formats.registry`. Origins and raw values are those of own tables.

    Parameters
    ----------
    path
        A file, or a folder or zip as other programs write them.
    rate
        Frames a second, for files without times.
    skeleton
        What the keypoints are, for files that do not name them.
    images
        File names or ids of the video's images in order, for results that name frames by them.
    untracked
        Whether to read people without identities, too: they get 1, 2, ... in each frame, which
        are places and no identities. "keep": only they, as -1, -2, ...
    image_size
        Width and height of the images, for files whose places are fractions of them.

    Raises
    ------
    ValueError
        If it is of no kind that is read, broken, needs one of these to be given, or is too large
        to lay out at once: then `scan` it, if it is Parquet.
    FileNotFoundError
        If it is not there.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "walk.parquet"
    >>> save(Trajectories([3], [0.1], [7], np.ones((1, 1, 17, 2)), np.ones((1, 1, 17)), COCO_17),
    ...      path)
    >>> load(path).ids.tolist()
    [7]
    """
    from posetrack.formats.hints import Hints
    from posetrack.formats.reading import read_any

    return Trajectories.from_table(
        read_any(path, Hints(rate, skeleton, images, untracked, image_size))
    )


def save(trajectories: Trajectories, path: str | Path) -> None:
    """Write the project's own table, ``.parquet`` or ``.csv``; `load` gives the same back.

    Columns ``NAME_origin`` follow the others where an origin is not what ``flow_age`` says, and
    those of raw values where there are any, see `posetrack.formats.table`. A person who
    is in no frame is not kept; a frame without people has no row, so its time is kept to 2 ms.

    Raises
    ------
    ValueError
        If the name has another ending.
    OSError
        If nothing can be written there; what was there then stays.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.trajectories import load
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tracks.csv"
    >>> xy = [[[(1.0, 2.0)] * 17]] * 2
    >>> save(Trajectories([0, 1], [0.0, 0.04], [7], xy, [[[0.9] * 17]] * 2, COCO_17), path)
    >>> load(path).ids.tolist()
    [7]
    """
    path = Path(path)
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise ValueError(f"{path}: expected a name that ends in .parquet or .csv")
    from posetrack.formats.table_writers import write_table

    write_table(path, trajectories.to_table())


@dataclass(frozen=True)
class Scan:
    """A Parquet file of tracks, opened and not read: select first, then `load` the part.

    Row groups without the frames wanted are skipped, and columns of keypoints not wanted are not
    read, so that the memory needed is that of the part and one group of rows.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "walk.parquet"
    >>> save(Trajectories([3], [0.1], [7], np.ones((1, 1, 17, 2)), np.ones((1, 1, 17)), COCO_17),
    ...      path)
    >>> scan(path).select(frames=(0, 9), keypoints=["nose"]).load().xy.tolist()
    [[[[1.0, 1.0]]]]
    """

    path: Path
    skeleton: Skeleton
    rows: int
    seconds: tuple[float, float] | None = None
    frames: tuple[int, int] | None = None
    ids: tuple[int, ...] | None = None
    keypoints: tuple[str, ...] | None = None

    def select(
        self,
        *,
        seconds: tuple[float, float] | None = None,
        frames: tuple[int, int] | None = None,
        ids: Sequence[int] | None = None,
        keypoints: Sequence[str] | None = None,
    ) -> Scan:
        """Narrow to a half-open range of time or frames, people, keypoints; replaces what was."""
        if keypoints is not None:
            for name in keypoints:
                self.skeleton.index(name)  # raises by name
        return replace(
            self,
            seconds=self.seconds if seconds is None else seconds,
            frames=self.frames if frames is None else frames,
            ids=self.ids if ids is None else tuple(int(person) for person in ids),
            keypoints=self.keypoints if keypoints is None else tuple(keypoints),
        )

    def load(self) -> Trajectories:
        """Read the selection; people who do not occur in it are left out of ``ids``."""
        from posetrack.formats.table_reading import read_part

        skeleton = self.skeleton
        if self.keypoints is not None:
            skeleton = part_of_skeleton(skeleton, self.keypoints)
        table = read_part(
            self.path, skeleton, frames=self.frames, seconds=self.seconds, ids=self.ids
        )
        return Trajectories.from_table(table)


def scan(path: str | Path) -> Scan:
    """Open a Parquet file of tracks without reading its rows.

    Raises
    ------
    ValueError
        If it is not such a file.
    FileNotFoundError
        If it is not there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tracks.parquet"
    >>> xy = [[[(1.0, 2.0)] * 17]] * 2
    >>> save(Trajectories([0, 1], [0.0, 0.04], [7], xy, [[[0.9] * 17]] * 2, COCO_17), path)
    >>> scan(path).rows, scan(path).skeleton.name
    (2, 'coco_17')
    """
    from posetrack.formats.table_reading import parquet_skeleton

    skeleton, rows = parquet_skeleton(Path(path))
    return Scan(Path(path), skeleton, rows)
