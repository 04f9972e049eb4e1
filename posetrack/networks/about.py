"""What our own weight files say of themselves: keypoints, input size, colours, decoding.

A safetensors file has it in its header, as JSON under ``posetrack``; a PyTorch file ``NAME.pth``
has the same JSON in ``NAME.pth.json`` beside it. Exported networks carry the same JSON, see
`posetrack.estimators.opening`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from posetrack.files import read_text
from posetrack.ops.crops import Normalisation
from posetrack.skeletons import Skeleton

_LARGEST_HEADER = 16 * 2**20
"""Bytes of a safetensors header believed; a thousand layers take a hundred thousand."""

_LARGEST_SIDE = 4096

_LONGEST_TEXT = 10_000
"""Characters of a note on training data or a licence that are believed."""

METHODS = ("quarter", "argmax", "dark")
"""How heatmaps become keypoints, the functions ``decode_...`` of `posetrack.ops.heatmaps`."""

PRECISIONS = ("float32", "float16", "int8")

FAMILIES = ("heatmaps", "posenet", "trt_pose", "boxes")
"""What the outputs of an exported network are, which decides what runs it."""


@dataclass(frozen=True)
class Decode:
    """How a network's heatmaps become keypoints.

    Parameters
    ----------
    method
        ``"quarter"``, ``"argmax"`` or ``"dark"``.
    sigma
        Of the Gaussians it was trained on, in heatmap cells; DARK's blur follows from it.

    Raises
    ------
    ValueError
        If the method is another, or sigma not between 0 and 100.

    Examples
    --------
    >>> Decode("dark", sigma=3.0).blur_size
    17
    """

    method: str = "quarter"
    sigma: float = 2.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"decode must be one of {', '.join(METHODS)}, got {self.method!r}")
        if not 0 < self.sigma < 100:
            raise ValueError(f"sigma must be above 0 and below 100 cells, got {self.sigma}")

    @property
    def blur_size(self) -> int:
        """Odd width of the window that smooths by about ``sigma``: 11 cells for 2, 17 for 3."""
        return max(1, 2 * round(((self.sigma - 0.35) / 0.15 - 1) / 2) + 1)


def usual_sigma(input_size: tuple[int, int]) -> float:
    """Sigma of the targets that networks of an input size are usually trained with.

    The authors' settings: 2 cells for 256 x 192 and 256 x 256, 3 for 384 x 288 and larger.

    Examples
    --------
    >>> usual_sigma((192, 256)), usual_sigma((288, 384))
    (2.0, 3.0)
    """
    return 3.0 if max(input_size) >= 384 else 2.0


@dataclass(frozen=True)
class Form:
    """What an exported network's outputs are.

    Parameters
    ----------
    family
        ``"heatmaps"`` of crops, the maps of ``"posenet"`` or ``"trt_pose"``, or the ``"boxes"`` of
        `posetrack.networks.person_detector.rows_of`.
    precision
        ``"float32"``, ``"float16"`` or ``"int8"`` weights.
    decoded
        Whether it gives keypoints (N, K, 2) in pixels of the crop and scores (N, K).
    flip_test
        Whether it averages with the mirrored crop by itself.
    output_stride
        Of a PoseNet; else 0.
    """

    family: str = "heatmaps"
    precision: str = "float32"
    decoded: bool = False
    flip_test: bool = False
    output_stride: int = 0

    def __post_init__(self) -> None:
        if self.family not in FAMILIES or self.precision not in PRECISIONS:
            raise ValueError(f"no such form: {self.family}, {self.precision}")


@dataclass(frozen=True)
class About:
    """What a file says; None, or empty, where it says nothing.

    Parameters
    ----------
    skeleton, input_size, normalisation
        See `posetrack.networks.checkpoints.PoseCheckpoint`.
    told
        Settings of the network that leave no trace in its weights, see
        `posetrack.networks.architectures.TOLD`.
    decode
        How its heatmaps become keypoints.
    training_data, licence
        What it was trained on and how it may be used, in words.
    source_sha256
        Of the file that it was made from, in hexadecimal.
    form
        Of an exported network, what its outputs are.
    """

    skeleton: Skeleton | None = None
    input_size: tuple[int, int] | None = None
    normalisation: Normalisation | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    decode: Decode | None = None
    training_data: str = ""
    licence: str = ""
    source_sha256: str = ""
    form: Form | None = None


def read_about(path: str | Path) -> About | None:
    """What is kept with a weight file of ours; None for anybody else's.

    Raises
    ------
    ValueError
        If there is something that makes no sense.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "best.pth")
    ...     _ = Path(folder, "best.pth.json").write_text('{"input_size": [192, 256]}')
    ...     read_about(path).input_size
    (192, 256)
    """
    path = Path(path)
    beside = path.with_name(path.name + ".json")
    if path.suffix == ".safetensors":
        text = _in_header(path)
    elif beside.is_file():
        text = read_text(beside, _LARGEST_HEADER)
    else:
        return None
    return None if text is None else parse_about(text, str(path))


def parse_about(text: str, where: str) -> About:
    """What the JSON that goes with a network says.

    Parameters
    ----------
    text
        As `about_text` makes it; what is not there stays None.
    where
        What to call it in messages.

    Raises
    ------
    ValueError
        If it makes no sense.

    Examples
    --------
    >>> parse_about('{"decode": {"method": "dark", "sigma": 2}}', "a file").decode.blur_size
    11
    """
    try:
        said = json.loads(text)
        if not isinstance(said, Mapping):
            raise TypeError(f"expected names and values, got {type(said).__name__}")
        return About(
            _skeleton(said.get("skeleton")),
            _size(said.get("input_size")),
            _normalisation(said.get("normalisation")),
            _told(said.get("told")),
            _decode(said.get("decode")),
            _words(said, "training_data"),
            _words(said, "licence"),
            _words(said, "source_sha256"),
            _form(said.get("form")),
        )
    except (TypeError, ValueError, KeyError, RecursionError, OverflowError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{where}: what is kept with its weights makes no sense: {reason}"
        ) from error


def about_text(about: About) -> str:
    """The JSON that goes with a network; what is None or empty is left out.

    Examples
    --------
    >>> parse_about(about_text(About(input_size=(96, 128))), "here").input_size
    (96, 128)
    """
    said = {name: getattr(about, name) for name in About.__dataclass_fields__}
    structured = ("skeleton", "normalisation", "decode", "form")
    plain = {
        name: asdict(value) if name in structured else value
        for name, value in said.items()
        if value
    }
    return json.dumps(plain)


def _in_header(path: Path) -> str | None:
    """The text under ``posetrack``; what is no header at all is left to the reader of tensors."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > min(_LARGEST_HEADER, path.stat().st_size):
            return None
        try:
            header = json.loads(file.read(size))
        except (ValueError, RecursionError):
            return None
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    text = metadata.get("posetrack") if isinstance(metadata, dict) else None
    return text if isinstance(text, str) else None


def _skeleton(said: Any) -> Skeleton | None:
    return None if said is None else Skeleton.from_json(said, "its skeleton")


def _size(said: Any) -> tuple[int, int] | None:
    if said is None:
        return None
    sides = list(said)
    if len(sides) != 2 or not all(
        type(side) is int and 0 < side <= _LARGEST_SIDE for side in sides
    ):
        raise ValueError(f"input_size must be a width and a height in pixels, got {said}")
    return sides[0], sides[1]


def _normalisation(said: Any) -> Normalisation | None:
    if said is None:
        return None
    mean, std = (tuple(float(value) for value in said[name]) for name in ("mean", "std"))
    return Normalisation(mean, std, rgb=bool(said["rgb"]))  # type: ignore[arg-type]


def _told(said: Any) -> dict[str, Any]:
    told = dict(said or {})
    if not all(isinstance(value, bool | int) for value in told.values()):
        raise ValueError(f"told must be switches and whole numbers, got {said}")
    return told


def _decode(said: Any) -> Decode | None:
    return None if said is None else Decode(str(said["method"]), float(said["sigma"]))


def _words(said: Mapping[str, Any], name: str) -> str:
    words = said.get(name, "")
    if not isinstance(words, str) or len(words) > _LONGEST_TEXT:
        raise ValueError(f"{name} must be a text of at most {_LONGEST_TEXT} characters")
    return words


def _form(said: Any) -> Form | None:
    if said is None:
        return None
    stride = said["output_stride"]
    if type(stride) is not int or not 0 <= stride <= 64:
        raise ValueError(f"output_stride must be a whole number up to 64, got {stride}")
    switches = (said["decoded"], said["flip_test"])
    if not all(isinstance(value, bool) for value in switches):
        raise ValueError(f"decoded and flip_test must be true or false, got {switches}")
    return Form(str(said["family"]), str(said["precision"]), *switches, stride)
