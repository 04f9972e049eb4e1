"""Names and files from the command line become detectors, estimators, flows and skeletons."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from posetrack.cli.models import DownloadBar
from posetrack.defaults import BUNDLED, DefaultKind, DefaultNetwork
from posetrack.devices import onnx_providers
from posetrack.interfaces import BottomUpEstimator, Detector, FlowEstimator, PoseEstimator
from posetrack.skeletons import KNOWN_SKELETONS, Skeleton, read_skeleton

FLOWS = ("dis", "farneback", "tvl1", "rlof", "lk", "raft-small", "raft-large")
_NETWORK_FILES = (
    ".pth", ".pt", ".tar", ".safetensors", "manifest.json", ".onnx", ".pt2", ".xml", ".engine",
)  # fmt: skip


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
    known = ", ".join(KNOWN_SKELETONS)
    raise ValueError(f"--skeleton {name}: expected a .toml file or one of {known}")


def function_from(name: str) -> Callable[..., Any]:
    """A user's function from ``module:function``; the current folder is searched first.

    Examples
    --------
    >>> function_from("math:hypot")(3, 4)
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
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"expected auto, cpu, cuda or cuda:1, got {text!r}")
    return text


def size_from(text: str) -> tuple[int, int]:
    """Width and height from the field's ``HEIGHTxWIDTH``.

    Examples
    --------
    >>> size_from("256x192")
    (192, 256)
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 256x192, got {text!r}")
    return int(width), int(height)


def fetching(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """How networks of the table are fetched and where they run."""
    progress = DownloadBar(name).show
    return {"device": arguments.device, "offline": arguments.offline, "progress": progress}


def build_flow(arguments: argparse.Namespace) -> FlowEstimator:
    """The flow method that ``--flow`` names."""
    name = arguments.flow
    if name.startswith("raft-"):
        from posetrack.defaults import build_flow as build_network

        return build_network(name, **fetching(arguments, name))
    module, kind = {
        "dis": ("dis", "DisFlow"),
        "farneback": ("farneback", "FarnebackFlow"),
        "tvl1": ("tvl1", "TvL1Flow"),
        "rlof": ("rlof", "RlofFlow"),
        "lk": ("lucas_kanade", "LucasKanadeFlow"),
    }[name]
    flow: FlowEstimator = getattr(importlib.import_module(f"posetrack.flows.{module}"), kind)()
    return flow


def find_defaults(
    arguments: argparse.Namespace, *kinds: DefaultKind
) -> dict[DefaultKind, DefaultNetwork]:
    """The networks of these kinds where none was named; prints why one is not the first choice."""
    from posetrack.defaults import explain_defaults, find_default

    found = {kind: find_default(kind, **fetching(arguments, kind)) for kind in kinds}
    if sentence := explain_defaults(list(found.values())):
        print(f"posetrack: {sentence}", file=sys.stderr)
    return found


def build_detector(
    arguments: argparse.Namespace, default: DefaultNetwork | None = None
) -> Detector:
    """What ``--detector`` says: a name, ``bundled``, ``hog`` or a file; else the default."""
    name: str | None = arguments.detector
    given = {"min_score": arguments.min_score, "max_iou": arguments.max_iou}
    thresholds = {key: value for key, value in given.items() if value is not None}
    if arguments.decode is not None and not (name or "").endswith(".onnx"):
        raise ValueError("--decode goes with an ONNX detector: --detector FILE.onnx")
    if name is None:
        from posetrack.defaults import build_default

        default = default or find_defaults(arguments, "detector")["detector"]
        return cast(Detector, build_default(default, device=arguments.device, **thresholds))
    if name.endswith(".onnx"):
        from posetrack.detectors.onnx import OnnxDetector

        return OnnxDetector(
            name,
            decode=_layout(arguments.decode),
            input_size=arguments.detector_size,
            providers=onnx_providers(arguments.device),
            **thresholds,
        )
    if name == "hog":
        from posetrack.detectors.hog import HogDetector

        return HogDetector(**thresholds)
    if name == BUNDLED:
        from posetrack.defaults import bundled_detector

        return bundled_detector(arguments.device, **thresholds)
    if _is_ours(name):
        from posetrack.detectors.light import load_light_detector

        return load_light_detector(name, device=arguments.device, **thresholds)
    from posetrack.defaults import build_detector as build_from_table

    return build_from_table(name, **fetching(arguments, name), **thresholds)


def _is_ours(name: str) -> bool:
    """Whether a file was trained here: published detectors are plain state dicts."""
    return name.endswith(".safetensors") or Path(name + ".json").is_file()


def _layout(name: str | None) -> Callable[..., Any] | None:
    """A decode function: of a known layout, or a user's from ``module:function``."""
    from posetrack.detectors.onnx_guess import LAYOUTS

    if name is None:
        return None
    if name in LAYOUTS:
        return LAYOUTS[name].decode
    if ":" not in name:
        raise ValueError(
            f"--decode {name}: expected module:function or one of {', '.join(LAYOUTS)}"
        )
    return function_from(name)


def build_estimator(
    arguments: argparse.Namespace, default: DefaultNetwork | None = None
) -> PoseEstimator | BottomUpEstimator:
    """What ``--estimator`` says: a name in the table, ``bundled``, an ONNX file or a checkpoint."""
    name: str | None = arguments.estimator
    skeleton = skeleton_from(arguments.skeleton) if arguments.skeleton else None
    common: dict[str, Any] = {"flip_test": arguments.flip_test}
    if name is not None and name.endswith(_NETWORK_FILES):
        from posetrack.estimators.from_file import load_estimator

        if not arguments.flip_test:
            del common["flip_test"]  # networks that see the whole image have none
        return load_estimator(
            name,
            skeleton=skeleton,
            input_size=arguments.size,
            dark=arguments.dark,
            device=arguments.device,
            **common,
        )
    if arguments.dark:
        common["decode"] = _dark_of(name)
    if name == BUNDLED:
        from posetrack.defaults import bundled_estimator

        return bundled_estimator(arguments.device, **common)
    from posetrack.defaults import build_default
    from posetrack.defaults import build_estimator as build_from_table

    if name is None:
        default = default or find_defaults(arguments, "estimator")["estimator"]
        return cast(PoseEstimator, build_default(default, device=arguments.device, **common))
    return build_from_table(name, **fetching(arguments, name), **common)


def _dark_of(name: str | None) -> Callable[..., Any]:
    """DARK decoding with the blur that goes with the training maps of a network of the table."""
    from posetrack.checkpoints.card import Decode, usual_sigma
    from posetrack.defaults import ESTIMATOR
    from posetrack.ops.heatmaps import decode_dark
    from posetrack.weights.catalogue import MODELS

    card = MODELS.get(name or ESTIMATOR)
    size = card.input_size if card is not None and card.input_size else (192, 256)
    return partial(decode_dark, blur_size=Decode("dark", usual_sigma(size)).blur_size)


def is_bottom_up(estimator: object) -> bool:
    """Whether an estimator finds people by itself, so that no detector is run."""
    return bool(getattr(estimator, "bottom_up", False))


def weight_files(
    arguments: argparse.Namespace,
    estimator: object = None,
    defaults: Mapping[DefaultKind, DefaultNetwork] = MappingProxyType({}),
) -> dict[str, Path | dict[str, Any]]:
    """The files that networks, and boxes, came from, by what they are for.

    Where a network took the place of a default, the file is described, with the reason.
    """
    from posetrack.defaults import BUNDLED_FILES, bundled_file
    from posetrack.weights import cached_path
    from posetrack.weights.catalogue import MODELS

    named = {"estimator": arguments.estimator, "flow": arguments.flow}
    files: dict[str, Path | dict[str, Any]] = {}
    if is_bottom_up(estimator):
        pass  # no detector was run
    elif arguments.boxes is None:
        named["detector"] = arguments.detector
    else:
        files["boxes"] = arguments.boxes
    for kind, name in named.items():
        if name is None:
            continue
        if name == BUNDLED and kind in BUNDLED_FILES:
            files[kind] = bundled_file(kind)
        elif Path(name).is_file():
            files[kind] = Path(name)
        elif name in MODELS and (path := cached_path(name)) is not None:
            files[kind] = path
    for kind, default in defaults.items():
        files[kind] = default.file if default.path is not None else _substitute(default)
    return files


def _substitute(default: DefaultNetwork) -> dict[str, Any]:
    from posetrack.formats.provenance import describe_file

    described = describe_file(default.file)
    return described | {"in_place_of": default.name, "because": default.problem}
