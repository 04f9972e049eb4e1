"""MobileNetV2 as a trunk: the one that may start from weights that know photographs.

M. Sandler et al., *MobileNetV2: Inverted Residuals and Linear Bottlenecks* (CVPR 2018). With its
ImageNet weights kept as they are, only what stands on it learns. Rendered people then teach where a
shoulder is, and cannot teach that photographs look rendered (S. Hinterstoisser et al., *On
Pre-Trained Image Features and Synthetic Images for Deep Learning*, 2017).
"""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

LAYERS = 18
"""Those of torchvision's ``features`` that are used: all but the last, which classifies."""

_ENDS = (3, 6, 13, 17)
"""The last layer of each resolution."""


class MobileTrunk(nn.Module):
    """Features at strides 4, 8, 16 and 32; 1.8 million parameters.

    Parameters are called as in torchvision's ``mobilenet_v2``.

    Examples
    --------
    >>> import torch
    >>> trunk = MobileTrunk()
    >>> [tuple(part.shape) for part in trunk(torch.zeros(1, 3, 64, 32))]
    [(1, 24, 16, 8), (1, 32, 8, 4), (1, 96, 4, 2), (1, 320, 2, 1)]
    """

    widths = (24, 32, 96, 320)

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        self.features = mobilenet_v2().features[:LAYERS]
        self._frozen = False

    def freeze(self, layers: int = LAYERS) -> Self:
        """Keep the first layers as they are in training, and the statistics of all.

        Statistics of photographs stay, so that those of rendered pictures do not take their place.

        Parameters
        ----------
        layers
            How many of the 18 keep their weights; 0 lets all learn, statistics too.

        Raises
        ------
        ValueError
            If there are not so many.

        Examples
        --------
        >>> trunk = MobileTrunk().freeze(4)
        >>> [trunk.features[row].conv[2].weight.requires_grad for row in (3, 4)]
        [False, True]
        """
        if not 0 <= layers <= LAYERS:
            raise ValueError(f"a MobileNetV2 trunk has {LAYERS} layers to freeze, got {layers}")
        self._frozen = layers > 0
        for row, layer in enumerate(self.features):
            layer.requires_grad_(row >= layers)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; one with frozen layers stays in evaluation."""
        return super().train(mode and not self._frozen)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features (N, C, H/s, W/s) of normalised images (N, 3, H, W) for s of 4, 8, 16, 32."""
        found = []
        for row, layer in enumerate(self.features):
            images = layer(images)
            if row in _ENDS:
                found.append(images)
        return found
