"""Names of networks become objects; and what `Tracker()` takes where nothing is given.

The pose network is the first of a list that can be had. On a CPU it is RTMPose-s, which needs a
small part of the time and is from a host that answers, then the paper's, ResNet-50 with three
deconvolutions at 256 x 192 (height x width); on a GPU the paper's, then ViTPose-base where
``transformers`` is installed, then Keypoint R-CNN.

The detector is chosen for the device. On a GPU it is Faster R-CNN ResNet-50 v2, the most accurate
of torchvision's (46.7 box AP on COCO). It needs 7 s an image on two CPU cores; there it is Faster
R-CNN MobileNet-320: 82 ms (1768 x 994 pixels), the time the pose network takes for one person.
SSDlite needs 39 ms for nearly the same AP (21.3 against 22.8), but squeezes any image into 320 x
320, where people in a wide one are half as large as in the 569 x 320 that R-CNN sees; and a person
who is not found loses their identity. R-CNN MobileNet at full size, 32.8 AP, needs 543 ms.

The flow is DIS on any device: see `posetrack.flows.dis`.

Detector and pose network are fetched on first use. Where they are not available or run, the two
small networks inside the package take their place, and a sentence says so; a network that was named
never changes.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from posetrack.devices import onnx_providers, require_torch, uses_cuda
from posetrack.files import sha256_of
from posetrack.interfaces import BottomUpEstimator, Detector, FlowEstimator, PoseEstimator
from posetrack.runtimes.huggingface import PREFIX
from posetrack.skeletons import KNOWN_SKELETONS
from posetrack.weights import fetch, weights_folder
from posetrack.weights.catalogue import MODELS, CatalogueEntry, Kind, find_entry
from posetrack.weights.fetching import fetch_in_time
from posetrack.weights.hosts import host_of, silent_hosts

if TYPE_CHECKING:
    from posetrack.weights.download import Progress

ESTIMATOR: Final = "pose_resnet50_coco_256x192"
"""The paper's."""

ESTIMATORS_ON_CPU: Final = ("rtmpose_s", ESTIMATOR)
ESTIMATORS_ON_GPU: Final = (ESTIMATOR, "vitpose_base", "keypointrcnn_resnet50_fpn")
"""First choice first; after them comes the bundled one."""

DETECTOR_ON_GPU: Final = "fasterrcnn_resnet50_fpn_v2"
DETECTOR_ON_CPU: Final = "fasterrcnn_mobilenet_v3_large_320_fpn"

SECONDS_TO_ANSWER: Final = 5.0
"""How long the hosts of a default may take to send something: ten seconds for both of them."""

BUNDLED: Final = "bundled"
"""The name of the two networks inside the package on the command line."""

BUNDLED_FILES: Final = {
    "detector": MODELS["bundled_detector"].bundled,
    "estimator": MODELS["bundled_pose"].bundled,
}
"""Their weights in the package's folder ``bundled``. Beside each are a card, ``.md``, and a graph,
``.onnx``, which has no weights of its own: see `posetrack.export.graph_beside`."""


FLOWS: Final[Mapping[str, str]] = {
    "dis": "dis.DisFlow",
    "farneback": "farneback.FarnebackFlow",
    "tvl1": "tvl1.TvL1Flow",
    "lk": "lucas_kanade.LucasKanadeFlow",
}
"""Flows that need no weights, and their classes in `posetrack.flows`."""

DETECTORS: Final[Mapping[str, str]] = {
    "hog": "hog.HogDetector",
}
"""Detectors that need no weights, and their classes in `posetrack.detectors`."""


def detector_name(device: str = "auto") -> str:
    """Name in the table of the default detector for a device.

    Examples
    --------
    >>> detector_name("cpu")
    'fasterrcnn_mobilenet_v3_large_320_fpn'
    """
    return DETECTOR_ON_GPU if uses_cuda(device) else DETECTOR_ON_CPU


def estimator_names(device: str = "auto") -> tuple[str, ...]:
    """Names in the table of the default pose networks for a device, first choice first.

    Examples
    --------
    >>> estimator_names("cpu")
    ('rtmpose_s', 'pose_resnet50_coco_256x192')
    """
    return ESTIMATORS_ON_GPU if uses_cuda(device) else ESTIMATORS_ON_CPU


BUNDLED_SUITS: Final[Mapping[str, float]] = {"box_memory": 0.0, "min_new_score": 0.25}
"""Settings of the tracker that the bundled detector asks for: it scores low, and gives two people
who stand together one box, so that flow keeps the second by the keypoints alone."""

_NEEDS: Final = "it needs "

_DARK_ALREADY: Final = "its own decoding is DARK already"

DefaultKind = Literal["detector", "estimator"]


class DefaultNetwork(NamedTuple):
    """Which network a default is on this machine.

    Parameters
    ----------
    kind
        What it is for.
    name
        What the table calls the first choice.
    path
        The file with its weights; None where the network inside the package takes its place.
    problem
        Why it is not the first choice, in a few words.
    taken
        What the table calls the network that is used; empty for the first choice and the one
        inside the package.
    """

    kind: DefaultKind
    name: str
    path: Path | None
    problem: str = ""
    taken: str = ""

    @property
    def file(self) -> Path:
        """The weights in use."""
        return find_bundled_file(self.kind) if self.path is None else self.path


def find_default(
    kind: DefaultKind,
    device: str = "auto",
    *,
    offline: bool = False,
    progress: Progress | None = None,
    answer_within: float = SECONDS_TO_ANSWER,
    names: Sequence[str] | None = None,
) -> DefaultNetwork:
    """Find out which network a default is: the first that can be had, else the bundled one.

    Parameters
    ----------
    kind
        ``"detector"`` or ``"estimator"``.
    device
        They are chosen for it.
    offline, progress
        See `posetrack.weights.fetch`.
    answer_within
        Seconds until one of the hosts must have sent something; each has its share. A network that
        is here already needs no host.
    names
        Those of the table to choose from, first choice first. When None: `estimator_names`, or
        `detector_name`.

    Raises
    ------
    FileNotFoundError, ConnectionError
        If the first choice is not available and this copy of the package has no network in it;
        the message says what to do.

    Examples
    --------
    >>> find_default("detector", "cpu", offline=True).name
    'fasterrcnn_mobilenet_v3_large_320_fpn'
    """
    if names is None:
        names = estimator_names(device) if kind == "estimator" else (detector_name(device),)
    end = time.monotonic() + answer_within
    problems: list[tuple[str, str]] = []
    for number, name in enumerate(names):
        entry = find_entry(name)
        if needed := _find_missing_library(entry):
            problems.append((name, f"{_NEEDS}{needed}"))
            continue
        asked = {host_of(file.url) for other in names[number:] for file in find_entry(other).files}
        asked -= set(silent_hosts(weights_folder()))
        share = max(end - time.monotonic(), 0.0) / max(len(asked), 1)
        found = fetch_in_time(entry, max(share, 0.1), offline=offline, progress=progress)
        if isinstance(found, Path):
            taken = name if problems else ""
            return DefaultNetwork(kind, names[0], found, _in_one(problems), taken)
        problems.append((name, found))
    if not _locate_bundled(kind).is_file():
        return DefaultNetwork(kind, names[0], fetch(names[0], offline=offline, progress=progress))
    return DefaultNetwork(kind, names[0], None, _in_one(problems))


def _find_missing_library(entry: CatalogueEntry) -> str:
    """The library that a network of the table needs, if it is not here, and what installs it."""
    pytorch = "torch" if entry.kind == "pose" else "torchvision"
    needed = {"onnx": ("onnxruntime",), "vitpose": (pytorch, "transformers")}
    extras = {"onnxruntime": "onnx", "transformers": "hf"}
    for library in needed.get(entry.builder, (pytorch,)):
        if not find_spec(library):
            extra = f' (pip install "posetrack[{extras[library]}]")' if library in extras else ""
            return f"{library}, which is not installed{extra}"
    return ""


def _in_one(problems: Sequence[tuple[str, str]]) -> str:
    """Why the first choice is not available; and the next ones, where the reason differs."""
    reasons: list[str] = []
    for number, (name, reason) in enumerate(problems):
        if reason not in [before for _, before in problems[:number]]:
            reasons.append(f"nor {name}: {reason}" if number else reason)
    return "; ".join(reasons)


def explain_defaults(defaults: Sequence[DefaultNetwork]) -> str:
    """Say in a sentence which of them are not the first choice, and what can be done; else "".

    Examples
    --------
    >>> explain_defaults([DefaultNetwork("detector", "some_net", None, "no answer from its host")])
    'some_net (no answer from its host) could not be had: the small network inside the ...'
    """
    others = "; ".join(
        f"{default.name} ({default.problem}) could not be had, so {default.taken} is used"
        for default in defaults
        if default.taken
    )
    missing = [default for default in defaults if default.path is None]
    if not missing:
        return others
    many = len(missing) > 1
    away = [default.name for default in missing if not default.problem.startswith(_NEEDS)]
    # One reason is enough here; results record them all.
    networks = " and ".join(
        f"{default.name} ({default.problem.partition('; ')[0]})" for default in missing
    )
    return (f"{others}; " if others else "") + (
        f"{networks} could not be had: the small network{'s' * many} inside the package "
        f"{'find' if many else 'finds'} people less well. "
        + (
            f"With a connection `posetrack models download {' '.join(away)}` brings "
            f"{'them' if len(away) > 1 else away[0] if many else 'it'}; or name a file of yours."
            if away
            else "Or name a file of yours."
        )
    )


def build_default(default: DefaultNetwork, *, device: str = "auto", **settings: Any) -> Any:
    """The detector or pose network that `find_default` found.

    Parameters
    ----------
    default
        Of `find_default`.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    **settings
        See `build_detector` and `build_estimator`.
    """
    card = find_entry(default.taken or default.name)
    if default.kind == "detector":
        if default.path is None:
            return bundled_detector(device, **settings)
        return _detector_of(card, default.path, device=device, **settings)
    if default.path is None:
        return bundled_estimator(device, **settings)
    return _estimator_of(card, default.path, device=device, **settings)


def default_networks(
    *kinds: DefaultKind,
    device: str = "auto",
    offline: bool = False,
    progress: Progress | None = None,
    names: Sequence[str] | None = None,
    **settings: Any,
) -> dict[DefaultKind, Any]:
    """The default networks of these kinds; parameters as of `find_default` and `build_default`.

    Warns
    -----
    UserWarning
        One for all, where the networks inside the package take their place.
    """
    found = [
        find_default(kind, device, offline=offline, progress=progress, names=names)
        for kind in kinds
    ]
    if sentence := explain_defaults(found):
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return {default.kind: build_default(default, device=device, **settings) for default in found}


def default_flow(device: str = "auto") -> FlowEstimator:
    """The flow of `Tracker()`: DIS, on the CPU whatever the device; it needs no weights.

    Examples
    --------
    >>> default_flow()
    <posetrack.flows.dis.DisFlow object at ...>
    """
    return build_flow("dis", device=device)


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
        Of `posetrack.detectors.light.load_light_detector`; with ``half`` torch runs it.

    Raises
    ------
    FileNotFoundError
        If this copy of the package has no weights in it.
    ModuleNotFoundError
        If neither onnxruntime nor torch is installed.

    Notes
    -----
    onnxruntime runs it where that is installed, torch on a GPU and where it is not: on a CPU it
    needs less time and starts sooner. The answers are the same (boxes to 0.001 pixels).
    """
    path = _for_runtime(find_bundled_file("detector"), device, torch_wanted="half" in settings)
    from posetrack.detectors.light import load_light_detector

    settings = {"tracker_settings": BUNDLED_SUITS, **settings}
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
        Of `posetrack.estimators.onnx.OnnxTopDown`; or of
        `posetrack.estimators.top_down.TopDown`: with ``half``, ``on_device`` or
        ``runtime`` torch runs it.

    Raises
    ------
    FileNotFoundError
        If this copy of the package has no weights in it.
    ModuleNotFoundError
        If neither onnxruntime nor torch is installed.

    Notes
    -----
    What runs it is chosen as by `bundled_detector`; heatmaps are the same to a part in 100,000.
    """
    of_torch = {"half", "on_device", "runtime", "precision"} & set(settings)
    path = _for_runtime(find_bundled_file("estimator"), device, torch_wanted=bool(of_torch))
    if path.suffix == ".onnx":
        from posetrack.estimators.onnx import OnnxTopDown

        return OnnxTopDown(path, **{"providers": onnx_providers(device), **settings})
    from posetrack.estimators.from_file import load_estimator

    return cast(PoseEstimator, load_estimator(path, device=device, **settings))


def _for_runtime(weights: Path, device: str, *, torch_wanted: bool) -> Path:
    """The weights for torch, or the graph beside them, which takes them to onnxruntime."""
    graph = weights.with_suffix(".onnx")
    if torch_wanted or not graph.is_file() or find_spec("onnxruntime") is None:
        return weights
    if find_spec("torch") is None or device in ("cpu", "coreml", "openvino", "directml"):
        return graph
    on_cpu = device == "auto" and (not _has_cuda() or not uses_cuda(device))
    return graph if on_cpu else weights


def _has_cuda() -> bool:
    """Whether NVIDIA's driver is installed; torch, which knows more, takes a second to import."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def find_bundled_file(kind: str) -> Path:
    """Where the weights inside the package are, of ``"detector"`` or ``"estimator"``.

    Raises
    ------
    FileNotFoundError
        If this copy of the package has none.
    """
    path = _locate_bundled(kind)
    if not path.is_file():
        raise FileNotFoundError(
            f"this copy of posetrack has no bundled {kind} ({path} is missing); install it from a "
            "wheel, or name another network"
        )
    return path


def _locate_bundled(kind: str) -> Path:
    return Path(__file__).with_name("bundled") / BUNDLED_FILES[kind]


def build_detector(
    name: str | Path | None = None,
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Detector:
    """A detector by name or from a file; weights of the table are fetched if they are not here yet.

    Parameters
    ----------
    name
        A name of `posetrack.weights.catalogue.MODELS`, or the path of one of its files; an ONNX
        file; a file of a detector trained here; ``"bundled"``; a key of `DETECTORS`; None for the
        default.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    offline, progress
        See `posetrack.weights.fetch`.
    **settings
        Of the class that runs it: `posetrack.detectors.torchvision.TorchvisionDetector`,
        `posetrack.detectors.onnx.OnnxDetector`, `posetrack.detectors.light.LightDetector` or
        `posetrack.detectors.hog.HogDetector`.

    Raises
    ------
    ValueError
        If no detector has this name, or the file is not that of a detector in the table.
    FileNotFoundError, ConnectionError
        If the weights are not available; the message says what to do.

    Examples
    --------
    >>> build_detector("hog")
    <posetrack.detectors.hog.HogDetector object at ...>
    """
    if name is None:
        found = default_networks(
            "detector", device=device, offline=offline, progress=progress, **settings
        )
        return cast(Detector, found["detector"])
    text = str(name)
    if text.endswith((".onnx", ".zip")):
        from posetrack.detectors.onnx import OnnxDetector

        return OnnxDetector(text, **{"providers": onnx_providers(device), **settings})
    if text.startswith(PREFIX):
        from posetrack.detectors.huggingface import HuggingFaceDetector

        return HuggingFaceDetector(text, device=device, offline=offline, **settings)
    if text in DETECTORS:
        return cast(Detector, _class_of("detectors", DETECTORS[text])(**settings))
    if text == BUNDLED:
        return bundled_detector(device, **settings)
    if _is_ours(text):
        from posetrack.detectors.light import load_light_detector

        return load_light_detector(text, device=device, **settings)
    card, path = _card_and_file(name, "detector", offline, progress)
    return _detector_of(card, path, device=device, **settings)


def _class_of(room: str, name: str) -> Callable[..., Any]:
    """A class of one of the package's folders, by ``"module.Class"``."""
    module, kind = name.rsplit(".", 1)
    found: Callable[..., Any] = getattr(importlib.import_module(f"posetrack.{room}.{module}"), kind)
    return found


def _is_ours(name: str) -> bool:
    """Whether a file was trained here: published detectors are plain state dicts."""
    return name.endswith(".safetensors") or Path(name + ".json").is_file()


def _detector_of(card: CatalogueEntry, path: Path, *, device: str, **settings: Any) -> Detector:
    if card.bundled:
        return bundled_detector(device, **settings)
    if card.builder == "onnx":
        from posetrack.detectors.onnx import OnnxDetector

        return OnnxDetector(path, **{"providers": onnx_providers(device), **settings})
    require_torch(card.name)
    from posetrack.detectors.torchvision import NETWORKS, TorchvisionDetector

    return TorchvisionDetector(NETWORKS[card.builder](path), device=device, **settings)


def build_estimator(
    name: str | Path | None = None,
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress | None = None,
    dark: bool = False,
    **settings: Any,
) -> PoseEstimator | BottomUpEstimator:
    """A pose network by name or from a file; the table's weights are fetched if they are not here.

    Parameters
    ----------
    name
        A name of `posetrack.weights.catalogue.MODELS`; ``"bundled"``; None for the default; or a
        file, see `posetrack.estimators.from_file.load_estimator`. One of the table's files without
        further settings is built as its row says.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    offline, progress
        See `posetrack.weights.fetch`.
    dark
        Decode by `posetrack.ops.heatmaps.decode_dark`, with the blur that goes with the network's
        training.
    **settings
        Of `posetrack.estimators.top_down.TopDown`, such as ``flip_test=True``; of files those of
        `load_estimator`.

    Raises
    ------
    ValueError
        If no pose model has this name, or no known network is in the file.
    FileNotFoundError, ConnectionError
        If the weights are not available; the message says what to do.
    """
    if str(name).startswith(PREFIX):
        if dark:
            raise ValueError(f"{name}: {_DARK_ALREADY}")
        return _vitpose(str(name), device, {"offline": offline, **settings})
    is_file = name is not None and str(name) != BUNDLED and Path(name).is_file()
    is_folder = name is not None and Path(name).is_dir()
    if name is not None and (is_folder or (is_file and _row_of(Path(name), "pose") is None)):
        from posetrack.estimators.from_file import load_estimator

        return load_estimator(name, device=device, dark=dark, **settings)
    if dark:
        settings["decode"] = dark_decoder(ESTIMATOR if name is None else str(name))
    if name is None:
        found = default_networks(
            "estimator",
            device=device,
            offline=offline,
            progress=progress,
            names=(ESTIMATOR,) if dark else None,  # DARK is of heatmaps
            **settings,
        )
        return cast(PoseEstimator, found["estimator"])
    if str(name) == BUNDLED:
        return bundled_estimator(device, **settings)
    card, path = _card_and_file(name, "pose", offline, progress)
    return _estimator_of(card, path, device=device, **settings)


def dark_decoder(name: str) -> Callable[..., Any]:
    """DARK decoding with the blur that goes with the training of a network of the table.

    Examples
    --------
    >>> dark_decoder("pose_resnet50_coco_384x288").keywords
    {'blur_size': 17}
    """
    from posetrack.checkpoints.card import Decode, decoder_of, usual_sigma

    card = MODELS.get(name)
    size = card.input_size if card is not None and card.input_size else (192, 256)
    return decoder_of(Decode("dark", usual_sigma(size)))


def _estimator_of(
    card: CatalogueEntry, path: Path, *, device: str, **settings: Any
) -> PoseEstimator:
    if card.bundled:
        return bundled_estimator(device, **settings)
    if card.builder == "keypointrcnn_resnet50_fpn":
        return cast(PoseEstimator, _keypoint_rcnn(path, device, settings))
    if card.builder == "vitpose":
        return _vitpose(str(path.parent), device, {"offline": True, **settings})
    from posetrack.estimators.from_file import load_estimator
    from posetrack.ops.crops import Normalisation

    if card.builder in ("posenet", "trt_pose", "onnx"):  # the file says, or its outputs do
        return cast(PoseEstimator, load_estimator(path, device=device, **settings))
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


def _keypoint_rcnn(path: Path, device: str, settings: dict[str, Any]) -> Any:
    require_torch(path)
    from posetrack.detectors.torchvision import keypoint_rcnn_resnet50
    from posetrack.estimators.keypoint_rcnn import KeypointRCNN

    known = ("half", "min_score", "max_iou", "max_people", "person")
    settings = _known_settings(path, "Keypoint R-CNN", settings, known)
    return KeypointRCNN(keypoint_rcnn_resnet50(path, keypoints=True), device=device, **settings)


def _vitpose(name: str, device: str, settings: dict[str, Any]) -> PoseEstimator:
    from posetrack.estimators.huggingface import VitPose

    if "decode" in settings:
        raise ValueError(f"{name}: {_DARK_ALREADY}")
    known = ("skeleton", "expert", "half", "offline", "max_batch")
    return VitPose(name, device=device, **_known_settings(name, "ViTPose", settings, known))


def _known_settings(
    name: str | Path, network: str, settings: Mapping[str, Any], known: Sequence[str]
) -> dict[str, Any]:
    """The settings, which must be known; decoding on the device is what these networks do."""
    given = {key: value for key, value in settings.items() if key != "on_device"}
    if wrong := [key.replace("_", " ") for key in given if key not in known]:
        raise ValueError(f"{name}: a {network} has no {' or '.join(wrong)} to set")
    return given


def build_flow(
    name: str | Path = "dis",
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> FlowEstimator:
    """An optical flow by name; a network's weights are fetched if they are not here yet.

    Parameters
    ----------
    name
        A key of `FLOWS`, a flow network of `posetrack.weights.catalogue.MODELS`, or the path of one
        of its files.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1"; for networks.
    offline, progress
        See `posetrack.weights.fetch`.
    **settings
        Of the class that runs it, such as `posetrack.flows.raft.RaftFlow`.

    Raises
    ------
    ValueError
        If no flow has this name, or the file is not that of a flow model in the table.
    FileNotFoundError, ConnectionError
        If the weights are not available; the message says what to do.

    Examples
    --------
    >>> build_flow("farneback")
    <posetrack.flows.farneback.FarnebackFlow object at ...>
    """
    if name in FLOWS:
        return cast(FlowEstimator, _class_of("flows", FLOWS[str(name)])(**settings))
    _, path = _card_and_file(name, "flow", offline, progress)
    require_torch(name)
    from posetrack.flows.raft import RaftFlow

    return RaftFlow(path, device=device, **settings)


def _card_and_file(
    name: str | Path, kind: Kind, offline: bool, progress: Progress | None
) -> tuple[CatalogueEntry, Path]:
    """The row of a name, or of a file by its hash, and where the weights are."""
    if Path(name).is_file():
        return _card_of(Path(name), kind), Path(name)
    card = card_of_kind(str(name), kind)
    if card.builder == "vitpose" and (needed := _find_missing_library(card)):
        raise ModuleNotFoundError(f"{name} needs {needed}")  # before hundreds of megabytes come
    return card, fetch(card, offline=offline, progress=progress)


def card_of_kind(name: str, kind: Kind) -> CatalogueEntry:
    """The row of a name, which must be of a kind.

    Raises
    ------
    ValueError
        If no entry has this name, or it is of another kind; the message lists those of the right
        kind.

    Examples
    --------
    >>> card_of_kind("raft-small", "flow").name
    'raft_small'
    """
    card = find_entry(name)
    if not card.serves_as(kind):
        names = ", ".join(other.name for other in MODELS.values() if other.serves_as(kind))
        raise ValueError(f"{card.name} is a {card.kind} model; expected a {kind} model: {names}")
    return card


def _row_of(path: Path, kind: Kind) -> CatalogueEntry | None:
    """The row of the table that a file is of, by its hash."""
    digest = sha256_of(path)
    for card in MODELS.values():
        if card.serves_as(kind) and any(
            file.sha256 and digest.startswith(file.sha256) for file in card.files
        ):
            return card
    return None


def _card_of(path: Path, kind: Kind) -> CatalogueEntry:
    found = _row_of(path, kind)
    if found is not None:
        return found
    raise ValueError(
        f"{path} is not one of the files of the {kind} models in the table (its SHA-256 is not "
        "theirs), so it does not say what to build. `posetrack models list --json` shows them"
    )
