"""Detection networks of the hub: RT-DETR, D-FINE, DETR, YOLOS, ... with a person label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posetrack.detectors.filtering import check_thresholds, keep_people
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.runtimes.huggingface import open_hub_model
from posetrack.structures import Detections

if TYPE_CHECKING:
    import torch


class HuggingFaceDetector:
    """Any object detection network of ``transformers`` that knows people, as a `Detector`.

    Parameters
    ----------
    name
        ``org/name`` or ``org/name@revision`` of the hub, or a folder made by ``save_pretrained``;
        see `posetrack.runtimes.huggingface`.
    device, half
        See `posetrack.detectors.torchvision.TorchvisionDetector`.
    offline
        Never connect.
    min_score, max_iou, max_people
        As there. Detection transformers need no suppression of doubles, so it is mild.

    Raises
    ------
    ModuleNotFoundError
        If ``transformers`` is not installed.
    ValueError
        If it cannot be loaded, has no label ``person``, or a threshold is out of range.

    Examples
    --------
    >>> detect = HuggingFaceDetector("PekingU/rtdetr_v2_r18vd")  # doctest: +SKIP
    """

    def __init__(
        self,
        name: str,
        *,
        device: str | torch.device = "auto",
        half: bool | None = None,
        offline: bool = False,
        min_score: float = 0.5,
        max_iou: float = 0.7,
        max_people: int | None = 100,
    ) -> None:
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        self._model = open_hub_model(
            name, "AutoModelForObjectDetection", device=device, half=half, offline=offline
        )
        labels = self._model.network.config.id2label
        self.person = [int(n) for n, label in labels.items() if str(label).lower() == "person"]
        if not self.person:
            some = ", ".join(str(label) for label in list(labels.values())[:5])
            raise ValueError(f"{name}: none of its labels is person: {some}, ...")

    @property
    def revision(self) -> str:
        """The commit of the hub that was loaded; empty of a folder."""
        return self._model.revision

    def __call__(self, image: Image, /) -> Detections:
        """People in the image, best first."""
        image = as_bgr(image)
        model, (height, width) = self._model, image.shape[:2]
        rgb = np.ascontiguousarray(image[..., ::-1])
        inputs = model.processor(images=[rgb], return_tensors="pt").to(model.device)
        outputs = model.run(**inputs)
        found = model.processor.post_process_object_detection(
            outputs, threshold=self.min_score, target_sizes=[(height, width)]
        )[0]
        labels = found["labels"].cpu().numpy()
        people = np.isin(labels, self.person)
        return keep_people(
            found["boxes"].float().cpu().numpy().reshape(-1, 4)[people],
            found["scores"].float().cpu().numpy()[people],
            image_size=(width, height),
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )
