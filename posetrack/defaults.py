"""What `Tracker()` is made of where nothing is said, and how the models of the table are built.

The pose network is the paper's, ResNet-50 with three deconvolutions at 256 x 192 (height x width).

The detector is chosen for the device. On a GPU it is Faster R-CNN ResNet-50 v2, the most accurate
of torchvision's (46.7 box AP on COCO). It needs 7 s an image on two CPU cores; there it is Faster
R-CNN MobileNet-320: 82 ms (1768 x 994 pixels), the time the pose network takes for one person.
SSDlite needs 39 ms for nearly the same AP (21.3 against 22.8), but squeezes any image into 320 x
320, where people in a wide one are half as large as in the 569 x 320 that R-CNN sees; and who is
not found loses an identity. R-CNN MobileNet at full size, 32.8 AP, needs 543 ms.

The flow is DIS on any device: see `posetrack.flows.dis`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from posetrack.interfaces import Detector, FlowEstimator, PoseEstimator
from posetrack.models import MODELS, Kind, ModelCard, model_card
from posetrack.skeletons import KNOWN_SKELETONS
from posetrack.weights import fetch
from posetrack.weights.cache import sha256_of

if TYPE_CHECKING:
    from posetrack.weights.download import Progress

ESTIMATOR: Final = "pose_resnet50_coco_256x192"
DETECTOR_ON_GPU: Final = "fasterrcnn_resnet50_fpn_v2"
DETECTOR_ON_CPU: Final = "fasterrcnn_mobilenet_v3_large_320_fpn"

BUNDLED: Final = "bundled"
"""What the two networks inside the package are called on the command line."""

BUNDLED_FILES: Final = {
    "detector": "person_detector.safetensors",
    "estimator": "pose_light.safetensors",
}
"""Their files in the package's folder ``bundled``; beside each is a card, ``.md``."""


def detector_name(device: str = "auto") -> str:
    """Name in the table of the default detector for a device.

    Examples
    --------
    >>> detector_name("cpu")
    'fasterrcnn_mobilenet_v3_large_320_fpn'
    """
    return DETECTOR_ON_GPU if _resolved(device).startswith("cuda") else DETECTOR_ON_CPU


def default_detector(
    device: str = "auto",
    *,
    offline: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Detector:
    """The detector of `Tracker()`, chosen for the device; see `build_detector`."""
    return build_detector(
        detector_name(device), device=device, offline=offline, progress=progress, **settings
    )


def default_estimator(
    device: str = "auto",
    *,
    offline: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> PoseEstimator:
    """The pose network of `Tracker()`, the paper's; see `build_estimator`."""
    return build_estimator(ESTIMATOR, device=device, offline=offline, progress=progress, **settings)


def default_flow(device: str = "auto") -> FlowEstimator:
    """The flow of `Tracker()`: DIS, on the CPU whatever the device; it needs no weights.

    Examples
    --------
    >>> default_flow()
    <posetrack.flows.dis.DisFlow object at ...>
    """
    del device
    from posetrack.flows.dis import DisFlow

    return DisFlow()


def bundled_detector(
    device: str = "auto", *, min_score: float = 0.5, score_exponent: float = 0.5, **settings: Any
) -> Detector:
    """The small detector of people inside the package: no download, at home on a CPU.

    Parameters
    ----------
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    min_score, score_exponent
        Of `posetrack.detectors.light.LightDetector`; such that the tracker's thresholds fit it.
    **settings
        Of `posetrack.detectors.light.LightDetector`.

    Raises
    ------
    FileNotFoundError
        If this copy of the package has no weights in it.
    """
    path = bundled_file("detector")
    from posetrack.detectors.light import load_light_detector

    return load_light_detector(
        path, device=device, min_score=min_score, score_exponent=score_exponent, **settings
    )


def bundled_estimator(device: str = "auto", **settings: Any) -> PoseEstimator:
    """The small pose network inside the package: no download, at home on a CPU.

    Parameters
    ----------
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    **settings
        Of `posetrack.estimators.torch_topdown.TorchTopDown`.

    Raises
    ------
    FileNotFoundError
        If this copy of the package has no weights in it.
    """
    path = bundled_file("estimator")
    from posetrack.estimators.from_file import load_estimator

    return cast(PoseEstimator, load_estimator(path, device=device, **settings))


def bundled_file(kind: str) -> Path:
    """Where the weights inside the package are, of ``"detector"`` or ``"estimator"``.

    Raises
    ------
    FileNotFoundError
        If this copy of the package has none.
    """
    path = Path(__file__).with_name("bundled") / BUNDLED_FILES[kind]
    if not path.is_file():
        raise FileNotFoundError(
            f"this copy of posetrack has no bundled {kind} ({path} is missing); install it from a "
            "wheel, or name another network"
        )
    return path


def build_detector(
    name: str | Path,
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Detector:
    """A detector of the table with its published weights, fetched if they are not here yet.

    Parameters
    ----------
    name
        A name of `posetrack.models.MODELS`, or the path of one of its files.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    offline, progress
        See `posetrack.weights.fetch`.
    **settings
        Of `posetrack.detectors.torchvision.TorchvisionDetector`.

    Raises
    ------
    ValueError
        If no detector has this name, or the file is none of a detector in the table.
    FileNotFoundError, ConnectionError
        If the weights cannot be had; the message names the ways out.
    """
    card, path = _card_and_file(name, "detector", offline, progress)
    from posetrack.detectors.torchvision import NETWORKS, TorchvisionDetector

    return TorchvisionDetector(NETWORKS[card.builder](path), device=device, **settings)


def build_estimator(
    name: str | Path,
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> PoseEstimator:
    """A pose network of the table with its published weights, fetched if they are not here yet.

    Parameters
    ----------
    name
        A name of `posetrack.models.MODELS`, or the path of one of its files. Weights that are not
        in the table are read by `posetrack.estimators.from_file.load_estimator`.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    offline, progress
        See `posetrack.weights.fetch`.
    **settings
        Of `posetrack.estimators.torch_topdown.TorchTopDown`, such as ``flip_test=True``.

    Raises
    ------
    ValueError
        If no pose model has this name, or the file is none of a pose model in the table.
    FileNotFoundError, ConnectionError
        If the weights cannot be had; the message names the ways out.
    """
    card, path = _card_and_file(name, "pose", offline, progress)
    from posetrack.estimators.from_file import load_estimator
    from posetrack.ops.crops import Normalisation

    if card.skeleton is None or card.input_size is None or card.mean is None or card.std is None:
        raise ValueError(f"{card.name}: its row lacks skeleton, input size, mean or std")
    return cast(
        PoseEstimator,
        load_estimator(
            path,
            skeleton=KNOWN_SKELETONS[card.skeleton],
            normalisation=Normalisation(card.mean, card.std, rgb=card.colour_order == "rgb"),
            input_size=card.input_size,
            device=device,
            **settings,
        ),
    )


def build_flow(
    name: str | Path,
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> FlowEstimator:
    """A flow network of the table with its published weights, fetched if they are not here yet.

    Parameters
    ----------
    name
        A name of `posetrack.models.MODELS`, or the path of one of its files.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    offline, progress
        See `posetrack.weights.fetch`.
    **settings
        Of `posetrack.flows.raft.RaftFlow`.

    Raises
    ------
    ValueError
        If no flow model has this name, or the file is none of a flow model in the table.
    FileNotFoundError, ConnectionError
        If the weights cannot be had; the message names the ways out.
    """
    _, path = _card_and_file(name, "flow", offline, progress)
    from posetrack.flows.raft import RaftFlow

    return RaftFlow(path, device=device, **settings)


def _card_and_file(
    name: str | Path, kind: Kind, offline: bool, progress: Progress | None
) -> tuple[ModelCard, Path]:
    """The row of a name, or of a file by its hash, and where the weights are."""
    if Path(name).is_file():
        return _card_of(Path(name), kind), Path(name)
    card = model_card(str(name))
    if card.kind != kind:
        names = ", ".join(other.name for other in MODELS.values() if other.kind == kind)
        raise ValueError(f"{card.name} is a {card.kind} model; expected a {kind} model: {names}")
    return card, fetch(card, offline=offline, progress=progress)


def _card_of(path: Path, kind: Kind) -> ModelCard:
    digest = sha256_of(path)
    for card in MODELS.values():
        if card.kind == kind and any(digest.startswith(file.sha256) for file in card.files):
            return card
    raise ValueError(
        f"{path} is none of the files of the {kind} models in the table (its SHA-256 is not among "
        "theirs), so it does not say what to build. `posetrack models list --json` shows them"
    )


def _resolved(device: str) -> str:
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
