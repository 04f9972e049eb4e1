"""A network's error for each person, and the people with the largest."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from posetrack.ops.crops import Normalisation, heatmap_to_image
from posetrack.ops.heatmaps import decode_quarter
from posetrack.ops.oks import oks_matrix
from posetrack.training.dataset import centers_and_scales
from posetrack.training.samples import Samples
from posetrack.training.validation import answers

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Measure = Literal["error", "oks", "loss"]


class Faults(NamedTuple):
    """What a network found of N people with K keypoints, and how wrong that is.

    Parameters
    ----------
    xy
        (N, K, 2) float32, image pixels.
    scores
        (N, K) float32, heights of the peaks.
    error
        (N,) float64: mean distance of the labelled keypoints by the person's size, that of PCK.
    oks
        (N,) float64 in [0, 1], with the area of the person's box.
    loss
        (N,) float64: of the heatmaps, as in training.
    """

    xy: Float32Array
    scores: Float32Array
    error: Float64Array
    oks: Float64Array
    loss: Float64Array


def find_faults(
    network: nn.Module,
    samples: Samples,
    *,
    input_size: tuple[int, int],
    normalisation: Normalisation,
    batch_size: int = 32,
    workers: int = 0,
    flip_test: bool = True,
) -> Faults:
    """Run a network on annotated people, and measure the error of each.

    Parameters
    ----------
    network, samples, input_size, normalisation, batch_size, workers, flip_test
        See `posetrack.training.predict`.

    Returns
    -------
    faults
        People in the order of ``samples``.
    """
    cells, scores, losses = [], [], []
    for batch, maps in answers(
        network,
        samples,
        input_size=input_size,
        normalisation=normalisation,
        batch_size=batch_size,
        workers=workers,
        flip_test=flip_test,
    ):
        found, peaks = decode_quarter(maps)
        cells.append(found)
        scores.append(peaks)
        weights = batch.weights.numpy()[:, :, None, None]
        away = (maps - batch.targets.numpy()) * weights
        losses.append(0.5 * np.square(away, dtype=np.float64).mean(axis=(1, 2, 3)))
    center, scale = centers_and_scales(samples, input_size)
    size = (maps.shape[3], maps.shape[2])
    xy = heatmap_to_image(np.concatenate(cells), center, scale, size)
    error, oks = distances(samples, xy), similarities(samples, xy)
    return Faults(xy, np.concatenate(scores), error, oks, np.concatenate(losses))


def distances(samples: Samples, xy: Float32Array) -> Float64Array:
    """(N,) mean distances of the labelled keypoints, by the people's sizes.

    Parameters
    ----------
    samples
        The truth.
    xy
        (N, K, 2) image pixels.
    """
    away = np.linalg.norm(samples.xy - xy, axis=2)
    result: Float64Array = np.nanmean(away, axis=1) / samples.sizes
    return result


def similarities(samples: Samples, xy: Float32Array) -> Float64Array:
    """(N,) OKS of predictions (N, K, 2) with the truth, by the area of the people's boxes.

    COCO's own takes the area of the outline, which is about half as large. Where people have a
    scale and no box, the area is that of a square with sides of 200 times it.
    """
    areas = _areas_of(samples)
    sigmas = np.array(samples.skeleton.sigmas)
    rows = [
        oks_matrix(samples.xy[i : i + 1], xy[i : i + 1], areas[i : i + 1], sigmas)[0, 0]
        for i in range(len(samples))
    ]
    return np.array(rows, np.float64)


def _areas_of(samples: Samples) -> Float64Array:
    """Areas of the people's boxes, (N,) square pixels; see `similarities`."""
    if samples.boxes is not None:
        sides = samples.boxes[:, 2:] - samples.boxes[:, :2]
        return np.asarray(sides.prod(axis=1), np.float64)
    assert samples.scale is not None
    return np.asarray((200 * samples.scale).prod(axis=1), np.float64)


def worst_first(faults: Faults, by: Measure = "error") -> NDArray[np.intp]:
    """Positions of the people, the worst first; of equals the earlier first.

    Examples
    --------
    >>> none = np.zeros((3, 0))
    >>> faults = Faults(none, none, np.array([0.1, 0.3, 0.2]), np.ones(3), np.zeros(3))
    >>> worst_first(faults).tolist(), worst_first(faults, "oks").tolist()
    ([1, 2, 0], [0, 1, 2])
    """
    values = getattr(faults, by)
    return np.argsort(values if by == "oks" else -values, kind="stable")
