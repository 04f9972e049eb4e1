"""A network ready to run: a batch of images in, arrays out, whichever library runs it.

Files are opened by the library that their ending names. An ONNX or OpenVINO file is data: their
libraries run the operators they know and no code from the file. A torch.export file is checked
before PyTorch reads it (`posetrack.runtimes.torch_export`). A TensorRT engine is machine code for
a GPU: open only what you made. TorchScript is not opened at all: its operators read and write
files, while such a program is still being loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.checkpoints.card import ModelCard, parse_card, read_card
from posetrack.checks import no_such_file
from posetrack.devices import require_torch
from posetrack.skeletons import Skeleton

if TYPE_CHECKING:
    import torch

_LARGEST_CARD = 2**20
_MOST_PIXELS = 2**26

Batch: TypeAlias = NDArray[np.float32]
Run: TypeAlias = Callable[[Batch], Batch]

LIBRARIES: Mapping[str, str] = {
    ".onnx": "onnxruntime",
    ".zip": "onnxruntime",
    ".xml": "openvino",
    ".pt2": "torch_export",
    ".engine": "tensorrt",
}
"""Endings, and the module of this package whose ``open_file`` opens such a file."""


@dataclass(frozen=True)
class Session:
    """An open network; call it with a batch (N, 3, H, W) float32.

    Parameters
    ----------
    path
        Where it came from.
    run
        Gives the outputs in order.
    library
        What runs it, for messages.
    card
        What the file says of itself; empty if nothing.
    batch
        The batch size it is fixed to; None for any.
    input_size
        (width, height) it is fixed to; None for any.
    description
        Of its inputs and outputs, for messages.
    output_names
        Of the outputs in order; empty where the file has none.
    output_shapes
        As the file declares them, None where a size is open; empty where it does not.
    metadata
        Texts that the file keeps beside its graph, by name, such as Ultralytics' ``kpt_shape``.

    Examples
    --------
    >>> double = Session(Path("net"), lambda images: [2 * images], "numpy")
    >>> double(np.ones((1, 3, 2, 2), np.float32))[0].max()
    np.float32(2.0)
    """

    path: Path
    run: Callable[[Batch], list[NDArray[Any]]]
    library: str
    card: ModelCard = field(default_factory=ModelCard)
    batch: int | None = None
    input_size: tuple[int, int] | None = None
    description: str = ""
    output_names: tuple[str, ...] = ()
    output_shapes: tuple[tuple[int | None, ...], ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def size_for(
        self, wanted: tuple[int, int] | None, usual: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """The (width, height) to feed: the wanted one if the file takes it, else the file's.

        Parameters
        ----------
        wanted
            What the user asks for.
        usual
            What networks of this kind are usually fed, where the file leaves it open.

        Raises
        ------
        ValueError
            If the file was made for another size, neither is known, or no run of it would fit
            into usual memory.
        """
        if wanted is not None and min(wanted) < 1:
            raise ValueError(f"input_size must be a positive (width, height), got {wanted}")
        fixed = self.input_size or self.card.input_size
        if fixed is None and wanted is None and usual is None:
            raise ValueError(
                f"{self}: it takes images of any size; say which with input_size=(width, height)"
            )
        if fixed is not None and wanted not in (None, fixed):
            raise ValueError(
                f"{self}: its input is fixed to {fixed} (width, height), input_size={wanted} "
                "cannot be loaded; export it again"
            )
        size = wanted or fixed or usual
        assert size is not None  # refused above
        batch = self.batch or 1
        if batch * size[0] * size[1] > _MOST_PIXELS:
            raise ValueError(
                f"{self}: a run takes {batch} x {size[0]} x {size[1]} pixels, more than the "
                f"{_MOST_PIXELS:,} that are allowed; export it for smaller images or batches"
            )
        return size

    def __call__(self, images: Batch) -> list[NDArray[Any]]:
        """Outputs, in order, for a batch (N, 3, H, W).

        Raises
        ------
        RuntimeError
            If its library fails; the message names the file.
        """
        try:
            outputs = self.run(images)
        except Exception as error:  # each library has errors of its own
            raise RuntimeError(
                f"{self}: {self.library} failed on images {images.shape}: {in_short(error)}"
            ) from error
        # What follows computes with pixels, for which 16 bits are too few.
        half = np.dtype(np.float16)
        return [out.astype(np.float32) if out.dtype == half else out for out in outputs]

    def for_one_image(self) -> Session:
        """The same network, given one image at a time whatever the batch it is fixed to.

        The rest of the batch is left empty, so that it takes as long as a whole one.
        """
        if self.batch in (None, 1):
            return self
        return replace(self, run=partial(_run_one, self, self.batch), batch=1)

    def __str__(self) -> str:
        return f"{self.path} ({self.description})" if self.description else str(self.path)


def _run_one(network: Session, batch: int, images: Batch) -> list[NDArray[Any]]:
    whole = np.zeros((batch, *images.shape[1:]), np.float32)
    whole[: len(images)] = images
    outputs = network.run(whole)
    if any(not output.ndim or len(output) != batch for output in outputs):
        shapes = ", ".join(str(output.shape) for output in outputs)
        raise ValueError(
            f"its answer {shapes} does not say what is of which of {batch} images; export it again "
            "for one image"
        )
    return [output[: len(images)] for output in outputs]


def is_exported(path: str | Path) -> bool:
    """Whether a file is an exported network, by its name.

    Examples
    --------
    >>> is_exported("net.onnx"), is_exported("net.safetensors")
    (True, False)
    """
    return Path(path).suffix in LIBRARIES


def open_exported(
    path: str | Path, *, device: str | torch.device = "auto", threads: int | None = None
) -> Session:
    """Open an exported network.

    Parameters
    ----------
    path
        ``.onnx``, ``.zip`` (MMDeploy's ``onnx_sdk`` archive, see
        `posetrack.runtimes.onnx_archive`), ``.xml`` (OpenVINO, its ``.bin`` beside it), ``.pt2``
        (torch.export) or ``.engine`` (TensorRT).
    device
        "auto" (CUDA where there is one and the file's library has it), "cpu", "cuda", "cuda:1".
    threads
        For one run on the CPU, with ONNX and OpenVINO; as many as there are cores when None.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is damaged, not what its name says, or what it says of itself makes no sense.
    ModuleNotFoundError
        If the library that runs such files is not installed.

    Examples
    --------
    >>> open_exported("nowhere.pt2")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.pt2: no such file or folder
    """
    path = Path(path)
    if path.suffix not in LIBRARIES:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(LIBRARIES)}")
    if path.suffix not in (".onnx", ".zip") and not path.is_file():
        raise no_such_file(path)
    if path.suffix in (".pt2", ".engine"):
        require_torch(path)
    library = importlib.import_module(f"posetrack.runtimes.{LIBRARIES[path.suffix]}")
    session: Session = library.open_file(path, device=device, threads=threads)
    return session


def read_card_of(text: str | None, path: Path) -> ModelCard:
    """The card inside a file, else the one beside it.

    Parameters
    ----------
    text
        The JSON found in the file; None without any.
    path
        The file.

    Raises
    ------
    ValueError
        If it makes no sense.
    """
    if text is None:
        return read_card(path) or ModelCard()
    if len(text) > _LARGEST_CARD:
        raise ValueError(f"{path}: what it says of itself has {len(text):,} characters")
    return parse_card(text, str(path))


def in_short(error: Exception) -> str:
    """The first 300 characters of a library's error, on one line.

    Examples
    --------
    >>> in_short(ValueError("one   two"))
    'one two'
    """
    return " ".join(str(error).split())[:300]


def require_heatmaps(shape: tuple[int, ...], skeleton: Skeleton) -> None:
    """Refuse a network whose answer is not one heatmap for each keypoint.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> require_heatmaps((1, 17, 64, 48), COCO_17)
    """
    if len(shape) != 4 or shape[1] != len(skeleton):
        raise ValueError(
            f"the network gives {shape}, expected (N, {len(skeleton)}, h, w): one "
            f"heatmap for each keypoint of {skeleton.name}. Is it another skeleton?"
        )
