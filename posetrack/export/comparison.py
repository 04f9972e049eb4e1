"""How far an exported network is from its source, and how fast each is.

Heatmaps that differ a little give keypoints that mostly do not differ at all, and some that jump:
where two cells are nearly as high, or a peak's neighbours nearly the same, the least change
decides. Such keypoints are *toss-ups* of the source itself. They are counted in all numbers but
one: `Drift.max_decided`, the largest drift of the others, which a tolerance can be held against.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posetrack.checkpoints.card import ModelCard, decoder_of
from posetrack.export.network_files import example_size
from posetrack.ops.heatmaps import average_flipped
from posetrack.runtimes.session import open_exported
from posetrack.runtimes.torch import as_maps

Float32Array: TypeAlias = NDArray[np.float32]
Run: TypeAlias = Callable[[Float32Array], Sequence[NDArray[Any]]]
Decoder: TypeAlias = Callable[[Float32Array], tuple[Float32Array, Float32Array]]

MAX_DRIFT: Mapping[str, float] = {"float32": 0.1, "float16": 1.0, "int8": 8.0}
"""Pixels of the crop that decided keypoints may drift, by the precision of the weights."""

TOSS_UP: Mapping[str, float] = {"float32": 1e-4, "float16": 1e-2, "int8": 0.1}
"""Differences in a heatmap, as parts of its peak, that rounding may turn round."""

MAX_MAPS: Mapping[str, float] = {"float32": 1e-3, "float16": 0.05, "int8": 1.0}
"""Largest difference of maps, as part of their largest value, by precision."""


@dataclass(frozen=True)
class Drift:
    """How far an export is from its source, over N crops with K keypoints each.

    Parameters
    ----------
    crops, keypoints
        N, and N * K.
    decided
        Keypoints that are no toss-ups.
    heatmaps
        Largest difference of a heatmap cell; None where the export gives keypoints only.
    heatmaps_relative
        The same, as part of the source's largest value.
    scores
        Largest difference of a score.
    mean, max
        Drift of all keypoints, in pixels of the crop.
    max_decided
        Largest drift of the decided keypoints; of all, where none is decided.
    flip_test
        Whether heatmaps were averaged with those of the mirrored crops, on both sides.
    """

    crops: int
    keypoints: int
    decided: int
    heatmaps: float | None
    heatmaps_relative: float | None
    scores: float
    mean: float
    max: float
    max_decided: float
    flip_test: bool


def measure_drift(
    source: Run,
    export: Run,
    batch: Float32Array,
    *,
    decode: Decoder,
    mirror_order: NDArray[np.intp],
    precision: str = "float32",
    decoded: bool = False,
    flip_test: bool = False,
    runs_of: int = 8,
) -> Drift:
    """Compare an export with its source on the same crops.

    Parameters
    ----------
    source
        Gives heatmaps (N, K, h, w) first.
    export
        The same; or, if ``decoded``, keypoints (N, K, 2) in pixels of the crop and scores (N, K).
    batch
        (N, 3, height, width) float32, normalised crops.
    decode
        Heatmaps to cells and scores.
    mirror_order
        (K,), see `posetrack.skeletons.Skeleton`.
    precision
        Of the export's weights, a key of `TOSS_UP`.
    flip_test
        Average with the heatmaps of the mirrored crops. A decoded export has to do so in its
        graph.
    runs_of
        Crops in one run.

    Examples
    --------
    >>> from posetrack.ops.heatmaps import decode_quarter
    >>> maps = np.random.default_rng(0).normal(size=(2, 1, 8, 6)).astype(np.float32)
    >>> alike = lambda batch: [maps]
    >>> images = np.zeros((2, 3, 32, 24), np.float32)
    >>> measure_drift(alike, alike, images, decode=decode_quarter, mirror_order=np.array([0])).max
    0.0
    """
    want = _heatmaps(source, batch, mirror_order, flip_test, runs_of)
    cells_wanted, want_scores = decode(want)
    difference = relative = None
    if decoded:
        xy, scores = _in_runs(export, batch, runs_of)
    else:
        have = _heatmaps(export, batch, mirror_order, flip_test, runs_of)
        difference = _largest_difference(have, want)
        relative = difference / max(float(np.abs(want).max()), 1e-12)
        cells, scores = decode(have)
        xy = _in_pixels(cells, want.shape, batch.shape)
    wanted = _in_pixels(cells_wanted, want.shape, batch.shape)
    away = np.linalg.norm(np.asarray(xy, float) - wanted, axis=2)
    # What is unseen on one side only is as far away as can be.
    unseen = np.isnan(wanted[..., 0])
    away = np.where(np.isnan(away), np.where(unseen & np.isnan(xy[..., 0]), 0.0, np.inf), away)
    decided = ~_toss_ups(want, TOSS_UP[precision])
    of_decided = away[decided] if decided.any() else away
    return Drift(
        crops=len(batch),
        keypoints=away.size,
        decided=int(decided.sum()),
        heatmaps=difference,
        heatmaps_relative=relative,
        scores=_largest_difference(np.asarray(scores), want_scores),
        mean=float(away.mean()),
        max=float(away.max()),
        max_decided=float(of_decided.max()),
        flip_test=flip_test,
    )


def _in_pixels(
    cells: NDArray[Any], heatmaps: tuple[int, ...], crops: tuple[int, ...]
) -> NDArray[np.float64]:
    """Cells of heatmaps as pixels of the crops; the same scale on both axes, about the middle.

    Examples
    --------
    >>> _in_pixels(np.array([3.0, 4.0]), (1, 17, 64, 48), (1, 3, 256, 192)).tolist()
    [12.0, 16.0]
    """
    small, large = np.array(heatmaps[:1:-1], float), np.array(crops[:1:-1], float)
    return np.asarray((cells - small / 2) * (large[0] / small[0]) + large / 2)


def _toss_ups(heatmaps: Float32Array, part: float) -> NDArray[np.bool_]:
    """Keypoints whose location is decided by differences of less than a part of the peak.

    Parameters
    ----------
    heatmaps
        (N, K, h, w).
    part
        Of the peak's height over the map's middle value.

    Returns
    -------
    toss_ups
        (N, K): whether another cell is nearly as high as the highest, or the neighbours left and
        right of it, or above and below, are nearly equal.

    Examples
    --------
    >>> maps = np.zeros((1, 2, 8, 8), np.float32)
    >>> maps[0, :, 3, 3], maps[0, :, 3, 4], maps[0, :, 4, 3] = 1, 0.5, 0.4
    >>> maps[0, 1, 6, 6] = 0.999
    >>> _toss_ups(maps, 0.01).tolist()
    [[False, True]]
    """
    count, keypoints, height, width = heatmaps.shape
    flat = np.nan_to_num(heatmaps.reshape(count, keypoints, -1).astype(float), nan=-np.inf)
    best = flat.argmax(axis=2)
    second, peak = np.partition(flat, -2, axis=2)[..., -2:].transpose(2, 0, 1)
    spread = np.maximum(peak - np.median(flat, axis=2), np.finfo(float).tiny)
    rows, columns = best // width, best % width
    maps = flat.reshape(heatmaps.shape)
    people, parts = np.indices(best.shape)

    def near(down: int, across: int) -> NDArray[np.float64]:
        row, column = np.clip(rows + down, 0, height - 1), np.clip(columns + across, 0, width - 1)
        return np.asarray(maps[people, parts, row, column])

    margins = [peak - second, abs(near(0, 1) - near(0, -1)), abs(near(1, 0) - near(-1, 0))]
    return np.asarray(~(np.min(margins, axis=0) > part * spread))


def _largest_difference(have: NDArray[Any], want: NDArray[Any]) -> float:
    """Largest difference of two arrays; infinite where their shapes differ or numbers fail.

    Examples
    --------
    >>> _largest_difference(np.ones(3), np.zeros(3)), _largest_difference(np.ones(3), np.ones(2))
    (1.0, inf)
    """
    if have.shape != want.shape or not (np.isfinite(have).all() and np.isfinite(want).all()):
        return float("inf")
    return float(np.abs(have - want).max(initial=0.0))


def _time_in_turn(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, in turn, so that a noisy machine is noisy for all of them.

    Examples
    --------
    >>> list(_time_in_turn({"nothing": lambda: None}, 3))
    ['nothing']
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # warm
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _in_runs(run: Run, batch: Float32Array, size: int) -> list[NDArray[Any]]:
    parts = [run(batch[start : start + size]) for start in range(0, len(batch), size)]
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def _heatmaps(
    run: Run, batch: Float32Array, order: NDArray[np.intp], flip_test: bool, size: int
) -> Float32Array:
    plain = np.asarray(_in_runs(run, batch, size)[0], np.float32)
    if not flip_test:
        return plain
    mirrored = _in_runs(run, np.ascontiguousarray(batch[..., ::-1]), size)[0]
    return average_flipped(plain, np.asarray(mirrored, np.float32), order)


def check_forms(
    network: nn.Module,
    model_card: ModelCard,
    paths: Mapping[str, Path],
    crops: Float32Array,
    *,
    flip_test: bool = False,
    max_drift: float | None = None,
    repeats: int = 5,
    batch: int = 4,
) -> list[dict[str, Any]]:
    """Open exported files, compare their answers with the source's, and time them in turn.

    Parameters
    ----------
    network
        The source, as it was read, on the CPU.
    model_card
        What the files say, see `posetrack.export.graphs.prepare`.
    paths
        Files by form.
    crops
        (N, 3, height, width) float32, normalised.
    flip_test
        Average with the mirrored crops on both sides.
    max_drift
        Pixels of the crop that decided keypoints may drift; when None, by precision, see
        `posetrack.export.comparison.MAX_DRIFT`.
    repeats, batch
        For timing: the median of this many runs of this many crops each.

    Returns
    -------
    rows
        Of the source, then of each form: ``form``, ``precision``, the fields of `Drift`,
        ``ms_a_crop``, ``of_torch`` (the time as part of the source's), ``max_drift`` and
        ``problem`` (None where the form is near enough).
    """
    assert model_card.outputs is not None
    if model_card.outputs.family != "heatmaps":
        crops = _fitting(crops, model_card)
    runs: dict[str, Callable[[Float32Array], list[NDArray[Any]]]] = {"torch": _source(network)}
    runs |= {kind: open_exported(path, device="cpu") for kind, path in paths.items()}
    few = np.ascontiguousarray(np.resize(crops, (batch, *crops.shape[1:])))
    seconds = _time_in_turn({name: _make_timer(run, few) for name, run in runs.items()}, repeats)
    rows: list[dict[str, Any]] = []
    for name, run in runs.items():
        row: dict[str, Any] = {
            "form": name,
            "precision": "float32" if name == "torch" else model_card.outputs.precision,
            "ms_a_crop": seconds[name] * 1e3 / batch,
            "of_torch": seconds[name] / seconds["torch"],
            "batch": batch,
            "max_drift": None,
            "problem": None,
        }
        if name != "torch":
            row |= _compare(runs["torch"], run, crops, model_card, flip_test, max_drift)
        rows.append(row)
    return rows


def _compare(
    source: Any,
    export: Any,
    crops: Float32Array,
    model_card: ModelCard,
    flip_test: bool,
    max_drift: float | None,
) -> dict[str, Any]:
    assert model_card.outputs is not None
    assert model_card.skeleton is not None
    kind = model_card.outputs
    whole = kind.family != "heatmaps"
    drift = measure_drift(
        source,
        export,
        crops,
        decode=decoder_of(model_card.decode),
        mirror_order=model_card.skeleton.mirror_order,
        precision=kind.precision,
        decoded=kind.decoded,
        flip_test=flip_test and not whole,
    )
    limit = MAX_DRIFT[kind.precision] if max_drift is None else max_drift
    others = _other_maps(source, export, crops[:2]) if whole else 0.0
    return {
        **dataclasses.asdict(drift),
        "other_maps_relative": others if whole else None,
        "max_drift": limit,
        "problem": _problem(drift, limit, others, kind.precision),
    }


def _problem(drift: Drift, limit: float, others: float, precision: str) -> str | None:
    """Why an export is not near enough to its source; None if it is."""
    if not drift.max_decided <= limit:
        return (
            f"a keypoint is {drift.max_decided:.3g} pixels of the crop from the source's, at most "
            f"{limit:g} is accepted (--max-drift)"
        )
    largest = max(drift.heatmaps_relative or 0.0, others)
    if not largest <= MAX_MAPS[precision]:
        return (
            f"its maps differ from the source's by {largest:.2g} of the largest value, at most "
            f"{MAX_MAPS[precision]:g} is accepted"
        )
    return None


def _source(network: nn.Module) -> Callable[[Float32Array], list[NDArray[Any]]]:
    """The network as it was read: nothing folded, nothing cast."""

    def run(batch: Float32Array) -> list[NDArray[Any]]:
        with torch.inference_mode():
            maps = network.eval()(torch.from_numpy(np.ascontiguousarray(batch)))
        return [part.float().numpy() for part in as_maps(maps)]

    return run


def _make_timer(run: Callable[[Float32Array], object], batch: Float32Array) -> Callable[[], object]:
    return lambda: run(batch)


def _fitting(crops: Float32Array, model_card: ModelCard) -> Float32Array:
    """Cut to sides that a network for whole images takes."""
    width, height = example_size(model_card)
    return np.ascontiguousarray(crops[:, :, :height, :width])


def _other_maps(source: Any, export: Any, crops: Float32Array) -> float:
    """Largest difference of the maps beside the heatmaps, as part of their largest value."""
    return max(
        _largest_difference(np.asarray(have), want) / max(float(np.abs(want).max()), 1e-12)
        for have, want in zip(export(crops)[1:], source(crops)[1:], strict=True)
    )
