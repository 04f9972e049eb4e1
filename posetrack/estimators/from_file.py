"""From a weight file of any known network to the estimator that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from posetrack.crops import Normalisation
from posetrack.interfaces import BottomUpEstimator, PoseEstimator
from posetrack.networks.checkpoints import load_network
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.skeletons import Skeleton

_OF_CROPS = ("flip_test", "decode", "padding", "max_batch", "runtime", "on_device")


def load_estimator(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    normalisation: Normalisation | None = None,
    input_size: tuple[int, int] | None = None,
    device: str | torch.device = "auto",
    **settings: Any,
) -> PoseEstimator | BottomUpEstimator:
    """An estimator for the network in a file.

    Parameters
    ----------
    path, skeleton, normalisation, input_size
        See `posetrack.networks.checkpoints.load_network`.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    **settings
        Of `posetrack.estimators.torch_topdown.TorchTopDown` for a ResNet or HRNet, of
        `posetrack.estimators.posenet.PoseNetEstimator` or
        `posetrack.estimators.trtpose.TrtPoseEstimator` for those.

    Raises
    ------
    ValueError
        If no known network is in the file, or a setting of crops is given for one that takes the
        image whole.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "posenet.pth")
    ...     torch.save(PoseNet(0.5).state_dict(), file)
    ...     load_estimator(file, device="cpu").bottom_up
    True
    """
    network, found = load_network(
        path, skeleton=skeleton, normalisation=normalisation, input_size=input_size
    )
    common: dict[str, Any] = {
        "input_size": found.input_size,
        "normalisation": found.normalisation,
        "device": device,
    }
    if isinstance(network, PoseNet | TrtPose):
        wrong = [name for name in _OF_CROPS if name in settings]
        if wrong:
            raise ValueError(
                f"{path}: {', '.join(wrong)} is for networks that see a crop of each person; a "
                f"{type(network).__name__} sees the whole image"
            )
    if isinstance(network, PoseNet):
        from posetrack.estimators.posenet import PoseNetEstimator

        return PoseNetEstimator(network, found.skeleton, **common, **settings)
    if isinstance(network, TrtPose):
        from posetrack.estimators.trtpose import TrtPoseEstimator

        return TrtPoseEstimator(network, found.skeleton, **common, **settings)
    from posetrack.estimators.torch_topdown import TorchTopDown

    return TorchTopDown(network, found.skeleton, **common, **settings)
