"""All people of an image at once with PoseNet; no detector is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.checks import check_at_least, check_fraction, check_whole
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.ops.crops import PLUS_MINUS_ONE, Normalisation, normalise
from posetrack.ops.posenet import POSENET_EDGES, decode_posenet
from posetrack.runtimes.session import Session
from posetrack.runtimes.whole_image import output_stride_of, run_whole_image
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.structures import Detections, Poses

if TYPE_CHECKING:
    import torch
    from torch import nn


class PoseNetEstimator:
    """Finds everybody's keypoints; a `posetrack.interfaces.BottomUpEstimator`.

    Parameters
    ----------
    network
        A `posetrack.networks.posenet.PoseNet`, which is copied; or an exported one, open.
    skeleton
        What its keypoints are.
    edges
        (E, 2), parent and child of each of its displacements.
    input_size
        Largest width and height of what the network sees; the image is scaled to fit, its shape
        kept. Smaller is faster and loses people who are small in the image.
    scale
        Share of the image's own size instead, as the reference program has it (0.7125 there).
    max_poses, min_score, nms_radius, min_pose_score
        See `posetrack.ops.posenet.decode_posenet`; the radius is in pixels of the network's
        input.
    min_keypoint_score
        Keypoints that score less are unseen.
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
    >>> from posetrack.networks.posenet import PoseNet
    >>> estimate = PoseNetEstimator(PoseNet(0.5), device="cpu")
    >>> estimate(np.zeros((90, 120, 3), np.uint8)).skeleton.name
    'coco_17'
    """

    bottom_up = True

    def __init__(
        self,
        network: nn.Module | Session,
        skeleton: Skeleton = COCO_17,
        *,
        edges: ArrayLike = POSENET_EDGES,
        input_size: tuple[int, int] = (513, 513),
        scale: float | None = None,
        max_poses: int = 20,
        min_score: float = 0.5,
        nms_radius: float = 20.0,
        min_pose_score: float = 0.25,
        min_keypoint_score: float = 0.1,
        normalisation: Normalisation = PLUS_MINUS_ONE,
        device: str | torch.device = "auto",
        half: bool | None = None,
    ) -> None:
        self._run = run_whole_image(network, skeleton, device=device, half=half)
        check_whole(1, max_poses=max_poses, width=input_size[0], height=input_size[1])
        check_fraction(
            min_score=min_score,
            min_pose_score=min_pose_score,
            min_keypoint_score=min_keypoint_score,
        )
        check_at_least(0, nms_radius=nms_radius)
        if scale is not None and not scale > 0:
            raise ValueError(f"scale must be above 0, got {scale}")
        self.skeleton = skeleton
        self.edges = edges
        self.input_size = input_size
        self.scale = scale
        self.max_poses = max_poses
        self.min_score = min_score
        self.nms_radius = nms_radius
        self.min_pose_score = min_pose_score
        self.min_keypoint_score = min_keypoint_score
        self.normalisation = normalisation
        self.output_stride = output_stride_of(network)

    def __call__(self, image: Image, /) -> Poses:
        """Everybody's poses, the surest first; a box is that of the keypoints seen.

        Raises
        ------
        TypeError, ValueError
            If it is not an image, see `posetrack.images.as_bgr`.
        """
        image = as_bgr(image)
        height, width = image.shape[:2]
        size = self._size(width, height)
        batch = posenet_input(image, size, self.normalisation)
        heatmap, offset, forward, backward = (part[0] for part in self._run(batch))
        xy, scores, pose_scores = decode_posenet(
            heatmap,
            offset,
            forward,
            backward,
            output_stride=self.output_stride,
            edges=self.edges,
            max_poses=self.max_poses,
            min_score=self.min_score,
            nms_radius=self.nms_radius,
            min_pose_score=self.min_pose_score,
        )
        xy = np.where((scores >= self.min_keypoint_score)[..., None], xy, np.nan)
        xy *= [width / size[0], height / size[1]]
        return _poses(xy, scores, pose_scores, self.skeleton)

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the network's input for an image."""
        stride = self.output_stride
        if self.scale is not None:
            return posenet_size(width, height, self.scale, stride)
        across, down = ((largest - 1) // stride for largest in self.input_size)
        cell = max(width / max(across, 1), height / max(down, 1))
        return (
            max(round(width / cell), 1) * stride + 1,
            max(round(height / cell), 1) * stride + 1,
        )

    def __repr__(self) -> str:
        width, height = self.input_size
        return f"PoseNetEstimator({self.skeleton.name}, {width} x {height}, {self._run.library})"


def posenet_size(width: int, height: int, scale: float, output_stride: int) -> tuple[int, int]:
    """Width and height of PoseNet's input: a multiple of the stride, and 1.

    Parameters
    ----------
    width, height
        The image's, in pixels.
    scale
        How much of it is wanted; what comes out is that or a little less, at least one cell.
    output_stride
        The network's.

    Examples
    --------
    >>> posenet_size(320, 240, 0.7125, 16)
    (225, 161)
    """

    def side(pixels: int) -> int:
        cells = int(pixels * scale / output_stride)
        return max(cells, 1) * output_stride + 1

    return side(width), side(height)


def posenet_input(
    image: Image, size: tuple[int, int], normalisation: Normalisation = PLUS_MINUS_ONE
) -> NDArray[np.float32]:
    """The image as PoseNet takes it.

    Parameters
    ----------
    image
        (H, W, 3) uint8, BGR.
    size
        Width and height, see `posenet_size`.
    normalisation
        RGB in [-1, 1] for the published networks.

    Returns
    -------
    batch
        (1, 3, height, width) float32.

    Examples
    --------
    >>> posenet_input(np.full((40, 60, 3), 255, np.uint8), (49, 33)).max()
    np.float32(1.0)
    """
    return normalise(np.asarray(cv2.resize(image, size), np.uint8)[None], normalisation)


def _poses(
    xy: NDArray[np.float64],
    scores: NDArray[np.float64],
    pose_scores: NDArray[np.float64],
    skeleton: Skeleton,
) -> Poses:
    """Poses that have at least one keypoint, with the pose's score as the box's."""
    some = np.any(np.isfinite(xy[..., 0]), axis=1)
    poses = Poses.from_keypoints(xy[some], scores[some], skeleton)
    boxes = Detections(poses.boxes.xyxy, pose_scores[some])
    return Poses(poses.xy, poses.scores, boxes, skeleton)
