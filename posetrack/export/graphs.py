"""Networks as they are exported: folded, in 16 bits, with the decoding in the graph.

What is wrapped here is still torch; `posetrack.export.network_files` puts it into files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from posetrack.checkpoints.card import ModelCard, OutputSpec, decoder_of
from posetrack.checkpoints.loading import outputs_of
from posetrack.runtimes.torch import as_maps, for_inference
from posetrack.runtimes.torch_crops import average_flipped_on_device, on_device

OUTPUTS = {
    "heatmaps": ("heatmaps",),
    "posenet": ("heatmap", "offset", "displacement_fwd", "displacement_bwd"),
    "trt_pose": ("cmap", "paf"),
}
"""Names of the outputs of each family, where they are not decoded."""

DECODED = ("keypoints", "scores")
"""Names of the outputs with the decoding in the graph."""


def prepare(
    network: nn.Module,
    model_card: ModelCard,
    *,
    half: bool = False,
    decode: bool = False,
    flip_test: bool = False,
) -> tuple[nn.Module, ModelCard]:
    """A network ready for export, and its file's card.

    Parameters
    ----------
    network
        As `posetrack.checkpoints.loading.load_network` gives it; left as it is.
    model_card
        See `posetrack.checkpoints.conversion.describe`.
    half
        Weights and what is between the layers in float16. Inputs and outputs stay float32, so that
        every form is called alike.
    decode
        Give keypoints instead of heatmaps, as ``model_card`` says.
    flip_test
        With ``decode``: average with the heatmaps of the mirrored crop, in the graph.

    Raises
    ------
    ValueError
        If a network that sees the whole image is to be decoded, or ``flip_test`` is asked without
        ``decode``.
    """
    family = outputs_of(network)
    if decode and family != "heatmaps":
        raise ValueError(
            f"a {type(network).__name__} finds any number of people, which a graph cannot decode; "
            "export it without decoding: load_estimator decodes it"
        )
    if flip_test and not decode:
        raise ValueError(
            "the flip test goes into a graph together with the decoding; without it, it is a "
            "setting of the estimator"
        )
    assert model_card.input_size is not None
    ready: nn.Module = for_inference(network, model_card.input_size).cpu()
    if half or family != "heatmaps":
        ready = Plain(ready, half=half)
    if decode:
        assert model_card.skeleton is not None
        order = torch.from_numpy(model_card.skeleton.mirror_order) if flip_test else None
        ready = Decoded(ready, decoder_of(model_card.decode), order)
    spec = OutputSpec(
        family,
        "float16" if half else "float32",
        decode,
        flip_test,
        int(getattr(network, "output_stride", 0)),
    )
    return ready.eval(), dataclasses.replace(model_card, outputs=spec)


class Plain(nn.Module):
    """A network that takes float32 and gives float32, alone or in a plain tuple.

    Parameters
    ----------
    network
        Changed to float16 with ``half``.
    half
        Compute in float16.

    Examples
    --------
    >>> Plain(nn.Conv2d(3, 1, 1), half=True)(torch.zeros(1, 3, 4, 4)).dtype
    torch.float32
    """

    def __init__(self, network: nn.Module, *, half: bool = False) -> None:
        super().__init__()
        self.network = network.half() if half else network
        self.half_precision = half

    def forward(self, images: Tensor) -> Any:
        """Maps of images (N, 3, H, W)."""
        if self.half_precision:
            # Of the weights' type, whatever it is: who loads this on a CPU may widen them.
            images = images.type_as(next(self.network.parameters()))
        output = self.network(images)
        if isinstance(output, Tensor):
            return output.float()
        return tuple(part.float() for part in as_maps(output))


class Decoded(nn.Module):
    """A network that gives keypoints in pixels of its crops.

    Parameters
    ----------
    network
        Gives heatmaps.
    decode
        A function of `posetrack.ops.heatmaps`.
    mirror_order
        With it, heatmaps are averaged with those of the mirrored crop.

    Examples
    --------
    >>> from posetrack.ops.heatmaps import decode_quarter
    >>> decoded = Decoded(nn.Conv2d(3, 5, 4, 4), decode_quarter)
    >>> [part.shape for part in decoded(torch.zeros(2, 3, 64, 48))]
    [torch.Size([2, 5, 2]), torch.Size([2, 5])]
    """

    def __init__(
        self, network: nn.Module, decode: Callable[..., Any], mirror_order: Tensor | None = None
    ) -> None:
        super().__init__()
        self.network = network
        found = on_device(decode)
        if found is None:
            raise ValueError(f"{decode} has no counterpart that a graph can hold")
        self._decode = found
        self.register_buffer("mirror_order", mirror_order)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (N, K, 2) and scores (N, K) of images (N, 3, H, W)."""
        heatmaps = self.network(images)
        if self.mirror_order is not None:
            mirrored = self.network(images.flip(3))
            heatmaps = average_flipped_on_device(
                heatmaps, mirrored, cast(Tensor, self.mirror_order)
            )
        xy, scores = self._decode(heatmaps)
        # As `posetrack.ops.crops.heatmap_to_image` does: one scale, the middles on each other.
        pixels = images.shape[3] / heatmaps.shape[3]
        x, y = (
            (xy[..., axis] - heatmaps.shape[side] / 2) * pixels + images.shape[side] / 2
            for axis, side in ((0, 3), (1, 2))
        )
        return torch.stack([x, y], dim=2), scores
