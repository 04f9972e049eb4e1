"""torchvision's Keypoint R-CNN as one network for boxes and keypoints, one backbone pass an image.

He et al., *Mask R-CNN* (ICCV 2017), section 5. The keypoint head takes any boxes: the network's own
and those that flow proposes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.roi_heads import keypointrcnn_inference

from posetrack.detectors.filtering import check_thresholds, keep_people
from posetrack.detectors.torchvision import as_rgb
from posetrack.devices import pick_device
from posetrack.interfaces import Image
from posetrack.runtimes.torch import precision
from posetrack.runtimes.uploads import Uploaded, Uploader
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.structures import Detections, Poses

_REACH = 2
"""Cells to each side of a heatmap's peak whose share of the whole is the keypoint's score."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What boxes and keypoints of an image have in common.

    Parameters
    ----------
    features
        Maps of the backbone, by level.
    images
        The image as the network scaled it, with its size.
    image_size
        (width, height) of the image itself.
    """

    features: Any
    images: Any
    image_size: tuple[int, int]


class KeypointRCNN:
    """Boxes and keypoints of one network; a `posetrack.interfaces.SharedNetwork`.

    Parameters
    ----------
    network
        ``torchvision.models.detection.keypointrcnn_resnet50_fpn`` or one built like it, see
        `posetrack.detectors.torchvision.keypoint_rcnn_resnet50`. It is moved to the device and set
        to evaluation; it is not copied.
    skeleton
        What its keypoints are.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    half
        Compute in half precision where that is safe (autocast). None: on CUDA only.
    person, min_score, max_iou, max_people
        Of its boxes, see `posetrack.detectors.torchvision.TorchvisionDetector`.

    Raises
    ------
    ValueError
        If the network has no keypoint branch, or a threshold is out of range.

    Notes
    -----
    A keypoint's score is the share of its heatmap, a probability over all places, that lies within
    two cells of the peak; torchvision gives the peak's logit, which has no scale.

    Examples
    --------
    >>> from posetrack.detectors.torchvision import keypoint_rcnn_resnet50
    >>> network = KeypointRCNN(keypoint_rcnn_resnet50(None, keypoints=True), device="cpu")
    >>> state = network.prepare(np.zeros((64, 96, 3), np.uint8))
    >>> network.estimate(state, Detections([[10, 10, 40, 60]], [0.9]))
    Poses(xy (1, 17, 2), scores (1, 17), coco_17)
    """

    def __init__(
        self,
        network: nn.Module,
        skeleton: Skeleton = COCO_17,
        *,
        device: str | torch.device = "auto",
        half: bool | None = None,
        person: int = 1,
        min_score: float = 0.5,
        max_iou: float = 0.6,
        max_people: int | None = 100,
    ) -> None:
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        heads: Any = getattr(network, "roi_heads", None)
        if heads is None or not heads.has_keypoint():
            raise ValueError(
                f"expected a Keypoint R-CNN, {type(network).__name__} has no keypoints"
            )
        self.device = pick_device(device)
        self.half = self.device.type == "cuda" if half is None else half
        self.person = person
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        self._skeleton = skeleton
        self.upload = Uploader(self.device)
        self._network: Any = network.eval().to(self.device)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._skeleton

    @property
    def image_device(self) -> torch.device:
        """See `posetrack.interfaces.TakesUploads`."""
        return self.device

    def prepare(self, image: Image | Uploaded, /) -> Prepared:
        """The backbone's answer to an image, for `detect` and `estimate`."""
        sent = self.upload(image)
        height, width = sent.host.shape[:2]
        with torch.inference_mode(), precision(self.device, self.half):
            images, _ = self._network.transform([as_rgb(sent)])
            features = self._network.backbone(images.tensors)
        return Prepared(features, images, (width, height))

    def detect(self, state: Prepared, /) -> Detections:
        """People in the image, best first."""
        heads, sizes = self._network.roi_heads, state.images.image_sizes
        with torch.inference_mode(), precision(self.device, self.half):
            proposals, _ = self._network.rpn(state.images, state.features)
            pooled = heads.box_head(heads.box_roi_pool(state.features, proposals, sizes))
            logits, shifts = heads.box_predictor(pooled)
            boxes, scores, labels = heads.postprocess_detections(
                logits.float(), shifts.float(), proposals, sizes
            )
            wanted = (labels[0] == self.person) & (scores[0] >= self.min_score)
            rows = torch.cat([boxes[0], scores[0][:, None]], dim=1)[wanted].float().cpu().numpy()
        return keep_people(
            rows[:, :4] / self._scale(state).repeat(2).numpy().astype(np.float32),
            rows[:, 4],
            image_size=state.image_size,
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )

    def estimate(self, state: Prepared, boxes: Detections, /) -> Poses:
        """One pose for each box, in the boxes' order, with ``boxes`` passed through."""
        if len(boxes) == 0:
            return Poses.empty(self._skeleton)
        heads = self._network.roi_heads
        scale = self._scale(state)
        with torch.inference_mode(), precision(self.device, self.half):
            rois = torch.from_numpy(np.array(boxes.xyxy, np.float32)) * scale.repeat(2)
            rois = rois.to(self.device)
            pooled = heads.keypoint_roi_pool(state.features, [rois], state.images.image_sizes)
            maps = heads.keypoint_predictor(heads.keypoint_head(pooled)).float()
            if maps.shape[1] != len(self._skeleton):
                raise ValueError(
                    f"the network has {maps.shape[1]} keypoints, {self._skeleton.name} "
                    f"{len(self._skeleton)}"
                )
            found = keypointrcnn_inference(maps, [rois])[0][0][..., :2].cpu() / scale
            scores = _peak_shares(maps).cpu().numpy()
        xy = found.numpy().astype(np.float32)
        unseen = ~np.isfinite(scores)
        xy[unseen], scores[unseen] = np.nan, 0
        return Poses(xy, scores, boxes, self._skeleton)

    def __call__(self, image: Image | Uploaded, boxes: Detections, /) -> Poses:
        """Poses in boxes of an image that nothing was prepared for."""
        return self.estimate(self.prepare(image), boxes)

    def _scale(self, state: Prepared) -> Tensor:
        """(2,): pixels of the network's input to one of the image, x and y."""
        height, width = state.images.image_sizes[0]
        return torch.tensor([width / state.image_size[0], height / state.image_size[1]])


def _peak_shares(maps: Tensor) -> Tensor:
    """(N, K): what part of each heatmap of logits (N, K, h, w) lies around its peak."""
    count, keypoints, height, width = maps.shape
    shares = maps.flatten(2).softmax(dim=2)
    peak = shares.argmax(dim=2, keepdim=True)
    window = 2 * _REACH + 1
    around = functional.avg_pool2d(
        shares.view(count, keypoints, height, width), window, 1, _REACH, divisor_override=1
    )
    return around.flatten(2).gather(2, peak)[..., 0].clamp(0, 1)
