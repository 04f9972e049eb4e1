"""Exported files held against their source, all in one run: drift, and time a crop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posetrack.estimators.drift import MAX_DRIFT, MAX_MAPS, Drift, interleaved, measure_drift
from posetrack.estimators.drift import largest_difference as apart
from posetrack.estimators.exported import decoder_of
from posetrack.estimators.opening import open_exported
from posetrack.estimators.runtimes import as_maps
from posetrack.estimators.writing import example_size
from posetrack.networks.about import About

Float32Array = NDArray[np.float32]


def check_forms(
    network: nn.Module,
    about: About,
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
    about
        What the files say, see `posetrack.estimators.forms.prepare`.
    paths
        Files by form.
    crops
        (N, 3, height, width) float32, normalised.
    flip_test
        Average with the mirrored crops on both sides.
    max_drift
        Pixels of the crop that decided keypoints may drift; when None, by precision, see
        `posetrack.estimators.drift.MAX_DRIFT`.
    repeats, batch
        Of the timing: the median of so many runs of so many crops each.

    Returns
    -------
    rows
        Of the source, then of each form: ``form``, ``precision``, the fields of `Drift`,
        ``ms_a_crop``, ``of_torch`` (the time as part of the source's), ``max_drift`` and
        ``problem`` (None where the form is near enough).
    """
    assert about.form is not None
    if about.form.family != "heatmaps":
        crops = _fitting(crops, about)
    runs: dict[str, Callable[[Float32Array], list[NDArray[Any]]]] = {"torch": _source(network)}
    runs |= {form: open_exported(path, device="cpu") for form, path in paths.items()}
    few = np.ascontiguousarray(np.resize(crops, (batch, *crops.shape[1:])))
    seconds = interleaved({name: _timed(run, few) for name, run in runs.items()}, repeats)
    rows: list[dict[str, Any]] = []
    for name, run in runs.items():
        row: dict[str, Any] = {
            "form": name,
            "precision": "float32" if name == "torch" else about.form.precision,
            "ms_a_crop": seconds[name] * 1e3 / batch,
            "of_torch": seconds[name] / seconds["torch"],
            "batch": batch,
            "max_drift": None,
            "problem": None,
        }
        if name != "torch":
            row |= _compared(runs["torch"], run, crops, about, flip_test, max_drift)
        rows.append(row)
    return rows


def _compared(
    source: Any,
    export: Any,
    crops: Float32Array,
    about: About,
    flip_test: bool,
    max_drift: float | None,
) -> dict[str, Any]:
    assert about.form is not None
    assert about.skeleton is not None
    form = about.form
    whole = form.family != "heatmaps"
    drift = measure_drift(
        source,
        export,
        crops,
        decode=decoder_of(about.decode),
        mirror_order=about.skeleton.mirror_order,
        precision=form.precision,
        decoded=form.decoded,
        flip_test=flip_test and not whole,
    )
    limit = MAX_DRIFT[form.precision] if max_drift is None else max_drift
    others = _other_maps(source, export, crops[:2]) if whole else 0.0
    return {
        **dataclasses.asdict(drift),
        "other_maps_relative": others if whole else None,
        "max_drift": limit,
        "problem": _problem(drift, limit, others, form.precision),
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


def _timed(run: Callable[[Float32Array], object], batch: Float32Array) -> Callable[[], object]:
    return lambda: run(batch)


def _fitting(crops: Float32Array, about: About) -> Float32Array:
    """Cut to sides that a network for whole images takes."""
    width, height = example_size(about)
    return np.ascontiguousarray(crops[:, :, :height, :width])


def _other_maps(source: Any, export: Any, crops: Float32Array) -> float:
    """Largest difference of the maps beside the heatmaps, as part of their largest value."""
    return max(
        apart(np.asarray(have), want) / max(float(np.abs(want).max()), 1e-12)
        for have, want in zip(export(crops)[1:], source(crops)[1:], strict=True)
    )
