"""A scene on the disk: video or images, truth in the files of the field, flow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

from posetrack.files import dump_json, write_whole
from posetrack.formats.posetrack18 import sequence_name
from posetrack.interfaces import Image
from posetrack.skeletons import COCO_17
from posetrack.world.scene import Scene
from posetrack.world.truth import Truth
from posetrack.world.truth_files import (
    coco_document,
    coco_people,
    kitti_flow,
    posetrack18_document,
    write_mot_truth,
)


def write_scene(
    scene: Scene,
    folder: str | Path,
    *,
    images: bool = False,
    flow: bool = True,
    quality: int = 90,
    min_share: float = 0.1,
    report: Callable[[], None] | None = None,
) -> list[Path]:
    """Render a scene, and write its pictures and its truth.

    Parameters
    ----------
    scene
        What to render.
    folder
        Gets, for a scene called ``walk``: ``walk.mp4`` or ``images/000000_mpii_walk/000000.jpg``
        and so on, ``walk.json`` (PoseTrack18), ``walk.coco.json``, ``walk/gt/gt.txt`` (MOT
        Challenge) and ``walk/flow/000000.png`` (KITTI; flow from frame 0 to 1).
    images
        JPEG files instead of a video.
    flow
        Whether to write the flow.
    quality
        Of JPEG files, 1 to 100.
    min_share
        See `posetrack18_document`.
    report
        Called after every frame.

    Returns
    -------
    paths
        What was written: files, and folders of many files.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.world import crossing
    >>> scene = crossing(people=2, frames=2, size=(96, 64))
    >>> paths = write_scene(scene, tempfile.mkdtemp(), images=True, flow=False)
    >>> sorted(path.name for path in paths)
    ['000000_mpii_crossing', 'crossing.coco.json', 'crossing.json', 'gt.txt']
    """
    folder = Path(folder)
    sequence = sequence_name(scene.name)
    pictures = folder / "images" / sequence if images else folder / f"{scene.name}.mp4"
    flows = folder / scene.name / "flow"
    for path in (folder, *([pictures] if images else []), *([flows] if flow else [])):
        path.mkdir(parents=True, exist_ok=True)
    truths: list[Truth] = []
    with ExitStack() as stack:
        keep = _jpegs(pictures, quality) if images else _video(pictures, scene, stack)
        for number in range(len(scene)):
            image, truth = scene.frame(number)
            keep(number, image)
            if flow and truth.flow is not None:
                _save(flows / f"{number:06d}.png", kitti_flow(truth.flow), [])
            truths.append(truth.without_pixels())
            if report is not None:
                report()
    documents = {
        folder / f"{scene.name}.json": posetrack18_document(
            truths, name=scene.name, min_share=min_share
        ),
        folder / f"{scene.name}.coco.json": _coco(truths, sequence, min_share),
    }
    for path, document in documents.items():
        write_whole(path, dump_json(document))
    write_mot_truth(folder / scene.name, truths, rate=scene.rate, min_share=min_share)
    mot = folder / scene.name / "gt" / "gt.txt"
    return [pictures, *documents, mot, *([flows] if flow else [])]


def _coco(truths: list[Truth], sequence: str, min_share: float) -> dict[str, Any]:
    images = []
    people: list[dict[str, Any]] = []
    for number, truth in enumerate(truths):
        width, height = truth.size
        name = f"images/{sequence}/{number:06d}.jpg"
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        people += coco_people(
            truth.to(COCO_17), image_id=number, first_id=len(people) + 1, min_share=min_share
        )
    return coco_document(images, people)


def _video(path: Path, scene: Scene, stack: ExitStack) -> Callable[[int, Image], None]:
    from posetrack.video import VideoWriter

    rate = Fraction(scene.rate).limit_denominator(1001)
    writer = stack.enter_context(VideoWriter(path, rate=rate, quality=18))
    return lambda _, image: writer.write(image)


def _jpegs(folder: Path, quality: int) -> Callable[[int, Image], None]:
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return lambda number, image: _save(folder / f"{number:06d}.jpg", image, options)


def _save(path: Path, pixels: Any, options: list[int]) -> None:
    import cv2

    if not cv2.imwrite(str(path), pixels, options):
        raise OSError(f"{path}: could not be written; is the disk full?")
