"""Truth in the files of the field: PoseTrack18 and COCO JSON, MOT Challenge text, KITTI flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.files import dump_json, write_together
from posetrack.formats.posetrack18 import first_image_id, person_category, sequence_name
from posetrack.skeletons import COCO_17, POSETRACK_17, Skeleton
from posetrack.world.truth import Truth, Visibility

_LEAST_SIDE = 3.0  # pixels; people smaller than this are dots


def posetrack18_document(
    truths: Sequence[Truth], *, name: str, min_share: float = 0.1
) -> dict[str, Any]:
    """A video's truth as the dataset's annotation files hold it, every frame labelled.

    Parameters
    ----------
    truths
        One a frame.
    name
        The video's; made into one of the dataset's form, see `posetrack.formats`.
    min_share
        People of whom less can be seen are not annotated in that frame.

    Notes
    -----
    Keypoints inside the picture have flag 1, hidden ones too, as annotators place them where they
    can be guessed; ``visibility`` says which are hidden (1) and which are seen (2), and
    ``visible_share`` how much of the person is. Keypoints outside are (0, 0, 0).
    """
    sequence = sequence_name(name)
    first = first_image_id(sequence)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, every in enumerate(truths):
        truth = every.to(POSETRACK_17)
        rows = truth.visible_rows(min_share)
        rows = rows[np.isfinite(truth.clipped_boxes[rows, 0])]
        images.append(
            {
                "id": first + number,
                "frame_id": first + number,
                "vid_id": sequence.split("_")[0],
                "file_name": f"images/{sequence}/{number:06d}.jpg",
                "is_labeled": True,
                "has_labeled_person": len(rows) > 0,
                "nframes": len(truths),
                "seconds": round(truth.seconds, 6),
                "width": truth.size[0],
                "height": truth.size[1],
                "ignore_regions_x": [],
                "ignore_regions_y": [],
            }
        )
        for row in rows.tolist():
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": first + number,
                    "category_id": 1,
                    "track_id": int(truth.ids[row]),
                    **_keypoints(truth, row, {Visibility.HIDDEN: 1, Visibility.VISIBLE: 1}),
                    "visibility": truth.visibility[row].tolist(),
                    "bbox": _xywh(truth.clipped_boxes[row]),
                    "bbox_head": _xywh(truth.heads[row]),
                    "visible_share": round(float(truth.share[row]), 4),
                }
            )
    return {
        "images": images,
        "annotations": annotations,
        "categories": [person_category(POSETRACK_17)],
    }


def coco_people(
    truth: Truth,
    *,
    image_id: int,
    first_id: int = 1,
    min_share: float = 0.1,
    min_height: float = 12.0,
) -> list[dict[str, Any]]:
    """COCO annotations of the people in one picture, with the truth's keypoints.

    Parameters
    ----------
    truth
        Of the picture.
    image_id, first_id
        Of the image, and of the first person; the others count on from it.
    min_share, min_height
        People of whom less can be seen, or who are lower in the picture (pixels), are
        ``iscrowd``: neither a person nor background, as COCO's tools and trainings read that
        flag.

    Notes
    -----
    Keypoints have COCO's flags: 2 seen, 1 hidden and labelled all the same, 0 (at 0, 0) outside
    the picture. ``bbox`` is around the whole body, what is hidden of it too, cut to the picture;
    ``visible_bbox`` is around the pixels that show the person, whose number is ``area``. People of
    whom no pixel can be seen are not listed.
    """
    people: list[dict[str, Any]] = []
    flags: dict[int, int] = {Visibility.HIDDEN: 1, Visibility.VISIBLE: 2}
    for row in np.flatnonzero(truth.pixels > 0).tolist():
        box = truth.clipped_boxes[row]
        if not np.isfinite(box).all():
            continue
        width, height = box[2:] - box[:2]
        dim = (
            truth.share[row] < min_share or height < min_height or min(width, height) < _LEAST_SIDE
        )
        people.append(
            {
                "id": first_id + len(people),
                "image_id": image_id,
                "category_id": 1,
                "track_id": int(truth.ids[row]),
                **_keypoints(truth, row, flags),
                "bbox": _xywh(box),
                "visible_bbox": _xywh(truth.visible_boxes[row]),
                "area": int(truth.pixels[row]),
                "iscrowd": int(dim),
                "visible_share": round(float(truth.share[row]), 4),
            }
        )
    return people


def coco_document(
    images: Sequence[Mapping[str, Any]],
    people: Sequence[Mapping[str, Any]],
    *,
    skeleton: Skeleton = COCO_17,
) -> dict[str, Any]:
    """A COCO keypoint file of images (``id``, ``file_name``, ``width``, ``height``) and people.

    Examples
    --------
    >>> coco_document([], [])["categories"][0]["name"]
    'person'
    """
    return {
        "info": {"description": "people of a rendered world, with exact truth"},
        "images": list(images),
        "annotations": list(people),
        "categories": [person_category(skeleton)],
    }


def _mot_lines(
    truths: Iterable[Truth], *, min_share: float = 0.1, classes: bool = True
) -> Iterator[bytes]:
    """Lines of a MOT Challenge ``gt.txt``: frame and pixels from 1, box, mark, class, visibility.

    The mark is 0, so that the box is ignored, for people of whom less than ``min_share`` can be
    seen. Without ``classes`` the last two numbers are -1, as in MOT15 and in PoseTrack21's boxes.
    Source: Milan et al., MOT16: A Benchmark for Multi-Object Tracking, 2016, section 4.2.
    """
    for number, truth in enumerate(truths, 1):
        for row in np.flatnonzero(np.isfinite(truth.clipped_boxes[:, 0])).tolist():
            left, top, width, height = _xywh(truth.clipped_boxes[row])
            share = float(truth.share[row]) if truth.pixels[row] else 0.0
            mark = int(share >= min_share and share > 0)
            end = f"1,{share:.4f}" if classes else "-1,-1"
            yield (
                f"{number},{truth.ids[row]},{left + 1:.2f},{top + 1:.2f},{width:.2f},{height:.2f},"
                f"{mark},{end}\n"
            ).encode()


def write_mot_truth(
    folder: str | Path,
    truths: Sequence[Truth],
    *,
    rate: float,
    min_share: float = 0.1,
    classes: bool = True,
) -> None:
    """A sequence folder of MOT Challenge: ``gt/gt.txt`` and ``seqinfo.ini``.

    ``image_info.json``, which PoseTrack21's evaluation of boxes wants, lies beside them; that
    evaluation also wants ``gt.txt`` without ``classes``.
    """
    folder = Path(folder)
    (folder / "gt").mkdir(parents=True, exist_ok=True)
    width, height = truths[0].size if truths else (0, 0)
    info = (
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={rate:g}\n"
        f"seqLength={len(truths)}\nimWidth={width}\nimHeight={height}\nimExt=.jpg\n"
    )
    images = [
        {"frame_id": number, "ignore_regions_x": [], "ignore_regions_y": []}
        for number in range(len(truths))
    ]
    write_together(
        (folder / "gt" / "gt.txt", _mot_lines(truths, min_share=min_share, classes=classes)),
        (folder / "seqinfo.ini", info),
        (folder / "image_info.json", dump_json(images)),
    )


def kitti_flow(flow: NDArray[Any]) -> NDArray[np.uint16]:
    """(H, W, 2) pixels as KITTI's 16-bit PNG holds them: (H, W, 3), BGR order for OpenCV.

    In steps of 1/64 pixel up to 512 pixels; the first channel is 1 where the flow is known.
    Source: KITTI 2015 development kit, "Optical flow".

    Examples
    --------
    >>> kitti_flow(np.array([[[1.0, -2.0], [np.nan, 0.0]]])).tolist()
    [[[1, 32640, 32832], [0, 0, 0]]]
    """
    known = np.isfinite(flow).all(axis=2) & (np.abs(np.nan_to_num(flow)) < 511.9).all(axis=2)
    steps = np.rint(np.where(known[..., None], flow, 0) * 64) + 2**15
    coded = np.concatenate([known[..., None], steps[..., ::-1]], axis=2)
    return np.where(known[..., None], coded, 0).astype(np.uint16)


def _keypoints(truth: Truth, row: int, flags: Mapping[int, int]) -> dict[str, Any]:
    """``keypoints`` and ``num_keypoints`` with flags by visibility; 0 for those without one."""
    seen_flags = np.array([flags.get(int(state), 0) for state in truth.visibility[row]])
    xy = np.where(seen_flags[:, None] > 0, truth.xy[row], 0.0)
    values = np.concatenate([xy.round(2), seen_flags[:, None]], axis=1).ravel().tolist()
    # Flags as whole numbers, as the datasets write them.
    values[2::3] = seen_flags.tolist()
    return {"keypoints": values, "num_keypoints": int((seen_flags > 0).sum())}


def _xywh(xyxy: NDArray[np.float64]) -> list[float]:
    """Left, top, width and height of a box whose corners' pixels belong to it."""
    left, top, right, bottom = np.asarray(xyxy, float).tolist()
    return [round(left, 2), round(top, 2), round(right - left + 1, 2), round(bottom - top + 1, 2)]
