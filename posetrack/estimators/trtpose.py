"""All people of an image at once with a network of trt_pose; no detector is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.checks import check_whole
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.ops.crops import IMAGENET_RGB, Normalisation, normalise
from posetrack.ops.paf import TRT_POSE_LINKS, decode_paf
from posetrack.runtimes.session import Session
from posetrack.runtimes.whole_image import run_whole_image
from posetrack.skeletons import COCO_17_NECK, Skeleton
from posetrack.structures import Poses

if TYPE_CHECKING:
    import torch
    from torch import nn

_SIDE = 32
"""The network halves its input five times."""


class TrtPoseEstimator:
    """Finds everybody's keypoints; a `posetrack.interfaces.BottomUpEstimator`.

    Parameters
    ----------
    network
        A `posetrack.networks.trtpose.TrtPose`, which is copied; or an exported one, open.
    skeleton
        What its keypoints are.
    links
        (L, 2), the keypoints that each of its fields joins.
    input_size
        Largest width and height of what the network sees; the image is scaled to fit, its shape
        kept. Larger than trained finds smaller people, to a degree.
    min_keypoints
        Poses with fewer keypoints are dropped: a lone keypoint is not a person.
    min_score, min_link_score, window, samples, max_parts, max_people
        See `posetrack.ops.paf.decode_paf`.
    normalisation
        How pixels become the network's input.
    device, half
        Of a torch network, see `posetrack.runtimes.torch.run_on_device`.

    Raises
    ------
    ValueError
        If the network has not as many keypoints as the skeleton, or a setting is out of range.

    Examples
    --------
    >>> from posetrack.networks.trtpose import TrtPose
    >>> estimate = TrtPoseEstimator(TrtPose("resnet18", channels=8), device="cpu")
    >>> estimate(np.zeros((90, 120, 3), np.uint8)).skeleton.name
    'coco_17_neck'
    """

    bottom_up = True

    def __init__(
        self,
        network: nn.Module | Session,
        skeleton: Skeleton = COCO_17_NECK,
        *,
        links: ArrayLike = TRT_POSE_LINKS,
        input_size: tuple[int, int] = (224, 224),
        min_keypoints: int = 4,
        min_score: float = 0.1,
        min_link_score: float = 0.1,
        window: int = 5,
        samples: int = 7,
        max_parts: int = 100,
        max_people: int = 100,
        normalisation: Normalisation = IMAGENET_RGB,
        device: str | torch.device = "auto",
        half: bool | None = None,
    ) -> None:
        self._run = run_whole_image(network, skeleton, device=device, half=half)
        check_whole(1, min_keypoints=min_keypoints, width=input_size[0], height=input_size[1])
        self.skeleton = skeleton
        self.links = links
        self.input_size = input_size
        self.min_keypoints = min_keypoints
        self.min_score = min_score
        self.min_link_score = min_link_score
        self.window = window
        self.samples = samples
        self.max_parts = max_parts
        self.max_people = max_people
        self.normalisation = normalisation

    def __call__(self, image: Image, /) -> Poses:
        """Everybody's poses; a box is that of the keypoints seen, its score their mean.

        Raises
        ------
        TypeError, ValueError
            If it is not an image, see `posetrack.images.as_bgr`.
        """
        image = as_bgr(image)
        batch, seen = trtpose_input(image, self.input_size, self.normalisation)
        cmap, paf = (part[0] for part in self._run(batch))
        xy, scores = decode_paf(
            cmap,
            paf,
            links=self.links,
            min_score=self.min_score,
            min_link_score=self.min_link_score,
            window=self.window,
            samples=self.samples,
            max_parts=self.max_parts,
            max_people=self.max_people,
        )
        enough = (scores > 0).sum(axis=1) >= self.min_keypoints
        # As in training, where a keypoint's place is its coordinate over the image's size.
        across = batch.shape[3] * image.shape[1] / seen[0]
        down = batch.shape[2] * image.shape[0] / seen[1]
        return Poses.from_keypoints(xy[enough] * [across, down], scores[enough], self.skeleton)

    def __repr__(self) -> str:
        width, height = self.input_size
        return f"TrtPoseEstimator({self.skeleton.name}, {width} x {height}, {self._run.library})"


def trtpose_input(
    image: Image, input_size: tuple[int, int], normalisation: Normalisation = IMAGENET_RGB
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The image as trt_pose takes it: scaled to fit, with its own shape, the rest filled up.

    Parameters
    ----------
    image
        (H, W, 3) uint8, BGR.
    input_size
        Largest width and height.
    normalisation
        What is filled in is 0 after it, the mean colour.

    Returns
    -------
    batch
        (1, 3, height, width) float32, sides multiples of 32, no larger than they need be.
    seen
        Width and height of the image in it, from the upper left corner.

    Examples
    --------
    >>> batch, seen = trtpose_input(np.zeros((90, 160, 3), np.uint8), (224, 224))
    >>> batch.shape, seen
    ((1, 3, 128, 224), (224, 126))
    """
    height, width = image.shape[:2]
    scale = min(input_size[0] / width, input_size[1] / height)
    seen = max(round(width * scale), 1), max(round(height * scale), 1)
    across, down = (-(-side // _SIDE) * _SIDE for side in seen)
    batch = np.zeros((1, 3, down, across), np.float32)
    small = cv2.resize(image, seen, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    batch[:, :, : seen[1], : seen[0]] = normalise(np.asarray(small, np.uint8)[None], normalisation)
    return batch, seen
