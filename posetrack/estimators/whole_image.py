"""Running a network on a whole image, for the estimators that need no boxes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posetrack.estimators.devices import device_named, precision
from posetrack.estimators.runtimes import for_inference


class WholeImage:
    """A network made ready for one image at a time.

    Parameters
    ----------
    network
        Takes normalised images (1, 3, H, W), gives several maps (1, C, h, w). It is copied, and its
        batch normalisation folded.
    device
        A torch device or its name; ``"auto"`` is the first GPU, or the CPU where there is none.
    half
        Convolve in 16 bits. When None: on a GPU.

    Examples
    --------
    >>> from posetrack.networks.posenet import PoseNet
    >>> run = WholeImage(PoseNet(0.5), device="cpu")
    >>> [maps.shape for maps in run(np.zeros((1, 3, 33, 49), np.float32))][:2]
    [(17, 3, 4), (34, 3, 4)]
    """

    def __init__(
        self, network: nn.Module, *, device: str | torch.device = "auto", half: bool | None = None
    ) -> None:
        self.device = device_named(device)
        self.half = self.device.type == "cuda" if half is None else half
        self._network = for_inference(network).to(
            self.device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )

    def __call__(self, batch: NDArray[np.float32], /) -> list[NDArray[np.float32]]:
        """Maps (C, h, w) float32 of the one image in ``batch`` (1, 3, H, W)."""
        images = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
        with torch.inference_mode(), precision(self.device, self.half):
            maps = self._network(images)
        return [part[0].float().cpu().contiguous().numpy() for part in maps]
