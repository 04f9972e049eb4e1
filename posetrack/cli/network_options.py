"""Names and files from the command line become detectors, estimators, flows and skeletons."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from posetrack import build
from posetrack.build import BUNDLED, DefaultKind, DefaultNetwork
from posetrack.checks import did_you_mean, no_such, no_such_file
from posetrack.cli.options import Parser, add_option, size_from
from posetrack.devices import uses_cuda
from posetrack.interfaces import (
    BottomUpEstimator,
    Detector,
    FlowEstimator,
    PoseEstimator,
)
from posetrack.runtimes.huggingface import PREFIX, hub_name
from posetrack.skeletons import COCO_17, KNOWN_SKELETONS, Skeleton, read_skeleton
from posetrack.weights import fetch, is_offline
from posetrack.weights.catalogue import MODELS, Kind, look_up_entry

_FLOW_NETWORKS = ("raft-small", "raft-large")
FLOWS = (*build.FLOWS, *_FLOW_NETWORKS)
_NETWORK_FILES = (
    ".pth", ".pt", ".tar", ".safetensors", ".json", ".onnx", ".zip", ".pt2", ".xml",
    ".engine",
)  # fmt: skip
_OF_WHOLE_IMAGES = ("output_stride", "pose_threshold", "keypoint_threshold")


def skeleton_from(name: str) -> Skeleton:
    """A skeleton by name, or from a TOML file.

    Examples
    --------
    >>> skeleton_from("mpii_16")
    Skeleton('mpii_16', 16 keypoints)
    """
    if name in KNOWN_SKELETONS:
        return KNOWN_SKELETONS[name]
    if name.endswith(".toml"):
        return read_skeleton(name)
    names = "expected a .toml file or one of"
    raise ValueError(f"--skeleton: {no_such('skeleton', name, KNOWN_SKELETONS, has=names)}")


def _function_from(name: str) -> Callable[..., Any]:
    """A user's function from ``module:function``; the current folder is searched first.

    Examples
    --------
    >>> _function_from("math:hypot")(3, 4)
    5.0
    """
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise ValueError(f"expected module:function, such as my_network:decode, got {name!r}")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name.removesuffix(".py"))
    except ModuleNotFoundError as error:
        raise ValueError(f"{name}: there is no module {error.name!r} here or installed") from error
    finally:
        sys.path.remove(folder)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ValueError(f"{name}: {module_name} has no function {function_name!r}")
    return function  # type: ignore[no-any-return]


def device_from(text: str) -> str:
    """The name of a device; a slip of the pen must not end as "whatever there is".

    Examples
    --------
    >>> device_from("cuda:1")
    'cuda:1'
    """
    if not re.fullmatch(r"auto|cpu|mps|coreml|openvino|(cuda|directml)(:\d{1,3})?", text):
        raise argparse.ArgumentTypeError(
            "expected auto, cpu, cuda or cuda:1, or for ONNX networks coreml, directml or openvino,"
            f" got {text!r}"
        )
    return text


class DownloadBar:
    """A progress bar on standard error, from the first byte on; silent if that is no terminal.

    ``show`` is what `posetrack.weights.fetch` takes as ``progress``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None

    def __enter__(self) -> DownloadBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int | None) -> None:
        """Show that of ``total`` bytes ``done`` are here."""
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(desc=self._name, unit="B", unit_scale=True, disable=None, initial=done)
        self._bar.total = total
        self._bar.update(done - self._bar.n)


def _devices_from(text: str) -> str:
    """The names of several devices, with commas.

    Examples
    --------
    >>> _devices_from("cuda:0, cuda:1")
    'cuda:0,cuda:1'
    """
    return ",".join(device_from(name.strip()) for name in text.split(","))


def add_device(parser: Any, rare: Any = None, *, several: bool = False) -> None:
    """``--device`` and ``--offline``, the latter in the group ``rare`` if there is one."""
    add_option(
        parser,
        "runs.networks:makers",
        "device",
        "auto, cpu, cuda, cuda:1; for ONNX networks also coreml, directml, openvino"
        + ("; with commas, a worker for each" if several else ""),
        type=_devices_from if several else device_from,
        metavar="LIST" if several else None,
    )
    (rare or parser).add_argument("--offline", action="store_true", help="never download")


def add_flow(parser: Any) -> None:
    """``--flow``."""
    add_option(parser, "runs.track:track", "flow", "optical flow", choices=FLOWS)


def add_networks(parser: Parser, *, several_devices: bool = False) -> None:
    """Which networks find people, poses and motion, and how and where they are run."""
    parser.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help="a name of `posetrack models list`, bundled, hog, FILE.onnx, or hf:NAME of Hugging "
        "Face's hub",
    )
    parser.add_argument(
        "--estimator",
        metavar="NAME|FILE",
        help="a name of `posetrack models list`, bundled, FILE.onnx, a checkpoint, or hf:NAME of "
        "Hugging Face's hub",
    )
    group = parser.add_rare_group("networks")
    add_device(parser, group, several=several_devices)
    add_flow(group)
    group.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="people's boxes from PoseTrack18 or COCO JSON or MOT text, instead of a detector",
    )
    group.add_argument(
        "--decode",
        metavar="LAYOUT|MODULE:FUNCTION",
        help="layout of an ONNX detector's answers, such as fastestdet or yolox, or your function",
    )
    group.add_argument(
        "--detector-size",
        type=size_from,
        metavar="HEIGHTxWIDTH",
        help="input size of an ONNX detector whose file leaves it open",
    )
    group.add_argument("--min-score", type=float, metavar="X", help="detections below are dropped")
    group.add_argument("--max-iou", type=float, metavar="X", help="NMS inside the detector")
    group.add_argument(
        "--skeleton", metavar="NAME|FILE.toml", help="the estimator's keypoints, if not in its file"
    )
    group.add_argument(
        "--size",
        type=size_from,
        metavar="HEIGHTxWIDTH",
        help="the estimator's input size, if not in its file",
    )
    group.add_argument(
        "--output-stride",
        type=int,
        choices=(8, 16, 32),
        help="pixels to a cell of a PoseNet's maps; smaller is finer and slower",
    )
    group.add_argument(
        "--pose-threshold",
        type=float,
        metavar="X",
        help="of a network that sees the image whole: people who score less are dropped",
    )
    group.add_argument(
        "--keypoint-threshold",
        type=float,
        metavar="X",
        help="of a network that sees the image whole: keypoints that score less are unseen",
    )
    group.add_argument(
        "--precision",
        choices=("float32", "half", "int8"),
        help="of the pose network: half is torch's, int8 onnxruntime's on the CPU, calibrated once",
    )
    group.add_argument(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="crops of people to calibrate int8 on, in place of those inside the package",
    )
    group.add_argument("--flip-test", action="store_true", help="average with the mirrored crop")
    group.add_argument("--dark", action="store_true", help="DARK decoding of heatmaps")


def fetching(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """How networks of the table are fetched and where they run."""
    progress = DownloadBar(name).show
    return {"device": arguments.device, "offline": arguments.offline, "progress": progress}


def build_flow(arguments: argparse.Namespace) -> FlowEstimator:
    """The flow method that ``--flow`` names."""
    return build.build_flow(arguments.flow, **fetching(arguments, arguments.flow))


def find_defaults(
    arguments: argparse.Namespace, *kinds: DefaultKind
) -> dict[DefaultKind, DefaultNetwork]:
    """The networks of these kinds where none was named; prints which, and why not the first."""
    # DARK is of heatmaps, which the first choice on a CPU does not give.
    dark = getattr(arguments, "dark", False)
    only: dict[DefaultKind, tuple[str, ...]] = {"estimator": (build.ESTIMATOR,)} if dark else {}
    found = {
        kind: build.find_default(kind, **fetching(arguments, kind), names=only.get(kind))
        for kind in kinds
    }
    sentence = build.explain_defaults(list(found.values()))
    names = " and ".join(
        f"{default.taken or default.name} as {kind}"
        for kind, default in found.items()
        if default.path is not None
    )
    for line in (sentence, f"taking {names}" if names else ""):
        if line:
            print(f"posetrack: {line}", file=sys.stderr)
    return found


def build_detector(
    arguments: argparse.Namespace, default: DefaultNetwork | None = None
) -> Detector:
    """The detector of ``--detector``: a name, ``bundled``, ``hog`` or a file; else the default."""
    name: str | None = arguments.detector
    given = {"min_score": arguments.min_score, "max_iou": arguments.max_iou}
    thresholds = {key: value for key, value in given.items() if value is not None}
    if name is None:
        default = default or find_defaults(arguments, "detector")["detector"]
        return cast(Detector, build.build_default(default, device=arguments.device, **thresholds))
    if name.endswith((".onnx", ".zip")):
        thresholds["decode"] = _layout(arguments.decode)
        thresholds["input_size"] = arguments.detector_size
    return build.build_detector(name, **fetching(arguments, name), **thresholds)


def _layout(name: str | None) -> Any:
    """A known layout, or a user's decode function from ``module:function``."""
    from posetrack.detectors.onnx_guess import LAYOUTS

    if name is None:
        return None
    if name in LAYOUTS:
        return LAYOUTS[name]
    if ":" not in name:
        names = "expected module:function or one of"
        raise ValueError(f"--decode: {no_such('layout', name, LAYOUTS, has=names)}")
    return _function_from(name)


def build_estimator(
    arguments: argparse.Namespace, default: DefaultNetwork | None = None, **more: Any
) -> PoseEstimator | BottomUpEstimator:
    """The estimator of ``--estimator``: a name in the table, ``bundled`` or a file.

    ``more`` are settings of a pose network that sees crops, which no option gives.
    """
    name: str | None = arguments.estimator
    skeleton = skeleton_from(arguments.skeleton) if arguments.skeleton else None
    settings: dict[str, Any] = {"flip_test": True} if arguments.flip_test else {}
    given = {key: getattr(arguments, key) for key in _OF_WHOLE_IMAGES}
    settings |= {key: value for key, value in given.items() if value is not None}
    settings |= _precision(arguments) | more
    if name is None:
        _refuse_of_whole_images(settings)
        default = default or find_defaults(arguments, "estimator")["estimator"]
        if arguments.dark:
            settings["decode"] = build.dark_decoder(build.ESTIMATOR)
        return cast(
            PoseEstimator, build.build_default(default, device=arguments.device, **settings)
        )
    if name == BUNDLED or name.startswith(PREFIX):
        _refuse_of_whole_images(settings)
    if _is_network_file(name):
        from posetrack.estimators.from_file import load_estimator

        settings |= {"skeleton": skeleton, "input_size": arguments.size}
        return load_estimator(name, dark=arguments.dark, device=arguments.device, **settings)
    return build.build_estimator(name, dark=arguments.dark, **fetching(arguments, name), **settings)


def _precision(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``--precision`` and ``--calibration`` say."""
    if arguments.calibration is not None and arguments.precision != "int8":
        raise ValueError("--calibration goes with --precision int8")
    match arguments.precision:
        case "half":
            return {"half": True, "on_device": True}
        case "float32" if uses_cuda(arguments.device):  # asked only here: it imports torch
            return {"half": False}
        case "int8":
            return {"precision": "int8", "calibration": arguments.calibration}
        case _:
            return {}


def _is_network_file(name: str) -> bool:
    """Whether a name is of a file, by its ending, or of a folder of weights that is there."""
    return name.endswith(_NETWORK_FILES) or Path(name).is_dir()


def _refuse_of_whole_images(settings: Mapping[str, Any]) -> None:
    wrong = [name.replace("_", "-") for name in _OF_WHOLE_IMAGES if name in settings]
    if wrong:
        raise ValueError(
            f"--{' and --'.join(wrong)} goes with a network that sees the image whole, such as "
            "--estimator posenet-100"
        )


def check_networks(arguments: argparse.Namespace) -> None:
    """Refuse names and files that are not there, before any network is loaded or fetched."""
    if arguments.skeleton:
        skeleton_from(arguments.skeleton)
    others = {"detector": (BUNDLED, *build.DETECTORS), "estimator": (BUNDLED,)}
    kinds: dict[str, Kind] = {"detector": "detector", "estimator": "pose"}
    for option, more in others.items():
        name: str | None = getattr(arguments, option)
        if name is None or name in more or Path(name).exists():
            continue
        if name.startswith(PREFIX):
            hub_name(name)
            continue
        offline = arguments.offline or is_offline()
        check_network_name(f"--{option}", name, kinds[option], more=more, offline=offline)
    if arguments.decode is not None:
        if not (arguments.detector or "").endswith((".onnx", ".zip")):
            raise ValueError("--decode goes with an ONNX detector: --detector FILE.onnx")
        _layout(arguments.decode)
    if (arguments.offline or is_offline()) and arguments.flow in _FLOW_NETWORKS:
        fetch(arguments.flow, offline=True)


def check_network_name(
    option: str, name: str, kind: Kind, *, more: tuple[str, ...] = (), offline: bool = False
) -> None:
    """Refuse what is no name of the table, of ``kind``; ``more`` are known besides.

    Raises
    ------
    FileNotFoundError
        If it is a file that is not there, or offline and its weights are not here.
    ValueError
        With the names that come near.
    """
    if name.endswith(_NETWORK_FILES):
        raise no_such_file(Path(name))
    if look_up_entry(name) is not None:
        card = build.card_of_kind(name, kind)
        if offline:
            fetch(card, offline=True)  # says so, where it is not here
        return
    known = [*more, *(card.name for card in MODELS.values() if card.serves_as(kind))]
    noun = "detector" if kind == "detector" else "estimator"
    raise ValueError(
        f"{option}: no {noun} is called {name!r}{did_you_mean(name, known) or '.'} "
        "`posetrack models list` shows all names; a file of your own is given by its path"
    )


def skeleton_ahead(arguments: argparse.Namespace) -> Skeleton | None:
    """The estimator's skeleton, where it is known before loading."""
    if arguments.skeleton:
        return skeleton_from(arguments.skeleton)
    name = arguments.estimator or build.ESTIMATOR
    card = look_up_entry(name)
    if card is not None and card.skeleton is not None:
        return KNOWN_SKELETONS[card.skeleton]
    return COCO_17 if name == BUNDLED else None
