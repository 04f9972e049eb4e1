"""ViTPose and ViTPose+ of Hugging Face's hub.

Xu et al., *ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation* (NeurIPS 2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posetrack.checks import check_whole
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.runtimes.huggingface import open_hub_model
from posetrack.skeletons import Skeleton, skeleton_of_count
from posetrack.structures import Detections, FloatArray, Poses

if TYPE_CHECKING:
    import torch


class VitPose:
    """A ViTPose network of ``transformers``, as a `posetrack.interfaces.PoseEstimator`.

    Parameters
    ----------
    name
        See `posetrack.detectors.huggingface.HuggingFaceDetector`.
    skeleton
        What its keypoints are. When None: by how many they are.
    expert
        Which of a ViTPose+ network's experts: 0 is COCO's.
    device, half, offline
        As there.
    max_batch
        Most crops in one run; bounds memory.

    Raises
    ------
    ModuleNotFoundError
        If ``transformers`` is not installed.
    ValueError
        If it cannot be loaded, the skeleton does not fit, or there is no such expert.

    Examples
    --------
    >>> estimate = VitPose("usyd-community/vitpose-base-simple")  # doctest: +SKIP
    """

    def __init__(
        self,
        name: str,
        skeleton: Skeleton | None = None,
        *,
        expert: int = 0,
        device: str | torch.device = "auto",
        half: bool | None = None,
        offline: bool = False,
        max_batch: int = 64,
    ) -> None:
        check_whole(1, max_batch=max_batch)
        self._model = open_hub_model(
            name, "VitPoseForPoseEstimation", device=device, half=half, offline=offline
        )
        config = self._model.network.config
        count = int(config.num_labels)
        found = skeleton or skeleton_of_count(count)
        if found is None or len(found) != count:
            raise ValueError(f"{name}: {count} keypoints; give the skeleton it was trained for")
        experts = int(getattr(config.backbone_config, "num_experts", 1))
        if not 0 <= expert < experts:
            raise ValueError(f"{name}: it has {experts} experts, there is no number {expert}")
        self._skeleton, self.max_batch = found, max_batch
        self._expert = expert if experts > 1 else None

    @property
    def revision(self) -> str:
        """The commit of the hub that was loaded; empty of a folder."""
        return self._model.revision

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._skeleton

    def __call__(self, image: Image, boxes: Detections, /) -> Poses:
        """One pose for each box, in the boxes' order, with ``boxes`` passed through."""
        if len(boxes) == 0:
            return Poses.empty(self._skeleton)
        rgb = np.ascontiguousarray(as_bgr(image)[..., ::-1])
        xywh = np.array(boxes.xyxy, np.float32)
        xywh[:, 2:] = np.maximum(xywh[:, 2:] - xywh[:, :2], 1)
        parts = [
            self._find_keypoints(rgb, xywh[start : start + self.max_batch])
            for start in range(0, len(xywh), self.max_batch)
        ]
        xy = np.concatenate([points for points, _ in parts])
        scores = np.concatenate([part for _, part in parts])
        unseen = ~(np.isfinite(xy).all(axis=2) & np.isfinite(scores))
        xy[unseen], scores[unseen] = np.nan, 0
        return Poses(xy, scores, boxes, self._skeleton)

    def _find_keypoints(self, rgb: Image, xywh: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Keypoints and scores of one run, as the library's own processor finds them."""
        import torch

        model = self._model
        inputs = model.processor(rgb, boxes=[xywh], return_tensors="pt").to(model.device)
        more = {}
        if self._expert is not None:
            more["dataset_index"] = torch.full((len(xywh),), self._expert, device=model.device)
        outputs = model.run(pixel_values=inputs["pixel_values"], **more)
        outputs.heatmaps = outputs.heatmaps.float()
        people = model.processor.post_process_pose_estimation(outputs, boxes=[xywh])[0]
        shape = (len(xywh), len(self._skeleton))
        xy = np.stack([np.asarray(person["keypoints"], np.float32) for person in people])
        scores = np.stack([np.asarray(person["scores"], np.float32) for person in people])
        return xy.reshape(*shape, 2), scores.reshape(shape)
