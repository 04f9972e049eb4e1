"""How far heatmaps are from their targets, for training and as a quick measure while it runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from posetrack.ops.heatmaps import decode_argmax


def joints_mse(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Half the mean squared error of the heatmaps, each keypoint counted by its weight.

    Parameters
    ----------
    output, target
        (N, K, H, W).
    weights
        (N, K) or (N, K, 1); None for all 1. They multiply output and target, so they act squared,
        as in the authors' code.

    Returns
    -------
    loss
        () tensor.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> import torch
    >>> joints_mse(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), torch.tensor([[1.0, 0.0]]))
    tensor(0.2500)
    """
    return _by_keypoint(output, target, weights).mean()


def joints_ohkm(
    output: Tensor, target: Tensor, weights: Tensor | None = None, *, hardest: int = 8
) -> Tensor:
    """`joints_mse` over the keypoints of each person that are worst at the time.

    Parameters
    ----------
    output, target, weights
        As for `joints_mse`.
    hardest
        How many keypoints of each person count, at most K.

    Returns
    -------
    loss
        () tensor.

    Raises
    ------
    ValueError
        If shapes disagree or ``hardest`` is not between 1 and K.

    Notes
    -----
    Online hard keypoint mining: Y. Chen et al., *Cascaded Pyramid Network for Multi-Person Pose
    Estimation* (CVPR 2018), section 3.2, in the form that HRNet's authors publish.

    Examples
    --------
    >>> import torch
    >>> output = torch.zeros(1, 2, 4, 4)
    >>> output[0, 0] = 1
    >>> joints_ohkm(output, torch.zeros(1, 2, 4, 4), hardest=1)
    tensor(0.5000)
    """
    losses = _by_keypoint(output, target, weights)
    if not 1 <= hardest <= losses.shape[1]:
        raise ValueError(f"hardest must be between 1 and {losses.shape[1]}, got {hardest}")
    return losses.topk(hardest, dim=1).values.mean()


def side_mse(
    output: Tensor, target: Tensor, weights: Tensor, *, pairs: Sequence[tuple[int, int]]
) -> Tensor:
    """Half the mean squared error of how left and right heatmaps differ.

    A network that does not yet know which side is which gives both maps of a pair two peaks half as
    high. Their sum is right then, and what is wrong with `joints_mse` is all in their difference.

    Parameters
    ----------
    output, target
        (N, K, H, W).
    weights
        (N, K) or (N, K, 1); a pair counts by the product of its two.
    pairs
        Positions of left and right keypoints, at least one pair.

    Returns
    -------
    loss
        () tensor.

    Raises
    ------
    ValueError
        If shapes disagree or there is no pair.

    Examples
    --------
    >>> import torch
    >>> target = torch.zeros(1, 2, 4, 4)
    >>> target[0, 0, 1, 0] = target[0, 1, 1, 3] = 1
    >>> undecided = target.mean(dim=1, keepdim=True).expand(-1, 2, -1, -1)
    >>> weights = torch.ones(1, 2)
    >>> joints_mse(undecided, target, weights), side_mse(undecided, target, weights, pairs=[(0, 1)])
    (tensor(0.0156), tensor(0.0625))
    """
    if not pairs:
        raise ValueError("pairs must have at least one pair of left and right keypoints")
    left, right = (list(side) for side in zip(*pairs, strict=True))
    weights = weights.reshape(len(weights), -1)
    both = weights[:, left] * weights[:, right]
    apart, wanted = (maps[:, left].float() - maps[:, right] for maps in (output, target))
    return _by_keypoint(apart, wanted, both).mean()


def _by_keypoint(output: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """(N, K) losses."""
    if output.ndim != 4 or output.shape != target.shape:
        raise ValueError(
            "output and target must have one shape (N, K, H, W), "
            f"got {tuple(output.shape)} and {tuple(target.shape)}"
        )
    difference = (output.float() - target).flatten(2)
    if weights is not None:
        if weights.numel() != difference.shape[0] * difference.shape[1]:
            raise ValueError(
                f"weights must be (N, K) = {tuple(output.shape[:2])}, got {tuple(weights.shape)}"
            )
        difference = difference * weights.reshape(*difference.shape[:2], 1)
    return 0.5 * difference.square().mean(dim=2)


def heatmap_accuracy(
    output: ArrayLike, target: ArrayLike
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Share of keypoints whose peak is within a twentieth of the map of the target's peak.

    Parameters
    ----------
    output, target
        (N, K, H, W).

    Returns
    -------
    mean
        Over the keypoints that were counted at all; 0 if none was.
    by_keypoint
        (K,) shares; -1 for a keypoint that was never counted.
    distances
        (K, N) in tenths of the map; -1 where not counted, that is where the target's peak is in
        the first two columns or rows.

    Raises
    ------
    ValueError
        If a shape is not (N, K, H, W).

    Notes
    -----
    As in the authors' code, where x is measured by the map's height and y by its width.

    Examples
    --------
    >>> maps = np.zeros((1, 1, 8, 8))
    >>> maps[0, 0, 4, 4] = 1
    >>> heatmap_accuracy(maps, maps)[0]
    1.0
    """
    found, wanted = decode_argmax(output)[0], decode_argmax(target)[0]
    height, width = np.shape(target)[2:]
    away = (found.astype(np.float64) - wanted) / (np.array([height, width]) / 10)
    counted = (wanted > 1).all(axis=2)
    distances = np.where(counted, np.sqrt((away**2).sum(axis=2)), -1.0).T
    totals = counted.sum(axis=0)
    right = ((distances < 0.5) & counted.T).sum(axis=1)
    shares = np.where(totals > 0, right / np.maximum(totals, 1), -1.0)
    mean = float(shares[totals > 0].mean()) if totals.any() else 0.0
    return mean, shares, distances
