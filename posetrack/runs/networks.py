"""Networks by their names, or as objects, become a tracker; and the files that they came from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from posetrack import build
from posetrack.build import BUNDLED, DefaultKind, DefaultNetwork
from posetrack.files import sha256_of
from posetrack.interfaces import (
    BottomUpEstimator,
    Detector,
    FlowEstimator,
    PoseEstimator,
    SharedNetwork,
)
from posetrack.runtimes.huggingface import PREFIX, hub_name
from posetrack.weights.catalogue import look_up_entry

if TYPE_CHECKING:
    from posetrack.tracking.tracker import Tracker

Estimator: TypeAlias = PoseEstimator | BottomUpEstimator | SharedNetwork
Named: TypeAlias = str | Path
"""A network by its name or file."""

Weights: TypeAlias = dict[str, Path | dict[str, Any]]
"""The files that networks came from, by what they are for."""

Defaults: TypeAlias = Mapping[DefaultKind, DefaultNetwork]


class Makers(NamedTuple):
    """How names become networks.

    Parameters
    ----------
    detector, estimator
        From a name, or None and the default that was found for it.
    flow
        From a name.
    defaults
        Finds the default networks of some kinds.
    """

    detector: Callable[[Named | None, DefaultNetwork | None], Detector]
    estimator: Callable[[Named | None, DefaultNetwork | None], Estimator]
    flow: Callable[[Named], FlowEstimator]
    defaults: Callable[..., Defaults]


def makers(device: str = "auto", *, offline: bool = False) -> Makers:
    """Networks as `posetrack.build` makes them, without further settings.

    Where a default is not available, a warning says so, and what takes its place.
    """
    fetching: dict[str, Any] = {"device": device, "offline": offline}

    def find_defaults(*kinds: DefaultKind) -> Defaults:
        found = {kind: build.find_default(kind, **fetching) for kind in kinds}
        if sentence := build.explain_defaults(list(found.values())):
            warnings.warn(sentence, UserWarning, stacklevel=5)
        return found

    def detector(name: Named | None, default: DefaultNetwork | None) -> Detector:
        if name is None:
            default = default or find_defaults("detector")["detector"]
            return cast(Detector, build.build_default(default, device=device))
        return build.build_detector(name, **fetching)

    def estimator(name: Named | None, default: DefaultNetwork | None) -> Estimator:
        if name is None:
            default = default or find_defaults("estimator")["estimator"]
            return cast(PoseEstimator, build.build_default(default, device=device))
        return build.build_estimator(name, **fetching)

    def flow(name: Named) -> FlowEstimator:
        return build.build_flow(name, **fetching)

    return Makers(detector, estimator, flow, find_defaults)


def build_tracker(
    detector: Named | Detector | None,
    estimator: Named | Estimator | None,
    flow: Named | FlowEstimator,
    make: Makers,
    *,
    boxes: Named | None = None,
    device: str = "auto",
    **settings: Any,
) -> tuple[Tracker, Weights]:
    """Build a tracker, and say what its networks came from.

    Parameters
    ----------
    detector, estimator
        A name, an object, or None for the default, which is looked for after those that are named.
    flow
        A name or an object.
    make
        How names become networks.
    boxes
        A file of people's boxes instead of a detector.
    device, **settings
        Of `posetrack.Tracker`.

    Raises
    ------
    ValueError
        If a network that sees the image whole stands beside itself.

    Notes
    -----
    A network that finds people by itself needs no detector; one that is named, or boxes, are
    brought together with its poses, see `posetrack.Tracker`.
    """
    from posetrack.tracking.tracker import Tracker

    # What the user named comes first: a wrong file is reported before anything is fetched.
    finder = make.detector(detector, None) if isinstance(detector, Named) else detector
    defaults: Defaults = {}
    if estimator is None:  # the default one needs boxes
        needs: list[DefaultKind] = ["estimator"]
        needs += [] if detector is not None or boxes else ["detector"]
        defaults = make.defaults(*needs)
    poser = (
        make.estimator(estimator, defaults.get("estimator"))
        if estimator is None or isinstance(estimator, Named)
        else estimator
    )
    if is_bottom_up(poser) and _are_one_file(detector, estimator):
        raise ValueError(
            f"{estimator}: the same network as the detector; one that finds boxes and keypoints "
            "needs no detector beside it, one that finds boxes is no pose network"
        )
    if finder is None and not (finds_boxes(poser) or boxes):
        defaults = defaults if "detector" in defaults else make.defaults("detector")
        finder = make.detector(None, defaults["detector"])
    mover = make.flow(flow) if isinstance(flow, Named) else flow
    tracker = Tracker(finder, poser, mover, device=device, **settings)
    named = {"detector": detector, "estimator": estimator, "flow": flow}
    names = {kind: str(name) for kind, name in named.items() if isinstance(name, Named)}
    return tracker, weight_files(names, boxes, detector=finder, estimator=poser, defaults=defaults)


def _are_one_file(*names: object) -> bool:
    """Whether all are files with the same bytes."""
    files = [Path(name) for name in names if isinstance(name, Named) and Path(name).is_file()]
    return len(files) == len(names) and len({sha256_of(file) for file in files}) == 1


def finds_boxes(estimator: object) -> bool:
    """Whether an estimator needs no detector: it is bottom-up, or one network for both."""
    return is_bottom_up(estimator) or isinstance(estimator, SharedNetwork)


def is_bottom_up(estimator: object) -> bool:
    """Whether an estimator finds people by itself, so that no detector is needed."""
    return bool(getattr(estimator, "bottom_up", False))


def weight_files(
    names: Mapping[str, str],
    boxes: Named | None = None,
    *,
    detector: object = None,
    estimator: object = None,
    defaults: Defaults = MappingProxyType({}),
) -> Weights:
    """The files that networks, and boxes, came from, by what they are for.

    Where a network took the place of a default, the file is described, with the reason.

    Parameters
    ----------
    names
        Of the networks that were named, by kind.
    boxes
        The file of boxes instead of a detector.
    detector, estimator
        The networks: the pose network may have needed no detector, and those of a hub know the
        commit that was loaded, which is recorded.
    defaults
        The networks that were not named.

    Examples
    --------
    >>> weight_files({"flow": "dis", "estimator": "bundled"})["estimator"].name
    'pose_light.safetensors'
    """
    from posetrack.weights import find_cached

    files: Weights = {}
    for kind, name in names.items():
        if kind == "detector" and boxes:
            continue  # it did not run
        if name == BUNDLED and kind in build.BUNDLED_FILES:
            files[kind] = build.find_bundled_file(kind)
        elif name.startswith(PREFIX):
            asked = hub_name(name)
            loaded = getattr(
                {"detector": detector, "estimator": estimator}.get(kind), "revision", ""
            )
            files[kind] = {"name": asked.name, "revision": loaded or asked.revision}
        elif Path(name).is_file():
            files[kind] = Path(name)
        elif look_up_entry(name) is not None and (path := find_cached(name)) is not None:
            files[kind] = _with_row(path, name)
    if boxes:
        files["boxes"] = Path(boxes)
    for kind, default in defaults.items():
        first = default.path is not None and not default.taken
        files[kind] = _with_row(default.file, default.name) if first else _substitute(default)
    return files


def _with_row(file: Path, name: str) -> Path | dict[str, Any]:
    """A file; described with the name of its row of the table where its own name says nothing."""
    from posetrack.formats.provenance import describe_file

    entry = look_up_entry(name)
    if entry is None or not any(remote.has_own_folder for remote in entry.files):
        return file
    return describe_file(file) | {"name": entry.name}


def _substitute(default: DefaultNetwork) -> dict[str, Any]:
    from posetrack.formats.provenance import describe_file

    file = _with_row(default.file, default.taken)
    described = describe_file(file) if isinstance(file, Path) else file
    return described | {"in_place_of": default.name, "because": default.problem}
