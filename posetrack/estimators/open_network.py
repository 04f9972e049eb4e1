"""An exported network that is open: what it says of itself, and a function that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.networks.about import About, parse_about, read_about
from posetrack.onnx_session import OnnxNetwork

_LARGEST_ABOUT = 2**20

Batch: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class OpenNetwork:
    """An exported network; call it with a batch (N, 3, H, W) float32.

    Parameters
    ----------
    path
        Where it came from.
    about
        What the file says of itself; empty if nothing.
    run
        Gives the outputs in order.
    batch
        The batch size it is fixed to; None for any.
    input_size
        (width, height) it is fixed to; None for any.
    """

    path: Path
    about: About
    run: Callable[[Batch], list[NDArray[Any]]]
    batch: int | None = None
    input_size: tuple[int, int] | None = None

    def size_for(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """The (width, height) to feed: the wanted one, else the file's.

        Raises
        ------
        ValueError
            If the file was made for another size, or neither is known.
        """
        fixed = self.input_size or self.about.input_size
        if fixed is None and wanted is None:
            raise ValueError(f"{self}: it does not say its input size: input_size=(width, height)")
        if fixed is not None and wanted not in (None, fixed):
            raise ValueError(
                f"{self}: it was exported for {fixed} (width, height), input_size={wanted} "
                "cannot be had; export it anew"
            )
        size = wanted or fixed
        assert size is not None  # refused above
        return size

    def __call__(self, images: Batch) -> list[NDArray[Any]]:
        """Outputs, in order, for a batch (N, 3, H, W).

        Raises
        ------
        RuntimeError
            If its library fails; the message names the file.
        """
        try:
            return self.run(images)
        except Exception as error:  # each library has errors of its own
            raise RuntimeError(f"{self}: failed on images {images.shape}: {error}") from error

    def __str__(self) -> str:
        return str(self.path)


def of_onnx(network: OnnxNetwork) -> OpenNetwork:
    """An open ONNX file with what it says of itself."""
    kept = network.session.get_modelmeta().custom_metadata_map or {}
    about = about_kept(kept.get("posetrack"), network.path)
    return OpenNetwork(network.path, about, network, network.batch, network.input_size)


def onnx_providers(device: object) -> list[Any] | None:
    """What ONNX Runtime runs on; None lets it take CUDA where there is one.

    Examples
    --------
    >>> onnx_providers("cpu")
    ['CPUExecutionProvider']
    """
    name = str(device)
    if name == "auto":
        return None
    number = {"device_id": int(name.partition(":")[2] or 0)}
    on_gpu = [("CUDAExecutionProvider", number)] if name.startswith("cuda") else []
    return [*on_gpu, "CPUExecutionProvider"]


def about_kept(text: str | None, path: Path) -> About:
    """What a file says of itself, else what is said beside it.

    Parameters
    ----------
    text
        The JSON found in the file; None where there is none.
    path
        The file.

    Raises
    ------
    ValueError
        If it makes no sense.
    """
    if text is None:
        return read_about(path) or About()
    if len(text) > _LARGEST_ABOUT:
        raise ValueError(f"{path}: what it says of itself has {len(text):,} characters")
    return parse_about(text, str(path))
