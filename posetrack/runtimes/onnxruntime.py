"""ONNX files as networks that take a batch of images; clear errors for files that do not open.

A file of someone else's is data: onnxruntime runs the operators it knows and no code from the
file, and reads weights kept beside the file only from the file's own folder.

Threads sleep between runs instead of waiting busily, onnxruntime's default. With a detector beside
the pose network of the frame before, on two cores that had other work too, that took 25 ms a frame
against 34 (``benchmarks/onnx_threads.py``), in an earlier run 20 against 46. A network that runs
alone on an idle machine is up to a quarter slower for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from posetrack.checkpoints.card import ModelCard
from posetrack.checks import no_such_file, require_library
from posetrack.devices import Reopening, onnx_providers, usable_cores
from posetrack.ops.crops import RGB_255
from posetrack.runtimes.onnx_archive import read_archived_card, read_archived_model
from posetrack.runtimes.onnx_check import require_alone, require_own_data
from posetrack.runtimes.session import Batch, Run, Session, read_card_of

if TYPE_CHECKING:
    from torch import nn

_LONGEST_NOTE = 10_000
"""Characters of a text beside the graph that are kept."""

_NUMPY_TYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
}


def open_session(
    path: str | Path, *, threads: int | None = None, providers: Sequence[Any] | None = None
) -> Any:
    """Open an ONNX file with onnxruntime.

    Parameters
    ----------
    path
        An ``.onnx`` (or ``.ort``) file; weights it keeps in further files must lie beside it. Or
        a ``.zip`` with such a file in it, see `posetrack.runtimes.onnx_archive`.
    threads
        Threads for one run; None: as many as there are cores, at most 8.
    providers
        onnxruntime's execution providers, first choice first. None: CUDA where the installed
        onnxruntime has it, else the CPU.

    Returns
    -------
    session
        An ``onnxruntime.InferenceSession``. Running it releases the GIL, and several threads may
        run it at once.

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime is not installed.
    FileNotFoundError, IsADirectoryError
        If the file does not exist.
    ValueError
        If the file is empty, cut short, not ONNX, or needs something this onnxruntime lacks; if
        a provider is not there or ``threads`` is below 1.

    Examples
    --------
    >>> open_session("nowhere.onnx")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.onnx: no such file or folder
    """
    path = Path(path)
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    _refuse_other_files(path)
    model: str | bytes = str(path)
    if path.suffix == ".zip":
        model = read_archived_model(path)
        require_alone(model, path)
    elif path.suffix != ".ort":
        require_own_data(path)
    ort = _onnxruntime(path)
    options = _options(ort, threads or min(usable_cores(), 8))
    chosen = _providers(ort, providers)
    try:
        session = ort.InferenceSession(model, options, providers=chosen)
    except Exception as error:  # onnxruntime's errors share no base class
        raise ValueError(_explain_refusal(path, str(error), ort.__version__)) from error
    if providers is not None:
        _require_first(path, session.get_providers(), chosen)
    return session


def describe(session: Any) -> str:
    """Inputs and outputs of a session in one line, for messages.

    Examples
    --------
    >>> from types import SimpleNamespace as Fake
    >>> value = Fake(name="x", type="tensor(float)", shape=[1, "n"])
    >>> describe(Fake(get_inputs=lambda: [value], get_outputs=lambda: [value]))
    'inputs x float [1, n]; outputs x float [1, n]'
    """
    return (
        f"inputs {', '.join(_one(value) for value in session.get_inputs())}; "
        f"outputs {', '.join(_one(value) for value in session.get_outputs())}"
    )


def open_network(
    path: str | Path,
    *,
    threads: int | None = None,
    providers: Sequence[Any] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Session:
    """Open an ONNX file that takes images.

    Parameters
    ----------
    path, threads, providers
        As for `open_session`.
    constants
        Values of further inputs by name, where the file has any, as detection transformers'
        ``orig_target_sizes``.

    Raises
    ------
    ModuleNotFoundError, FileNotFoundError, IsADirectoryError, ValueError
        As for `open_session`; also ValueError if the file's inputs are not one batch of
        three-channel images and the ``constants``.

    Notes
    -----
    The session takes batches (N, 3, H, W) float32 of every file: where channels come last in it
    (as in what is converted from TensorFlow), or it takes other numbers, batches are changed to
    that. A file that takes whole numbers gets RGB in [0, 255] unless it says otherwise.

    Examples
    --------
    >>> open_network("nowhere.onnx")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.onnx: no such file or folder
    """
    session = Reopening(open_session, path, threads=threads, providers=providers)
    fixed = {name: np.asarray(value) for name, value in (constants or {}).items()}
    inputs = {value.name: value for value in session.get_inputs()}
    unknown = sorted(set(fixed) - set(inputs))
    if unknown:
        raise ValueError(f"{path}: constants for {unknown}, but it has {describe(session)}")
    images = [value for name, value in inputs.items() if name not in fixed]
    if len(images) != 1:
        raise ValueError(
            f"{path}: expected one input for images; it has {describe(session)}. "
            "Give the others' values as constants={name: array}"
        )
    image = images[0]
    shape = [size if isinstance(size, int) else None for size in image.shape]
    channels_last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
    if channels_last:
        shape = [shape[0], 3, *shape[1:3]]
    if len(shape) != 4 or shape[1] not in (3, None) or image.type not in _NUMPY_TYPES:
        raise ValueError(
            f"{path}: expected images as (N, 3, height, width) or (N, height, width, 3) of "
            f"numbers; it has {describe(session)}"
        )
    dtype = _NUMPY_TYPES[image.type]
    run = partial(_run, session, image.name, dtype, channels_last, fixed)
    batch, _, height, width = shape
    kept = session.get_modelmeta().custom_metadata_map or {}
    card = read_card_of(kept.get("posetrack"), Path(path))
    if Path(path).suffix == ".zip" and card == ModelCard():
        card = read_archived_card(path)
    if np.issubdtype(dtype, np.integer) and card.normalisation is None:
        card = replace(card, normalisation=RGB_255)  # it takes pixels as they are
    outputs = session.get_outputs()
    return Session(
        Path(path),
        run,
        "onnxruntime",
        card,
        batch,
        (width, height) if width and height else None,
        describe(session),
        tuple(value.name for value in outputs),
        tuple(
            tuple(size if isinstance(size, int) else None for size in value.shape)
            for value in outputs
        ),
        {name: text for name, text in kept.items() if len(text) <= _LONGEST_NOTE},
    )


def _run(
    session: Reopening,
    name: str,
    dtype: Any,
    channels_last: bool,
    fixed: Mapping[str, Any],
    batch: Batch,
) -> list[NDArray[Any]]:
    images: NDArray[Any] = batch.transpose(0, 2, 3, 1) if channels_last else batch
    if np.issubdtype(dtype, np.integer):
        images = np.rint(images)
    feed = {name: np.ascontiguousarray(images.astype(dtype, copy=False)), **fixed}
    return [np.asarray(output) for output in session.run(None, feed)]


def open_file(path: Path, *, device: object = "auto", threads: int | None = None) -> Session:
    """Open an ONNX file on a device; see `posetrack.runtimes.session.open_exported`."""
    return open_network(path, threads=threads, providers=onnx_providers(device))


def run_with_onnxruntime(
    network: nn.Module, input_size: tuple[int, int], keypoints: int, *, threads: int | None = None
) -> Run:
    """Run with onnxruntime, from a file exported once.

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

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime is not installed.
    RuntimeError
        If its heatmaps differ from torch's by more than `MAX_DIFFERENCE`.
    """
    if find_spec("onnxruntime") is None:
        raise ModuleNotFoundError('onnxruntime is not installed: pip install "posetrack[onnx]"')
    from torch import get_num_threads

    from posetrack.runtimes.onnx_cache import MAX_DIFFERENCE, run_checked

    count = threads or get_num_threads()

    def start(model: bytes) -> Run:
        return partial(_run_heatmaps, Reopening(_open_bytes, model, count))

    return run_checked(start, network, input_size, keypoints, MAX_DIFFERENCE)


def _open_bytes(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = _options(onnxruntime, threads)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run_heatmaps(session: Reopening, batch: Batch) -> Batch:
    return cast(Batch, session.run(["heatmaps"], {"images": batch})[0])


def _options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters comes as an exception
    # Threads that wait busily make this alone a fifth faster, and all that runs beside it slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _onnxruntime(path: Path) -> Any:
    with require_library(f"running {path} needs onnxruntime", "posetrack[onnx]"):
        import onnxruntime
    return onnxruntime


def _refuse_other_files(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected an ONNX file, this is a folder")
    if not path.exists():
        raise no_such_file(Path(path))
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if not start:
        raise ValueError(f"{path}: the file is empty; was a download broken off? Fetch it again")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise ValueError(
            f"{path}: this is a web page, not ONNX: the host answered with a page. "
            "Open the link in a browser and save the file itself"
        )
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path}: this is a Git LFS pointer; fetch the file with 'git lfs pull'")


def _providers(ort: Any, wanted: Sequence[Any] | None) -> list[Any]:
    there = ort.get_available_providers()
    if wanted is None:
        usual = ("CUDAExecutionProvider", "CPUExecutionProvider")
        return [provider for provider in usual if provider in there]
    names = [_name_of(item) for item in wanted]
    missing = [name for name in names if name not in there]
    if missing or not names:
        needed = ", ".join(
            f"{name.removesuffix('ExecutionProvider')} needs the package {_PACKAGES[name]}"
            for name in missing
            if name in _PACKAGES
        )
        raise ValueError(
            f"this onnxruntime has the providers {there}, not {missing or 'an empty list'}"
            + (f"; {needed}" if needed else "")
        )
    return list(wanted)


_PACKAGES: Mapping[str, str] = {
    "CUDAExecutionProvider": "onnxruntime-gpu",
    "CoreMLExecutionProvider": "onnxruntime on macOS",
    "DmlExecutionProvider": "onnxruntime-directml",
    "OpenVINOExecutionProvider": "onnxruntime-openvino",
}
"""Where providers come from."""


def _name_of(provider: Any) -> str:
    return str(provider[0] if isinstance(provider, tuple) else provider)


def _require_first(path: Path, running: Sequence[str], wanted: Sequence[Any]) -> None:
    """Refuse to run elsewhere than asked: onnxruntime falls back to the CPU without a word."""
    first = _name_of(wanted[0])
    if first not in running:
        raise ValueError(
            f"{path}: onnxruntime has {first}, but could not start it (a missing driver or "
            f"library), and would run on {', '.join(running)}; mend that, or take --device cpu"
        )


def _explain_refusal(path: Path, message: str, version: str) -> str:
    """Onnxruntime's refusal, led by what it means for the user."""
    short = " ".join(message.split())[:400]
    low = message.lower()
    if "external data" in low:
        return (
            f"{path}: its weights are in a further file, which is missing, cut short or outside "
            f"the model's folder. Keep both files together as exported ({short})"
        )
    if "protobuf" in low or "no graph was found" in low:
        return (
            f"{path} ({path.stat().st_size:,} bytes) is not an ONNX file, or is cut short. "
            f"Compare its size with the publisher's and fetch it again ({short})"
        )
    if "opset" in low or "ir_version" in low or "ir version" in low:
        return (
            f"{path} was made for a newer ONNX than onnxruntime {version} knows. "
            f"Update onnxruntime, or export with a lower opset ({short})"
        )
    if "not a registered function" in low or "no op registered" in low:
        return (
            f"{path} uses an operator that onnxruntime {version} does not have. Export with "
            f"standard operators only, without plugins for other runtimes ({short})"
        )
    return f"{path}: onnxruntime {version} cannot open it: {short}"


def _one(value: Any) -> str:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    return f"{value.name} {kind} [{', '.join(str(size) for size in value.shape)}]"
