"""No file of wrong types ends in a traceback: every value of a small valid file is spoiled.

Whatever stands in place of a value, a reader gives a result or one line that names the file.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from posetrack.audit.edits import load_anchors, parse_edits
from posetrack.evaluation import evaluate_coco, evaluate_mpii, evaluate_posetrack
from posetrack.evaluation.boxes21 import read_box_sequences
from posetrack.formats.boxes import read_boxes
from posetrack.formats.hints import Hints
from posetrack.formats.metadata import sidecar_path
from posetrack.formats.reading import read_any, read_images
from posetrack.skeletons import COCO_17, POSETRACK_17, Skeleton
from posetrack.training import read_coco, read_dataloop, read_mpii
from posetrack.training.bottom_up_regions import read_regions
from posetrack.training.detection_data import read_boxes as read_training_boxes

EDIT = "swap 1 2 from 12.4s"
HINTS = Hints(rate=25.0, untracked=True)
SPOILED = (
    None, True, "x", -1, 1.5, 10**30, 1e300, float("nan"), [], {}, [[1]], [None], {"id": 1},
)  # fmt: skip
"""In place of a value; 1e400, which is no float, is written as text below."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there are values in a document: the whole, and every item of lists and objects."""
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        # The first and the last of a list stand for all, of one of plain values the first.
        last = len(value) - 1 if value and isinstance(value[0], dict | list) else 0
        items = [(n, value[n]) for n in sorted({0, last}) if value]
    for key, inner in items:
        yield from places(inner, (*path, key))


def spoiled(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    made = copy.deepcopy(document)
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return made


def without(document: Any, path: tuple[Any, ...]) -> Any:
    made = copy.deepcopy(document)
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return made


def flat(skeleton: Skeleton, last: float = 2) -> list[float]:
    return [value for k in range(len(skeleton)) for value in (k + 1, 10 * (k + 1), last)]


def posetrack18() -> dict[str, Any]:
    return {
        "images": [
            {
                "id": 10003420000 + t,
                "file_name": f"images/val/000342_mpii_test/{t:06}.jpg",
                "vid_id": "000342",
                "frame_id": t,
                "is_labeled": True,
                "ignore_regions_x": [[0, 5, 5.5]],
                "ignore_regions_y": [[0, 0, 5]],
                "seconds": t / 25,
                "width": 640,
                "height": 480,
            }
            for t in range(2)
        ],
        "annotations": [
            {
                "id": t + 1,
                "image_id": 10003420000 + t,
                "track_id": 4,
                "category_id": 1,
                "keypoints": flat(POSETRACK_17, 1),
                "scores": [0.5] * 17,
                "bbox": [1, 10, 20, 180.5],
                "bbox_head": [1, 10, 20, 20],
                "box_score": 0.75,
                "original_track_id": 40000,
            }
            for t in range(2)
        ],
        "categories": [
            {
                "id": 1,
                "name": "person",
                "supercategory": "person",
                "keypoints": list(POSETRACK_17.keypoints),
                "skeleton": [[1, 2], [2, 3]],
            }
        ],
        "info": {"rate": 25, "provenance": {"posetrack": "0"}},
    }


def posetrack17() -> dict[str, Any]:
    points = [{"id": [k], "x": [k + 1.5], "y": [10 * k], "score": [0.5]} for k in range(15)]
    return {
        "annolist": [
            {
                "image": [{"name": f"images/bonn/000001_bonn/{t:06}.jpg"}],
                "imgnum": [t + 1],
                "seconds": [t / 25],
                "is_labeled": [1],
                "ignore_regions": [
                    {"point": [{"x": [x], "y": [y]} for x, y in ((0, 0), (5, 0), (5, 5))]}
                ],
                "annorect": [
                    {
                        "track_id": [4],
                        "x1": [1], "y1": [2], "x2": [30], "y2": [40],
                        "score": [0.5],
                        "annopoints": [{"point": points}],
                    }
                ],
            }
            for t in range(2)
        ],
        "rate": [25],
    }  # fmt: skip


def coco() -> dict[str, Any]:
    names = list(COCO_17.keypoints)
    return {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 64, "height": 48},
            {"id": 8, "file_name": "b.png", "width": 64, "height": 48},
        ],
        "annotations": [
            {
                "id": n + 1,
                "image_id": 7 + n,
                "category_id": 1,
                "iscrowd": 0,
                "area": 200.5,
                "num_keypoints": 17,
                "bbox": [1, 2, 20, 30.5],
                "keypoints": [v for k in range(17) for v in (k + 2, 2 * k + 3, 2)],
                "segmentation": [[0, 0, 5, 0, 5, 5.5]],
                "track_id": n,
            }
            for n in range(2)
        ],
        "categories": [
            {"id": 1, "name": "person", "keypoints": names, "skeleton": [[1, 2], [2, 3]]}
        ],
    }


def results() -> list[dict[str, Any]]:
    return [
        {
            "image_id": image,
            "category_id": 1,
            "keypoints": [v for k in range(17) for v in (k + 2, 2 * k + 3.5, 1)],
            "score": 0.5,
            "bbox": [1, 2, 20, 30.5],
            "track_id": 3,
            "box_score": 0.5,
            "frame": image,
            "seconds": image / 25,
        }
        for image in (7, 8)
    ]


def alphapose() -> list[dict[str, Any]]:
    row = {"image_id": "7.jpg", "category_id": 1, "keypoints": flat(COCO_17, 0.5), "score": 2.5}
    return [{**row, "box": [1, 2, 20, 30.5], "idx": [3.0]}, {**row, "image_id": "8.jpg", "idx": 4}]


def mmpose() -> dict[str, Any]:
    one = {
        "keypoints": [[k + 1.0, 10.0 * k] for k in range(17)],
        "keypoint_scores": [0.5] * 17,
        "bbox": [[1, 2, 30, 40.5]],
        "bbox_score": 0.5,
        "track_id": 3,
    }
    names = {str(k): name for k, name in enumerate(COCO_17.keypoints)}
    frames = [{"frame_id": t + 1, "instances": [one]} for t in range(2)]
    return {"meta_info": {"keypoint_id2name": names}, "instance_info": frames}


def openpose() -> dict[str, Any]:
    person = {"person_id": [3], "pose_keypoints_2d": [1.5] * 75, "face_keypoints_2d": []}
    return {"version": 1.3, "people": [person]}


def mpii() -> list[dict[str, Any]]:
    return [
        {
            "image": "a.png",
            "center": [20.5, 20],
            "scale": 0.5,
            "joints": [[k + 3, 2 * k + 2.5] for k in range(16)],
            "joints_vis": [1] * 16,
            "head_box": [1, 2, 20, 30],
        }
        for _ in range(2)
    ]


def mpii_predictions() -> dict[str, Any]:
    return {"preds": [[[k + 3, 2 * k + 2.5, 0.5] for k in range(16)] for _ in range(2)]}


def dataloop() -> dict[str, Any]:
    return {
        "filename": "/a.png",
        "metadata": {"system": {"width": 64, "height": 48}},
        "annotations": [
            {"id": "p", "type": "pose", "label": "person", "metadata": {"system": {"objectId": 1}}},
            *(
                {
                    "id": name,
                    "type": "point",
                    "label": f"person.{name}",
                    "coordinates": {"x": 5 + 9 * n, "y": 7.5 * n, "z": 0},
                    "parentId": "p",
                    "attributes": {"1": ["visible"]},
                }
                for n, name in enumerate(("nose", "left_eye", "right_eye"))
            ),
            {
                "id": "b",
                "type": "box",
                "coordinates": [{"x": 1, "y": 2}, {"x": 30, "y": 40}],
                "metadata": {"system": {"parentId": "p", "objectId": 1}},
            },
        ],
    }


def metadata() -> dict[str, Any]:
    return {
        "format": "posetrack tracks",
        "version": 1,
        "skeleton": COCO_17.to_json(),
        "image_size": [64, 48],
        "rate": 25,
        "provenance": {"posetrack": "0"},
        "frames": 2,
        "rows": 1,
        "empty_frames": [[1, 1, 1, 0.04, 0.04]],
    }


def anchors() -> dict[str, Any]:
    points = {"nose": [1, 2.5]}
    one = {"who": 1, "frame": 3, "seconds": 0.1, "box": [1, 2, 3, 4.5], "keypoints": points}
    return {
        "format": "posetrack anchors",
        "version": 1,
        "edits": [{"edit": EDIT, "anchors": [one]}],
    }


def image_info() -> list[dict[str, Any]]:
    return [{"frame_id": 0, "ignore_regions_x": [[0, 5, 5]], "ignore_regions_y": [[0, 0, 5.5]]}]


def read_folder(path: Path) -> Any:
    return read_any(path.parent, HINTS)


def evaluate_against(make: Callable[[], Any], evaluate: Callable[[Path, Path], Any]) -> Any:
    def predictions(path: Path) -> Any:
        truth = path.with_name("truth.json")
        truth.write_text(json.dumps(make()))
        return evaluate(truth, path)

    return predictions


def as_truth(make: Callable[[], Any], evaluate: Callable[[Path, Path], Any]) -> Any:
    def truth(path: Path) -> Any:
        given = path.with_name("given.json")
        given.write_text(json.dumps(make()))
        return evaluate(path, given)

    return truth


def own_table(path: Path) -> Any:
    """A table whose metadata beside it is spoiled."""
    table = path.with_name("match.csv")
    columns = ["frame", "seconds", "id", "left", "top", "right", "bottom", "box_score"]
    columns += ["score", "source", "flow_age"]
    columns += [f"{name}_{part}" for name in COCO_17.keypoints for part in ("x", "y", "score")]
    values = ["0", "0", "4", "1", "2", "30", "40", "1", "1", "detector", "0", *["1"] * 51]
    table.write_text(",".join(columns) + "\n" + ",".join(values) + "\n")
    sidecar_path(table).write_bytes(path.read_bytes())
    return read_any(table, HINTS)


def own_results(path: Path) -> Any:
    """COCO results whose metadata beside them is spoiled."""
    table = path.with_name("match.json")
    table.write_text(json.dumps(results()))
    sidecar_path(table).write_bytes(path.read_bytes())
    return read_any(table, HINTS)


def box_sequences(path: Path) -> Any:
    folder = path.parent / "truth" / "one"
    (folder / "gt").mkdir(parents=True, exist_ok=True)
    (folder / "gt" / "gt.txt").write_text("1,1,2,3,4,5,1,-1,-1,-1\n")
    (path.parent / "one.txt").write_text("1,1,2,3,4,5,1,-1,-1,-1\n")
    (folder / "image_info.json").write_bytes(path.read_bytes())
    return read_box_sequences(path.parent / "truth", path.parent)


def with_images(read: Callable[[Path, Path], Any]) -> Callable[[Path], Any]:
    def reading(path: Path) -> Any:
        for name in ("a.png", "b.png"):
            if not path.with_name(name).exists():
                cv2.imwrite(str(path.with_name(name)), np.zeros((48, 64, 3), np.uint8))
        return read(path, path.parent)

    return reading


@dataclass(frozen=True)
class Reader:
    """A small valid document and who reads it; ``name`` is what errors must hold."""

    make: Callable[[], Any]
    read: Callable[[Path], Any]
    name: str = "spoiled.json"
    file: str = "spoiled.json"
    or_names: tuple[str, ...] = ()


def skip(read: Callable[..., Any]) -> Callable[[Path], Any]:
    return with_images(lambda path, images: read(path, images, broken="skip"))


READERS = {
    "posetrack18": Reader(posetrack18, lambda path: read_any(path, HINTS)),
    "posetrack17": Reader(posetrack17, lambda path: read_any(path, HINTS)),
    "coco annotations": Reader(coco, lambda path: read_any(path, HINTS)),
    "coco results": Reader(results, lambda path: read_any(path, HINTS)),
    "alphapose": Reader(alphapose, lambda path: read_any(path, HINTS)),
    "mmpose": Reader(mmpose, lambda path: read_any(path, HINTS)),
    "mmpose inferencer": Reader(
        lambda: mmpose()["instance_info"], lambda path: read_any(path, HINTS)
    ),
    "openpose": Reader(
        openpose,
        read_folder,
        "a_000000000000_keypoints.json",
        "a_000000000000_keypoints.json",
        ("everybody in it is left out",),  # of the whole folder
    ),
    "metadata of a table": Reader(metadata, own_table, "match.csv"),
    "metadata of results": Reader(metadata, own_results, "match.json"),
    "images": Reader(coco, read_images),
    "boxes of coco": Reader(coco, read_boxes),
    "boxes of results": Reader(results, read_boxes),
    "boxes of posetrack18": Reader(posetrack18, lambda path: read_boxes(path, video="000342")),
    "posetrack18 truth": Reader(posetrack18, as_truth(posetrack18, evaluate_posetrack)),
    "posetrack18 predictions": Reader(
        posetrack18, evaluate_against(posetrack18, evaluate_posetrack)
    ),
    "posetrack17 truth": Reader(posetrack17, as_truth(posetrack17, evaluate_posetrack)),
    "posetrack17 predictions": Reader(
        posetrack17, evaluate_against(posetrack17, evaluate_posetrack)
    ),
    "coco truth": Reader(coco, as_truth(results, evaluate_coco)),
    "coco predictions": Reader(results, evaluate_against(coco, evaluate_coco)),
    "mpii truth": Reader(mpii, as_truth(mpii_predictions, evaluate_mpii)),
    "mpii predictions": Reader(mpii_predictions, evaluate_against(mpii, evaluate_mpii)),
    "image info": Reader(image_info, box_sequences, "image_info.json"),
    "training": Reader(coco, with_images(read_coco)),
    "training, skipping": Reader(coco, skip(read_coco)),
    "training mpii, skipping": Reader(mpii, skip(read_mpii)),
    "training dataloop, skipping": Reader(dataloop, skip(read_dataloop)),
    "training boxes": Reader(coco, with_images(read_training_boxes)),
    "training regions": Reader(coco, with_images(read_regions)),
    "anchors": Reader(anchors, lambda path: load_anchors(path, parse_edits(EDIT, "e"))),
}


def outcome(reader: Reader, text: str, path: Path) -> str | None:
    """What is wrong with how a reader ends on a text; None if nothing is."""
    path.write_text(text)
    try:
        reader.read(path)
    except (ValueError, OSError) as error:
        message = str(error)
        if not any(
            name in message for name in (reader.name, "truth.json", "given.json", *reader.or_names)
        ):
            return f"no file named: {type(error).__name__}: {message:.100}"
        return f"several lines: {message:.100}" if message.count("\n") > 12 else None
    except Exception as error:
        return f"{type(error).__name__}: {error!s:.100}"
    return None


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_is_read(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path = tmp_path / reader.file
    path.write_text(json.dumps(reader.make()))
    reader.read(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_a_spoiled_value_gives_a_result_or_one_line(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path, document = tmp_path / reader.file, reader.make()
    wrong: dict[str, str] = {}
    for place in places(document):
        texts = {repr(value)[:40]: json.dumps(spoiled(document, place, value)) for value in SPOILED}
        texts["1e400"] = json.dumps(spoiled(document, place, "HUGE")).replace('"HUGE"', "1e400")
        if place:
            with suppress(KeyError):
                texts["missing"] = json.dumps(without(document, place))
        for value, text in texts.items():
            found = outcome(reader, text, path)
            if found is not None:
                wrong[f"{'/'.join(map(str, place))} = {value}"] = found
    first = "\n".join(f"{place}: {found}" for place, found in list(wrong.items())[:25])
    assert not wrong, f"{len(wrong)} of the spoiled files:\n{first}"
