"""What networks learn that see all people of an image at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posetrack.networks.posenet import PoseMaps, PoseNet
from posetrack.networks.trtpose import PafMaps, TrtPose
from posetrack.ops.crops import IMAGENET_RGB, PLUS_MINUS_ONE, Normalisation
from posetrack.ops.links import Pairs, paf_links, posenet_edges
from posetrack.training.augmentation import Augmentation
from posetrack.training.bottom_up_data import (
    Cells,
    ImageDataset,
    paf_fit,
    posenet_fit,
    rows_by_image,
)
from posetrack.training.bottom_up_regions import Polygons
from posetrack.training.paf_targets import paf_loss, paf_targets
from posetrack.training.posenet_targets import posenet_loss, posenet_targets
from posetrack.training.recipe import Recipe
from posetrack.training.samples import Samples


def settings_of(samples: Samples, input_size: tuple[int, int]) -> dict[str, Any]:
    """The settings that a resumed run must share, as JSON."""
    return {"input_size": list(input_size), "keypoints": list(samples.skeleton.keypoints)}


def _describe_network(
    samples: Samples, input_size: tuple[int, int], normalisation: Normalisation
) -> dict[str, Any]:
    """What a checkpoint records of its network."""
    return {
        "skeleton": dataclasses.asdict(samples.skeleton),
        "input_size": input_size,
        "normalisation": dataclasses.asdict(normalisation),
    }


def _require_network(
    network: nn.Module, kind: type[nn.Module], wanted: Mapping[str, int], samples: Samples
) -> None:
    """Refuse another kind of network, or one for other keypoints, links or stride.

    Raises
    ------
    ValueError
        If the network is not of ``kind`` or its attributes are not as ``wanted``.
    """
    if not isinstance(network, kind):
        raise ValueError(f"expected a {kind.__name__}, got a {type(network).__name__}")
    for name, count in wanted.items():
        if getattr(network, name) != count:
            raise ValueError(
                f"the network has {name} {getattr(network, name)}, wanted for "
                f"{samples.skeleton.name}: {count}"
            )


def _require_plain(recipe: Recipe) -> None:
    """Refuse settings that only networks for crops have, instead of ignoring them."""
    names = ("hardest", "side_weight", "unbiased", "by_keypoint")
    wrong = [name for name in names if getattr(recipe, name)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: only for networks that see a crop of each person")


Float64Array = NDArray[np.float64]

_SIDE, _PAF_STRIDE = 32, 4


class PoseNetBatch(NamedTuple):
    """Images (N, H, W, 3) uint8 BGR, `PoseNetTargets`, counted cells (N, h, w), positions (N,)."""

    images: Tensor
    heatmap: Tensor
    offset: Tensor
    displacement_fwd: Tensor
    displacement_bwd: Tensor
    counted: Tensor
    rows: Tensor


class PafBatch(NamedTuple):
    """Images (N, H, W, 3) uint8 BGR, `PafTargets`, counted cells (N, h, w), positions (N,)."""

    images: Tensor
    cmap: Tensor
    paf: Tensor
    counted: Tensor
    rows: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class PoseNetTask:
    """Heatmaps, offsets and displacements of all people; a `posetrack.training.Task`.

    Parameters
    ----------
    samples
        The people; an example is an image with all of them.
    input_size
        Width and height of what the network sees, each a multiple of the stride and 1. Larger
        shows smaller people, and takes longer.
    output_stride
        The network's.
    regions
        Regions of people who are not labelled, see
        `posetrack.training.bottom_up_regions.read_regions`.
    radius
        Of the disks around keypoints, in input pixels; two cells when None.
    augmentation
        The paper's for crops when not given.
    normalisation
        Of the network's input.

    Notes
    -----
    The edges are those of `posetrack.ops.links.posenet_edges`.
    """

    samples: Samples
    input_size: tuple[int, int] = (513, 513)
    output_stride: int = 16
    regions: Mapping[Path, Polygons] = dataclasses.field(default_factory=dict)
    radius: float | None = None
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    normalisation: Normalisation = PLUS_MINUS_ONE

    def __len__(self) -> int:
        return len(rows_by_image(self.samples))

    @property
    def edges(self) -> Pairs:
        """Parents and children, positions of keypoints."""
        return posenet_edges(self.samples.skeleton)

    @property
    def disk_radius(self) -> float:
        """Input pixels."""
        return 2.0 * self.output_stride if self.radius is None else self.radius

    def settings(self) -> dict[str, Any]:
        """Input size, keypoints, edges, stride and radius."""
        return {
            **settings_of(self.samples, self.input_size),
            "edges": [list(edge) for edge in self.edges],
            "output_stride": self.output_stride,
            "radius": self.disk_radius,
        }

    def header(self, recipe: Recipe) -> dict[str, Any]:  # noqa: ARG002
        """Skeleton, input size, colours and output stride."""
        return {
            **_describe_network(self.samples, self.input_size, self.normalisation),
            "told": {"output_stride": self.output_stride},
        }

    def dataset(self, network: nn.Module, recipe: Recipe) -> ImageDataset:
        """Whole images with targets.

        Raises
        ------
        ValueError
            If the network has other keypoints, edges or another stride, the input size does not
            fit, or the recipe is for heatmaps of crops.
        """
        wanted = {
            "keypoints": len(self.samples.skeleton),
            "edges": len(self.edges),
            "output_stride": self.output_stride,
        }
        _require_network(network, PoseNet, wanted, self.samples)
        _require_plain(recipe)
        stride = self.output_stride
        if any(side < stride + 1 or (side - 1) % stride for side in self.input_size):
            fits = [max(round((side - 1) / stride), 1) * stride + 1 for side in self.input_size]
            raise ValueError(
                f"a PoseNet of stride {stride} takes sides that are a multiple of it and 1, such "
                f"as {fits[0]} x {fits[1]}, got {self.input_size[0]} x {self.input_size[1]}"
            )
        width, height = ((side - 1) // stride + 1 for side in self.input_size)
        return ImageDataset(
            self.samples,
            regions=self.regions,
            input_size=self.input_size,
            fit=partial(posenet_fit, input_size=self.input_size, output_stride=stride),
            cells=Cells((width, height), stride, 0.0),
            targets=partial(
                posenet_targets,
                map_size=(width, height),
                output_stride=stride,
                edges=self.edges,
                radius=self.disk_radius,
            ),
            batch=PoseNetBatch,
            normalisation=self.normalisation,
            augmentation=self.augmentation,
            seed=recipe.seed,
        )

    def loss(self, output: PoseMaps, batch: PoseNetBatch, recipe: Recipe) -> Tensor:
        """See `posenet_loss`."""
        del recipe
        return posenet_loss(output, batch[1:5], batch.counted, radius=self.disk_radius)


@dataclasses.dataclass(frozen=True, eq=False)
class PafTask:
    """Confidence maps and part affinity fields of all people; a `posetrack.training.Task`.

    Parameters
    ----------
    samples
        The people; an example is an image with all of them.
    input_size
        Width and height of what the network sees, multiples of 32.
    regions
        Regions of people who are not labelled, see
        `posetrack.training.bottom_up_regions.read_regions`.
    stdev, limb_width
        See `posetrack.training.paf_targets.paf_targets`.
    augmentation
        The paper's for crops when not given.
    normalisation
        Of the network's input.

    Notes
    -----
    The links are those of `posetrack.ops.links.paf_links`.
    """

    samples: Samples
    input_size: tuple[int, int] = (224, 224)
    regions: Mapping[Path, Polygons] = dataclasses.field(default_factory=dict)
    stdev: float | None = None
    limb_width: float | None = None
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    normalisation: Normalisation = IMAGENET_RGB

    def __len__(self) -> int:
        return len(rows_by_image(self.samples))

    @property
    def links(self) -> Pairs:
        """The pairs of keypoints that the fields link, as positions."""
        return paf_links(self.samples.skeleton)

    def settings(self) -> dict[str, Any]:
        """Input size, keypoints, links and widths."""
        return {
            **settings_of(self.samples, self.input_size),
            "links": [list(link) for link in self.links],
            "stdev": self.stdev,
            "limb_width": self.limb_width,
        }

    def header(self, recipe: Recipe) -> dict[str, Any]:  # noqa: ARG002
        """Skeleton, input size and colours."""
        return _describe_network(self.samples, self.input_size, self.normalisation)

    def dataset(self, network: nn.Module, recipe: Recipe) -> ImageDataset:
        """Whole images with targets.

        Raises
        ------
        ValueError
            If the network has other keypoints or links, the input size does not fit, or the
            recipe is for heatmaps of crops.
        """
        wanted = {"keypoints": len(self.samples.skeleton), "links": len(self.links)}
        _require_network(network, TrtPose, wanted, self.samples)
        _require_plain(recipe)
        if any(side < _SIDE or side % _SIDE for side in self.input_size):
            raise ValueError(
                f"the network takes sides that are multiples of {_SIDE}, got "
                f"{self.input_size[0]} x {self.input_size[1]}"
            )
        width, height = (side // _PAF_STRIDE for side in self.input_size)
        return ImageDataset(
            self.samples,
            regions=self.regions,
            input_size=self.input_size,
            fit=partial(paf_fit, input_size=self.input_size),
            cells=Cells((width, height), _PAF_STRIDE, 0.5),
            targets=partial(
                _paf_targets_of_pixels,
                input_size=self.input_size,
                map_size=(width, height),
                links=self.links,
                stdev=self.stdev,
                limb_width=self.limb_width,
            ),
            batch=PafBatch,
            normalisation=self.normalisation,
            augmentation=self.augmentation,
            area=True,
            seed=recipe.seed,
        )

    def loss(self, output: PafMaps, batch: PafBatch, recipe: Recipe) -> Tensor:
        """See `paf_loss`."""
        del recipe
        return paf_loss(output, batch[1:3], batch.counted)


def _paf_targets_of_pixels(
    xy: Float64Array, *, input_size: tuple[int, int], **settings: Any
) -> tuple[NDArray[np.float32], ...]:
    return paf_targets(xy / input_size, **settings)


_RARE = -3.0
"""Logit of a share of one in twenty: most cells of a heatmap belong to nobody."""


def start_weights(network: nn.Module, *, radius: float = 32.0) -> None:
    """Draw a network's weights so that it learns from the first step on.

    Parameters
    ----------
    network
        A `PoseNet` or a `TrtPose`; changed. Random numbers are PyTorch's.
    radius
        Of a PoseNet's disks, in input pixels: what its offsets and displacements are about as
        large as. Started near 0 they take thousands of steps to grow to hundreds of pixels.

    Notes
    -----
    He et al., *Delving Deep into Rectifiers* (ICCV 2015): normal with variance 2 over the inputs
    of a cell, so that signals keep their size through layers without normalisation, which a
    PoseNet has none of. Answers that are mostly 0 start small, as in Lin et al., *Focal Loss*
    (ICCV 2017), section 4.1.

    Examples
    --------
    >>> network = PoseNet(0.5)
    >>> start_weights(network)
    >>> network.heatmap.bias[0].item()
    -3.0
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0, (2 / _inputs(layer)) ** 0.5)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        if isinstance(network, PoseNet):
            nn.init.normal_(network.heatmap.weight, 0, 0.01)
            if network.heatmap.bias is not None:
                nn.init.constant_(network.heatmap.bias, _RARE)
            for end in (network.offset, network.displacement_fwd, network.displacement_bwd):
                nn.init.normal_(end.weight, 0, radius / end.in_channels**0.5)
        elif isinstance(network, TrtPose):
            for name in ("cmap_conv", "paf_conv"):
                nn.init.normal_(network.get_parameter(f"1.{name}.weight"), 0, 0.01)


def _inputs(layer: nn.Conv2d | nn.ConvTranspose2d) -> float:
    """Numbers that an output is summed from."""
    height, width = layer.kernel_size
    if isinstance(layer, nn.ConvTranspose2d):
        return layer.in_channels * height * width / (layer.stride[0] * layer.stride[1])
    return layer.in_channels // layer.groups * height * width
