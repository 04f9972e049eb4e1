"""OpenVINO: its files, and torch networks through an ONNX model in the cache folder.

A file is looked at before OpenVINO reads it: what is not OpenVINO's own XML would be tried by its
readers of other libraries' files, and not every version asks whether the numbers that the XML
points to are in the ``.bin`` beside it.
"""

from __future__ import annotations

import io
import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import require_library
from posetrack.devices import Reopening, usable_cores
from posetrack.runtimes.session import Batch, Run, Session, in_short, read_card_of

if TYPE_CHECKING:
    from torch import nn


_LARGEST_XML = 256 * 2**20
_DATA = re.compile(rb"<data\b([^>]*)>")
_SPAN = re.compile(rb'\b(offset|size)="(\d{1,20})"')


def require_plain_xml(path: Path) -> None:
    """Refuse an ``.xml`` file that is not OpenVINO's, or whose ``.bin`` is not as large as it says.

    Raises
    ------
    ValueError
        With what is wrong; nothing of it was read by OpenVINO.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "net.xml")
    ...     _ = path.write_text("node { }")
    ...     require_plain_xml(path)
    Traceback (most recent call last):
    ...
    ValueError: ...net.xml: not an OpenVINO network: it does not begin as XML with <net
    """
    if path.stat().st_size > _LARGEST_XML:
        raise ValueError(f"{path}: not an OpenVINO network: {path.stat().st_size:,} bytes of XML")
    content = path.read_bytes()
    start = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", content.removeprefix(b"\xef\xbb\xbf"))
    if not start.lstrip().startswith(b"<net"):
        raise ValueError(f"{path}: not an OpenVINO network: it does not begin as XML with <net")
    if b"<!" in re.sub(rb"<!--.*?-->", b"", content, flags=re.DOTALL):
        raise ValueError(f"{path}: not an OpenVINO network: it defines words of its own (<!...)")
    weights = path.with_suffix(".bin")
    size = weights.stat().st_size if weights.is_file() else 0
    for data in _DATA.finditer(content):
        span = {name: int(text) for name, text in _SPAN.findall(data[1])}
        end = span.get(b"offset", 0) + span.get(b"size", 0)
        if len(span) == 2 and end > size:
            raise ValueError(
                f"{path}: it wants bytes up to {end:,} of {weights.name}, which has {size:,}; keep "
                "both files together, or fetch them again"
            )


def open_file(path: Path, *, device: object = "auto", threads: int | None = None) -> Session:
    """Open an ``.xml`` file with its ``.bin``, on the CPU.

    Parameters
    ----------
    path, threads
        See `posetrack.runtimes.session.open_exported`.
    device
        Not needed here.
    """
    del device
    with require_library(f"running {path} needs OpenVINO", "posetrack[openvino]"):
        import openvino
    require_plain_xml(path)
    core = openvino.Core()
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: OpenVINO cannot read it: {in_short(error)}") from error
    key = ["posetrack"]
    text = model.get_rt_info(key).astype(str) if model.has_rt_info(key) else None
    card = read_card_of(text, path)
    settings = _openvino_settings(threads or usable_cores())
    run = partial(_run, Reopening(_open, str(path), settings))
    return Session(path, run, "OpenVINO", card)


def _open(model: bytes | str, settings: dict[str, Any]) -> Any:
    """A request of OpenVINO's for a model, in bytes or at a path."""
    import openvino

    core = openvino.Core()
    read = core.read_model(io.BytesIO(model) if isinstance(model, bytes) else model)
    return core.compile_model(read, "CPU", settings).create_infer_request()


def _run(request: Reopening, images: Batch) -> list[NDArray[Any]]:
    answer = request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
    return [np.array(answer[row]) for row in range(len(answer))]


def _run_heatmaps(request: Reopening, batch: Batch) -> Batch:
    return cast(Batch, request.infer({0: batch}, share_inputs=True)[0])


def run_with_openvino(
    network: nn.Module,
    input_size: tuple[int, int],
    keypoints: int,
    *,
    threads: int | None = None,
    bfloat16: bool = False,
) -> Run:
    """Run with OpenVINO, from a file exported once.

    What it returns must not be called from two threads at a time.

    Parameters
    ----------
    network
        Left as it is.
    input_size
        Width and height of its input.
    keypoints
        How many heatmaps it gives.
    threads
        As many as torch uses when None.
    bfloat16
        Compute in 16 bits where the processor can: about half the time, heatmaps that differ by
        a hundredth of the highest peak. Left to itself OpenVINO does so; here it is asked for.

    Raises
    ------
    ModuleNotFoundError
        If OpenVINO is not installed.
    RuntimeError
        If its heatmaps differ from torch's by more than `MAX_DIFFERENCE`, 50 times that with
        ``bfloat16``.
    """
    if find_spec("openvino") is None:
        raise ModuleNotFoundError('OpenVINO is not installed: pip install "posetrack[openvino]"')
    from torch import get_num_threads

    from posetrack.runtimes.onnx_cache import MAX_DIFFERENCE, run_checked

    settings = _openvino_settings(threads or get_num_threads(), bfloat16=bfloat16)

    def start(model: bytes) -> Run:
        return partial(_run_heatmaps, Reopening(_open, model, settings))

    limit = MAX_DIFFERENCE * (50 if bfloat16 else 1)
    return run_checked(start, network, input_size, keypoints, limit)


def _openvino_settings(threads: int, *, bfloat16: bool = False) -> dict[str, Any]:
    """OpenVINO's settings for one image after the other on the CPU; see `run_with_openvino`.

    Examples
    --------
    >>> _openvino_settings(2)["INFERENCE_NUM_THREADS"]
    2
    """
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Threads bound to cores hinder the video decoder's; binding gains nothing here.
        "ENABLE_CPU_PINNING": False,
    }
