"""Images on a device: sent once for all networks of a tracker, through two pinned buffers.

Also what else goes between the two: small arrays there, answers back, and work beside other work.

torch is imported where a device is used, not before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.images import as_bgr
from posetrack.interfaces import Image

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Uploaded:
    """An image, and the same pixels on a device.

    Parameters
    ----------
    host
        (H, W, 3) uint8 BGR.
    pixels
        (H, W, 3) uint8 BGR on the device.
    ready
        Recorded behind the copy on the stream that makes it; None where nothing is under way.
    """

    host: Image
    pixels: Tensor
    ready: Any = None

    @property
    def device(self) -> torch.device:
        """Where the pixels are."""
        return self.pixels.device

    def bgr(self) -> Tensor:
        """The pixels; the current stream waits for the copy, the host does not."""
        if self.ready is not None:
            import torch

            stream: Any = torch.cuda.current_stream(self.device)
            stream.wait_event(self.ready)
            self.pixels.record_stream(stream)
        return self.pixels


def host_of(image: Image | Uploaded) -> Image:
    """The image in this program's memory.

    Examples
    --------
    >>> host_of(np.zeros((2, 3, 3), np.uint8)).shape
    (2, 3, 3)
    """
    return image.host if isinstance(image, Uploaded) else image


class Lane(Protocol):
    """Copies bytes to a device."""

    def allocate(self, size: int) -> Tensor:
        """(size,) uint8 in this program's memory, from which copies need no wait."""
        ...

    def send(self, buffer: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Any]:
        """Begin a copy; the pixels, and an event that ``synchronize`` waits for."""
        ...


class _CudaLane:
    """Pinned memory, and a stream for copies alone."""

    def __init__(self, device: torch.device) -> None:
        import torch

        self._device = device
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def allocate(self, size: int) -> Tensor:
        """Pinned memory."""
        import torch

        return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def send(self, buffer: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Any]:
        """Begin a copy on the stream for copies."""
        import torch

        done: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            pixels = torch.empty(shape, dtype=torch.uint8, device=self._device)
            pixels.copy_(buffer.view(shape), non_blocking=True)
            done.record(self._stream)
        return pixels, done


@dataclass
class _Slot:
    """One of two buffers, and the copy that last read from it."""

    buffer: Any = None
    done: Any = None


@dataclass
class Uploader:
    """Send images to a device.

    An image is put into one of two pinned buffers while the copy from the other is under way; a
    buffer is filled again only when its copy is done. The caller's image may be reused at once,
    except on the CPU, where it is not copied.

    Parameters
    ----------
    device
        Where to.
    open_lane
        How bytes come there; `_CudaLane` on CUDA when None.

    Examples
    --------
    >>> import torch
    >>> Uploader(torch.device("cpu"))(np.zeros((4, 6, 3), np.uint8)).pixels.shape
    torch.Size([4, 6, 3])
    """

    device: torch.device
    open_lane: Callable[[torch.device], Lane] | None = None
    _lane: Lane | None = field(default=None, init=False, repr=False)
    _slots: list[_Slot] = field(default_factory=lambda: [_Slot(), _Slot()], init=False, repr=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False)

    def __call__(self, image: Image | Uploaded) -> Uploaded:
        """The image on the device; one that is there already is not sent again.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR.
        """
        if isinstance(image, Uploaded):
            if image.device == self._full_device():
                return image
            image = image.host
        image = as_bgr(image)
        if self.open_lane is None and self.device.type != "cuda":
            return Uploaded(image, _tensor_of(image).to(self.device))
        with self._lock:
            return self._send(image)

    def _full_device(self) -> torch.device:
        """The device with its number."""
        if self.device.type != "cuda" or self.device.index is not None:
            return self.device
        import torch

        return torch.device("cuda", torch.cuda.current_device())

    def _send(self, image: Image) -> Uploaded:
        if self._lane is None:
            self._lane = (self.open_lane or _CudaLane)(self._full_device())
        slot = self._slots.pop(0)
        self._slots.append(slot)
        if slot.done is not None:
            slot.done.synchronize()
        if slot.buffer is None or len(slot.buffer) < image.size:
            slot.buffer = self._lane.allocate(image.size)
        buffer = slot.buffer[: image.size]
        buffer.numpy()[...] = image.reshape(-1)
        pixels, slot.done = self._lane.send(buffer, image.shape)
        return Uploaded(image, pixels, slot.done if pixels.is_cuda else None)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles begin anew: buffers and streams belong to one process."""
        return {"device": self.device, "open_lane": self.open_lane}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _tensor_of(image: NDArray[np.uint8]) -> Tensor:
    import torch

    # torch would warn of a read-only array; nothing here writes to it.
    return torch.from_numpy(image if image.flags.writeable else image.copy())


def send_array(array: NDArray[Any], device: torch.device) -> Tensor:
    """A small array on a device, without a wait for what the device is doing.

    Examples
    --------
    >>> import torch
    >>> send_array(np.zeros(3, np.float32), torch.device("cpu"))
    tensor([0., 0., 0.])
    """
    import torch

    values = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def fetch(values: Tensor, what: str) -> NDArray[Any]:
    """What a device has computed, as an array of this program; here the host waits for it.

    Parameters
    ----------
    values
        Any tensor without gradients.
    what
        What the wait is for: a profiler's time line has it as ``wait: keypoints``.

    Examples
    --------
    >>> import torch
    >>> fetch(torch.ones(2), "ones").tolist()
    [1.0, 1.0]
    """
    import torch

    with torch.profiler.record_function(f"wait: {what}"):
        return np.asarray(values.cpu().numpy())


@dataclass
class SideStream:
    """On CUDA a stream beside that of the other networks, so that a thread may run one ahead.

    Copies and pickles open one of their own.

    Parameters
    ----------
    device
        Where; on others than CUDA there is one order of work, and nothing to open.

    Examples
    --------
    >>> import torch
    >>> with SideStream(torch.device("cpu")).use():
    ...     pass
    """

    device: torch.device
    _stream: Any = field(default=None, init=False, repr=False)

    def use(self) -> AbstractContextManager[Any]:
        """Work within it goes to the stream."""
        if self.device.type != "cuda":
            return nullcontext()
        import torch

        if self._stream is None:
            torch.cuda.synchronize(self.device)  # the networks' weights are there
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream: AbstractContextManager[Any] = torch.cuda.stream(self._stream)
        return stream

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}
