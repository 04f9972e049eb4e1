"""ONNX networks in 8 bits on the CPU, by onnxruntime's static quantisation.

What ranges a network's layers have is found on crops of people: rendered ones inside the package,
or a folder of one's own. The 8 bit network is kept in the cache folder under a fingerprint of the
network, the crops and onnxruntime, so it is made once.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.checks import require_library
from posetrack.files import write_whole
from posetrack.weights import cache_folder

SHEET: Final = Path(__file__).parents[1] / "bundled" / "crops.jpg"
"""Crops of rendered people, by ``benchmarks/calibration_crops.py``."""

_SHEET_SIZE = (192, 256)
_SCHEME = "2"
"""Of how networks are quantised; another number makes all anew."""

MAX_MEDIAN: Final = 1.0
MAX_P99: Final = 5.0
"""Pixels of the crop by which keypoints may differ from those of the network in 32 bits."""

SURE: Final = 0.3
FEWEST_SURE: Final = 30
"""Only keypoints with a larger score are compared, and there must be so many."""

_IR_VERSION = 8
"""Of files of opset 13 to 17."""

_KINDS = ("Conv", "Add", "MaxPool", "Clip", "Relu")
"""Operators that onnxruntime has 8 bit kernels for, or that pass 8 bits through."""


class Drift(NamedTuple):
    """How far keypoints in 8 bits are from those in 32, in pixels of the crop.

    Parameters
    ----------
    median, p99
        Of keypoints that are sure in 32 bits; NaN where there are none.
    keypoints
        How many those are.
    """

    median: float
    p99: float
    keypoints: int

    @classmethod
    def between(
        cls,
        wanted: NDArray[np.floating[Any]],
        scores: NDArray[np.floating[Any]],
        found: NDArray[np.floating[Any]],
    ) -> Drift:
        """Compare keypoints (N, K, 2), those of score over `SURE` (N, K).

        Examples
        --------
        >>> Drift.between(np.zeros((1, 2, 2)), np.array([[0.9, 0.1]]), np.ones((1, 2, 2)) * 3)
        Drift(median=4.24..., p99=4.24..., keypoints=1)
        """
        apart = np.linalg.norm(found - wanted, axis=2)[scores > SURE]
        apart = np.where(np.isfinite(apart), apart, np.inf)
        if not len(apart):
            return cls(float("nan"), float("nan"), 0)
        worst = np.percentile(apart, 99, method="higher")  # no arithmetic: it may be infinite
        return cls(float(np.median(apart)), float(worst), len(apart))

    def check(self, title: str) -> None:
        """Refuse what is too far off, or cannot be judged.

        Raises
        ------
        ValueError
            The message has the figures.

        Examples
        --------
        >>> Drift(0.2, 6.0, 500).check("net.onnx")
        Traceback (most recent call last):
        ...
        ValueError: net.onnx: in 8 bits its keypoints move by 0.20 pixels of the crop (median) ...
        """
        if self.keypoints < FEWEST_SURE:
            raise ValueError(
                f"{title}: it is sure of {self.keypoints} keypoints (score over {SURE}) in the "
                f"crops it is calibrated on, and {FEWEST_SURE} are needed to see what 8 bits do to "
                "it; give a folder of crops of what it was trained for"
            )
        if not (self.median < MAX_MEDIAN and self.p99 < MAX_P99):
            raise ValueError(
                f"{title}: in 8 bits its keypoints move by {self.median:.2f} pixels of the crop "
                f"(median) and {self.p99:.2f} (99th percentile, of {self.keypoints}); at most "
                f"{MAX_MEDIAN:g} and {MAX_P99:g} are accepted. Stay with float32, or give a folder "
                "of crops that are more like yours"
            )


def read_crops(folder: str | Path | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crops of people for calibration, (N, height, width, 3) uint8 BGR.

    Parameters
    ----------
    folder
        Of JPEG or PNG files, each a person's crop; None for those inside the package.
    size
        Width and height that they are scaled to.

    Raises
    ------
    FileNotFoundError, ValueError
        If there are none.

    Examples
    --------
    >>> read_crops(None, (48, 64)).shape
    (48, 64, 48, 3)
    """
    if folder is None:
        sheet = cv2.imread(str(SHEET))
        if sheet is None:
            raise FileNotFoundError(f"{SHEET}: this copy of the package has no crops in it")
        width, height = _SHEET_SIZE
        crops = [
            sheet[y : y + height, x : x + width]
            for y in range(0, sheet.shape[0], height)
            for x in range(0, sheet.shape[1], width)
        ]
    else:
        paths = sorted(
            path
            for path in Path(folder).iterdir()
            if path.suffix.lower() in (".jpg", ".jpeg", ".png")
        )
        read = [cv2.imread(str(path)) for path in paths[:256]]
        crops = [crop for crop in read if crop is not None]
        if not crops:
            raise ValueError(f"{folder}: expected a folder of JPEG or PNG crops of people")
    return np.stack(
        [
            np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
            for crop in crops
        ]
    )


def _path_of_int8(model: bytes, batch: NDArray[np.float32]) -> Path:
    """Where a network in 8 bits is kept, or would be."""
    import onnxruntime

    digest = hashlib.blake2b(model, digest_size=16)
    digest.update(f"{_SCHEME} {onnxruntime.__version__} {batch.shape}".encode())
    digest.update(np.ascontiguousarray(batch).data)
    return cache_folder() / "int8" / f"{digest.hexdigest()}.onnx"


def quantise_once(
    model: bytes, batch: NDArray[np.float32], judge: Callable[[Path], None], title: str
) -> Path:
    """Quantise a network to 8 bits, or take the copy in the cache folder.

    Parameters
    ----------
    model, batch
        See `quantise`.
    judge
        Is given the new file, and raises where it is too far off: then it is not kept.
    title
        What to call the network in messages.

    Raises
    ------
    ModuleNotFoundError, ValueError
        If it cannot be quantised.
    """
    path = _path_of_int8(model, batch)
    if path.is_file():
        return path
    try:
        small = _make_and_judge(model, batch, judge, title, bits=8)
    except ValueError:
        # Processors without VNNI add pairs of products in 16 bits, which weights of 8 bits may
        # overflow; those of 7 do not.
        small = _make_and_judge(model, batch, judge, title, bits=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, small, durable=False)
    return path


def _make_and_judge(
    model: bytes, batch: NDArray[np.float32], judge: Callable[[Path], None], title: str, bits: int
) -> bytes:
    small = quantise(model, batch, title, weight_bits=bits)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder, "int8.onnx")
        fresh.write_bytes(small)
        judge(fresh)
    return small


def quantise(
    model: bytes,
    batch: NDArray[np.float32],
    title: str = "the network",
    *,
    weight_bits: int = 8,
) -> bytes:
    """An ONNX network with 8 bit weights and activations.

    The first and the last layers stay in float32: the last makes the heatmaps, whose peaks would
    otherwise be among 256 heights. Transposed convolutions stay, too; there is no fast 8 bit
    kernel for them.

    Parameters
    ----------
    model
        ONNX, in float32, with one input.
    batch
        (N, 3, height, width) float32, normalised crops such as the network will see; they decide
        the range of every layer. Some tens do.
    title
        What to call the network in messages.
    weight_bits
        8, or 7 for processors without VNNI.

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime or onnx is not installed.
    ValueError
        If there are no crops, or onnxruntime cannot quantise it.
    """
    with require_library("8 bit networks need onnxruntime and onnx", "posetrack[onnx]"):
        import onnx
        from onnx import version_converter
        from onnxruntime import quantization
    if not len(batch):
        raise ValueError("8 bits need crops to calibrate on, got none")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _silent():
        warnings.simplefilter("ignore")
        whole, small = Path(folder, "whole.onnx"), Path(folder, "small.onnx")
        try:
            graph = onnx.load_from_string(_fold(model))
            _name_inputs(graph)
            opset = max((one.version for one in graph.opset_import if not one.domain), default=17)
            if opset < 13:  # ranges by channel came with it
                graph = version_converter.convert_version(graph, 13)
            for number, node in enumerate(graph.graph.node):
                node.name = node.name or f"node_{number}"  # nodes are left out by name
            onnx.save(graph, str(whole))
            quantization.quantize_static(
                str(whole),
                str(small),
                _reader(quantization.CalibrationDataReader, batch, graph.graph.input[0]),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(_KINDS),
                nodes_to_exclude=_ends(graph.graph),
                per_channel=True,
                reduce_range=weight_bits == 7,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
            )
        except Exception as error:  # onnx's and onnxruntime's errors share no base class
            line = " ".join(str(error).split())[:300]
            raise ValueError(f"{title}: onnxruntime cannot make 8 bits of it: {line}") from error
        return small.read_bytes()


def _fold(model: bytes) -> bytes:
    """The same network with batch normalisation folded into convolutions, in ONNX's own words."""
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "folded.onnx")
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 3
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def _name_inputs(model: Any) -> None:
    """In the oldest files weights stand among the inputs, too; converters no longer know that."""
    weights = {weight.name for weight in model.graph.initializer}
    real = [given for given in model.graph.input if given.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(real)
    model.ir_version = max(model.ir_version, _IR_VERSION)


def _ends(graph: Any) -> list[str]:
    """Names of the first convolution, of the last, and of all that comes after it."""
    convolutions = [row for row, node in enumerate(graph.node) if node.op_type == "Conv"]
    if not convolutions:
        return []
    after = graph.node[convolutions[-1] :]
    return [graph.node[convolutions[0]].name, *(node.name for node in after)]


def _reader(kind: Any, batch: NDArray[np.float32], given: Any) -> Any:
    """One crop after the other, as onnxruntime asks for them, as often as the file's batch is."""
    sizes = given.type.tensor_type.shape.dim
    fixed = max(int(sizes[0].dim_value), 1) if len(sizes) else 1

    class Crops(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest: Iterator[NDArray[np.float32]] = iter(batch)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            crop = next(self._rest, None)
            return None if crop is None else {given.name: np.repeat(crop[None], fixed, axis=0)}

    return Crops()


class _silent:  # noqa: N801
    """Quiet the advice that the quantiser logs to the root logger."""

    def __enter__(self) -> None:
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
