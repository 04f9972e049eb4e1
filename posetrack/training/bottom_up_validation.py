"""What a network for whole images gets right on annotated people."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posetrack.evaluation import evaluate_coco
from posetrack.interfaces import BottomUpEstimator
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.ops.crops import Normalisation
from posetrack.ops.links import paf_links, posenet_edges
from posetrack.ops.matching import match_optimally
from posetrack.ops.oks import oks_matrix
from posetrack.skeletons import COCO_17, COCO_17_NECK, Skeleton
from posetrack.structures import Poses
from posetrack.training.bottom_up_data import rows_by_image
from posetrack.training.dataset import read_image
from posetrack.training.samples import Samples
from posetrack.training.validation import measure

Float32Array = NDArray[np.float32]


def _estimator_of(
    network: nn.Module,
    skeleton: Skeleton,
    *,
    input_size: tuple[int, int],
    normalisation: Normalisation,
    device: str | torch.device = "auto",
    **settings: Any,
) -> BottomUpEstimator:
    """The estimator that runs a trained network.

    Parameters
    ----------
    network
        A `PoseNet` or a `TrtPose`; it is copied.
    skeleton, input_size, normalisation, device
        What it was trained for, and where it runs.
    **settings
        Of `posetrack.estimators.posenet.PoseNetEstimator` or
        `posetrack.estimators.trtpose.TrtPoseEstimator`.

    Raises
    ------
    ValueError
        If it is neither of the two.
    """
    common: dict[str, Any] = {
        "input_size": input_size,
        "normalisation": normalisation,
        "device": device,
        **settings,
    }
    if isinstance(network, PoseNet):
        from posetrack.estimators.posenet import PoseNetEstimator

        return PoseNetEstimator(network, skeleton, edges=posenet_edges(skeleton), **common)
    if isinstance(network, TrtPose):
        from posetrack.estimators.trtpose import TrtPoseEstimator

        return TrtPoseEstimator(network, skeleton, links=paf_links(skeleton), **common)
    raise ValueError(f"expected a PoseNet or a TrtPose, got a {type(network).__name__}")


def find_people(
    network: nn.Module,
    samples: Samples,
    *,
    input_size: tuple[int, int],
    normalisation: Normalisation,
) -> list[Poses]:
    """Run a network on the images of annotated people, and return everybody it finds.

    Also those that it is less sure of than an estimator wants: whoever has a keypoint is found.

    Parameters
    ----------
    network
        On any device; comes back in the mode it was in.
    samples
        The people.
    input_size, normalisation
        What the network wants.

    Returns
    -------
    found
        Of each image, in the order of `posetrack.training.bottom_up_data.rows_by_image`.
    """
    device, was_training = next(network.parameters()).device, network.training
    loose = {"min_pose_score": 0.05} if isinstance(network, PoseNet) else {"min_keypoints": 1}
    estimate = _estimator_of(
        network.eval(),
        samples.skeleton,
        input_size=input_size,
        normalisation=normalisation,
        device=device,
        half=False,
        **loose,
    )
    found = [estimate(read_image(samples, int(rows[0]))) for rows in rows_by_image(samples)]
    network.train(was_training)
    return found


def measure_people(
    samples: Samples, found: list[Poses], *, truth: Path | None = None
) -> dict[str, float]:
    """Accuracy of what `find_people` found, as fractions.

    Parameters
    ----------
    samples
        The truth.
    found
        Of each image.
    truth
        The COCO file that the samples are from, for AP; only with COCO's keypoints (and the
        neck) and where pycocotools is installed. Images without a labelled person are not looked
        at, so that it is a little higher than on all of them.

    Returns
    -------
    numbers
        PCK or PCKh, see `posetrack.training.measure`, over all annotated people: the keypoints
        of those that nobody found is matched to are wrong. And AP, which false people lower,
        too.
    """
    xy, scores = match_people(samples, found)
    row = measure(samples, xy, scores)
    if truth is not None and _has_ap(samples):
        values = _coco(samples, found, truth)
        row |= {name: values[name] / 100 for name in ("AP", "AP50", "AP75", "AR")}
    return row


def match_people(samples: Samples, found: list[Poses]) -> tuple[Float32Array, Float32Array]:
    """The found person matched to each annotated one, one to one, with the highest sum of OKS.

    Returns
    -------
    xy
        (N, K, 2) pixels; NaN where not found.
    scores
        (N, K).
    """
    xy = np.full(samples.xy.shape, np.nan, np.float32)
    scores = np.zeros(xy.shape[:2], np.float32)
    for rows, poses in zip(rows_by_image(samples), found, strict=True):
        true = samples.xy[rows].astype(np.float32)
        areas = np.square(np.nanmax(true, axis=1) - np.nanmin(true, axis=1)).sum(axis=1)
        areas = np.maximum(areas, samples.sizes[rows] ** 2)
        similarity = oks_matrix(true, poses.xy, areas, samples.skeleton.sigmas)
        one, other = match_optimally(similarity, at_least=1e-6)
        xy[rows[one]], scores[rows[one]] = poses.xy[other], poses.scores[other]
    return xy, scores


def _has_ap(samples: Samples) -> bool:
    known = samples.skeleton in (COCO_17, COCO_17_NECK) and bool(samples.image_ids)
    return known and importlib.util.find_spec("pycocotools") is not None


def _coco(samples: Samples, found: list[Poses], truth: Path) -> dict[str, float]:
    rows = []
    for positions, poses in zip(rows_by_image(samples), found, strict=True):
        xy, scores = poses.skeleton.map_to(COCO_17, poses.xy, poses.scores)
        triples = np.concatenate([np.nan_to_num(xy), scores[..., None]], axis=2)
        rows += [
            {
                "image_id": samples.image_ids[int(positions[0])],
                "category_id": 1,
                "keypoints": triple.astype(float).ravel().tolist(),
                "score": float(score),
            }
            for triple, score in zip(triples, poses.boxes.scores, strict=True)
        ]
    if not rows:
        return dict.fromkeys(("AP", "AP50", "AP75", "AR"), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "predictions.json")
        file.write_text(json.dumps(rows))
        return evaluate_coco(truth, file).rows()["OKS"]
