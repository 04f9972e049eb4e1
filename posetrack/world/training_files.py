"""Pictures for training on the disk: JPEG files and one COCO annotation file, made in chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from posetrack.files import dump_json, read_json, write_whole
from posetrack.skeletons import COCO_17
from posetrack.world.randomisation import random_frame
from posetrack.world.truth_files import coco_document, coco_people

CHUNK = 100
"""Pictures that are made, and kept when a run is broken off, at once."""


@dataclass(frozen=True)
class Pictures:
    """What the pictures of a folder are, whatever their number.

    Parameters
    ----------
    seed
        Picture n of a seed is always the same.
    size
        Width and height in pixels.
    people
        Fewest and most in a picture.
    quality
        Of the JPEG files, 1 to 100.
    photographs
        Paths of image files without people, see `posetrack.world.randomisation.random_frame`.
    """

    seed: int = 0
    size: tuple[int, int] = (640, 360)
    people: tuple[int, int] = (0, 6)
    quality: int = 90
    photographs: tuple[str, ...] = ()


def write_training_files(
    folder: str | Path,
    pictures: Pictures,
    count: int,
    *,
    processes: int = 1,
    report: Callable[[int], None] | None = None,
) -> Path:
    """Make pictures 0 .. ``count`` - 1 and their annotations; what is there already stays.

    Parameters
    ----------
    folder
        Gets ``images/0000000.jpg``, ..., ``annotations.json`` and ``chunks/``, from which a run
        that was broken off goes on.
    pictures
        What to make.
    count
        How many.
    processes
        How many make them; the files do not depend on it.
    report
        Called with how many pictures are done, now and then.

    Returns
    -------
    annotations
        The COCO file: train with ``--data coco --annotations FOLDER/annotations.json --images
        FOLDER/images``.

    Raises
    ------
    ValueError
        If the folder holds pictures of other settings, or ``count`` or ``processes`` is not
        positive.
    """
    if count < 1 or processes < 1:
        raise ValueError(f"count and processes must be positive, got {count} and {processes}")
    folder = Path(folder)
    _claim(folder, pictures)
    waiting = [
        (start, min(start + CHUNK, count))
        for start in range(0, count, CHUNK)
        if not _is_done(folder, start, min(start + CHUNK, count))
    ]
    done = count - sum(end - start for start, end in waiting)
    for chunk_pictures in _make_all(partial(make_chunk, folder, pictures), waiting, processes):
        done += chunk_pictures
        if report is not None:
            report(done)
    return _join(folder, count)


def make_chunk(folder: Path, pictures: Pictures, span: tuple[int, int]) -> int:
    """Make the pictures from ``span[0]`` up to before ``span[1]``; how many these are."""
    import cv2

    start, end = span
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    photographs = tuple(map(Path, pictures.photographs))
    for number in range(start, end):
        image, truth = random_frame(
            pictures.seed,
            number,
            size=pictures.size,
            people=pictures.people,
            skeleton=COCO_17,
            photographs=photographs,
        )
        name = f"{number:07d}.jpg"
        path = folder / "images" / name
        if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, pictures.quality]):
            raise OSError(f"{path}: could not be written; is the disk full?")
        height, width = image.shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        people += coco_people(truth, image_id=number)
    write_whole(_chunk(folder, start), dump_json({"images": images, "people": people}))
    return end - start


def _claim(folder: Path, pictures: Pictures) -> None:
    """Note what the folder's pictures are, or refuse it if they are others."""
    path = folder / "pictures.json"
    settings = json.loads(json.dumps(asdict(pictures)))
    if path.exists():
        there = read_json(path)
        if isinstance(there, dict):  # folders of earlier days had no photographs
            there = {"photographs": [], **there}
        if there != settings:
            raise ValueError(
                f"{path}: these pictures are {there}, not {settings}; take a new folder"
            )
        return
    for name in ("images", "chunks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_whole(path, dump_json(settings))


def _chunk(folder: Path, start: int) -> Path:
    return folder / "chunks" / f"{start:07d}.json"


def _is_done(folder: Path, start: int, end: int) -> bool:
    path = _chunk(folder, start)
    return path.exists() and len(read_json(path)["images"]) >= end - start


def _make_all(
    make: Callable[[tuple[int, int]], int], spans: list[tuple[int, int]], processes: int
) -> Iterator[int]:
    """How many pictures each chunk has, as they are done."""
    if processes == 1 or len(spans) < 2:
        yield from map(make, spans)
        return
    with ProcessPoolExecutor(
        min(processes, len(spans)), mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        futures = [pool.submit(make, span) for span in spans]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _join(folder: Path, count: int) -> Path:
    """One annotation file of all chunks."""
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for start in range(0, count, CHUNK):
        chunk = read_json(_chunk(folder, start))
        images += [image for image in chunk["images"] if image["id"] < count]
        for person in chunk["people"]:
            if person["image_id"] < count:
                people.append({**person, "id": len(people) + 1})
    path = folder / "annotations.json"
    write_whole(path, dump_json(coco_document(images, people)))
    return path
