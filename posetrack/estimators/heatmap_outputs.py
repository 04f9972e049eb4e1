"""Which of a network's outputs are heatmaps, and what it is where none are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from posetrack.skeletons import Skeleton


def heatmap_output(outputs: Sequence[NDArray[Any]], skeleton: Skeleton, description: str) -> int:
    """Which of a network's outputs are the heatmaps of a skeleton's keypoints.

    Parameters
    ----------
    outputs
        The network's answer to one batch.
    skeleton
        What there should be a heatmap of each.
    description
        What to call the network in messages.

    Raises
    ------
    ValueError
        If there is not exactly one output (N, K, h, w); the message says what was found and,
        where it can be told, what kind of network this is.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.skeletons import COCO_17
    >>> heatmap_output([np.zeros((1, 17, 64, 48))], COCO_17, "net.onnx")
    0
    """
    count = len(skeleton)
    maps = [row for row, output in enumerate(outputs) if output.ndim == 4]
    fitting = [row for row in maps if outputs[row].shape[1] == count]
    if len(fitting) == 1:
        return fitting[0]
    found = ", ".join(str(output.shape) for output in outputs)
    start = f"{description}: expected heatmaps (N, {count}, h, w)"
    if len(fitting) > 1:
        raise ValueError(f"{start} once, got {found}; export only the last stage's")
    if maps:
        channels = outputs[maps[0]].shape[1]
        offsets = " (a map and two offsets a keypoint, as UDP has, are not supported)"
        raise ValueError(
            f"{start} for the skeleton {skeleton.name!r} of {count} keypoints, the network gives "
            f"{channels} channels{offsets if channels == 3 * count else ''}: {found}. Give the "
            "skeleton it was trained for"
        )
    raise ValueError(f"{start}, got {found}. {_kind(outputs, count)}")


def _kind(outputs: Sequence[NDArray[Any]], count: int) -> str:
    """What a network without heatmaps might be."""
    flat = [output.shape for output in outputs if output.ndim == 3 and output.shape[1] == count]
    if len(flat) == 2:
        return "This looks like SimCC (as RTMPose has), which is not supported"
    if flat and flat[0][2] in (2, 3):
        return "This network gives coordinates directly, which is not supported"
    return "Is it a pose network at all, and one for single people?"
