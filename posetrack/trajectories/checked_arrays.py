"""Arrays of trajectories, checked once when a value is made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked(name: str, values: ArrayLike, kind: Any, shape: tuple[int | None, ...]) -> Any:
    """A writable copy, its shape checked (None = any); what nobody can write to is shared."""
    array = np.asarray(values, kind)
    unchanging = array is values and not array.flags.writeable and array.flags.owndata
    if not unchanging:
        array = np.array(array, kind)
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = tuple("any" if size is None else size for size in shape)
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    return array


def blanked(
    xy: NDArray[np.float32], scores: NDArray[np.float32], unseen: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Places NaN and scores 0 where unseen; copied only where they are shared and not so yet."""
    if not (np.isnan(xy[..., 0]) == unseen).all() or not (np.isnan(xy[..., 1]) == unseen).all():
        xy = xy if xy.flags.writeable else xy.copy()
        xy[unseen] = np.nan
    if (scores[unseen] != 0).any():
        scores = scores if scores.flags.writeable else scores.copy()
        scores[unseen] = 0
    return xy, scores


def check_axes(
    frame: NDArray[np.int64], seconds: NDArray[np.float64], ids: NDArray[np.int64]
) -> None:
    """Frames grow from 0 on, times are finite, ids are there once.

    Raises
    ------
    ValueError
        If not.
    """
    if (frame < 0).any() or (np.diff(frame) <= 0).any():
        raise ValueError("frame must grow from 0 on, each index once")
    if not np.isfinite(seconds).all():
        raise ValueError("seconds must be finite")
    if len(np.unique(ids)) != len(ids):
        raise ValueError(f"an id occurs twice: {ids.tolist()}")
