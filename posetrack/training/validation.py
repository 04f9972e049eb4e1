"""What a network gets right on annotated people: PCK, PCKh, COCO's AP."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posetrack.evaluation import evaluate_coco, pck
from posetrack.ops.crops import Normalisation, heatmap_to_image
from posetrack.ops.heatmaps import average_flipped, decode_quarter
from posetrack.skeletons import COCO_17, MPII_16
from posetrack.training.dataset import (
    Batch,
    CropDataset,
    EpochBatches,
    centers_and_scales,
    loader,
)
from posetrack.training.samples import Samples

Float32Array = NDArray[np.float32]


def network_input(crops: Tensor, normalisation: Normalisation) -> Tensor:
    """Crops (N, H, W, 3) uint8 BGR as the network's input (N, 3, H, W), on their device.

    Examples
    --------
    >>> from posetrack.ops.crops import UNIT
    >>> network_input(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8), UNIT).unique()
    tensor([1.])
    """
    mean = torch.tensor(normalisation.mean, device=crops.device)
    std = torch.tensor(normalisation.std, device=crops.device)
    pixels = crops.flip(3) if normalisation.rgb else crops
    return ((pixels.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def heatmap_size_of(network: nn.Module, input_size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a network's heatmaps, from a forward pass.

    Raises
    ------
    ValueError
        If it does not take such inputs, or gives something else than heatmaps.
    """
    width, height = input_size
    was_training = network.training
    torch_device = next(network.parameters()).device
    try:
        with torch.no_grad():
            output = network.eval()(torch.zeros(1, 3, height, width, device=torch_device))
    except RuntimeError as error:
        raise ValueError(
            f"the network does not take inputs of {height} x {width} pixels (multiples of 32 fit "
            f"most): {error}"
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(output, Tensor) or output.ndim != 4:
        raise ValueError("expected a network whose output is heatmaps (N, K, H, W)")
    return int(output.shape[3]), int(output.shape[2])


def predict(
    network: nn.Module,
    samples: Samples,
    *,
    input_size: tuple[int, int],
    normalisation: Normalisation,
    batch_size: int = 32,
    workers: int = 0,
    flip_test: bool = True,
) -> tuple[Float32Array, Float32Array]:
    """Keypoints that a network finds in the people's boxes.

    Parameters
    ----------
    network
        Heatmaps of K keypoints; on any device, comes back in the mode it was in.
    samples
        The people.
    input_size, normalisation
        What the network wants.
    batch_size, workers
        Crops at once, and processes that make them.
    flip_test
        Average with the mirrored crops' heatmaps, as the authors do.

    Returns
    -------
    xy
        (N, K, 2) float32, image pixels.
    scores
        (N, K) float32, heights of the peaks.
    """
    found, peaks = [], []
    for _, maps in answers(
        network,
        samples,
        input_size=input_size,
        normalisation=normalisation,
        batch_size=batch_size,
        workers=workers,
        flip_test=flip_test,
    ):
        xy, scores = decode_quarter(maps)
        found.append(xy)
        peaks.append(scores)
    center, scale = centers_and_scales(samples, input_size)
    size = (maps.shape[3], maps.shape[2])
    xy = heatmap_to_image(np.concatenate(found), center, scale, size)
    return xy, np.concatenate(peaks)


def answers(
    network: nn.Module,
    samples: Samples,
    *,
    input_size: tuple[int, int],
    normalisation: Normalisation,
    batch_size: int = 32,
    workers: int = 0,
    flip_test: bool = True,
) -> Iterator[tuple[Batch, Float32Array]]:
    """Batches of the people's crops, with their targets, and the network's heatmaps of them.

    Parameters
    ----------
    network, samples, input_size, normalisation, batch_size, workers, flip_test
        See `predict`.

    Yields
    ------
    batch
        On the CPU, people in order.
    maps
        (N, K, height, width) float32.
    """
    size = heatmap_size_of(network, input_size)
    data = CropDataset(samples, input_size=input_size, heatmap_size=size)
    batches = EpochBatches(len(samples), batch_size, shuffle=False)
    order = samples.skeleton.mirror_order
    torch_device, was_training = next(network.parameters()).device, network.training
    network.eval()
    try:
        for batch in loader(data, batches, workers=workers):
            with torch.no_grad():
                images = network_input(batch.crops.to(torch_device), normalisation)
                maps = network(images).float().cpu().numpy()
                if flip_test:
                    turned = network(images.flip(3)).float().cpu().numpy()
                    maps = average_flipped(maps, turned, order)
            yield batch, maps
    finally:
        network.train(was_training)


def measure(
    samples: Samples, xy: Float32Array, scores: Float32Array, *, truth: Path | None = None
) -> dict[str, float]:
    """Accuracy of predicted keypoints, as fractions.

    Parameters
    ----------
    samples
        The truth.
    xy, scores
        (N, K, 2) and (N, K), see `predict`.
    truth
        The COCO file that the samples are from, for AP; only with COCO's keypoints and where
        pycocotools is installed.

    Returns
    -------
    numbers
        For MPII's keypoints with their head sizes ``PCKh@0.5`` and ``PCKh@0.1``, else ``PCK@0.2``,
        ``PCK@0.1`` and ``PCK@0.05`` of the box's longer side; and ``AP``, ``AP50``, ``AP75`` and
        ``AR``, of annotated boxes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(0, 90, (1, 17, 2))
    >>> box, size = np.array([[0.0, 0, 90, 90]]), np.array([90.0])
    >>> people = Samples(COCO_17, (Path("a.jpg"),), xy, box, None, None, size, ("first",))
    >>> found = (xy + [13.5, 0]).astype(np.float32)  # 0.15 of the box's side beside the truth
    >>> measure(people, found, np.ones((1, 17), np.float32))
    {'PCK@0.2': 1.0, 'PCK@0.1': 0.0, 'PCK@0.05': 0.0}
    """
    heads = samples.boxes is None
    thresholds = (0.5, 0.1) if heads else (0.2, 0.1, 0.05)
    result = pck(
        np.nan_to_num(samples.xy),
        samples.labelled,
        samples.sizes,
        xy,
        thresholds=thresholds,
        keypoints=samples.skeleton.keypoints,
    )
    without = ("pelvis", "thorax") if heads and samples.skeleton == MPII_16 else ()
    letters = "PCKh" if heads else "PCK"
    row = {
        f"{letters}@{threshold:g}": result.mean(number, without=without) / 100
        for number, threshold in enumerate(thresholds)
    }
    if truth is not None and _has_ap(samples):
        values = _coco(samples, xy, scores, truth)
        row |= {name: values[name] / 100 for name in ("AP", "AP50", "AP75", "AR")}
    return row


def main_metric(row: dict[str, float]) -> str:
    """The number by which the best epoch is chosen: AP, else PCKh, else PCK.

    Examples
    --------
    >>> main_metric({"PCK@0.2": 1.0, "PCK@0.1": 0.9, "AP": 0.5})
    'AP'
    """
    return next(name for name in ("AP", "PCKh@0.5", "PCK@0.1") if name in row)


def _has_ap(samples: Samples) -> bool:
    by_box = samples.boxes is not None and bool(samples.image_ids)
    installed = importlib.util.find_spec("pycocotools") is not None
    return by_box and samples.skeleton == COCO_17 and installed


def _coco(
    samples: Samples, xy: Float32Array, scores: Float32Array, truth: Path
) -> dict[str, float]:
    """COCO's numbers; a person's score is the mean of the keypoint scores above 0.2."""
    rows = []
    for number, image_id in enumerate(samples.image_ids):
        sure = scores[number] > 0.2
        triples = np.concatenate([xy[number], scores[number][:, None]], axis=1)
        rows.append(
            {
                "image_id": image_id,
                "category_id": 1,
                "keypoints": triples.astype(float).ravel().tolist(),
                "score": float(scores[number][sure].mean()) if sure.any() else 0.0,
            }
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "predictions.json")
        file.write_text(json.dumps(rows))
        return evaluate_coco(truth, file).rows()["OKS"]
