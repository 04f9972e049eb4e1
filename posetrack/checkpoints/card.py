"""The card inside our own weight files: keypoints, input size, colours, decoding.

A safetensors file has it in its header, as JSON under ``posetrack``; a PyTorch file ``NAME.pth``
has the same JSON in ``NAME.pth.json`` beside it. Exported networks carry the same JSON, see
`posetrack.runtimes.session`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from posetrack.files import read_text
from posetrack.ops.crops import Normalisation
from posetrack.ops.heatmaps import decode_argmax, decode_dark, decode_quarter
from posetrack.skeletons import Skeleton

_LARGEST_HEADER = 16 * 2**20
"""Bytes of a safetensors header believed; a thousand layers take a hundred thousand."""

_LARGEST_SIDE = 4096

_KEYS: Mapping[str, str] = {"options": "told", "outputs": "form"}
"""Fields that have other names in files, kept since the first version."""

_LONGEST_TEXT = 10_000
"""Characters of a note on training data or a licence that are believed."""

METHODS = ("quarter", "argmax", "dark")
"""How heatmaps become keypoints, the functions ``decode_...`` of `posetrack.ops.heatmaps`."""

PRECISIONS = ("float32", "float16", "int8")

FAMILIES = ("heatmaps", "posenet", "trt_pose", "boxes")
"""The outputs of an exported network, which decide what runs it."""


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


def decoder_of(decode: Decode | None) -> Callable[..., Any]:
    """The function of `posetrack.ops.heatmaps` that a card names.

    Examples
    --------
    >>> decoder_of(None).__name__, decoder_of(Decode("dark", 3.0)).keywords
    ('decode_quarter', {'blur_size': 17})
    """
    decode = decode or Decode()
    if decode.method == "dark":
        return partial(decode_dark, blur_size=decode.blur_size)
    return decode_argmax if decode.method == "argmax" else decode_quarter


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
class OutputSpec:
    """The outputs of an exported network.

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
            raise ValueError(f"no such outputs: {self.family}, {self.precision}")


@dataclass(frozen=True)
class ModelCard:
    """A file's card; fields are None, or empty, where the file says nothing.

    Parameters
    ----------
    skeleton, input_size, normalisation
        See `posetrack.checkpoints.loading.PoseCheckpoint`.
    options
        Settings of the network that leave no trace in its weights, see
        `posetrack.networks.family`.
    decode
        How its heatmaps become keypoints.
    training_data, licence
        What it was trained on and how it may be used, in words.
    source_sha256
        Of the file that it was made from, in hexadecimal.
    outputs
        Of an exported network, what its outputs are.
    padding
        How much larger than the box a crop is.
    tracker_settings
        Of a detector: settings of `posetrack.Tracker` that suit it.
    """

    skeleton: Skeleton | None = None
    input_size: tuple[int, int] | None = None
    normalisation: Normalisation | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    decode: Decode | None = None
    training_data: str = ""
    licence: str = ""
    source_sha256: str = ""
    outputs: OutputSpec | None = None
    padding: float | None = None
    tracker_settings: Mapping[str, float] = field(default_factory=dict)


def read_card(path: str | Path) -> ModelCard | None:
    """The card of a weight file of ours; None for other files.

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
    ...     read_card(path).input_size
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
    return None if text is None else parse_card(text, str(path))


def parse_card(text: str, source: str) -> ModelCard:
    """The card in the JSON that goes with a network.

    Parameters
    ----------
    text
        As `card_text` makes it; what is not there stays None.
    source
        What to call it in messages.

    Raises
    ------
    ValueError
        If it makes no sense.

    Examples
    --------
    >>> parse_card('{"decode": {"method": "dark", "sigma": 2}}', "a file").decode.blur_size
    11
    """
    try:
        card = json.loads(text)
        if not isinstance(card, Mapping):
            raise TypeError(f"expected names and values, got {type(card).__name__}")
        return ModelCard(
            _skeleton(card.get("skeleton")),
            _size(card.get("input_size")),
            _normalisation(card.get("normalisation")),
            _options(card.get("told")),
            _decode(card.get("decode")),
            _text_of(card, "training_data"),
            _text_of(card, "licence"),
            _text_of(card, "source_sha256"),
            _outputs(card.get("form")),
            _padding(card.get("padding")),
            _tracker_settings(card.get("tracker_settings")),
        )
    except (TypeError, ValueError, KeyError, RecursionError, OverflowError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{source}: what is kept with its weights makes no sense: {reason}"
        ) from error


def card_text(card: ModelCard) -> str:
    """The JSON that goes with a network; fields that are None or empty are left out.

    Examples
    --------
    >>> parse_card(card_text(ModelCard(input_size=(96, 128))), "here").input_size
    (96, 128)
    """
    values = {name: getattr(card, name) for name in ModelCard.__dataclass_fields__}
    structured = ("skeleton", "normalisation", "decode", "outputs")
    plain = {
        _KEYS.get(name, name): asdict(value) if name in structured else value
        for name, value in values.items()
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


def _skeleton(card: Any) -> Skeleton | None:
    return None if card is None else Skeleton.from_json(card, "its skeleton")


def _size(card: Any) -> tuple[int, int] | None:
    if card is None:
        return None
    sides = list(card)
    if len(sides) != 2 or not all(
        type(side) is int and 0 < side <= _LARGEST_SIDE for side in sides
    ):
        raise ValueError(f"input_size must be a width and a height in pixels, got {card}")
    return sides[0], sides[1]


def _normalisation(card: Any) -> Normalisation | None:
    if card is None:
        return None
    mean, std = (tuple(float(value) for value in card[name]) for name in ("mean", "std"))
    return Normalisation(mean, std, rgb=bool(card["rgb"]))  # type: ignore[arg-type]


def _options(card: Any) -> dict[str, Any]:
    options = dict(card or {})
    if not all(isinstance(value, bool | int) for value in options.values()):
        raise ValueError(f"'told' must be switches and whole numbers, got {card}")
    return options


def _decode(card: Any) -> Decode | None:
    return None if card is None else Decode(str(card["method"]), float(card["sigma"]))


def _padding(card: Any) -> float | None:
    if card is None:
        return None
    padding = float(card)
    if not 0 < padding < 100:
        raise ValueError(f"padding must be above 0 and below 100, got {card}")
    return padding


def _tracker_settings(card: Any) -> dict[str, float]:
    settings = dict(card or {})
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in settings.values()):
        raise ValueError(f"tracker_settings must be numbers from 0 to 1, got {card}")
    return {str(name): float(value) for name, value in settings.items()}


def _text_of(card: Mapping[str, Any], name: str) -> str:
    text = card.get(name, "")
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise ValueError(f"{name} must be a text of at most {_LONGEST_TEXT} characters")
    return text


def _outputs(card: Any) -> OutputSpec | None:
    if card is None:
        return None
    stride = card["output_stride"]
    if type(stride) is not int or not 0 <= stride <= 64:
        raise ValueError(f"output_stride must be a whole number up to 64, got {stride}")
    switches = (card["decoded"], card["flip_test"])
    if not all(isinstance(value, bool) for value in switches):
        raise ValueError(f"decoded and flip_test must be true or false, got {switches}")
    return OutputSpec(str(card["family"]), str(card["precision"]), *switches, stride)
