"""Which layout a detection network has, from the names and shapes of its outputs alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from posetrack.detectors.decode_functions import Decode, Outputs
from posetrack.detectors.onnx_labelled import (
    decode_detr,
    decode_rtdetr,
    decode_rtmdet,
    decode_with_labels,
    find_roles,
)
from posetrack.detectors.onnx_layouts import (
    decode_end2end,
    decode_fastestdet,
    decode_yolov5,
    decode_yolov8,
    decode_yolox,
    grid_cells,
)
from posetrack.ops.crops import (
    BGR_255,
    BGR_UNIT,
    IMAGENET_BGR,
    IMAGENET_RGB,
    UNIT,
    Normalisation,
)
from posetrack.ops.resizing import Resize, letterbox, letterbox_corner, stretch
from posetrack.runtimes.onnx_check import tensor_shapes
from posetrack.runtimes.session import Session


@dataclass(frozen=True)
class Layout:
    """A decode function and how the networks that need it are usually given their images.

    Parameters
    ----------
    decode
        From outputs to boxes.
    resize
        From the image to the input's size.
    normalisation
        The input's colours.

    Examples
    --------
    >>> LAYOUTS["yolox"].resize.__name__
    'letterbox_corner'
    """

    decode: Decode
    resize: Resize
    normalisation: Normalisation


LAYOUTS: Final[Mapping[str, Layout]] = {
    "fastestdet": Layout(decode_fastestdet, stretch, BGR_UNIT),
    "yolox": Layout(decode_yolox, letterbox_corner, BGR_255),
    "yolov5": Layout(decode_yolov5, letterbox, UNIT),
    "yolov8": Layout(decode_yolov8, letterbox, UNIT),
    "end2end": Layout(decode_end2end, letterbox, UNIT),
    "rtmdet": Layout(decode_rtmdet, letterbox_corner, IMAGENET_BGR),
    "yolox_nms": Layout(decode_rtmdet, letterbox_corner, BGR_255),
    "labelled": Layout(decode_with_labels, stretch, UNIT),
    "detr": Layout(decode_detr, stretch, IMAGENET_RGB),
    "rtdetr": Layout(decode_rtdetr, stretch, UNIT),
}
"""By name, for the command line."""


def usual_layout(decode: Decode) -> Layout:
    """How networks with this decode function are usually fed; stretched RGB in [0, 1] if unknown.

    Examples
    --------
    >>> usual_layout(decode_yolov8).resize.__name__
    'letterbox'
    """
    known = [layout for layout in LAYOUTS.values() if layout.decode is decode]
    return known[0] if known else Layout(decode, stretch, UNIT)


def guess_layout(
    outputs: Outputs,
    names: tuple[str, ...],
    input_size: tuple[int, int],
    metadata: Mapping[str, str] | None = None,
) -> Layout | None:
    """The layout of a network's answer; None where it could be several, or none known.

    Parameters
    ----------
    outputs
        The answer to any image; only shapes and dtypes count.
    names
        The outputs' names.
    input_size
        (width, height) of the input.
    metadata
        Texts beside the graph; by Ultralytics' ``task`` rows of boxes and whatever else are known.

    Examples
    --------
    >>> answer = [np.zeros((1, 84, 8400), np.float32)]
    >>> guess_layout(answer, ("output0",), (640, 640)).decode.__name__
    'decode_yolov8'
    """
    name = (
        _guess_by_names(outputs, names)
        or _guess_apart(outputs, input_size)
        or _guess_by_shape(outputs[0].shape, input_size)
    )
    if name is None and _is_suppressed(outputs[0].shape, metadata or {}):
        name = "end2end"
    if name == "fastestdet" and len(outputs) > 1:
        return None
    return LAYOUTS[name] if name else None


def _guess_by_names(outputs: Outputs, names: tuple[str, ...]) -> str | None:
    if names[:1] == ("dets",) and len(outputs) == 1 and outputs[0].shape[-1] == 5:
        return "rtmdet"
    found = find_roles(outputs, names)
    if {"boxes", "labels", "scores"} <= set(found):
        # MMDetection's exports, of which RTMDet is the one that people bring.
        return "rtmdet" if found["boxes"].shape[1] == 5 else "labelled"
    logits = dict(zip(names, outputs, strict=True)).get("logits")
    if logits is not None and any("box" in name for name in names):
        # COCO's 91 classes and one for nothing, or its 80 classes: other numbers say nothing.
        return {92: "detr", 80: "rtdetr"}.get(logits.shape[-1])
    return None


def _guess_apart(outputs: Outputs, input_size: tuple[int, int]) -> str | None:
    """RTMDet without suppression of doubles: its head's maps, or boxes and class scores."""
    if len(outputs) == 6 and all(output.ndim == 4 for output in outputs):
        return "rtmdet"
    cells = len(grid_cells(input_size)[0])
    rows = [output.shape[1:] for output in outputs if output.ndim == 3 and len(output) == 1]
    apart = len(outputs) == len(rows) == 2 and {row[0] for row in rows} == {cells}
    return "rtmdet" if apart and 4 in (rows[0][1], rows[1][1]) else None


def _guess_by_shape(shape: tuple[int, ...], input_size: tuple[int, int]) -> str | None:
    if len(shape) == 4 and shape[1] == 85:
        return "fastestdet" if shape[:1:-1] == tuple(s // 16 for s in input_size) else None
    if len(shape) == 2 and shape[1] == 7:
        return "end2end"
    if len(shape) != 3 or shape[0] != 1:
        return None
    cells = {len(grid_cells(input_size, strides)[0]) for strides in _STRIDES}
    first, last = shape[1:]
    if last in cells and first >= 5:
        return "yolov8"
    if first in cells:
        return {5: "yolov8", 84: "yolov8", 6: "yolox", 85: "yolox"}.get(last)
    if first in {3 * count for count in cells} and last >= 6:
        return "yolov5"
    return "end2end" if last == 6 else None


def _is_suppressed(shape: tuple[int, ...], metadata: Mapping[str, str]) -> bool:
    """Whether rows are Ultralytics' boxes, scores and classes with keypoints or masks after."""
    few_rows = len(shape) == 3 and shape[0] == 1 and shape[1] <= MOST_ROWS and shape[2] > 6
    return few_rows and metadata.get("task") in ("pose", "segment")


MOST_ROWS: Final = 1000
"""Of an answer with doubles suppressed; published exports have 300 at most."""


def usual_size(network: Session) -> tuple[int, int] | None:
    """(width, height) that networks of a family are usually fed where their file leaves it open.

    Parameters
    ----------
    network
        Open; what it says of its outputs counts, and Ultralytics' ``imgsz`` beside the graph.

    Returns
    -------
    size
        None where nothing points to a family.

    Examples
    --------
    >>> from pathlib import Path
    >>> usual_size(Session(Path("net.onnx"), list, "none", output_names=("dets", "labels")))
    (640, 640)
    """
    sides = re.fullmatch(r"\[(\d{2,4}), ?(\d{2,4})\]", network.metadata.get("imgsz", "").strip())
    if sides:
        return int(sides[2]), int(sides[1])
    ranks = [len(shape) for shape in network.output_shapes]
    if "dets" in network.output_names or ranks == [3]:
        return 640, 640  # RTMDet, YOLOX and RTMO as MMDeploy exports them; a YOLO
    return None


_STRIDES: Final = ((8, 16, 32), (8, 16, 32, 64))


def has_focus(network: Session) -> bool:
    """Whether a network begins as YOLOX does, with 2 x 2 pixels as channels.

    MMDeploy's exports of YOLOX and RTMDet answer in one layout, but want other colours.

    Parameters
    ----------
    network
        From an ONNX file.

    Examples
    --------
    >>> from pathlib import Path
    >>> has_focus(Session(Path("net.zip"), list, "none"))
    False
    """
    if network.path.suffix != ".onnx":
        return False
    return any(
        len(shape) == 4 and shape[1] == 12 and shape[2] > 1 for shape in tensor_shapes(network.path)
    )


def ambiguity(description: str, outputs: Outputs) -> str:
    """The message for a network whose layout cannot be guessed.

    Examples
    --------
    >>> "decode=" in ambiguity("net.onnx", [np.zeros((1, 2))])
    True
    """
    found = ", ".join(f"{np.asarray(output).dtype} {output.shape}" for output in outputs)
    known = ", ".join(layout.decode.__name__ for layout in LAYOUTS.values())
    return (
        f"{description}: its answer ({found}) could be several layouts, or is not known here. "
        f"Say which with decode=: {known}, "
        "or a function of your own (see posetrack.detectors.decode_functions)"
    )
