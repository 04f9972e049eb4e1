"""The contract of decode functions, which turn what a detection network answers into boxes.

A decode function takes the network's outputs, a list of arrays in the file's order, and a
`DecodeContext`, and returns

- ``xyxy``, (N, 4): left, top, right, bottom in pixels of the *image* (``context.to_image`` maps
  them from the network's input), and
- ``scores``, (N,): how sure the network is that there is a *person*, larger is surer.

No suppression of doubles, no order: the detector does that. Rows below ``context.min_score`` will
be dropped, so that a function may leave them out, and should where that saves work. A function of
yours, ``def decode(outputs, context): ...``, is used like those at hand in
`posetrack.detectors.onnx_layouts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.interfaces import Image
from posetrack.ops.crops import Normalisation, normalise
from posetrack.ops.resizing import Resize
from posetrack.runtimes.session import Session
from posetrack.structures import FloatArray

Outputs: TypeAlias = Sequence[NDArray[Any]]
Decoded: TypeAlias = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class DecodeContext:
    """What a decode function may need besides the network's outputs.

    Parameters
    ----------
    image_size, input_size
        (width, height) of the image and of the network's input.
    scale, offset
        A point of the image at ``xy`` is at ``xy * scale + offset`` in the network's input.
    min_score
        Rows with a lower score will be dropped.
    person
        Which class is the person, as the user says; None for what is usual in the layout.
    output_names
        The outputs' names.

    Examples
    --------
    >>> context = DecodeContext((200, 100), (50, 50), scale=(0.25, 0.25), offset=(0.0, 12.0))
    >>> context.to_image([[0, 12, 50, 37]]).tolist()
    [[0.0, 0.0, 200.0, 100.0]]
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    min_score: float = 0.0
    person: int | None = None
    output_names: tuple[str, ...] = ()

    def to_image(self, xyxy: ArrayLike) -> FloatArray:
        """Boxes (N, 4) in pixels of the network's input, in pixels of the image."""
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        offset = np.array(self.offset * 2, np.float32)
        return np.asarray((boxes - offset) / np.array(self.scale * 2, np.float32), np.float32)


Decode: TypeAlias = Callable[[Outputs, DecodeContext], Decoded]


def run_on_image(
    network: Session,
    image: Image,
    *,
    input_size: tuple[int, int],
    resize: Resize,
    normalisation: Normalisation,
    min_score: float,
    person: int | None = None,
) -> tuple[Outputs, DecodeContext]:
    """A network's outputs for an image, and the context for its decode function.

    Parameters
    ----------
    network
        Takes (1, 3, height, width).
    image
        (H, W, 3) uint8 BGR.
    input_size
        (width, height) the image is resized to.
    resize, normalisation
        How.
    min_score, person
        See `DecodeContext`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from posetrack.ops.crops import UNIT
    >>> from posetrack.ops.resizing import letterbox
    >>> network = Session(Path("net.onnx"), lambda images: [images.sum(axis=1)], "numpy", batch=1)
    >>> image = np.zeros((90, 120, 3), np.uint8)
    >>> outputs, context = run_on_image(
    ...     network, image, input_size=(60, 60), resize=letterbox, normalisation=UNIT, min_score=0
    ... )
    >>> outputs[0].shape, context.image_size, context.scale
    ((1, 60, 60), (120, 90), (0.5, 0.5))
    """
    resized, scale, offset = resize(image, input_size)
    outputs = network(normalise(resized[None], normalisation))
    size = image.shape[1], image.shape[0]
    names = network.output_names
    return outputs, DecodeContext(size, input_size, scale, offset, min_score, person, names)


def person_class(context: DecodeContext, usual: int, classes: int | None = None) -> int:
    """The number of the person's class: the context's, else ``usual``.

    Raises
    ------
    ValueError
        If the network has only ``classes`` classes and the person's is not among them.

    Examples
    --------
    >>> person_class(DecodeContext((64, 64), (64, 64)), 1)
    1
    """
    label = usual if context.person is None else context.person
    if classes is not None and not 0 <= label < classes:
        raise ValueError(f"person is class {label}, but the network has {classes} classes")
    return label


def class_names(metadata: Mapping[str, str]) -> dict[int, str]:
    """Names of classes by their numbers, from Ultralytics' ``names`` beside a graph.

    Examples
    --------
    >>> class_names({"names": "{0: 'dog', 1: 'person'}"})
    {0: 'dog', 1: 'person'}
    >>> class_names({})
    {}
    """
    found = re.findall(r"(\d{1,4}): ?(['\"])([^'\"]{1,100})\2", metadata.get("names", ""))
    return {int(number): name for number, _, name in found}


def person_by_name(metadata: Mapping[str, str]) -> int | None:
    """The class that is called person beside a graph; None where none is.

    Examples
    --------
    >>> person_by_name({"names": "{0: 'dog', 1: 'person'}"})
    1
    >>> person_by_name({"names": "{0: 'swimmer'}"}) is None
    True
    """
    named = class_names(metadata).items()
    return next((number for number, name in named if name.strip().lower() == "person"), None)


def logistic(values: NDArray[Any]) -> NDArray[Any]:
    """Logistic function of an array of any shape.

    Examples
    --------
    >>> logistic(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and 1 / inf is right
        return np.asarray(1 / (1 + np.exp(-values)))


def shapes(outputs: Outputs) -> str:
    """Shapes of arrays, for messages.

    Examples
    --------
    >>> shapes([np.zeros((1, 4)), np.zeros(3)])
    '(1, 4), (3,)'
    """
    return ", ".join(str(tuple(output.shape)) for output in outputs) or "nothing"
