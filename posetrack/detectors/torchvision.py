"""torchvision's detection networks, trained on COCO, as detectors of people.

The functions build a network and load weights that are already here, from a file or a state
dict; nothing is downloaded. `TorchvisionDetector` runs one on the device: the image goes up once
as bytes, only boxes come back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posetrack.checkpoints.weight_files import read_weights
from posetrack.checks import require_library
from posetrack.detectors.filtering import check_thresholds, keep_people
from posetrack.devices import pick_device
from posetrack.interfaces import Image
from posetrack.runtimes.torch import precision
from posetrack.runtimes.uploads import SideStream, Uploaded, Uploader, fetch
from posetrack.structures import Detections

Weights: TypeAlias = str | Path | Mapping[str, Tensor]

COCO_CLASSES: Final = 91
"""Outputs of a network trained on COCO: background, and numbers up to 90."""


class TorchvisionDetector:
    """A torchvision detection network as a `Detector`.

    Parameters
    ----------
    network
        Takes a list of images (3, H, W), RGB in [0, 1], and gives for each a dict of ``boxes``,
        ``labels`` and ``scores``, as all of ``torchvision.models.detection`` do. It is moved to
        the device and set to evaluation; it is not copied.
    person
        The person's label; 1 in torchvision's own weights.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    half
        Compute in half precision where that is safe (autocast). None: on CUDA only.
    min_score
        Boxes below it are dropped. Lower finds more people and more ghosts.
    max_iou
        Of two boxes that overlap more, the weaker is dropped; the networks themselves suppress
        doubles at 0.5 to 0.6.
    max_people
        At most this many are kept, those with the best scores; None for all.
    images_at_once
        How many frames of a file it is given together. None: 4 on CUDA, 1 elsewhere.

    Raises
    ------
    ValueError
        If a threshold is out of range, or the device is CUDA and there is none.

    Examples
    --------
    >>> import numpy as np
    >>> network = ssdlite_mobilenet(None)
    >>> TorchvisionDetector(network, device="cpu")(np.zeros((64, 96, 3), np.uint8))
    Detections(xyxy (0, 4), scores (0,))
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        person: int = 1,
        device: str | torch.device = "auto",
        half: bool | None = None,
        min_score: float = 0.5,
        max_iou: float = 0.6,
        max_people: int | None = 100,
        images_at_once: int | None = None,
    ) -> None:
        if images_at_once is not None and images_at_once < 1:
            raise ValueError(f"images_at_once must be at least 1, got {images_at_once}")
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        self.device = pick_device(device)
        self.half = self.device.type == "cuda" if half is None else half
        self.person = person
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        self.images_at_once = images_at_once or (4 if self.device.type == "cuda" else 1)
        self.upload = Uploader(self.device)
        self._network = network.eval().to(self.device)
        self._stream = SideStream(self.device)

    @property
    def image_device(self) -> torch.device:
        """See `posetrack.interfaces.TakesUploads`."""
        return self.device

    def __call__(self, image: Image | Uploaded, /) -> Detections:
        """People in the image, best first.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR, or one on its device.
        """
        return self.detect_all([image])[0]

    def detect_all(self, images: Sequence[Image | Uploaded], /) -> list[Detections]:
        """People in each of several images, by one run of the network.

        Parameters
        ----------
        images
            (H, W, 3) uint8 BGR each, or on its device; of any sizes.
        """
        if not images:
            return []
        with self._stream.use(), torch.inference_mode(), precision(self.device, self.half):
            sent = [self.upload(image) for image in images]
            found = self._network([as_rgb(image) for image in sent])
            # All rows come back in one piece: to choose on the device is to wait for it.
            rows = torch.cat(
                [
                    torch.cat([one["boxes"], one["scores"][:, None], one["labels"][:, None]], dim=1)
                    for one in found
                ]
            )
            rows_of_all = fetch(rows.float(), "boxes")
        ends = np.cumsum([len(one["boxes"]) for one in found])[:-1]
        return [
            self._people(rows, image.host)
            for rows, image in zip(np.split(rows_of_all, ends), sent, strict=True)
        ]

    def _people(self, rows: NDArray[np.float32], image: Image) -> Detections:
        """The people among (M, 6) boxes, scores and labels."""
        people = rows[(rows[:, 5] == self.person) & (rows[:, 4] >= self.min_score)]
        return keep_people(
            people[:, :4],
            people[:, 4],
            image_size=(image.shape[1], image.shape[0]),
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )


def faster_rcnn_mobilenet_320(weights: Weights | None, **settings: Any) -> nn.Module:
    """Faster R-CNN, MobileNetV3-Large, images of 320 pixels: the fastest R-CNN.

    Parameters
    ----------
    weights
        torchvision's state dict, or a file with it; None leaves the network untrained.
    settings
        Passed on to torchvision's function, as ``num_classes`` (91 unless given).

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the file does not exist.
    ValueError
        If it is no weight file, or its weights belong to another network.

    Examples
    --------
    >>> faster_rcnn_mobilenet_320("nowhere.pth")
    Traceback (most recent call last):
    ...
    FileNotFoundError: ...
    """
    return _build("fasterrcnn_mobilenet_v3_large_320_fpn", weights, settings)


def faster_rcnn_mobilenet(weights: Weights | None, **settings: Any) -> nn.Module:
    """Faster R-CNN, MobileNetV3-Large, images of 800 pixels. See `faster_rcnn_mobilenet_320`."""
    return _build("fasterrcnn_mobilenet_v3_large_fpn", weights, settings)


def faster_rcnn_resnet50(weights: Weights | None, **settings: Any) -> nn.Module:
    """Faster R-CNN, ResNet-50. Parameters as for `faster_rcnn_mobilenet_320`."""
    # The published weights were trained when torchvision added nothing to the variance.
    return _build("fasterrcnn_resnet50_fpn", weights, settings, norm_eps=0.0)


def faster_rcnn_resnet50_v2(weights: Weights | None, **settings: Any) -> nn.Module:
    """Faster R-CNN, ResNet-50, the better trained one. See `faster_rcnn_mobilenet_320`."""
    return _build("fasterrcnn_resnet50_fpn_v2", weights, settings)


def retinanet_resnet50_v2(weights: Weights | None, **settings: Any) -> nn.Module:
    """RetinaNet, ResNet-50, the better trained one. See `faster_rcnn_mobilenet_320`."""
    return _build("retinanet_resnet50_fpn_v2", weights, settings)


def fcos_resnet50(weights: Weights | None, **settings: Any) -> nn.Module:
    """FCOS, ResNet-50. Parameters as for `faster_rcnn_mobilenet_320`."""
    return _build("fcos_resnet50_fpn", weights, settings)


def ssdlite_mobilenet(weights: Weights | None, **settings: Any) -> nn.Module:
    """SSDlite, MobileNetV3-Large, images of 320 pixels. See `faster_rcnn_mobilenet_320`.

    Examples
    --------
    >>> ssdlite_mobilenet({"head.weight": torch.zeros(1)})
    Traceback (most recent call last):
    ...
    ValueError: the state dict does not fit ssdlite320_mobilenet_v3_large: ...
    """
    # By default it keeps and sorts all boxes with a score above 0.001; nobody needs those.
    return _build("ssdlite320_mobilenet_v3_large", weights, {"score_thresh": 0.05, **settings})


def keypoint_rcnn_resnet50(
    weights: Weights | None, *, keypoints: bool = False, **settings: Any
) -> nn.Module:
    """Keypoint R-CNN, ResNet-50: sure of people, knows nothing else.

    Parameters
    ----------
    weights, settings
        As for `faster_rcnn_mobilenet_320`; 2 classes unless given.
    keypoints
        Keep its keypoint branch, for `posetrack.estimators.keypoint_rcnn`. Else it is loaded with
        the rest and then taken off, since a detector would compute it for nothing.

    Examples
    --------
    >>> keypoint_rcnn_resnet50(None).roi_heads.has_keypoint()
    False
    """
    network = _build(
        "keypointrcnn_resnet50_fpn", weights, {"num_classes": 2, **settings}, norm_eps=0.0
    )
    if not keypoints:
        heads: Any = network.roi_heads
        heads.keypoint_roi_pool = heads.keypoint_head = heads.keypoint_predictor = None
    return network


NETWORKS: Final[Mapping[str, Callable[..., nn.Module]]] = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": faster_rcnn_mobilenet_320,
    "fasterrcnn_mobilenet_v3_large_fpn": faster_rcnn_mobilenet,
    "fasterrcnn_resnet50_fpn": faster_rcnn_resnet50,
    "fasterrcnn_resnet50_fpn_v2": faster_rcnn_resnet50_v2,
    "retinanet_resnet50_fpn_v2": retinanet_resnet50_v2,
    "fcos_resnet50_fpn": fcos_resnet50,
    "ssdlite320_mobilenet_v3_large": ssdlite_mobilenet,
    "keypointrcnn_resnet50_fpn": keypoint_rcnn_resnet50,
}
"""By the name of torchvision's function, for the table of models and the command line."""


def _build(
    name: str, weights: Weights | None, settings: Mapping[str, Any], norm_eps: float | None = None
) -> nn.Module:
    """A network of torchvision's, without its downloads, with all of the given weights.

    torchvision gives some networks a batch normalisation of its own when it fetches weights, and
    the usual one when it does not. Evaluated, the two differ in nothing but ``norm_eps``.
    """
    with require_library(f"{name} needs torchvision", "torchvision"):
        from torchvision.models import detection
    arguments = {"num_classes": COCO_CLASSES, **settings}
    network: nn.Module = getattr(detection, name)(weights=None, weights_backbone=None, **arguments)
    if weights is not None:
        _load(network, name, weights)
        for module in network.modules():
            if norm_eps is not None and isinstance(module, nn.BatchNorm2d):
                module.eps = norm_eps
    return network.eval()


def _load(network: nn.Module, name: str, weights: Weights) -> None:
    if isinstance(weights, Mapping):
        source, tensors = "the state dict", weights
    else:
        source, tensors = str(weights), read_weights(weights).tensors
    try:
        # Not torch's own strictness: it is torchvision that knows the older names in its files,
        # and files of the older normalisation lack the counters of the newer.
        found = network.load_state_dict(dict(tensors), strict=False)
    except RuntimeError as error:
        shape = next((line for line in str(error).splitlines() if "mismatch" in line), str(error))
        raise ValueError(_misfit(source, name, shape.strip())) from error
    problems = [
        f"{len(keys)} {kind}, as {keys[0]}"
        for kind, keys in (
            ("missing", [key for key in found.missing_keys if not key.endswith(_COUNTER)]),
            ("too many", [key for key in found.unexpected_keys if not key.endswith(_COUNTER)]),
        )
        if keys
    ]
    if problems:
        raise ValueError(_misfit(source, name, "; ".join(problems)))


def _misfit(source: str, name: str, problems: str) -> str:
    return (
        f"{source} does not fit {name}: {problems}. Are these the weights of another network, or "
        "for another number of classes (num_classes=)?"
    )


_COUNTER: Final = ".num_batches_tracked"


def as_rgb(image: Uploaded) -> Tensor:
    """(3, H, W) float, RGB in [0, 1], of an image on a device.

    Examples
    --------
    >>> as_rgb(Uploader(torch.device("cpu"))(np.full((2, 3, 3), 255, np.uint8))).shape
    torch.Size([3, 2, 3])
    """
    return image.bgr().permute(2, 0, 1).flip(0).float().div_(255)
